/** Runs the sample chart in the shell through a history of moves, and replays on the core what the shell says it did. */
import { Deferred, Effect, Exit, Layer, References, Scope, Stream } from "effect"
import * as fc from "fast-check"
import type { TaskFailure } from "../../machines/index.ts"
import {
  type Command,
  doneEvent,
  errorEvent,
  essence,
  firings,
  type Instance,
  type interpret as Interpret,
  Journal,
  type JournalEntry,
  nextDue,
  type Now,
  type Outcome,
  start,
  stateName,
  step,
  Switchboard,
  Uptime
} from "../../src/statechart/index.ts"
import { TestTime } from "../../src/statechart/TestTime.ts"
import { sample, type Sample, type SampleFacts } from "./Sample.ts"

const EVENTS = ["GO", "AGAIN", "RESET", "TOGGLE", "CHAIN"] as const
const ENDINGS = ["good", "bad", "retry", "broken", "defect"] as const

export type Move =
  | { readonly do: "send"; readonly event: (typeof EVENTS)[number] }
  | { readonly do: "resolve"; readonly which: number; readonly how: (typeof ENDINGS)[number] }
  | { readonly do: "settle" }
  | { readonly do: "wait" | "suspend" | "jump"; readonly ms: number }

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("send" as const), event: fc.constantFrom(...EVENTS) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("resolve" as const),
      // Counted from the newest: 0 is the task started last, and larger numbers are mostly late.
      which: fc.nat({ max: 3 }),
      how: fc.constantFrom(...ENDINGS)
    })
  },
  { weight: 4, arbitrary: fc.constant({ do: "settle" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 500, 1_000, 1_500, 3_200, 5_000) })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("suspend" as const), ms: fc.integer({ min: 1, max: 20_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("jump" as const), ms: fc.constantFrom(-86_400_000, 30_000, 86_400_000) })
  }
)

export interface History {
  readonly facts: SampleFacts
  readonly moves: ReadonlyArray<Move>
}

export const history: fc.Arbitrary<History> = fc.record({
  facts: fc.record({ attempts: fc.nat({ max: 2 }), watching: fc.boolean() }),
  moves: fc.array(move, { maxLength: 24 })
})

/** What a task did or will do: its output, or the failure that the machine must learn of. */
type Ending = { readonly output: unknown } | { readonly failure: TaskFailure }

interface Started {
  readonly id: string
  readonly number: number
  readonly resolved: Deferred.Deferred<unknown, SampleError>
  ending: Ending | undefined
}

interface SampleError {
  readonly _tag: string
  readonly message: string
  readonly retryable?: boolean
}

type Line = JournalEntry | string

/** What the shell did, in order; and what it is in at the end. */
interface Report {
  readonly lines: ReadonlyArray<Line>
  readonly started: ReadonlyArray<Started>
  readonly instance: Instance<typeof Sample>
  readonly now: Now
  readonly leftRunning: number
}

const endingOf = (started: Started, how: (typeof ENDINGS)[number]): Ending => {
  const text = `${started.id} ${started.number}`
  switch (how) {
    case "good":
    case "bad":
      return { output: { good: how === "good", text } }
    case "retry":
      return { failure: { _tag: "SampleFailed", message: text, retryable: true } }
    case "broken":
      return { failure: { _tag: "SampleBroken", message: text, retryable: false } }
    case "defect":
      return { failure: { _tag: "Defect", message: text, retryable: false } }
  }
}

const resolve = (started: Started, ending: Ending) => {
  if ("output" in ending) return Deferred.succeed(started.resolved, ending.output)
  const { _tag, message, retryable } = ending.failure
  if (_tag === "Defect") return Deferred.die(started.resolved, new Error(message))
  return Deferred.fail(started.resolved, retryable ? { _tag, message } : { _tag, message, retryable })
}

/** Carries a history out in a shell, which may be a mutant. */
export const runShell = (interpret: typeof Interpret, { facts, moves }: History): Promise<Report> => {
  const lines: Array<Line> = []
  const started: Array<Started> = []
  const running = new Map<string, number>()
  const count = (id: string, by: number) => running.set(id, (running.get(id) ?? 0) + by)

  const handler = (id: string) => (input: unknown) =>
    Effect.gen(function* () {
      const one: Started = {
        id,
        number: started.length,
        resolved: yield* Deferred.make<unknown, SampleError>(),
        ending: undefined
      }
      started.push(one)
      if ((running.get(id) ?? 0) > 0) lines.push(`two at once: ${id}`)
      count(id, 1)
      lines.push(`start ${id} ${JSON.stringify(input)}`)
      return yield* Deferred.await(one.resolved)
    }).pipe(
      // A task that takes its time to stop: the shell must wait for it.
      Effect.ensuring(
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => count(id, -1))
        )
      )
    )

  const acting = (type: string) => (params: unknown) =>
    Effect.sync(() => void lines.push(`perform ${type} ${JSON.stringify(params)}`))

  const journal = Layer.succeed(
    Journal,
    Journal.of({
      record: (entry) => void lines.push(entry),
      forget: () => undefined,
      entries: () => Effect.succeed([]),
      stream: Stream.empty,
      states: Effect.succeed([]),
      follow: Effect.succeed({ entries: [], states: [], live: Stream.empty })
    })
  )

  const program = Effect.gen(function* () {
    const time = yield* TestTime
    const uptime = yield* Uptime
    const scope = yield* Scope.make()
    const machine = yield* Scope.provide(
      interpret(sample, facts, {
        tasks: {
          fetch: handler("fetch") as (input: unknown) => Effect.Effect<{ good: boolean; text: string }, SampleError>,
          listen: handler("listen") as (input: unknown) => Effect.Effect<undefined, SampleError>,
          race: handler("race") as (input: unknown) => Effect.Effect<string, SampleError>
        },
        actions: {
          noted: acting("noted"),
          entered: acting("entered"),
          left: acting("left"),
          expired: acting("expired")
        }
      }),
      scope
    )
    for (const one of moves) {
      switch (one.do) {
        case "send":
          yield* machine.send({ type: one.event })
          break
        case "resolve": {
          const target = started.at(-1 - one.which)
          if (target === undefined || target.ending !== undefined) break
          target.ending = endingOf(target, one.how)
          yield* resolve(target, target.ending)
          break
        }
        case "settle":
          yield* time.adjust(0)
          break
        case "wait":
          yield* time.adjust(one.ms)
          break
        case "suspend":
          yield* time.suspend(one.ms)
          break
        case "jump":
          yield* time.jumpWall(one.ms)
      }
    }
    // One more tick: the shell looks at the wall clock once in each.
    yield* time.adjust(1_000)
    const instance = yield* machine.instance
    const now = yield* uptime.read
    const seen = [...lines]
    yield* Scope.close(scope, Exit.void)
    const leftRunning = [...running.values()].reduce((sum, n) => sum + n, 0)
    return { lines: seen, started, instance, now, leftRunning }
  })

  return Effect.runPromise(
    program.pipe(Effect.provide(Layer.mergeAll(journal, Switchboard.layer({}), TestTime.layer)), quiet)
  )
}

/** Defects are part of the histories; their log lines are not part of the test's output. */
const quiet = Effect.provideService(References.MinimumLogLevel, "None")

/** The first thing in which the shell's report is not a run of the core; `undefined` if it is one. */
export const divergence = ({ facts, moves }: History, report: Report): string | undefined => {
  const sent = moves.flatMap((one) => (one.do === "send" ? [one.event] : []))
  const expected: Array<string> = []
  const actual = report.lines.map((line) => (typeof line === "string" ? line : `${line.event} -> ${line.to}`))
  const latest = new Map<string, Started>()
  let starts = 0
  let instance: Instance<typeof Sample> | undefined

  const follow = (event: string, [next, commands]: Outcome<typeof Sample>) => {
    instance = next
    expected.push(`${event} -> ${stateName(next.snapshot.value)}`)
    for (const command of commands) {
      const line = lineOf(command)
      if (line !== undefined) expected.push(line)
      const begun = command._tag === "Start" ? report.started[starts++] : undefined
      if (begun !== undefined) latest.set(begun.id, begun)
    }
  }

  for (const line of report.lines) {
    if (typeof line === "string") continue
    const now: Now = { uptime: line.uptime, wall: line.at }
    if (instance === undefined) {
      follow(line.event, start(sample, facts, now))
      continue
    }
    const id = /^xstate\.(?:done|error)\.actor\.(.*)$/.exec(line.event)?.[1]
    if (id !== undefined) {
      const ending = latest.get(id)?.ending
      if (ending === undefined) return `${line.event}: the running task has no result`
      const event = "output" in ending ? doneEvent(id, ending.output) : errorEvent(id, ending.failure)
      if (event.type !== line.event) return `${line.event}: the running task ended otherwise`
      follow(event.type, step(sample, instance, event, now))
    } else if (line.event.startsWith("xstate.after.")) {
      const fired = firings(sample, instance, now).next()
      if (fired.done === true) return `${line.event}: no timer is due`
      follow(fired.value.event.type, [fired.value.instance, fired.value.commands])
    } else {
      const type = sent.shift()
      if (type === undefined) return `${line.event}: nobody sent it`
      follow(type, step(sample, instance, { type }, now))
    }
  }
  if (instance === undefined) return "the shell never started"
  if (sent.length > 0) return `never delivered: ${sent.join(", ")}`
  const at = actual.findIndex((line, index) => line !== expected[index])
  if (at >= 0 || actual.length !== expected.length) return `line ${at}: ${actual[at]} instead of ${expected[at]}`
  const [is, shouldBe] = [report.instance, instance].map((one) => JSON.stringify(essence(one)))
  if (is !== shouldBe) return `ends in ${is} instead of ${shouldBe}`
  const due = nextDue(instance)
  // The wall is looked at once per tick.
  if (due.uptime <= report.now.uptime || due.wall <= report.now.wall - 1_000) return "a timer is due that did not fire"
  return report.leftRunning === 0 ? undefined : "a task outlived its machine"
}

const lineOf = (command: Command): string | undefined => {
  switch (command._tag) {
    case "Perform":
      return `perform ${command.action.type} ${JSON.stringify(command.action.params)}`
    case "Start":
      return `start ${command.src} ${JSON.stringify(command.input)}`
    case "Stop":
      return undefined
  }
}
