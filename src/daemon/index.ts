/** The daemon as a process. */
import { Cause, Effect, Exit, Layer } from "effect"
import { Identity } from "../central/index.ts"
import { Home, Version } from "../domain/index.ts"
import { endProcess } from "../process/index.ts"
import { exportLayer, logsLayer } from "../telemetry/index.ts"
import { daemonLayer } from "./Layers.ts"
import { runDaemon } from "./Main.ts"

export type { Ending } from "./Machines.ts"
export { HomeUnusable, TimeScaleRefused } from "./Main.ts"

const EXIT_REFUSED = 1

/** A failure that the user can act on is one line; a bug shows its trace. */
const report = (cause: Cause.Cause<{ readonly message: string }>) => {
  const failure = cause.reasons.find(Cause.isFailReason)
  return failure === undefined ? Effect.logFatal("the daemon broke", cause) : Effect.logFatal(failure.error.message)
}

const logs = Layer.unwrap(Effect.map(Home, ({ logs: directory }) => logsLayer(directory)))

const exported = Layer.unwrap(
  Effect.gen(function* () {
    const { status } = yield* Identity
    return exportLayer({ version: yield* Version, gatewayId: Effect.map(status, ({ gateway_id }) => gateway_id) })
  })
)

/** Runs the daemon to its end and exits the process with its code. */
export const daemonMain = (): void => {
  const program = runDaemon.pipe(
    Effect.map(({ code }) => code),
    Effect.scoped,
    Effect.catchCause((cause) => Effect.as(report(cause), EXIT_REFUSED)),
    Effect.provide(exported.pipe(Layer.provideMerge(logs), Layer.provideMerge(daemonLayer))),
    // Making spans costs every start 5 ms: only who exports them has them made.
    Effect.withTracerEnabled(false)
  )
  Effect.runFork(program).addObserver((exit) => {
    // Before there are logs: a setting that cannot be used.
    if (Exit.isFailure(exit)) {
      const failure = exit.cause.reasons.find(Cause.isFailReason)
      globalThis.process.stderr.write(`holdfast: ${failure?.error.message ?? Cause.pretty(exit.cause)}\n`)
    }
    endProcess(Exit.isSuccess(exit) ? exit.value : EXIT_REFUSED)
  })
}
