/** `holdfast agent test`. */
import { Duration, Effect, Option, Path, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Agents, type AgentTool } from "../domain/index.ts"
import { type AgentReport, reportAgents } from "./AgentReport.ts"
import { agentsHere, loadAgents } from "./AgentServices.ts"
import { Refused, Unsuccessful, UsageError } from "./Failures.ts"
import { decodeJson, note, plain, print, printJson, printPretty } from "./Output.ts"

/** Loads a file as a request would, and calls an agent of it once. */
export const testCommand = Command.make(
  "test",
  {
    file: Argument.String("file").pipe(Argument.withDescription("Its name in the folder of agents")),
    args: Argument.String("arguments").pipe(
      Argument.withDescription("A JSON object; without it nothing is called"),
      Argument.optional
    ),
    agent: Flag.String("agent").pipe(
      Flag.withMetavar("<name>"),
      Flag.withDescription("Which one, where the file has several"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* (options) {
    const args = yield* argumentsOf(options.args)
    const report = yield* reportOf(options.file)
    for (const { class: name, reason } of report.quarantined) {
      yield* note(plain(`${report.file}${name === null ? "" : `, class ${name}`}: ${reason}`))
    }
    const tools = report.tools.filter(({ name }) => Option.getOrElse(options.agent, () => name) === name)
    if (tools.length === 0) return yield* noAgent(report, options.agent)
    if (Option.isNone(args)) {
      if (options.json) yield* printJson({ file: report.file, agents: tools })
      else for (const tool of tools) yield* printTool(tool)
      if (report.quarantined.length > 0) return yield* new Unsuccessful({ message: "quarantined" })
      return
    }
    const [tool, other] = tools
    if (tool === undefined || other !== undefined) {
      const names = tools.map(({ name }) => name).join(", ")
      return yield* new UsageError({
        message: `${report.file} has several agents (${names}): choose one by --agent NAME.`
      })
    }
    yield* call(tool, args.value, options)
  }, Effect.provide(agentsHere))
).pipe(
  Command.withDescription(
    "Load an agent file and show what a model would see; with arguments, call it once, exactly as a chat would."
  ),
  Command.withShortDescription("Try an agent without a model"),
  Command.withExamples([
    { command: "holdfast agent test weather_agent.py" },
    { command: `holdfast agent test weather_agent.py '{"text":"one two three"}'` }
  ])
)

const Arguments = Schema.Record(Schema.String, Schema.Unknown)

const argumentsOf = Effect.fnUntraced(function* (text: Option.Option<string>) {
  if (Option.isNone(text)) return Option.none<typeof Arguments.Type>()
  const args = decodeJson(Arguments)(text.value)
  if (Option.isSome(args)) return args
  return yield* new UsageError({ message: `The arguments are no JSON object: write them as '{"text":"…"}'.` })
})

/** A path that leads into the folder is taken for the name, as a shell completes it. */
const reportOf = Effect.fnUntraced(function* (named: string) {
  const path = yield* Path.Path
  const { AgentStore } = yield* loadAgents
  const folder = yield* (yield* AgentStore).folder
  const file = path.dirname(path.resolve(named)) === folder ? path.basename(named) : named
  const report = (yield* reportAgents).find((one) => one.file === file && one.condition !== "missing")
  if (report !== undefined) return report
  return yield* new Refused({
    message:
      `There is no agent file ${plain(named)} in ${folder}: put it there (holdfast agent install ./FILE), or name its ` +
      "folder in AGENTS_PATH."
  })
})

const noAgent = ({ file, quarantined, tools }: AgentReport, wanted: Option.Option<string>) =>
  Option.isSome(wanted) && tools.length > 0
    ? Effect.fail(
        new Refused({
          message: `${file} has no agent ${plain(wanted.value)}: it has ${tools.map(({ name }) => name).join(", ")}.`
        })
      )
    : quarantined.length > 0
      ? Effect.fail(new Unsuccessful({ message: "quarantined" }))
      : Effect.fail(new Refused({ message: `${file} changed while it was looked at: try again.` }))

const printTool = Effect.fnUntraced(function* ({ description, name, parameters }: AgentTool) {
  yield* print(`${name}: ${plain(description)}`)
  yield* printPretty(parameters)
})

const call = Effect.fnUntraced(function* (
  { file, name }: AgentTool,
  args: typeof Arguments.Type,
  { json }: { readonly json: boolean }
) {
  const agents = yield* Agents
  const [took, outcome] = yield* Effect.timed(agents.call(name, args, { userId: null, sessionId: "agent-test" }))
  const ms = Math.round(Duration.toMillis(took))
  if (json) yield* printJson({ file, agent: name, ms, ...outcome })
  else if (outcome.ok) yield* print(outcome.output)
  else yield* note(plain(`${name} failed (${outcome.failure}): ${outcome.message}`))
  if (!json) yield* note(`${name} took ${ms} ms`)
  if (!outcome.ok) return yield* new Unsuccessful({ message: outcome.failure })
})
