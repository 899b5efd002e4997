/**
 * Elapsed time that a stopped process does not spend.
 *
 * The monotonic clock is settled once a second and credited at most two seconds per settlement: a process that was
 * suspended, stopped or starved finds its timers where it left them. A jump of the wall clock changes nothing.
 */
import { Clock, Context, Duration, Effect, Layer, PubSub, Stream } from "effect"
import type { Due, Now } from "./Core.ts"

/** How often elapsed time is settled, in milliseconds of real time. */
export const TICK_MS = 1_000
/** The most that one settlement credits, in milliseconds of real time; anything over it is a gap. */
export const CREDIT_MAX_MS = 2_000
/** The bounds of the time scale. */
export const TIME_SCALE_MAX = 100

const SLEEP_MAX_MS = 3_600_000
const NANOS_PER_MS = 1_000_000

/**
 * Elapsed time since the layer was built, in whole milliseconds, never going backwards.
 *
 * With a time scale of n every millisecond of real time counts for n; the tick, the largest credit and the wall clock
 * stay real.
 */
export class Uptime extends Context.Service<
  Uptime,
  {
    /** Elapsed milliseconds. */
    readonly now: Effect.Effect<number>
    /** Both clocks at one moment. */
    readonly read: Effect.Effect<Now>
    /** Waits until either clock has reached its deadline; `Infinity` means never. Time not credited is slept again. */
    readonly sleepUntil: (due: Due) => Effect.Effect<void>
    /** Milliseconds of real time that were not credited, once per gap. */
    readonly gaps: Stream.Stream<number>
    /** How many milliseconds a millisecond of real time counts for: 1 outside tests. */
    readonly timeScale: number
  }
>()("holdfast/statechart/Uptime") {
  /** Real time. */
  static readonly layer: Layer.Layer<Uptime> = Layer.suspend(() => layerScaled(1))

  /** Time that runs `scale` times as fast (1 to 100), for tests with real processes. */
  static readonly layerScaled = (scale: number): Layer.Layer<Uptime> => layerScaled(scale)
}

const layerScaled = (scale: number): Layer.Layer<Uptime> => Layer.effect(Uptime, make(scale))

const make = Effect.fnUntraced(function* (scale: number) {
  const timeScale = Number.isFinite(scale) ? Math.min(Math.max(scale, 1), TIME_SCALE_MAX) : 1
  const clock = yield* Clock.Clock
  const gaps = yield* PubSub.sliding<number>(16)

  let settledAt = clock.monotonicTimeNanosUnsafe()
  let settled = 0

  /** Credits what has passed since the last settlement; the gap, if there was one, is published before anyone acts. */
  const settle = () => {
    const at = clock.monotonicTimeNanosUnsafe()
    const passed = Number(at - settledAt) / NANOS_PER_MS
    // A monotonic clock that goes back is a broken one: what was credited stays, and counting starts from there.
    if (passed > 0) settled += Math.min(passed, CREDIT_MAX_MS) * timeScale
    settledAt = at
    if (passed > CREDIT_MAX_MS) PubSub.publishUnsafe(gaps, passed - CREDIT_MAX_MS)
  }

  const nowUnsafe = (): number => {
    const passed = Number(clock.monotonicTimeNanosUnsafe() - settledAt) / NANOS_PER_MS
    if (passed > CREDIT_MAX_MS) settle()
    else if (passed > 0) return Math.floor(settled + passed * timeScale)
    return Math.floor(settled)
  }

  const readUnsafe = (): Now => ({ uptime: nowUnsafe(), wall: clock.currentTimeMillisUnsafe() })

  const sleepUntil = Effect.fnUntraced(function* (due: Due) {
    while (true) {
      const now = readUnsafe()
      if (now.uptime >= due.uptime || now.wall >= due.wall) return
      // The wall may jump at any time, so a wait for it looks again every tick.
      const wait = Math.min(
        Math.ceil((due.uptime - now.uptime) / timeScale),
        due.wall === Infinity ? Infinity : Math.min(Math.ceil(due.wall - now.wall), TICK_MS),
        SLEEP_MAX_MS
      )
      yield* clock.sleep(Duration.millis(Math.max(wait, 1)))
      // Whoever listens for gaps hears of one before the timers that it delayed go off.
      nowUnsafe()
      yield* Effect.yieldNow
    }
  })

  yield* clock
    .sleep(Duration.millis(TICK_MS))
    .pipe(Effect.andThen(Effect.sync(settle)), Effect.forever, Effect.forkScoped)

  return Uptime.of({
    now: Effect.sync(nowUnsafe),
    read: Effect.sync(readUnsafe),
    sleepUntil,
    gaps: Stream.fromPubSub(gaps),
    timeScale
  })
})
