import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { assign, setup } from "xstate"
import {
  advance,
  type Chart,
  essence,
  type Instance,
  nextDue,
  type Now,
  start,
  stateName,
  step
} from "../../src/statechart/index.ts"
import { describeFailure, hunt, options } from "../Options.ts"

/** What a lease must remember over a restart: what remains, never a deadline. */
interface LeaseFacts {
  readonly phase: "idle" | "holding" | "retrying"
  readonly failures: number
  readonly leftMs: number
}

const HOLD_MS = 10_000
const FAILURES_MAX = 3

const Lease = setup({
  types: {
    context: {} as LeaseFacts,
    events: {} as { readonly type: "TAKE" } | { readonly type: "LOSE" } | { readonly type: "DROP" },
    input: {} as LeaseFacts
  },
  guards: {
    wasHolding: ({ context }) => context.phase === "holding",
    wasRetrying: ({ context }) => context.phase === "retrying"
  },
  delays: { left: ({ context }) => context.leftMs }
}).createMachine({
  id: "lease",
  context: ({ input }) => input,
  initial: "starting",
  states: {
    starting: {
      always: [
        { guard: "wasHolding", target: "holding" },
        { guard: "wasRetrying", target: "retrying" },
        { target: "idle" }
      ]
    },
    idle: {
      entry: assign({ phase: "idle", leftMs: 0 }),
      on: { TAKE: { target: "holding", actions: assign({ phase: "holding", leftMs: HOLD_MS }) } }
    },
    holding: {
      after: { left: { target: "idle", actions: assign({ failures: 0 }) } },
      on: {
        DROP: "idle",
        LOSE: {
          target: "retrying",
          actions: assign(({ context }) => {
            const failures = Math.min(context.failures + 1, FAILURES_MAX)
            return { phase: "retrying" as const, failures, leftMs: 1_000 * 2 ** failures }
          })
        }
      }
    },
    retrying: {
      after: { left: { target: "holding", actions: assign({ phase: "holding", leftMs: HOLD_MS }) } },
      on: { DROP: "idle" }
    }
  }
})

const lease: Chart<typeof Lease> = { machine: Lease }

type Facts = (instance: Instance<typeof Lease>, now: Now) => LeaseFacts

const facts: Facts = ({ snapshot, timers }, now) => ({
  phase: snapshot.context.phase,
  failures: snapshot.context.failures,
  leftMs: Math.max(0, ...timers.map((timer) => timer.dueAt - now.uptime))
})

type Move = "TAKE" | "LOSE" | "DROP" | number

const moves: fc.Arbitrary<ReadonlyArray<Move>> = fc.array(
  fc.oneof(fc.constantFrom<Move>("TAKE", "LOSE", "DROP"), fc.integer({ min: 1, max: 12_000 })),
  { maxLength: 20 }
)

const at = (uptime: number): Now => ({ uptime, wall: uptime })

/** Runs the moves, and from `restartAt` on in a process that started from the facts at uptime 0. */
const follow = (list: ReadonlyArray<Move>, restartAt: number, save: Facts): ReadonlyArray<unknown> => {
  let now = 0
  let [instance] = start(lease, { phase: "idle", failures: 0, leftMs: 0 }, at(0))
  return list.map((move, index) => {
    if (index === restartAt) {
      const saved = save(instance, at(now))
      now = 0
      instance = start(lease, saved, at(0))[0]
    }
    if (typeof move === "number") {
      now += move
      instance = advance(lease, instance, at(now))[0]
    } else instance = step(lease, instance, { type: move }, at(now))[0]
    const { leftMs: _leftMs, ...remembered } = instance.snapshot.context
    const left = nextDue(instance).uptime - now
    return { state: stateName(instance.snapshot.value), remembered, left, tasks: essence(instance).tasks }
  })
}

const restartIsInvisible = (save: Facts) =>
  fc.property(moves, fc.nat({ max: 20 }), (list, restartAt) => {
    expect(follow(list, restartAt, save)).toEqual(follow(list, -1, save))
  })

const mutants: ReadonlyArray<readonly [what: string, save: Facts]> = [
  [
    "deadlines instead of what remains",
    (instance, now) => ({ ...facts(instance, now), leftMs: nextDue(instance).uptime })
  ],
  ["whole delays instead of what remains", (instance) => instance.snapshot.context],
  ["no count of failures", (instance, now) => ({ ...facts(instance, now), failures: 0 })],
  ["no phase", (instance, now) => ({ ...facts(instance, now), phase: "idle" })]
]

describe("a restart from facts", () => {
  it("is invisible wherever it happens", () => {
    fc.assert(restartIsInvisible(facts), options())
  })

  it.each(mutants)("shows with %s", (_what, save) => {
    const details = fc.check(restartIsInvisible(save), hunt)
    expect(details.failed, describeFailure(details)).toBe(true)
  })
})
