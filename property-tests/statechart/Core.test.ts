import * as fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { createActor, fromPromise, SimulatedClock } from "xstate"
import type * as RealCore from "../../src/statechart/Core.ts"
import * as core from "../../src/statechart/Core.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { describeFailure, hunt, options } from "../Options.ts"
import { CHAIN_MS, Sample, sample } from "./Sample.ts"

type Core = typeof RealCore
type SampleInstance = RealCore.Instance<typeof Sample>

const FILE = "src/statechart/Core.ts"
const GRAIN_MS = 100
const TASKS = ["fetch", "listen", "race"] as const

type Move =
  | { readonly do: "send"; readonly type: "GO" | "AGAIN" | "RESET" | "TOGGLE" | "CHAIN" }
  | { readonly do: "done"; readonly id: (typeof TASKS)[number]; readonly good: boolean }
  | { readonly do: "failed"; readonly id: (typeof TASKS)[number]; readonly retryable: boolean }
  | { readonly do: "wait"; readonly ms: number }

const id = fc.constantFrom(...TASKS)
const waiting: fc.Arbitrary<Move> = fc.record({
  do: fc.constant("wait" as const),
  ms: fc.constantFrom(100, 1_000, 1_500, 2_900, 4_900, 5_000, 61_000)
})
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ do: fc.constant("send" as const), type: fc.constantFrom("GO", "AGAIN", "RESET", "TOGGLE", "CHAIN") }),
  fc.record({ do: fc.constant("done" as const), id, good: fc.boolean() }),
  fc.record({ do: fc.constant("failed" as const), id, retryable: fc.boolean() }),
  waiting
)
const facts = fc.record({ attempts: fc.nat({ max: 2 }), watching: fc.boolean() })
const moves = fc.array(move, { maxLength: 30 })

const resultOf = (one: Extract<Move, { readonly id: string }>): RealCore.TaskResult =>
  one.do === "done"
    ? core.doneEvent(one.id, { good: one.good, text: one.id })
    : core.errorEvent(one.id, { _tag: "Failed", message: one.id, retryable: one.retryable })

/** Follows moves; time passes in steps of `grain` and `seen` gets every instance. */
const follow = (
  { start, step, advance }: Core,
  input: { readonly attempts: number; readonly watching: boolean },
  history: ReadonlyArray<Move>,
  seen: (instance: SampleInstance, commands: ReadonlyArray<RealCore.Command>, now: RealCore.Now, one?: Move) => void,
  grain = GRAIN_MS
): void => {
  let now = 0
  const at = () => ({ uptime: now, wall: now })
  const first = start(sample, input, at())
  let instance = first[0]
  seen(instance, first[1], at())
  for (const one of history) {
    if (one.do === "wait") {
      const end = now + one.ms
      while (now < end) {
        now = Math.min(now + grain, end)
        const [next, commands] = advance(sample, instance, at())
        instance = next
        seen(instance, commands, at(), one)
      }
    } else {
      const event = one.do === "send" ? { type: one.type } : resultOf(one)
      const [next, commands] = step(sample, instance, event, at())
      instance = next
      seen(instance, commands, at(), one)
    }
  }
}

const forever = <Input, Output>() => fromPromise<Output, Input>(() => new Promise<Output>(() => undefined))

/** XState's own interpreter, its clock driven by hand and its tasks never ending by themselves. */
const oracle = (input: { readonly attempts: number; readonly watching: boolean }) => {
  const clock = new SimulatedClock()
  const performed: Array<string> = []
  const log = (type: string) => (_: unknown, params: unknown) =>
    void performed.push(`${type} ${JSON.stringify(params)}`)
  const actor = createActor(
    Sample.provide({
      actions: { noted: log("noted"), entered: log("entered"), left: log("left"), expired: log("expired") },
      actors: {
        fetch: forever<{ readonly attempt: number }, { readonly good: boolean; readonly text: string }>(),
        listen: forever<undefined, undefined>(),
        race: forever<undefined, string>()
      }
    }),
    { input, clock }
  )
  actor.start()
  return { actor, clock, performed }
}

const sameAsXState = (tested: Core) =>
  fc.property(facts, moves, (input, history) => {
    const { actor, clock, performed } = oracle(input)
    const mine: Array<string> = []
    let time = 0
    follow(tested, input, history, (instance, commands, now, one) => {
      const snapshot = actor.getSnapshot()
      if (one?.do === "wait") clock.increment(now.uptime - time)
      else if (one?.do === "send") actor.send({ type: one.type })
      else if (one !== undefined && Object.hasOwn(snapshot.children, one.id)) actor.send(resultOf(one) as never)
      time = now.uptime
      for (const command of commands) {
        if (command._tag === "Perform") mine.push(`${command.action.type} ${JSON.stringify(command.action.params)}`)
      }
      const theirs = actor.getSnapshot()
      expect(instance.snapshot.value).toEqual(theirs.value)
      expect(instance.snapshot.context).toEqual(theirs.context)
      expect(core.runningTasks(instance).toSorted()).toEqual(Object.keys(theirs.children).toSorted())
      expect(mine).toEqual(performed)
    })
    actor.stop()
  })

const startsAndStopsBalance = (tested: Core) =>
  fc.property(facts, moves, (input, history) => {
    const running = new Set<string>()
    follow(tested, input, history, (instance, commands) => {
      for (const command of commands) {
        if (command._tag === "Start") {
          expect(running.has(command.id), `${command.id} started twice`).toBe(false)
          running.add(command.id)
        } else if (command._tag === "Stop") running.delete(command.id)
      }
      expect([...running].sort()).toEqual(core.runningTasks(instance).toSorted())
    })
  })

const timersBelongToActiveStates = (tested: Core) =>
  fc.property(facts, moves, (input, history) => {
    follow(tested, input, history, (instance) => {
      const paths = core.stateName(instance.snapshot.value).split(",")
      const armed = instance.timers.map(
        (timer) => /^xstate\.after\.[^.]+\.sample\.(.*)$/.exec(timer.id)?.[1] ?? timer.id
      )
      expect(armed.filter((state) => !paths.some((path) => `${path}.`.startsWith(`${state}.`)))).toEqual([])
      expect(new Set(armed).size).toBe(armed.length)
    })
  })

const lateAdvance = (tested: Core) =>
  fc.property(facts, fc.integer({ min: 1, max: 70_000 }), fc.integer({ min: 1, max: 70_000 }), (input, late, grain) => {
    const history: ReadonlyArray<Move> = [
      { do: "send", type: "CHAIN" },
      { do: "send", type: "TOGGLE" },
      { do: "wait", ms: late }
    ]
    const ends = [grain, GRAIN_MS].map((each) => {
      const done: Array<unknown> = []
      let last: SampleInstance | undefined
      follow(
        tested,
        { ...input, watching: false },
        history,
        (instance, commands) => {
          done.push(...commands)
          last = instance
        },
        each
      )
      return { done, end: last === undefined ? undefined : core.essence(last) }
    })
    expect(ends[0]).toEqual(ends[1])
    expect(ends[0]?.end?.timers.filter((timer) => timer.clock === "uptime").map((timer) => timer.dueAt)).toEqual(
      late >= 3 * CHAIN_MS ? [] : [(Math.floor(late / CHAIN_MS) + 1) * CHAIN_MS]
    )
  })

const wallJumps = (tested: Core) =>
  fc.property(fc.integer({ min: -1e12, max: 1e12 }), (jump) => {
    const at = { uptime: 0, wall: 1e12 }
    const [begun] = tested.start(sample, { attempts: 0, watching: true }, at)
    const [chained] = tested.step(sample, begun, { type: "CHAIN" }, at)
    const [after] = tested.advance(sample, chained, { uptime: 0, wall: at.wall + jump })
    expect(core.stateName(after.snapshot.value)).toBe(`work.chained.first,watch.${jump >= 60_000 ? "off" : "on"}`)
  })

const anything = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("GO", "AGAIN", "RESET", "TOGGLE", "CHAIN") },
  { weight: 1, arbitrary: fc.string() },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "xstate.init",
      "xstate.stop",
      "xstate.done.actor.nobody",
      "xstate.error.actor.nobody",
      "xstate.error.actor.fetch",
      "xstate.error.actor.",
      "xstate.done.state.sample",
      "xstate.after.timeout.sample.work.fetching",
      "*"
    )
  }
)

const total = (tested: Core) =>
  fc.property(facts, fc.array(anything, { maxLength: 30 }), (input, types) => {
    let [instance] = tested.start(sample, input, { uptime: 0, wall: 0 })
    for (const type of types) {
      const before = instance
      const fetching = core.runningTasks(before).includes("fetch")
      instance = tested.step(sample, before, { type } as never, { uptime: 0, wall: 0 })[0]
      expect(instance.snapshot.status).toBe("active")
      if (type.startsWith("xstate.") && !(type.endsWith(".fetch") && fetching)) expect(instance).toBe(before)
    }
  })

const anyDelay = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, -1, 0, 1e308))

const clamped = (tested: Core) =>
  fc.property(anyDelay, fc.double({ min: 0, max: 1e15, noNaN: true }), (delay, now) => {
    const chart = { machine: Sample.provide({ delays: { timeout: () => delay } }) }
    const [begun] = tested.start(chart, { attempts: 0, watching: false }, { uptime: now, wall: now })
    const [fetching] = tested.step(chart, begun, { type: "GO" }, { uptime: now, wall: now })
    const due = fetching.timers[0]?.dueAt ?? Number.NaN
    expect(due >= now && due <= Number.MAX_SAFE_INTEGER).toBe(true)
  })

const properties = {
  sameAsXState,
  startsAndStopsBalance,
  timersBelongToActiveStates,
  lateAdvance,
  wallJumps,
  total,
  clamped
} as const

const sentences: ReadonlyArray<readonly [sentence: string, name: keyof typeof properties]> = [
  ["takes the states and performs the actions that XState's own interpreter does", "sameAsXState"],
  ["starts no task that runs and stops every task whose state it leaves", "startsAndStopsBalance"],
  ["keeps no timer of a state that it has left", "timersBelongToActiveStates"],
  ["fires chained delays at their own deadlines, however late it is told the time", "lateAdvance"],
  ["spends no elapsed time when the wall clock jumps", "wallJumps"],
  ["stands whatever it is sent, and ignores what is not meant for it", "total"],
  ["makes a sane deadline of any delay", "clamped"]
]

const mutants: ReadonlyArray<
  readonly [what: string, killer: keyof typeof properties, search: string, replacement: string]
> = [
  [
    "forgets xstate.cancel",
    "timersBelongToActiveStates",
    "timers = timers.filter((timer) => timer.id !== sendId)",
    "void sendId"
  ],
  [
    "fires late timers at the present moment",
    "lateAdvance",
    "deliver(chart, fired, timer.event, momentOf(timer, now))",
    "deliver(chart, fired, timer.event, now)"
  ],
  [
    "counts a jump of the wall as elapsed",
    "wallJumps",
    'some((name) => id.startsWith(`xstate.after.${name}.`)) ? "wall" : "uptime"',
    'some((name) => id.startsWith(`xstate.after.${name}.`)) ? "uptime" : "wall"'
  ],
  [
    "lets in the results of tasks that do not run",
    "total",
    "return id !== undefined && Object",
    "return true || Object"
  ],
  ["is ended by XState's control events", "total", 'if (!event.type.startsWith("xstate.")) return true', "return true"],
  ["fires only one timer", "lateAdvance", "count < MAX_FIRINGS", "count < 1"],
  [
    "fires the least late timer first",
    "lateAdvance",
    "lateness > now[found.clock] - found.dueAt",
    "lateness < now[found.clock] - found.dueAt"
  ],
  [
    "forgets to stop tasks",
    "startsAndStopsBalance",
    'if (child !== undefined) commands.push({ _tag: "Stop", id: child.id })',
    ""
  ],
  ["ignores the delay", "sameAsXState", "const wait = delay > 0 ? delay : 0", "const wait = 0 * delay"],
  ["lets delays overflow", "clamped", "Math.min(now[clock] + wait, Number.MAX_SAFE_INTEGER)", "now[clock] + wait"],
  ["lets NaN through", "clamped", "delay > 0 ? delay : 0", "delay < 0 ? 0 : delay"]
]

afterAll(removeMutants)

describe("the core", () => {
  it.each(sentences)("%s", (_sentence, name) => {
    fc.assert(properties[name](core) as fc.IProperty<unknown>, options())
  })

  it.each(mutants)("is told apart from a core that %s (%s)", async (_what, killer, search, replacement) => {
    const mutant = await loadMutant<Core>(FILE, search, replacement)
    const details = fc.check(properties[killer](mutant) as fc.IProperty<unknown>, hunt)
    expect(details.failed, describeFailure(details)).toBe(true)
  })
})
