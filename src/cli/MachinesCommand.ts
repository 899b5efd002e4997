/** `holdfast machines`: the statecharts, as a list, as pictures and as text. */
import { Effect, FileSystem, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { catalogue } from "../../machines/index.ts"
import {
  explained,
  htmlOf,
  layoutOf,
  outlineOf,
  statelyOf,
  statesOf,
  svgOf,
  transitionsOf
} from "../statechart/index.ts"
import { Refused, UsageError } from "./Failures.ts"
import { print, printJson, reasonOf, table } from "./Output.ts"

type Machine = (typeof catalogue)[number]
const FORMATS = ["svg", "html", "json"] as const
type Format = (typeof FORMATS)[number]

const names = catalogue.map(({ id }) => id).join(", ")

/** The machine of a name, as `configApply`, `config-apply` or `ConfigApply`. */
const named = Effect.fnUntraced(function* (name: string) {
  const simple = (text: string): string => text.replaceAll(/[-_ ]/g, "").toLowerCase()
  const found = catalogue.find(({ id }) => simple(id) === simple(name))
  return found ?? (yield* new UsageError({ message: `There is no machine "${name}". There are: ${names}.` }))
})

const listCommand = Command.make(
  "list",
  { json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false)) },
  ({ json }) => listMachines(json)
).pipe(
  Command.withDescription("List the machines, with how many states and transitions each has."),
  Command.withExamples([{ command: "holdfast machines list --json" }])
)

const listMachines = (json: boolean) => {
  const rows = catalogue.map(({ document, id, machine, title }) => {
    const outline = outlineOf(machine)
    return {
      id,
      title,
      states: statesOf(outline).length - 1,
      transitions: transitionsOf(outline).length,
      description: outline.description ?? "",
      document
    }
  })
  if (json) return printJson(rows)
  const cells = rows.map((row) => [row.id, String(row.states), String(row.transitions), row.description])
  return print(table([["machine", "states", "transitions", "decides"], ...cells]))
}

const renderCommand = Command.make(
  "render",
  {
    machine: Argument.String("machine").pipe(
      Argument.withDescription(`One of ${names}; all without it`),
      Argument.atLeast(0)
    ),
    out: Flag.String("out").pipe(
      Flag.withDescription("The directory to write to; made if it is not there"),
      Flag.withDefault(".")
    ),
    format: Flag.Literals("format", FORMATS).pipe(
      Flag.withDescription("A picture, a page with the picture, or the JSON that Stately's tools open"),
      Flag.withDefault("svg" as const)
    )
  },
  Effect.fnUntraced(function* ({ format, machine, out }) {
    const machines = machine.length === 0 ? catalogue : yield* Effect.forEach(machine, named)
    for (const each of machines) yield* print(yield* write(out, `${each.id}.${format}`, yield* rendered(each, format)))
  })
).pipe(
  Command.withDescription("Write each machine's statechart to a file that needs nothing else, and print its path."),
  Command.withExamples([
    { command: "holdfast machines render --out pictures" },
    { command: "holdfast machines render config-apply --format html" }
  ])
)

const rendered = Effect.fnUntraced(function* ({ machine, title }: Machine, format: Format) {
  if (format === "json") return `${JSON.stringify(statelyOf(machine), null, 2)}\n`
  const layout = yield* layoutOf(outlineOf(machine))
  return format === "svg" ? svgOf(layout) : htmlOf(layout, title)
})

const write = Effect.fnUntraced(
  function* (directory: string, name: string, text: string) {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const file = path.join(directory, name)
    yield* fs.makeDirectory(directory, { recursive: true })
    yield* fs.writeFileString(file, text)
    return file
  },
  (effect, directory, name) =>
    Effect.mapError(
      effect,
      (error) =>
        new Refused({ message: `${name} cannot be written to ${directory}: ${reasonOf(error)}. Choose another --out.` })
    )
)

const explainCommand = Command.make(
  "explain",
  {
    machine: Argument.String("machine").pipe(
      Argument.withDescription(`One of ${names}; all without it`),
      Argument.atLeast(0)
    )
  },
  Effect.fnUntraced(function* ({ machine }) {
    const machines = machine.length === 0 ? catalogue : yield* Effect.forEach(machine, named)
    yield* print(machines.map((each) => explained(outlineOf(each.machine))).join("\n"))
  })
).pipe(
  Command.withDescription("Print what the pictures show as text: each state, what it does, and where it goes."),
  Command.withExamples([{ command: "holdfast machines explain config-apply" }])
)

/** The statecharts, for reviewers; without a subcommand, the list. */
export const machinesCommand = Command.make("machines", {}, () => listMachines(false)).pipe(
  Command.withDescription("The statecharts that decide everything that this program does: list, draw or explain them."),
  Command.withShortDescription("List, draw and explain the statecharts"),
  Command.withExamples([
    { command: "holdfast machines" },
    { command: "holdfast machines explain config-apply", description: "One of them, in words" }
  ]),
  Command.withSubcommands([listCommand, renderCommand, explainCommand])
)
