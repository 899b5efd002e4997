/** The root: one process from its lock to its exit code. */
import { Clock, DateTime, Effect, Option, Random, Ref, Schema } from "effect"
import { RunningConfig } from "../config/index.ts"
import { Home, isLoopbackHost, type Status, Version } from "../domain/index.ts"
import { Switchboard, Uptime } from "../statechart/index.ts"
import { DaemonLock, DurableFiles, type StorageError } from "../storage/index.ts"
import { apiToken } from "./ApiToken.ts"
import { keepCompiledCode } from "./CompiledCode.ts"
import { Fleet } from "./Fleet.ts"
import { runMachines } from "./Machines.ts"
import { notifyService } from "./ServiceNotify.ts"
import { apiPort } from "./Settings.ts"
import { handleSignals } from "./Signals.ts"
import { keepHeapSmall } from "./SmallHeap.ts"
import { keepStatusFile } from "./StatusFile.ts"
import { currentStatus } from "./StatusReport.ts"

/** The home cannot be created or written at the first start: there is nothing to run on. */
export class HomeUnusable extends Schema.TaggedError<HomeUnusable>()("HomeUnusable", { message: Schema.String }) {}

/** Simulated time never meets a central that others rely on. */
export class TimeScaleRefused extends Schema.TaggedError<TimeScaleRefused>()("TimeScaleRefused", {
  message: Schema.String
}) {}

/** A disk that turned read-only after the first start must not stop the polls: the daemon goes on without the lock. */
const lockHome = Effect.gen(function* () {
  const home = yield* Home
  const lock = yield* DaemonLock
  const files = yield* DurableFiles
  const joinedBefore = Effect.map(files.read(home.apiToken), Option.isSome).pipe(Effect.orElseSucceed(() => false))
  yield* lock
    .acquire(home.root)
    .pipe(
      Effect.catchTag("StorageError", (error: StorageError) =>
        Effect.flatMap(joinedBefore, (known) =>
          known
            ? Effect.logWarning(`the daemon runs without its lock: ${error.message}`)
            : Effect.fail(new HomeUnusable({ message: `HOLDFAST_HOME ${home.root} cannot be used. ${error.message}` }))
        )
      )
    )
})

const refuseScaledTimeElsewhere = Effect.gen(function* () {
  const { timeScale } = yield* Uptime
  const { central } = yield* (yield* RunningConfig).effective
  if (timeScale === 1 || Option.isNone(central)) return yield* Effect.never
  const host = URL.parse(central.value.url)?.hostname ?? ""
  if (isLoopbackHost(host)) return yield* Effect.never
  return yield* new TimeScaleRefused({
    message: `HOLDFAST_TEST_TIME_SCALE is for tests against a central on loopback, not for ${host}. Unset it.`
  })
})

/** Runs the daemon and answers how it ended. The lock is released when the scope closes. */
export const runDaemon = Effect.gen(function* () {
  yield* lockHome
  yield* Effect.logInfo("daemon starting").pipe(Effect.annotateLogs({ version: yield* Version }))
  const startedAt = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
  const uptime = yield* Uptime
  if (uptime.timeScale !== 1) {
    yield* Effect.logWarning(`simulated time: elapsed time runs ${uptime.timeScale} times as fast`)
  }
  const apiUrl = yield* Ref.make<string | null>(null)
  const services = yield* Effect.context<Effect.Services<ReturnType<typeof currentStatus>>>()
  const status: Effect.Effect<Status> = Effect.flatMap(Ref.get(apiUrl), (url) =>
    Effect.provideContext(currentStatus({ startedAt, apiUrl: url }), services)
  )
  const statusFile = yield* keepStatusFile(status)
  // Before boot evaluation, which sweeps temporary files: beside it, one being written would go. A failure costs the API.
  const token = yield* Effect.exit(apiToken)
  const { daemon, ending } = yield* runMachines({
    jitter: (yield* Random.next) * 2 - 1,
    port: yield* apiPort,
    token,
    status,
    apiUrl,
    writeStatus: onceEvaluated(statusFile.write)
  })
  yield* handleSignals({
    stop: daemon.send({ type: "STOP_REQUESTED", leave: false }, "signal"),
    stopNow: daemon.send({ type: "INTERRUPTED_AGAIN" }, "signal")
  })
  yield* notifyService(daemon, status)
  yield* daemon
    .until((snapshot) => snapshot.hasTag("running"))
    .pipe(Effect.andThen(keepCompiledCode), Effect.andThen(keepHeapSmall), Effect.forkScoped)
  const switchboard = yield* Switchboard
  const ended = yield* Effect.raceAllFirst([ending, switchboard.fatal, refuseScaledTimeElsewhere])
  yield* onceEvaluated(statusFile.writeStopped)
  if (ended.cut !== null) yield* Effect.logWarning(`what was cut: ${ended.cut}`)
  yield* Effect.logInfo("daemon stopped").pipe(Effect.annotateLogs({ code: ended.code, reason: ended.reason }))
  return ended
})

/** A process that is stopped during boot evaluation has no status: the one that is written waits for it. */
const onceEvaluated = Effect.fnUntraced(function* <R>(write: Effect.Effect<void, never, R>) {
  const { daemon } = yield* (yield* Fleet).machines
  if ((yield* daemon.current).context.boot !== null) yield* write
})
