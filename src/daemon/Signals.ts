/** Signals of the process, as effects. */
import { Clock, Effect, Queue } from "effect"

/** A second interrupt closer than this is the same key press, seen twice through a wrapper. */
const SAME_PRESS_MS = 500

export interface SignalHandlers {
  /** SIGTERM, SIGHUP, or the first SIGINT. */
  readonly stop: Effect.Effect<void>
  /** A second SIGINT. */
  readonly stopNow: Effect.Effect<void>
}

/** Handles signals until the scope closes. */
export const handleSignals = Effect.fnUntraced(function* ({ stop, stopNow }: SignalHandlers) {
  const signals = yield* Queue.unbounded<NodeJS.Signals>()
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const listener = (signal: NodeJS.Signals) => void Queue.offerUnsafe(signals, signal)
      for (const name of SIGNALS) globalThis.process.on(name, listener)
      return listener
    }),
    (listener) =>
      Effect.sync(() => {
        for (const name of SIGNALS) globalThis.process.off(name, listener)
      })
  )
  let interruptedAt: number | undefined
  yield* Effect.gen(function* () {
    const signal = yield* Queue.take(signals)
    const now = yield* Clock.currentTimeMillis
    if (signal !== "SIGINT") return yield* stop
    if (interruptedAt === undefined) {
      interruptedAt = now
      return yield* stop
    }
    if (now - interruptedAt > SAME_PRESS_MS) yield* stopNow
  }).pipe(Effect.forever, Effect.forkScoped)
})

const SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT"] as const
