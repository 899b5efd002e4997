/** `holdfast daemon stop`. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import {
  carryOut,
  installedHere,
  loadService,
  managerOf,
  scopeOf,
  type ServiceFlags,
  serviceFlags
} from "./DaemonService.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { print, printJson } from "./Output.ts"

/** Stops the service through its manager, which would start it again otherwise; a daemon without one is asked. */
export const stopCommand = Command.make(
  "stop",
  serviceFlags,
  Effect.fnUntraced(function* (flags) {
    const stopped = yield* stopService(flags).pipe(
      Effect.provide(managerOf(scopeOf(flags))),
      Effect.catchTag("NoServiceManager", () => Effect.succeed(false))
    )
    if (!stopped) yield* stopLive(flags).pipe(Effect.provide(homeLayer))
  })
).pipe(
  Command.withDescription(
    "Stop the daemon: its service through the manager, so that nothing starts it again; without a service the process itself."
  ),
  Command.withShortDescription("Stop the daemon"),
  Command.withExamples([
    { command: "holdfast daemon stop" },
    { command: "holdfast daemon stop --dry-run", description: "The commands, and nothing else" }
  ])
)

/** Whether there is a service that can be stopped. */
const stopService = Effect.fnUntraced(function* (flags: ServiceFlags) {
  const { ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  if (Option.isNone(yield* installedHere)) return false
  yield* carryOut(
    yield* manager.stop,
    flags,
    `The service ${manager.name} is stopped; it stays installed: holdfast daemon start`
  )
  return true
})

const stopLive = Effect.fnUntraced(function* ({ dryRun, json }: ServiceFlags) {
  const daemon = yield* findDaemon
  const say = (pid: number | null, message: string) =>
    json ? printJson({ manager: null, pid, dry_run: dryRun, message }) : print(message)
  if (Option.isNone(daemon)) return yield* say(null, "No daemon runs for this home, and no service is installed.")
  const { pid } = daemon.value
  if (dryRun) return yield* say(pid, `Would ask the daemon (pid ${pid}), which is no service, to stop.`)
  const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
  yield* DaemonClient.use((client) => client.stop(daemon.value, { leave: false })).pipe(
    Effect.catchTag("DaemonGone", () => Effect.void),
    Effect.provide(DaemonClient.layer)
  )
  yield* say(pid, `The daemon (pid ${pid}), which is no service, stops. What supervises it may start it again.`)
})
