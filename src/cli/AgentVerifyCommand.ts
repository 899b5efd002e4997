/** `holdfast agent verify`. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { type AgentReport, reportAgents, troublesOf, viewOf } from "./AgentReport.ts"
import { agentsHere } from "./AgentServices.ts"
import { Refused, Unsuccessful } from "./Failures.ts"
import { note, plain, print, printJson } from "./Output.ts"

/** Hashes files against what was recorded, and loads them. */
export const verifyCommand = Command.make(
  "verify",
  {
    files: Argument.String("file").pipe(Argument.withDescription("Of these only"), Argument.variadic()),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ files, json }) {
    const all = yield* reportAgents
    const unknown = files.find((file) => all.every((report) => report.file !== file))
    if (unknown !== undefined) {
      return yield* new Refused({
        message: `There is no agent file ${plain(unknown)}: holdfast agent list names them.`
      })
    }
    const reports = files.length === 0 ? all : all.filter(({ file }) => files.includes(file))
    const bad = reports.filter((report) => troublesOf(report).length > 0)
    if (json) yield* printJson({ agents: reports.map(viewOf) })
    else for (const report of reports) yield* print(verdictOf(report))
    if (!json && reports.length === 0) yield* print("There are no agents.")
    if (bad.length === 0) return
    if (bad.some(({ condition }) => condition === "modified" || condition === "missing")) {
      yield* note("To have what was installed again: holdfast agent update FILE --force")
    }
    return yield* new Unsuccessful({ message: `${bad.length} not as they should be` })
  }, Effect.provide(agentsHere))
).pipe(
  Command.withDescription(
    "Hash agent files against what was installed, load each one, and check its name, description and parameters."
  ),
  Command.withExamples([{ command: "holdfast agent verify" }, { command: "holdfast agent verify weather_agent.py" }])
)

const verdictOf = (report: AgentReport): string => {
  const troubles = troublesOf(report)
  const names = report.tools.map(({ name }) => name).join(", ")
  const origin = report.condition === "local" ? "put there by hand" : "as installed"
  return plain(`${report.file}: ${troubles.length > 0 ? troubles.join("; ") : `${origin}, ${names}`}`)
}
