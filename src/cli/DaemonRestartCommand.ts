/** `holdfast daemon restart`. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import {
  carryOut,
  installedHere,
  loadService,
  managerOf,
  scopeOf,
  type ServiceFlags,
  serviceFlags
} from "./DaemonService.ts"
import { Refused } from "./Failures.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { print, printJson } from "./Output.ts"

interface RestartFlags extends ServiceFlags {
  readonly normal: boolean
}

/**
 * A live daemon is asked: it ends in order with 75, whoever supervises it. One that does not run, or does not listen, is
 * its manager's to restart.
 */
export const restartCommand = Command.make(
  "restart",
  {
    normal: Flag.Boolean("normal").pipe(
      Flag.withDescription("End safe start: the next start runs every plugin and the local layer again"),
      Flag.withDefault(false)
    ),
    ...serviceFlags
  },
  Effect.fnUntraced(function* (flags) {
    const unasked = yield* askLive(flags).pipe(Effect.provide(homeLayer))
    if (unasked === null) return
    yield* restartService(flags, unasked).pipe(
      Effect.provide(managerOf(scopeOf(flags))),
      Effect.catchTag("NoServiceManager", () => new Refused({ message: unasked }))
    )
  })
).pipe(
  Command.withDescription("Ask the live daemon for a planned restart; its service is restarted when it does not run."),
  Command.withShortDescription("Restart the daemon"),
  Command.withExamples([
    { command: "holdfast daemon restart" },
    { command: "holdfast daemon restart --normal", description: "Leave safe start" }
  ])
)

/** Why it could not be asked; null when it was. */
const askLive = Effect.fnUntraced(function* ({ dryRun, json, normal }: RestartFlags) {
  const daemon = yield* findDaemon
  if (Option.isNone(daemon)) return NOT_RUNNING
  const { pid } = daemon.value
  const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
  const wish = { reason: "operator", ...(normal ? { normal } : {}) } as const
  const unasked = dryRun
    ? null
    : yield* DaemonClient.use((client) => client.restart(daemon.value, wish)).pipe(
        Effect.as(null),
        Effect.catchTag("DaemonGone", () => Effect.succeed(NOT_RUNNING)),
        // Only the daemon itself can end safe start.
        Effect.catchTag("DaemonUnresponsive", (failure) =>
          normal ? Effect.fail(failure) : Effect.succeed(failure.message)
        ),
        Effect.provide(DaemonClient.layer)
      )
  if (unasked !== null) return unasked
  const message = dryRun
    ? `Would ask the daemon (pid ${pid}) for a planned restart.`
    : `The daemon (pid ${pid}) ends in order with exit code 75; whatever supervises it starts it again` +
      `${normal ? ", and safe start is over" : ""}.`
  yield* json ? printJson({ pid, dry_run: dryRun, message }) : print(message)
  return null
})

const restartService = Effect.fnUntraced(function* (flags: ServiceFlags, why: string) {
  const { ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  if (Option.isNone(yield* installedHere)) return yield* new Refused({ message: why })
  yield* carryOut(yield* manager.restart, flags, `The service ${manager.name} is started again: holdfast status`)
})

const NOT_RUNNING = "No daemon runs for this home. Start it: holdfast daemon, or as a service: holdfast daemon install"
