/** What systemd is told of the daemon, as sd_notify(3) has it. */
import { Effect, Fiber, Queue, Ref, type Scope, Semaphore, Stream } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { Status } from "../domain/index.ts"
import { runProgram } from "../process/index.ts"

/** How the daemon is, for those who watch it from outside. */
export interface Condition {
  readonly phase: "booting" | "running" | "stopping"
  /** One line for people. */
  readonly text: string
}

/** What a service manager gave this process. */
export interface NotifySettings {
  /** `NOTIFY_SOCKET`. */
  readonly socket: string
  /** `WATCHDOG_USEC`: silence for so many microseconds ends the process; null without a watchdog. */
  readonly watchdogMicros: number | null
}

const DEADLINE = "5 seconds"
const TEXT_MAX = 200

/** Health in one line: what runs, and the kinds of what is wrong. */
export const conditionText = ({ diagnostics, overall, remote_config }: Status): string => {
  const revision = remote_config?.running_etag ?? null
  const what =
    revision === null
      ? "no revision of a fleet"
      : `revision ${revision}${remote_config?.probation == null ? "" : ", on probation"}`
  const wrong = [...new Set(diagnostics.filter(({ severity }) => severity !== "info").map(({ kind }) => kind))]
  return oneLine(`${overall}: ${what}${wrong.length === 0 ? "" : ` (${wrong.join(", ")})`}`)
}

const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cs}]+/gu, " ").slice(0, TEXT_MAX)

/** What there is to say of a condition after another one. */
export const newsOf = (before: Condition | null, now: Condition): ReadonlyArray<string> => [
  ...(now.phase === before?.phase || now.phase === "booting"
    ? []
    : [now.phase === "running" ? "READY=1" : "STOPPING=1"]),
  ...(now.text === before?.text ? [] : [`STATUS=${oneLine(now.text)}`])
]

/**
 * Says how the daemon is after each of `changes`, and once more when the scope closes; and that it lives, at half of
 * what the watchdog waits. Node has no datagram sockets in the file system, so `systemd-notify` says it; that it cannot
 * is a warning, once.
 *
 * @ref LLP 0027#what-systemd-is-told [implements]: who decides what is said when
 */
export const tellSystemd = Effect.fn("service.tell")(function* (
  { socket, watchdogMicros }: NotifySettings,
  changes: Stream.Stream<unknown>,
  look: Effect.Effect<Condition>
): Effect.fn.Return<void, never, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const said = yield* Ref.make<Condition | null>(null)
  const failing = yield* Ref.make(false)
  const oneAtATime = yield* Semaphore.make(1)
  const services = yield* Effect.context<ChildProcessSpawner.ChildProcessSpawner>()

  // A process of its own, which a stop of ours must not cut off: STOPPING is said when all else is being ended. It waits
  // until the manager has read it, for of a sender that is gone nobody knows whose it was.
  const say = (lines: ReadonlyArray<string>) =>
    runProgram("systemd-notify", { args: lines, env: { NOTIFY_SOCKET: socket }, deadline: DEADLINE }).pipe(
      Effect.matchEffect({
        onSuccess: () => Ref.set(failing, false),
        onFailure: ({ message }) =>
          Effect.flatMap(Ref.getAndSet(failing, true), (known) =>
            known
              ? Effect.void
              : Effect.logWarning(`the service manager cannot be told anything: systemd-notify ${message}`)
          )
      }),
      Effect.provideContext(services),
      Effect.forkDetach,
      Effect.flatMap(Fiber.await),
      Effect.uninterruptible
    )

  const tell = Effect.gen(function* () {
    const now = yield* look
    const before = yield* Ref.getAndSet(said, now)
    const news = newsOf(before, now)
    if (news.length > 0) yield* say(news)
  }).pipe(oneAtATime.withPermits(1))

  const due = yield* Queue.sliding<void>(1)
  yield* Effect.addFinalizer(() => tell)
  yield* changes.pipe(
    Stream.runForEach(() => Queue.offer(due, undefined)),
    Effect.forkScoped
  )
  yield* Queue.take(due).pipe(Effect.andThen(tell), Effect.forever, Effect.forkScoped)
  if (watchdogMicros === null) return

  const alive = Effect.gen(function* () {
    const phase = (yield* Ref.get(said))?.phase ?? "booting"
    // Plugins may take longer to start than a manager waits; as long as the loop turns, they may.
    yield* say(phase === "booting" ? ["WATCHDOG=1", `EXTEND_TIMEOUT_USEC=${watchdogMicros}`] : ["WATCHDOG=1"])
  })
  yield* alive.pipe(Effect.andThen(Effect.sleep(watchdogMicros / 2_000)), Effect.forever, Effect.forkScoped)
})
