/** `holdfast agent list`. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { commitOf } from "./AgentChange.ts"
import { type AgentReport, languageOf, reportAgents, troublesOf, viewOf } from "./AgentReport.ts"
import { agentsHere, loadAgents } from "./AgentServices.ts"
import { plain, print, printJson, table } from "./Output.ts"

/** Says what is in the folder, and whether it can be used. */
export const listCommand = Command.make(
  "list",
  { json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false)) },
  Effect.fnUntraced(function* ({ json }) {
    const { AgentStore } = yield* loadAgents
    const folder = yield* (yield* AgentStore).folder
    const reports = yield* reportAgents
    if (json) return yield* printJson({ folder, agents: reports.map(viewOf) })
    if (reports.length === 0)
      return yield* print(`There are no agents in ${folder}. To begin one: holdfast agent new NAME`)
    yield* print(table([["FILE", "AGENTS", "LANGUAGE", "SOURCE", "STATE"], ...reports.map(rowOf)]))
  }, Effect.provide(agentsHere))
).pipe(
  Command.withDescription(
    "The agent files of this machine, loaded as a request would: agents, where they came from, what is wrong."
  ),
  Command.withShortDescription("The agent files of this machine"),
  Command.withExamples([{ command: "holdfast agent list" }])
)

const rowOf = (report: AgentReport): ReadonlyArray<string> => [
  plain(report.file),
  report.tools.map(({ name }) => name).join(", ") || "-",
  languageOf(report.file),
  sourceOf(report),
  plain(troublesOf(report).join("; ")) || "ok"
]

const sourceOf = ({ record }: AgentReport): string => {
  if (record === null) return "-"
  const at = record.ref ?? commitOf(record)
  return plain(`${record.source}${at === "" ? "" : `@${at}`}`)
}
