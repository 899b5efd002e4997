/** A live daemon takes up a join: it restarts, and its first revision is waited for. */
import { Clock, Effect, Option, Ref } from "effect"
import type { Status } from "../domain/index.ts"
import { DaemonClient } from "./DaemonClient.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { note, plain } from "./Output.ts"

const PATIENCE_MS = 30_000
const LOOK_MS = 250

/** How a wait ended. */
export interface FirstRevision {
  /** With its quotes; null when none runs yet. */
  readonly revision: string | null
  readonly message: string
}

/** Asks for the planned restart, and waits at most 30 s for the first revision. */
export const restartIntoFleet = Effect.fnUntraced(function* (daemon: LiveDaemon) {
  const client = yield* DaemonClient
  yield* client.restart(daemon, { reason: "joined" })
  yield* note(`The daemon (pid ${daemon.pid}) restarts to take up the joining intent.`)
  return yield* firstRevision(daemon)
}, Effect.provide(DaemonClient.layer))

/** Waits at most 30 s for the first revision of a daemon that is another one than `before`. */
export const firstRevision = Effect.fnUntraced(function* (before: LiveDaemon | null) {
  const client = yield* DaemonClient
  const begin = yield* Clock.currentTimeMillis
  const stage = yield* Ref.make("")
  const tell = (text: string) =>
    Effect.gen(function* () {
      if ((yield* Ref.getAndSet(stage, text)) === text) return
      const seconds = Math.round(((yield* Clock.currentTimeMillis) - begin) / 1000)
      yield* note(`${seconds} s: ${text}`)
    })

  const look = Effect.gen(function* () {
    const found = yield* findDaemon
    if (Option.isNone(found) || (before !== null && isSame(found.value, before))) return Option.none<Status>()
    return yield* Effect.option(client.status(found.value))
  })

  let last = Option.none<Status>()
  while ((yield* Clock.currentTimeMillis) - begin < PATIENCE_MS) {
    last = yield* look
    if (Option.isSome(last)) {
      const outcome = outcomeOf(last.value)
      if (outcome !== undefined) return outcome
      yield* tell(stageOf(last.value))
    } else {
      yield* tell("waiting for the daemon to start")
    }
    yield* Effect.sleep(LOOK_MS)
  }
  return notYet(last)
}, Effect.provide(DaemonClient.layer))

const isSame = (a: LiveDaemon, b: LiveDaemon): boolean => a.pid === b.pid && a.startedAt === b.startedAt

const outcomeOf = ({ remote_config }: Status): FirstRevision | undefined => {
  if (remote_config === null) return undefined
  const { last_attempt, probation, running_etag } = remote_config
  if (running_etag !== null) {
    const state = probation == null ? "promoted" : "on probation"
    return { revision: running_etag, message: `Joined. This machine runs revision ${plain(running_etag)}, ${state}.` }
  }
  if (last_attempt != null && last_attempt.verdict !== "applied") {
    const why = last_attempt.reason == null ? "" : `: ${plain(last_attempt.reason)}`
    return {
      revision: null,
      message: `Joined, but the revision that central serves was not applied (${plain(last_attempt.verdict)})${why}`
    }
  }
  return undefined
}

const stageOf = ({ identity, remote_config }: Status): string =>
  remote_config?.last_attempt?.verdict === "applied"
    ? "a revision is applied; the daemon restarts into it"
    : identity.gateway_id === null
      ? `enrolling (${plain(identity.state)})`
      : `enrolled as ${plain(identity.gateway_id)}; waiting for the first revision`

const notYet = (last: Option.Option<Status>): FirstRevision => {
  const seconds = PATIENCE_MS / 1000
  if (Option.isNone(last)) {
    return {
      revision: null,
      message:
        `The joining intent is written, but the daemon was not back within ${seconds} s. ` +
        "If nothing supervises it, start it: holdfast daemon"
    }
  }
  const why = last.value.diagnostics.find(({ kind }) => WHY.has(kind))
  return {
    revision: null,
    message:
      `The daemon took up the join; no revision of the fleet runs after ${seconds} s` +
      `${why === undefined ? " (central may have none yet)" : `: ${plain(why.message)}`}. It goes on by itself: holdfast status`
  }
}

/** What keeps the first revision away. */
const WHY: ReadonlySet<string> = new Set(["identity_failing", "credential_dead", "poll_failing"])
