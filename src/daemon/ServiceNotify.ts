// @effect-diagnostics processEnv:off - what a manager gave this process is not for those that it starts
/** Tells a service manager how the daemon is, where one asked for it: the code is loaded only then. */
import { Config, Effect, Layer, Option, Stream } from "effect"
import type { Daemon } from "../../machines/index.ts"
import type { Status } from "../domain/index.ts"
import type { Condition } from "../service/index.ts"
import { type Interpreter, Journal } from "../statechart/index.ts"

const VARIABLES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] as const

/** What systemd sets; a watchdog that is another process's is none. */
const notifySettings = Effect.gen(function* () {
  const socket = Option.getOrNull(yield* Config.option(Config.NonEmptyString("NOTIFY_SOCKET")))
  const micros = Option.getOrNull(yield* Config.option(Config.Int("WATCHDOG_USEC")))
  const pid = Option.getOrNull(yield* Config.option(Config.Int("WATCHDOG_PID")))
  const { process } = globalThis
  const isOurs = micros !== null && micros > 0 && (pid === null || pid === process.pid || pid === process.ppid)
  return socket === null ? null : { socket, watchdogMicros: isOurs ? micros : null }
})

/** Costs nothing without `NOTIFY_SOCKET`. Whatever fails here ends nothing. */
export const notifyService = Effect.fnUntraced(
  function* (daemon: Interpreter<typeof Daemon>, status: Effect.Effect<Status>) {
    const settings = yield* notifySettings
    if (settings === null) return
    // Agents and runs have no say in whether this daemon lives, and `NotifyAccess=all` would let them.
    for (const name of VARIABLES) Reflect.deleteProperty(globalThis.process.env, name)
    const [{ conditionText, tellSystemd }, { layer }] = yield* Effect.tryPromise({
      try: () => Promise.all([import("../service/index.ts"), import("@effect/platform-node/NodeChildProcessSpawner")]),
      catch: (cause) => ({ message: `its code cannot be loaded (${String(cause)})` })
    })
    const look: Effect.Effect<Condition> = Effect.gen(function* () {
      const snapshot = yield* daemon.current
      const { context } = snapshot
      if (snapshot.hasTag("stopping") || snapshot.matches("ended")) {
        return {
          phase: "stopping",
          text: `stopping: ${context.stopping ? "asked to" : (context.restart ?? "restart")}`
        }
      }
      if (!snapshot.hasTag("running")) {
        return { phase: "booting", text: snapshot.matches({ booting: "backingOff" }) ? "backing off" : "starting" }
      }
      return { phase: "running", text: conditionText(yield* status) }
    })
    const { stream } = yield* Journal
    const changes = Stream.merge(
      daemon.changes,
      Stream.filter(stream, ({ changed }) => changed)
    )
    yield* tellSystemd(settings, changes, look).pipe(Effect.provide(yield* Layer.build(layer)))
  },
  Effect.catch(({ message }) => Effect.logWarning(`the service manager is told nothing: ${message}`))
)
