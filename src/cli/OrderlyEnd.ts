/** What Ctrl-C and SIGHUP mean to a command that runs until it is stopped. */
import { Context, Effect, Queue, type Scope } from "effect"

/** Without a call an interrupted command has not done what it was asked to, and exits 130. */
export class OrderlyEnd extends Context.Service<
  OrderlyEnd,
  {
    /** From here on being stopped is how this command ends: exit code 0. */
    readonly expected: Effect.Effect<void>
    /** Until the scope closes, SIGHUP does this and does not end the command. */
    readonly onHangup: <R>(use: Effect.Effect<void, never, R>) => Effect.Effect<void, never, R | Scope.Scope>
  }
>()("holdfast/cli/OrderlyEnd") {}

/** The one of this process; `expected` is called when its end is. */
export const orderlyEnd = (expected: () => void): OrderlyEnd["Service"] => {
  // A terminal that closes ends what runs in it in order as well.
  const end = (): void => void globalThis.process.kill(globalThis.process.pid, "SIGTERM")
  let hangup = end
  return {
    expected: Effect.sync(() => {
      expected()
      globalThis.process.on("SIGHUP", () => hangup())
    }),
    onHangup: Effect.fnUntraced(function* (use) {
      const hangups = yield* Queue.unbounded<void>()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          hangup = () => void Queue.offerUnsafe(hangups, undefined)
        }),
        () =>
          Effect.sync(() => {
            hangup = end
          })
      )
      yield* Queue.take(hangups).pipe(Effect.andThen(use), Effect.forever, Effect.forkScoped)
    })
  }
}
