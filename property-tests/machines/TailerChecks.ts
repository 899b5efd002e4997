/** What must hold of Tailer alone, over arbitrary histories of its file, its end and time. */
import * as fc from "fast-check"
import type { AnyStateMachine } from "xstate"
import { type TailerContext, type TailerEvent, tailPollDelay } from "../../machines/index.ts"
import {
  advance,
  type Chart,
  type Command,
  type Instance,
  nextDue,
  start,
  stateName,
  step
} from "../../src/statechart/Core.ts"
import { counterexample, type Check } from "./Check.ts"
import { TailerLedger } from "./TailerLedger.ts"
import type { Charts } from "./World.ts"

type Happening = TailerEvent | { readonly type: "PASS"; readonly ms: number }

const promise = fc.record({ bytes: fc.constant(100), volumeError: fc.boolean(), truncated: fc.boolean() })

/** Times that meet the bounds, and others. */
const pause = fc.oneof(
  fc.constantFrom(250, 1_000, 1_250, 9_999, 10_000, 30_000, 58_750, 60_000, 89_999, 90_000),
  fc.nat(20_000)
)

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("PASS" as const), ms: pause }) },
  { weight: 3, arbitrary: fc.constant({ type: "FOUND" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "GREW" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("QUIET" as const), quietMs: fc.constantFrom(1_250, 1_500, 70_000) })
  },
  { weight: 3, arbitrary: fc.constant({ type: "SHRUNK" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "REPLACED" as const }) },
  { weight: 3, arbitrary: fc.constant({ type: "TROUBLE" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "SOUND" as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("DRAIN" as const), ended: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("RECORD" as const), promise }) },
  { weight: 1, arbitrary: fc.constant({ type: "REACHED" as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("VERIFIED" as const), same: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ type: "FLUSHED" as const }) }
)
const histories = fc.array(happening, { minLength: 3, maxLength: 30, size: "max" })

/** The machine beside the ledger. */
class Pair {
  readonly ledger = new TailerLedger()
  readonly gaps: Array<string> = []
  now = 0
  private readonly chart: Chart<AnyStateMachine>
  private instance: Instance<AnyStateMachine>

  constructor(charts: Charts) {
    if (charts.tailer === undefined) throw new Error("there is no tailer")
    this.chart = charts.tailer
    this.instance = start(this.chart, undefined as never, this.moment())[0]
  }

  get state(): string {
    return stateName(this.instance.snapshot.value)
  }

  get isOver(): boolean {
    return this.instance.snapshot.hasTag("settled")
  }

  get delay(): number {
    return tailPollDelay(this.instance.snapshot.context as TailerContext)
  }

  get due(): number {
    return nextDue(this.instance).uptime
  }

  happens(one: Happening): void {
    if (one.type === "PASS") this.now += one.ms
    else {
      this.take(step(this.chart, this.instance, one as never, this.moment()))
      this.ledger.hear(one, this.now)
    }
    this.take(advance(this.chart, this.instance, this.moment()))
    this.ledger.at(this.now)
  }

  private take([instance, commands]: readonly [Instance<AnyStateMachine>, ReadonlyArray<Command>]): void {
    this.instance = instance
    for (const command of commands) {
      if (command._tag === "Perform") this.gaps.push((command.action.params as { readonly reason: string }).reason)
    }
  }

  private moment() {
    return { uptime: this.now, wall: 1_700_000_000_000 + this.now }
  }
}

/** A sentence about machine and ledger after everything that happened; what is wrong, or null. */
const throughout = (title: string, wrong: (pair: Pair) => string | null): Check => ({
  title,
  find: (charts, sample) =>
    counterexample(
      fc.property(histories, (happenings) => {
        const pair = new Pair(charts)
        for (const one of happenings) {
          pair.happens(one)
          const found = wrong(pair)
          if (found !== null) throw new Error(`${found} in ${pair.state} at ${pair.now}`)
        }
      }),
      { ...sample, numRuns: sample.numRuns * 5 }
    )
})

export const TAILER_CHECKS = {
  tailerCadence: throughout(
    "a file that grows is looked at every 250 ms, an idle one every second, a dormant one every five, a broken one ever later",
    ({ delay, isOver, ledger, now }) =>
      isOver || ledger.end !== null || delay === ledger.delay(now)
        ? null
        : `${delay} ms until the next look, not ${ledger.delay(now)}`
  ),
  tailerBounds: throughout(
    "a tail is over when its bound is, and no sooner: 30 s without a file, 90 or 10 s asked to stop, 1 s for the rest",
    ({ isOver, ledger }) => (isOver === (ledger.end !== null) ? null : isOver ? "over too soon" : "not over")
  ),
  tailerEnds: throughout(
    "complete is what was reached, verified and not truncated by the agent; everything else is called what it is",
    ({ isOver, ledger, state }) => (!isOver || ledger.end === null || state === ledger.end ? null : `not ${ledger.end}`)
  ),
  tailerGaps: throughout(
    "a file is read anew when it is another one, or shorter twice in a row, and each time a gap is told",
    ({ gaps, isOver, ledger }) =>
      isOver !== (ledger.end !== null) || gaps.join() === ledger.gaps.join()
        ? null
        : `gaps: ${gaps.join()}, not ${ledger.gaps.join()}`
  ),
  tailerSettles: {
    title: "from every state, asking for the end and time alone lead to one",
    find: (charts, sample) =>
      counterexample(
        fc.property(histories, fc.boolean(), (happenings, ended) => {
          const pair = new Pair(charts)
          for (const one of happenings) pair.happens(one)
          pair.happens({ type: "DRAIN", ended })
          for (let count = 0; count < 10 && !pair.isOver; count++) {
            if (pair.due === Infinity) break
            pair.happens({ type: "PASS", ms: Math.max(0, pair.due - pair.now) })
          }
          if (!pair.isOver) throw new Error(`nothing leads out of ${pair.state}`)
        }),
        sample
      )
  }
} as const satisfies Readonly<Record<string, Check>>
