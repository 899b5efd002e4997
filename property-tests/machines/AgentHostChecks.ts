/** What must hold of AgentHost, over arbitrary histories of callers, of its process, of its file and of time. */
import * as fc from "fast-check"
import { HOST_LADDER_MS } from "../../machines/index.ts"
import { AGENT_HOST_INVARIANTS, type AgentHostInvariant, AgentHostRoom, type Happening } from "./AgentHostRoom.ts"
import { counterexample, type Check, type Sample } from "./Check.ts"
import type { Charts } from "./World.ts"

const of = <T extends Happening["type"]>(type: T) => fc.constant({ type })

/** Times that meet the bounds, and others. */
const pause = fc.oneof(
  fc.constantFrom(1_999, 2_000, 2_999, 3_000, 5_000, 6_999, 7_000),
  fc.constantFrom(...HOST_LADDER_MS),
  fc.nat(8_000)
)

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: of("ASK") },
  { weight: 5, arbitrary: of("LOADED") },
  { weight: 5, arbitrary: of("ANSWER") },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("PASS" as const), ms: pause }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("LEAVE" as const), which: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("FAULT" as const),
      failure: fc.constantFrom("failed" as const, "memory" as const, "output" as const)
    })
  },
  { weight: 1, arbitrary: of("STRAY") },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("LATE" as const),
      what: fc.constantFrom("LOADED" as const, "ANSWERED" as const, "FAULT" as const)
    })
  },
  { weight: 2, arbitrary: of("EXIT") },
  { weight: 1, arbitrary: of("DEFECT") },
  { weight: 1, arbitrary: of("RETIRE") }
)
const histories = fc.array(happening, { minLength: 3, maxLength: 40, size: "max" })

const lived = (charts: Charts, happenings: ReadonlyArray<Happening>): AgentHostRoom => {
  const room = new AgentHostRoom(charts.agentHost)
  for (const one of happenings) room.happens(one)
  return room
}

/** A history after which one of these does not hold, in words, or null. */
export const hostViolated = (
  charts: Charts,
  invariants: ReadonlyArray<AgentHostInvariant>,
  sample: Sample
): string | null =>
  counterexample(
    fc.property(histories, (happenings) => {
      const found = lived(charts, happenings).violations.find(({ invariant }) => invariants.includes(invariant))
      if (found !== undefined) throw new Error(`${found.invariant}: ${found.detail}`)
    }),
    sample
  )

const invariantChecks = Object.fromEntries(
  Object.entries(AGENT_HOST_INVARIANTS).map(([name, title]) => [
    name,
    { title, find: (charts: Charts, sample: Sample) => hostViolated(charts, [name as AgentHostInvariant], sample) }
  ])
) as Readonly<Record<AgentHostInvariant, Check>>

/** Turns of time after which whatever is bounded is over. */
const TURNS = 40

const hostSettles: Check = {
  title: "whatever happened, if nobody calls and no process says a word any more, every call ends, and every process",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories, (happenings) => {
        const room = lived(charts, happenings)
        for (let turn = 0; turn < TURNS && Number.isFinite(room.rest); turn++) {
          room.happens({ type: "PASS", ms: room.rest })
        }
        if (room.hasOpenCalls) throw new Error(`a call is open for ever in ${room.state}`)
        if (room.hasProcess) throw new Error(`a process runs for ever in ${room.state}`)
      }),
      sample
    )
}

const hostRecovers: Check = {
  title: "whatever happened, a file that can be loaded answers a call within the longest wait, unless it has changed",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories, (happenings) => {
        const kept = happenings.filter(({ type }) => type !== "RETIRE")
        const room = lived(charts, kept)
        for (let turn = 0; turn < TURNS && Number.isFinite(room.rest); turn++) {
          room.happens({ type: "PASS", ms: room.rest })
        }
        room.happens({ type: "ASK" })
        room.happens({ type: "LOADED" })
        room.happens({ type: "ANSWER" })
        const [found] = room.violations
        if (room.hasOpenCalls) throw new Error(`no answer in ${room.state}`)
        if (room.state !== "alive.ready") throw new Error(`it is ${room.state}: ${found?.detail ?? ""}`)
      }),
      sample
    )
}

export const AGENT_HOST_CHECKS = { ...invariantChecks, hostSettles, hostRecovers } as const satisfies Readonly<
  Record<string, Check>
>
