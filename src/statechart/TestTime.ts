/** Simulated time for tests: both clocks under the test's control, and `Uptime` built on them. */
import { Clock, Context, Duration, Effect, Layer, Scheduler } from "effect"
import { TestClock } from "effect/testing"
import { Uptime } from "./Uptime.ts"

const NANOS_PER_MS = 1_000_000n

/**
 * Moves simulated time. Its layer also provides `Uptime` and replaces the clock, so that everything that is built
 * with it sees the same time; `TestClock.adjust` works on it as well.
 */
export class TestTime extends Context.Service<
  TestTime,
  {
    /** Both clocks advance; every sleeper wakes at its own moment, so that elapsed time is credited tick by tick. */
    readonly adjust: (duration: Duration.Input) => Effect.Effect<void>
    /** Only the wall clock moves, by this many milliseconds in either direction. */
    readonly jumpWall: (ms: number) => Effect.Effect<void>
    /** Both clocks move and nothing runs meanwhile: what was due then wakes up afterwards, all at once. */
    readonly suspend: (duration: Duration.Input) => Effect.Effect<void>
  }
>()("holdfast/statechart/TestTime") {
  /** Simulated time from 0, elapsed time at its real pace. */
  static readonly layer: Layer.Layer<TestTime | Uptime> = Layer.suspend(() =>
    Layer.provideMerge(Uptime.layer, clockLayer)
  )
}

/** The test clock, with a wall that can be moved alone and with moments in which nothing runs. */
const clockLayer: Layer.Layer<TestTime> = Layer.effectContext(
  Effect.gen(function* () {
    const inner = yield* TestClock.testClockWith(Effect.succeed)
    const scheduler = yield* Scheduler.Scheduler
    let wallOffset = 0
    // While the process sleeps in a suspension, every reading is that of its end.
    let floor = 0n

    const elapsedUnsafe = (): bigint => {
      const at = inner.monotonicTimeNanosUnsafe()
      return at < floor ? floor : at
    }
    const aheadMs = (): number => Number(elapsedUnsafe() - inner.monotonicTimeNanosUnsafe()) / Number(NANOS_PER_MS)
    const wallMillisUnsafe = (): number => inner.currentTimeMillisUnsafe() + aheadMs() + wallOffset
    const wallNanosUnsafe = (): bigint => BigInt(Math.round(wallMillisUnsafe())) * NANOS_PER_MS

    const clock: TestClock.TestClock = {
      ...inner,
      currentTimeMillisUnsafe: wallMillisUnsafe,
      currentTimeMillis: Effect.sync(wallMillisUnsafe),
      currentTimeNanosUnsafe: wallNanosUnsafe,
      currentTimeNanos: Effect.sync(wallNanosUnsafe),
      monotonicTimeNanosUnsafe: elapsedUnsafe,
      monotonicTimeNanos: Effect.sync(elapsedUnsafe),
      sleep: (duration) => Effect.suspend(() => inner.sleep(Duration.millis(Duration.toMillis(duration) + aheadMs())))
    }

    const suspend = (duration: Duration.Input) =>
      Effect.suspend(() => {
        floor =
          elapsedUnsafe() + BigInt(Math.round(Duration.toMillis(Duration.fromInputUnsafe(duration)))) * NANOS_PER_MS
        return inner.adjust(duration)
      })

    return Context.make(
      TestTime,
      TestTime.of({
        adjust: (duration) => inner.adjust(duration),
        jumpWall: (ms) => Effect.sync(() => void (wallOffset += ms)),
        suspend
      })
    ).pipe(Context.add(Clock.Clock, clock), Context.add(Scheduler.Scheduler, scheduler))
  })
).pipe(Layer.provide(TestClock.layer()))
