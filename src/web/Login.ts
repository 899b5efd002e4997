/**
 * What the page knows of the login, and what it does next: (state, event) → (state, commands). Pure.
 *
 * @ref LLP 0012#the-model-account [implements]: nothing is kept in the page alone, and one action of a person is enough
 */
import type { LoginStatus } from "../domain/index.ts"

/** While a flow is live, the page asks this often how it does. */
export const POLL_EVERY_MS = 5_000
/** As often as this for one flow: 15 minutes. */
export const POLL_ATTEMPTS = 180
/** A daemon that does not answer is asked again after this long, or when its stream is back. */
export const AGAIN_MS = 5_000
/** So long after it was seen to write how it ended, a login is looked at again. */
const SETTLE_MS = 1_000

/** What a person asks for; each is a route of the API. */
export type Action = "login" | "switch" | "retry" | "cancel" | "logout"

/** Why nothing is heard: nobody answers, the daemon does not know this browser, or it answers something else. */
export type Away = "lost" | "refused" | "odd"

export type Command =
  /** `GET /login/status`. */
  | { readonly type: "read" }
  /** `POST /login/poll`. */
  | { readonly type: "poll" }
  | { readonly type: "act"; readonly action: Action }

export type LoginEvent =
  /** Something has happened to the login, or the daemon is back. */
  | { readonly type: "changed" }
  | { readonly type: "heard"; readonly status: LoginStatus }
  | { readonly type: "polled" }
  /** A read, or a poll, brought nothing. */
  | { readonly type: "unheard"; readonly of: "read" | "poll"; readonly why: Away }
  /** The stream is gone. */
  | { readonly type: "cut"; readonly why: Away }
  | { readonly type: "act"; readonly action: Action }
  | { readonly type: "acted"; readonly action: Action; readonly failure: string | null }
  /** The daemon went away before it answered an action. */
  | { readonly type: "unanswered"; readonly action: Action }
  | { readonly type: "tick" }

/** The polls of one flow; a newer flow has a loop of its own, and the older one is over. */
export interface Loop {
  readonly flow: string
  /** Polls that were answered. */
  readonly attempts: number
  readonly nextAt: number
  readonly isOut: boolean
}

/** Times are milliseconds of the page's life, which no change of the clock moves. */
export interface Login {
  readonly heard: LoginStatus | null
  /** When the code of the live flow ends. */
  readonly deadline: number | null
  /** A read is under way; `again`: something has changed since it began. */
  readonly reading: "no" | "once" | "again"
  readonly loop: Loop | null
  /** Under way. */
  readonly action: Action | null
  /** A start of a flow without an answer, and the flow there was before: asked again when the daemon is back. */
  readonly unanswered: { readonly action: "login" | "switch"; readonly before: string | null } | null
  /** Why the last action failed, and what was heard of the login right after. */
  readonly failure: { readonly words: string; readonly of: string | null } | null
  readonly away: Away | null
  /** When to read without being told to. */
  readonly readAt: number | null
}

/** Before the first answer. */
export const nothingHeard: Login = {
  heard: null,
  deadline: null,
  reading: "no",
  loop: null,
  action: null,
  unanswered: null,
  failure: null,
  away: null,
  readAt: null
}

type Step = readonly [Login, ReadonlyArray<Command>]

/** What becomes of an event at `at`. */
export const step = (login: Login, event: LoginEvent, at: number): Step => {
  switch (event.type) {
    case "changed":
      return read(login)
    case "heard":
      return heard(login, event.status, at)
    case "polled":
      return read(withLoop(login, (loop) => ({ ...loop, attempts: loop.attempts + 1, isOut: false })))
    case "unheard":
      return [
        event.of === "read"
          ? { ...login, reading: "no", ...gone(event.why, at) }
          : { ...withLoop(login, (loop) => ({ ...loop, isOut: false })), ...gone(event.why, at) },
        []
      ]
    case "cut":
      return [{ ...login, ...gone(event.why, at) }, []]
    case "act":
      return act(login, event.action)
    case "acted":
      // A start that was cancelled by the same person ends as well, and that is no news.
      if (event.action !== login.action) return read(login)
      return read({
        ...login,
        action: null,
        unanswered: null,
        failure: event.failure === null ? null : { words: event.failure, of: null }
      })
    case "unanswered":
      return [{ ...(event.action === login.action ? unanswered(login) : login), ...gone("lost", at) }, []]
    case "tick":
      return tick(login, at)
  }
}

/** Whether this can be asked for now: one thing at a time, but a start can be cancelled. */
export const isFree = ({ action, away }: Login, wanted: Action): boolean =>
  away === null && (action === null || (wanted === "cancel" && isStart(action)))

/** Whether the page has given up on the live flow. */
export const isTimedOut = ({ loop }: Login): boolean => loop !== null && loop.attempts >= POLL_ATTEMPTS

/** Whether a flow is on its way. */
export const isLive = ({ phase }: LoginStatus): boolean =>
  phase === "requesting" || phase === "waiting" || phase === "exchanging"

/** Seconds until the code ends; null without one. */
export const secondsLeft = ({ deadline }: Login, at: number): number | null =>
  deadline === null ? null : Math.max(0, Math.ceil((deadline - at) / 1_000))

// One read at a time, so that an older answer never comes after a newer one.
const read = (login: Login): Step =>
  login.reading === "no"
    ? [{ ...login, reading: "once", readAt: null }, [{ type: "read" }]]
    : [{ ...login, reading: "again" }, []]

const heard = (before: Login, status: LoginStatus, at: number): Step => {
  const login: Login = { ...before, away: null, reading: "no" }
  const onward = (next: Login, commands: ReadonlyArray<Command>): Step => {
    if (before.reading !== "again") return [next, commands]
    const [reading, more] = read(next)
    return [reading, [...commands, ...more]]
  }
  // How it ended counts once it is on the disk; until then what was seen before stays, and nothing flickers.
  const isSettling = status.account.state === "asking" && !isLive(status)
  if (isSettling && before.heard !== null) return onward({ ...login, readAt: at + SETTLE_MS }, [])
  const next: Login = {
    ...login,
    heard: status,
    readAt: isSettling ? at + SETTLE_MS : null,
    deadline: deadlineOf(before, status, at),
    loop: loopOf(before, status, at),
    failure: stillFailed(before, status)
  }
  if (before.unanswered === null || before.action !== null) return onward(next, [])
  const { action, before: flow } = before.unanswered
  const isDone = status.id !== flow || (action === "login" && isLive(status))
  return isDone
    ? onward({ ...next, unanswered: null }, [])
    : onward({ ...next, action, failure: null }, [{ type: "act", action }])
}

/** The daemon says whole seconds, rounded up: what was reckoned before stays as long as it agrees with that. */
const deadlineOf = ({ deadline, heard }: Login, { expires_in, id }: LoginStatus, at: number): number | null => {
  if (expires_in === null) return null
  const latest = at + expires_in * 1_000
  return deadline === null || heard?.id !== id ? latest : Math.min(Math.max(deadline, latest - 1_000), latest)
}

const loopOf = ({ loop }: Login, status: LoginStatus, at: number): Loop | null => {
  if (!isLive(status) || status.id === null) return null
  return loop?.flow === status.id ? loop : { flow: status.id, attempts: 0, nextAt: at + POLL_EVERY_MS, isOut: false }
}

/** A failure is told until something else has become of the login. */
const stillFailed = ({ failure, reading }: Login, status: LoginStatus): Login["failure"] => {
  if (failure === null || reading === "again") return failure
  const now = `${status.id} ${status.account.state} ${status.account.username}`
  if (failure.of === null) return { ...failure, of: now }
  return failure.of === now ? failure : null
}

const act = (login: Login, action: Action): Step => {
  if (!isFree(login, action)) return [login, []]
  return [
    {
      ...login,
      action,
      failure: null,
      // Whoever tries again after the page gave up waits as long again.
      loop: isStart(action) ? null : login.loop,
      unanswered: isStart(action) ? { action, before: login.heard?.id ?? null } : null
    },
    [{ type: "act", action }]
  ]
}

const isStart = (action: Action): action is "login" | "switch" => action === "login" || action === "switch"

/** A start is asked for again by itself; of anything else the person is told. */
const unanswered = (login: Login): Login => ({
  ...login,
  action: null,
  failure:
    login.unanswered !== null
      ? login.failure
      : { words: "The daemon went away before it answered: it may have to be asked again.", of: null }
})

const tick = (login: Login, at: number): Step => {
  if (login.readAt !== null && at >= login.readAt) return login.reading === "no" ? read(login) : [login, []]
  const { loop } = login
  if (loop === null || loop.isOut || login.away !== null || at < loop.nextAt || isTimedOut(login)) return [login, []]
  // Every 5 s on the whole, however ticks fall; and no burst after a pause.
  const nextAt = Math.max(loop.nextAt + POLL_EVERY_MS, at + POLL_EVERY_MS / 2)
  return [{ ...login, loop: { ...loop, nextAt, isOut: true } }, [{ type: "poll" }]]
}

const gone = (away: Away, at: number) => ({ away, readAt: at + AGAIN_MS })

const withLoop = (login: Login, change: (loop: Loop) => Loop): Login =>
  login.loop === null ? login : { ...login, loop: change(login.loop) }
