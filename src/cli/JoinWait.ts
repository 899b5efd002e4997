/** A live daemon takes up a join: it restarts, and its first revision is waited for. */
import { Clock, Effect, Option, Ref } from "effect"
import { CREDENTIAL_NOT_ACCEPTED, type Status } from "../domain/index.ts"
import { DaemonClient } from "./DaemonClient.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { note, plain } from "./Output.ts"

const PATIENCE_MS = 30_000
const LOOK_MS = 250

/** How a wait ended. */
export interface FirstRevision {
  /** With its quotes; null when none runs yet. */
  readonly revision: string | null
  readonly refused: boolean
  readonly message: string
}

/** Whose daemon is waited for: another than the one that restarts, or that of a service which was just started. */
type Awaited = { readonly after: LiveDaemon } | { readonly service: string }

/** Asks for the planned restart, and waits at most 30 s for the first revision. */
export const restartIntoFleet = Effect.fnUntraced(function* (daemon: LiveDaemon) {
  const client = yield* DaemonClient
  yield* client.restart(daemon, { reason: "joined" })
  yield* note(`The daemon (pid ${daemon.pid}) restarts to take up the joining intent.`)
  return yield* firstRevision({ after: daemon })
}, Effect.provide(DaemonClient.layer))

/** Waits at most 30 s for the first revision, or until central refuses the token. */
export const firstRevision = Effect.fnUntraced(function* (awaited: Awaited) {
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
    if (Option.isNone(found) || ("after" in awaited && isSame(found.value, awaited.after))) return Option.none<Status>()
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
  return notYet(last, awaited)
}, Effect.provide(DaemonClient.layer))

/** Why the central of this daemon does not take its token; null when nothing says so. */
export const refusalOf = Effect.fnUntraced(function* (daemon: LiveDaemon) {
  const status = yield* Effect.option((yield* DaemonClient).status(daemon))
  const outcome = Option.isNone(status) ? undefined : outcomeOf(status.value)
  return outcome?.refused === true ? outcome.message : null
}, Effect.provide(DaemonClient.layer))

const isSame = (a: LiveDaemon, b: LiveDaemon): boolean => a.pid === b.pid && a.startedAt === b.startedAt

const outcomeOf = ({ identity, remote_config }: Status): FirstRevision | undefined => {
  if (identity.gateway_id === null && identity.problem?.endsWith(CREDENTIAL_NOT_ACCEPTED) === true) {
    return {
      revision: null,
      refused: true,
      message:
        `Not joined: ${sentence(identity.problem)} The token may be revoked, at its end, or another central's. ` +
        "Join with another one: holdfast join URL --token-file FILE"
    }
  }
  if (remote_config === null) return undefined
  const { last_attempt, probation, running_etag } = remote_config
  if (running_etag !== null) {
    const state = probation == null ? "promoted" : "on probation"
    const message = `Joined. This machine runs revision ${plain(running_etag)}, ${state}.`
    return { revision: running_etag, refused: false, message }
  }
  if (last_attempt != null && last_attempt.verdict !== "applied") {
    const why = last_attempt.reason == null ? "" : `: ${plain(last_attempt.reason)}`
    return {
      revision: null,
      refused: false,
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

const notYet = (last: Option.Option<Status>, awaited: Awaited): FirstRevision => {
  const seconds = PATIENCE_MS / 1000
  const none = { revision: null, refused: false }
  if (Option.isNone(last)) {
    const then =
      "service" in awaited
        ? `See why the service ${awaited.service} does not come up: holdfast daemon logs, holdfast doctor`
        : "If nothing supervises it, start it: holdfast daemon"
    return {
      ...none,
      message: `The joining intent is written, but the daemon was not back within ${seconds} s. ${then}`
    }
  }
  const why = last.value.diagnostics.find(({ kind }) => WHY.has(kind))
  const reason = why === undefined ? " (central may have none yet)." : `: ${sentence(why.message)}`
  return {
    ...none,
    message:
      `The daemon took up the join; no revision of the fleet runs after ${seconds} s${reason} ` +
      "It goes on by itself: holdfast status"
  }
}

/** What somebody said, with one full stop. */
const sentence = (text: string): string => `${plain(text).replace(/\.+$/, "")}.`

/** What keeps the first revision away. */
const WHY: ReadonlySet<string> = new Set(["identity_failing", "credential_dead", "poll_failing"])
