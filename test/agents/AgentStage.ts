/** A folder of agent files, and the real service over it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { wiring } from "../../machines/index.ts"
import { type AgentLimits, agentsLayer } from "../../src/agents/index.ts"
import { Agents, type AgentRoster, type CallContext, type CallOutcome, Home } from "../../src/domain/index.ts"
import { Journal, Switchboard, Uptime } from "../../src/statechart/index.ts"

export const CALLER: CallContext = { userId: null, sessionId: "s1" }

/** A Python agent of one class; its body is indented by eight. */
export const python = (name: string, body: string, head = ""): string => `${head}
from agents.basic_agent import BasicAgent

class ${name}Agent(BasicAgent):
    def __init__(self):
        self.name = "${name}"
        self.metadata = {
            "name": self.name,
            "description": "It is for a test.",
            "parameters": {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"}}}
        }
        super().__init__(self.name, self.metadata)

    def perform(self, **kwargs):
        ${body.trim().replaceAll("\n", "\n        ")}
`

/** A JavaScript agent. */
export const javascript = (name: string, body: string, head = ""): string => `${head}
export default {
  name: "${name}",
  description: "It is for a test.",
  parameters: { type: "object", properties: { text: { type: "string" }, count: { type: "integer" } } },
  perform: async (args, ctx) => {
    ${body}
  }
}
`

/** What tests do with the agents of a folder. */
export interface Staged {
  readonly home: string
  readonly write: (file: string, content: string) => void
  readonly remove: (file: string) => void
  readonly roster: Effect.Effect<AgentRoster>
  readonly install: (file: string) => Effect.Effect<string | null>
  /** What health tells. */
  readonly known: Effect.Effect<AgentRoster>
  readonly names: Effect.Effect<ReadonlyArray<string>>
  readonly call: (name: string, args?: Readonly<Record<string, unknown>>) => Effect.Effect<CallOutcome>
  readonly contexts: Effect.Effect<ReadonlyArray<string>>
  /** Processes that hold a file of this folder, by their ids. */
  readonly processes: () => ReadonlyArray<number>
}

const argumentsOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    return ""
  }
}

/** The processes of this machine that name a path on their command line. */
export const processesNaming = (path: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name).includes(path))
    .map(Number)

/** What the processes of agents need. */
const world = Layer.mergeAll(Journal.layer, Switchboard.layer(wiring), Uptime.layer)

type World = Layer.Success<typeof world> | Home | NodeServices.NodeServices

/** Runs a test on a folder of its own; whatever it started has ended with it. */
export const staged = <A, E>(
  limits: Partial<AgentLimits>,
  test: (stage: Staged) => Effect.Effect<A, E>
): Effect.Effect<A, E> => stagedWith(() => agentsLayer(limits), test)

/** The same with agents of the test's own layer, which is told the home. */
export const stagedWith = <A, E>(
  layerOf: (home: string) => Layer.Layer<Agents, never, World>,
  test: (stage: Staged) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const home = mkdtempSync(join(tmpdir(), "holdfast-agents-"))
    const folder = join(home, "agents")
    mkdirSync(folder)
    const layer = layerOf(home).pipe(
      Layer.provide(Layer.mergeAll(Home.layerOf(home), world).pipe(Layer.provideMerge(NodeServices.layer)))
    )
    const used = Effect.gen(function* () {
      const agents = yield* Agents
      return yield* test({
        home,
        write: (file, content) => writeFileSync(join(folder, file), content),
        remove: (file) => rmSync(join(folder, file)),
        roster: agents.roster,
        known: agents.known,
        install: agents.install,
        names: Effect.map(agents.roster, ({ tools }) => tools.map(({ name }) => name)),
        call: (name, args = {}) => agents.call(name, args, CALLER),
        contexts: agents.systemContexts(CALLER),
        processes: () => processesNaming(folder)
      })
    }).pipe(Effect.provide(layer))
    const result = yield* Effect.exit(used)
    const left = existsSync("/proc") ? processesNaming(folder) : []
    rmSync(home, { recursive: true, force: true })
    if (left.length > 0) throw new Error(`left behind: processes ${left.join()}`)
    return yield* result
  })
