// @effect-diagnostics runEffectInsideEffect:off - the root: this is where the daemon's effect becomes a process
/** The daemon as a process. */
import { Cause, Effect, Exit } from "effect"
import { logsLayer } from "../telemetry/index.ts"
import { Home } from "../domain/index.ts"
import { daemonLayer } from "./Layers.ts"
import { runDaemon } from "./Main.ts"

export { type Ending, HomeUnusable, TimeScaleRefused } from "./Main.ts"

const EXIT_REFUSED = 1

/** A failure that the user can act on is one line; a bug shows its trace. */
const report = (cause: Cause.Cause<{ readonly message: string }>) => {
  const failure = cause.reasons.find(Cause.isFailReason)
  return failure === undefined ? Effect.logFatal("the daemon broke", cause) : Effect.logFatal(failure.error.message)
}

/** Runs the daemon to its end and exits the process with its code. */
export const daemonMain = (): void => {
  const program = runDaemon.pipe(
    Effect.map(({ code }) => code),
    Effect.scoped,
    Effect.catchCause((cause) => Effect.as(report(cause), EXIT_REFUSED)),
    Effect.provide(logs),
    Effect.provide(daemonLayer)
  )
  const keepAlive = setInterval(() => {}, 60_000)
  Effect.runFork(program).addObserver((exit) => {
    clearInterval(keepAlive)
    globalThis.process.exit(Exit.isSuccess(exit) ? exit.value : EXIT_REFUSED)
  })
}
