/**
 * Discovery keeps no state that changes an answer: after any history of a folder, and of looks at it, what is said of it is
 * what somebody says who looks for the first time. Processes are simulated: what a file holds is written in it.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { AgentHosts, type HostAnswer } from "../../src/agents/AgentHosts.ts"
import { agentsOverHosts } from "../../src/agents/AgentsLayer.ts"
import type { DescribedAgent } from "../../src/agents/HostProtocol.ts"
import { Agents, type AgentRoster, Home } from "../../src/domain/index.ts"
import { options } from "../Options.ts"

type Described = HostAnswer<ReadonlyArray<DescribedAgent>>

/** A process that says what stands in its file. */
const simulatedHosts = (asked: { count: number }) =>
  Layer.succeed(
    AgentHosts,
    AgentHosts.of({
      describe: (file) =>
        Effect.sync((): Described => {
          asked.count += 1
          const text = readFileSync(file.path, "utf8")
          if (text.startsWith("broken")) return { ok: false, failure: "failed", message: text }
          const agents = JSON.parse(text) as ReadonlyArray<DescribedAgent>
          return { ok: true, value: agents }
        }),
      ask: (file) => Effect.sync(() => ({ ok: true, value: readFileSync(file.path, "utf8") })),
      retain: () => Effect.void
    })
  )

const layerOf = (home: string, asked = { count: 0 }) =>
  // Fresh: otherwise a layer inside of a layer is the same.
  Layer.fresh(agentsOverHosts).pipe(
    Layer.provide(simulatedHosts(asked)),
    Layer.provide(Home.layerOf(home).pipe(Layer.provideMerge(NodeServices.layer)))
  )

const FILES = ["a_agent.py", "b_agent.js", "c_agent.ts", "ü_agent.mjs", "d_agent.py", "notes.txt", "agent.py"]
const NAMES = ["One", "Two", "Three", "not a name"]

const agent = fc.record({
  class: fc.constantFrom("A", "B", null),
  name: fc.constantFrom(...NAMES),
  description: fc.constantFrom("It helps.", ""),
  parameters: fc.constantFrom<unknown>({ type: "object" }, { type: "array" }, "none"),
  context: fc.boolean()
})
const content = fc.oneof(
  { weight: 4, arbitrary: fc.array(agent, { maxLength: 3 }).map((agents) => JSON.stringify(agents)) },
  { weight: 1, arbitrary: fc.constantFrom("broken: one", "broken: two") }
)

type Step =
  | { readonly do: "write"; readonly file: string; readonly content: string; readonly keepsTime: boolean }
  | { readonly do: "remove"; readonly file: string }
  | { readonly do: "look" | "known" }
  | { readonly do: "call"; readonly name: string }

const file = fc.constantFrom(...FILES)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), file, content, keepsTime: fc.boolean() }),
  fc.record({ do: fc.constant("remove" as const), file }),
  fc.record({ do: fc.constantFrom("look" as const, "known" as const) }),
  fc.record({ do: fc.constant("call" as const), name: fc.constantFrom(...NAMES) })
)

/** An editor may leave size and time as they were. */
const THEN = new Date(1_700_000_000_000)

/** What is told after each step that asks, by one service all along and by a new one each time. */
const told = (home: string, steps: ReadonlyArray<Step>, asked?: { count: number }) =>
  Effect.gen(function* () {
    const folder = join(home, "agents")
    const agents = yield* Agents
    const pairs: Array<readonly [long: unknown, fresh: unknown]> = []
    for (const one of steps) {
      const fresh = <A>(use: (agents: Agents["Service"]) => Effect.Effect<A>) =>
        Effect.flatMap(Agents, use).pipe(Effect.provide(layerOf(home)))
      if (one.do === "write") {
        writeFileSync(join(folder, one.file), one.content)
        if (one.keepsTime) utimesSync(join(folder, one.file), THEN, THEN)
      } else if (one.do === "remove") rmSync(join(folder, one.file), { force: true })
      else if (one.do === "look") pairs.push([yield* agents.roster, yield* fresh(({ roster }) => roster)])
      else if (one.do === "call") {
        const ask = ({ call }: Agents["Service"]) => call(one.name, {}, { userId: null, sessionId: "s" })
        pairs.push([yield* ask(agents), yield* fresh(ask)])
      } else {
        const known: AgentRoster = yield* agents.known
        // Health tells less, never something else.
        const { tools } = yield* fresh(({ roster }) => roster)
        const strange = known.tools.filter(({ name }) => !tools.some((tool) => tool.name === name))
        const quiet = known.quarantined.filter(({ file: of }) => !readdirSync(folder).includes(of))
        pairs.push([
          { strange: strange.length, quiet },
          { strange: 0, quiet: [] }
        ])
      }
    }
    return { pairs, asked: asked?.count ?? 0 }
  }).pipe(Effect.provide(layerOf(home, asked)))

const inFolder = async <A>(use: (home: string) => Promise<A>): Promise<A> => {
  const home = mkdtempSync(join(tmpdir(), "holdfast-discovery-"))
  mkdirSync(join(home, "agents"))
  try {
    return await use(home)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

it("says of a folder what somebody says who looks for the first time, whatever was there before", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) =>
      inFolder(async (home) => {
        const { pairs } = await Effect.runPromise(told(home, steps))
        for (const [long, fresh] of pairs) expect(long).toEqual(fresh)
      })
    ),
    options()
  )
})

it("asks a process once for the same bytes, and again for a file that could not be loaded", async () => {
  const asked = { count: 0 }
  const good = JSON.stringify([
    { class: null, name: "One", description: "x", parameters: { type: "object" }, context: false }
  ])
  const steps: ReadonlyArray<Step> = [
    { do: "write", file: "a_agent.py", content: good, keepsTime: true },
    { do: "look" },
    { do: "look" },
    { do: "call", name: "One" },
    { do: "write", file: "b_agent.js", content: "broken", keepsTime: true },
    { do: "look" },
    { do: "look" }
  ]
  await inFolder((home) => Effect.runPromise(told(home, steps, asked)))
  expect(asked.count).toBe(1 + 2)
})
