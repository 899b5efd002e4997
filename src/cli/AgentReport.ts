/** What is there: each file with its agents, where it came from, and what is wrong with it. */
import { Effect } from "effect"
import type { StoredAgent } from "../agents/index.ts"
import { Agents, type AgentTool, type QuarantinedAgent } from "../domain/index.ts"
import { loadAgents } from "./AgentServices.ts"

export interface AgentReport extends Pick<StoredAgent, "record" | "sha256"> {
  readonly file: string
  /** Null: nobody can tell, for it cannot be read as a file. */
  readonly condition: StoredAgent["condition"] | null
  readonly tools: ReadonlyArray<AgentTool>
  readonly quarantined: ReadonlyArray<QuarantinedAgent>
}

/** Loads every file of the folder, as a request would. */
export const reportAgents = Effect.gen(function* () {
  const { AgentStore } = yield* loadAgents
  const stored = yield* (yield* AgentStore).list
  const roster = yield* (yield* Agents).roster
  const names = new Set([...stored, ...roster.tools, ...roster.quarantined].map(({ file }) => file))
  return [...names].toSorted().map((file): AgentReport => {
    const known = stored.find((one) => one.file === file)
    return {
      file,
      condition: known?.condition ?? null,
      sha256: known?.sha256 ?? null,
      record: known?.record ?? null,
      tools: roster.tools.filter((tool) => tool.file === file),
      quarantined: roster.quarantined.filter((one) => one.file === file)
    }
  })
})

/** What is wrong with a file, each a part of a sentence. */
export const troublesOf = ({ condition, quarantined }: AgentReport): ReadonlyArray<string> => [
  ...(condition === "modified" ? ["modified since it was installed"] : []),
  ...(condition === "missing" ? ["missing"] : []),
  ...quarantined.map(({ class: name, reason }) => `quarantined: ${name === null ? "" : `class ${name}: `}${reason}`)
]

/** As `--json` prints it. */
export const viewOf = ({ condition, file, quarantined, record, sha256, tools }: AgentReport) => ({
  file,
  language: languageOf(file),
  agents: tools.map(({ name }) => name),
  condition,
  quarantined: quarantined.map(({ class: name, reason }) => ({ class: name, reason })),
  sha256,
  source: record?.source ?? null,
  ref: record?.ref ?? null,
  commit: record?.commit ?? null,
  installed_at: record?.installed_at ?? null
})

/** By the end of its name. */
export const languageOf = (file: string): string =>
  file.endsWith(".py") ? "python" : file.endsWith(".ts") ? "typescript" : "javascript"
