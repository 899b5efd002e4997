/** `holdfast leave`. */
import { Duration, Effect, FileSystem, Option, Path, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import { Home } from "../domain/index.ts"
import { DaemonLock } from "../storage/index.ts"
import { Refused } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { loadControl } from "./LocalServices.ts"
import { note, print } from "./Output.ts"

/** An orderly stop takes 20 s at most. */
const LOCK_TRIES = Schedule.spaced(Duration.millis(200)).pipe(Schedule.upTo({ times: 125 }))

/** Stops the daemon and removes everything of the fleet. */
export const leaveCommand = Command.make(
  "leave",
  {
    service: Flag.Boolean("service").pipe(
      Flag.withoutNegation,
      Flag.withDescription("Stop and remove the daemon's service as well"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ service }) {
    if (service) yield* removeService
    const layer = yield* loadControl
    yield* leave.pipe(Effect.scoped, Effect.provide(layer))
  })
).pipe(
  Command.withDescription(
    "Leave the fleet: stops the daemon and removes identity, revisions and state. Your own config.json stays."
  ),
  Command.withShortDescription("Leave the fleet"),
  Command.withExamples([{ command: "holdfast leave" }, { command: "holdfast leave --service" }])
)

/** First, for a manager starts again what only has ended. A service for another home stays. */
const removeService = Effect.gen(function* () {
  const { loadService, managerOf } = yield* Effect.promise(() => import("./DaemonService.ts"))
  const { ServiceManager } = yield* loadService
  const remove = Effect.gen(function* () {
    const manager = yield* ServiceManager
    const { root } = yield* Home
    const found = yield* manager.installed
    if (Option.isNone(found) || found.value.home !== root) return
    yield* manager.carryOut(yield* manager.uninstall)
    yield* print(`The service ${manager.name} is stopped and removed.`)
  })
  for (const scope of ["user", "system"] as const) {
    yield* remove.pipe(
      Effect.provide(managerOf(scope)),
      Effect.catchTag("NoServiceManager", () => Effect.void)
    )
  }
})

const leave = Effect.gen(function* () {
  const home = yield* Home
  if ((yield* remaining).length === 0) return yield* print("This machine has not joined a fleet.")
  const daemon = yield* findDaemon
  if (Option.isSome(daemon)) yield* stop(daemon.value)
  const { ControlFiles } = yield* Effect.promise(() => import("../config/index.ts"))
  const control = yield* ControlFiles
  const lock = yield* DaemonLock
  yield* lock.acquire(home.root).pipe(
    Effect.retry({ schedule: LOCK_TRIES, while: ({ _tag }) => _tag === "LockHeld" && Option.isSome(daemon) }),
    Effect.catchTag("LockHeld", ({ message }) =>
      Effect.andThen(
        control.writeLeave,
        Effect.fail(
          new Refused({
            message: `The leaving intent is written, and the daemon's next start carries it out; it is not done yet: ${message}`
          })
        )
      )
    )
  )
  yield* control.writeLeave
  yield* control.executeLeave.pipe(
    Effect.catchTag("StorageError", ({ message }) =>
      Effect.flatMap(remaining, (left) =>
        Effect.fail(
          new Refused({
            message: `${message} Not removed: ${left.join(", ")}. Mend this, then run it again: holdfast leave`
          })
        )
      )
    )
  )
  yield* print("This machine has left its fleet: identity, revisions and state are removed. config.json stays.")
})

const stop = Effect.fnUntraced(function* (daemon: LiveDaemon) {
  const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
  yield* DaemonClient.use((client) => client.stop(daemon, { leave: true })).pipe(
    Effect.andThen(note(`The daemon (pid ${daemon.pid}) stops.`)),
    Effect.catchTag("DaemonGone", () => Effect.void),
    Effect.provide(DaemonClient.layer)
  )
})

/** What of the fleet is on the disk, by absolute path. */
const remaining = Effect.gen(function* () {
  const home = yield* Home
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = [
    "leave.json",
    "join.json",
    "join.bak.json",
    "seed.json",
    "seed.bak.json",
    "active",
    "a",
    "b",
    "state.json"
  ]
  const candidates = [
    ...names.map((name) => path.join(home.control, name)),
    ...["identity.json", "identity.bak.json", "trust.json", "trust.bak.json"].map((name) => path.join(home.state, name))
  ]
  // Not `exists`: a dangling link is something that is there.
  return yield* Effect.filter(candidates, (candidate: string) =>
    fs.lstat(candidate).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.succeed(error.reason._tag !== "NotFound"))
    )
  )
})
