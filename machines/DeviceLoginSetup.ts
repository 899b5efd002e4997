/**
 * What DeviceLogin knows and is told: its facts, events, tasks, guards and delays.
 *
 * @ref LLP 0015#facts [implements]: handles in the place of secrets, and one writer
 */
import { setup } from "xstate"
import { outputOf, task } from "./Task.ts"
import type { LoginPhase, TokenAccess } from "./Vocabulary.ts"

/** Without an interval that can be one, the provider is asked this often. */
export const POLL_INTERVAL_MS = 5_000
/** No interval that a provider names is shorter or longer; what is not a number above 0 names none. */
export const POLL_INTERVAL_MIN_MS = 1_000
export const POLL_INTERVAL_MAX_MS = 60_000
/** `slow_down` adds this to the interval, at least. */
export const SLOW_DOWN_MS = 5_000
/** Two clocks do not agree to the millisecond: a poll comes this much later than the interval asks for. */
export const POLL_MARGIN_MS = 100
/** How long a code lives when the provider does not say, and at most. */
export const CODE_LIFE_MS = 900_000
export const CODE_LIFE_MAX_MS = 3_600_000
/** Waits between tries of a request that failed for a passing reason, in ms; a flow ends after the last. */
export const PROVIDER_LADDER_MS = [1_000, 2_000, 4_000] as const
/** Polls that fail in a row are this far apart at most, unless the interval is longer. */
export const POLL_BACK_OFF_MAX_MS = 60_000
/** In the last time of a code, polls that fail are not put off beyond the interval: no back-off outlasts the deadline. */
export const LAST_MINUTE_MS = POLL_BACK_OFF_MAX_MS + 1_000
/** The longest `Retry-After` that a flow waits for before it gives the request up; the account waits for any. */
export const RETRY_AFTER_FLOW_MS = 30_000
export const RETRY_AFTER_LONGEST_MS = 3_600_000
/** After an exchange that failed for a passing reason nobody makes another one for this long. */
export const REST_MS = 5_000

/** Why a flow ended in `error`, or the account cannot be used; a provider's own code passes as it is. */
export type LoginErrorCode = string

/** One device-code login attempt. Nothing in it is secret: its codes stay with the service, under its id. */
export interface LoginFlow {
  readonly id: string
  readonly phase: LoginPhase
  readonly intervalMs: number
  /** How long the code lives from when it was given, or from when the process took it up again. */
  readonly lifeMs: number
  /** Of a flow that ended in `error`. */
  readonly code: LoginErrorCode | null
  /** For people: why it ended. */
  readonly message: string | null
}

/** A token of the provider, by handle; the service replaces what lies under it whole. */
export interface HeldToken {
  readonly handle: number
  /** It came with a refresh token of its own. */
  readonly refreshable: boolean
  /** The account's name at the provider, where it is known. */
  readonly name: string | null
  /** What the last exchange said of it. */
  readonly access: TokenAccess
}

/** Where tokens come from: the environment, a login, or nobody needs one. */
export type TokenSource = "environment" | "login" | "none"

/** What is on the disk when the process starts. */
export interface LoadedLogin {
  readonly source: TokenSource
  readonly account: HeldToken | null
  readonly candidate: HeldToken | null
  readonly flow: LoginFlow | null
  /** The provider's session that was kept is still valid. */
  readonly session: boolean
  /** What could not be read. */
  readonly problem: string | null
}

/** The whole content of the login's file, in handles: every write is a whole one. */
export interface SavedLogin {
  readonly flow: LoginFlow | null
  readonly account: HeldToken | null
  readonly candidate: HeldToken | null
  readonly session: boolean
}

/** A passing reason: it may succeed later. `retryAfterMs` is 0 when the server did not say. */
export interface Passing {
  readonly kind: "passing"
  readonly retryAfterMs: number
  readonly code: LoginErrorCode
  readonly message: string
}

export type CodeAnswer =
  | { readonly kind: "code"; readonly intervalMs: number; readonly lifeMs: number }
  | { readonly kind: "refused"; readonly code: LoginErrorCode; readonly message: string }
  | Passing

export type TokenAnswer =
  | { readonly kind: "pending" }
  | { readonly kind: "slow_down"; readonly intervalMs: number }
  | { readonly kind: "token"; readonly token: HeldToken }
  | { readonly kind: "expired" }
  | { readonly kind: "refused"; readonly code: LoginErrorCode; readonly message: string }
  | Passing

export type ExchangeAnswer =
  | { readonly kind: "session"; readonly name: string | null }
  | { readonly kind: "no_access"; readonly name: string | null; readonly message: string }
  | { readonly kind: "unauthorized"; readonly message: string }
  | Passing

export type RefreshAnswer =
  | { readonly kind: "refreshed"; readonly refreshable: boolean }
  | { readonly kind: "refused"; readonly message: string }
  | Passing

export interface DeviceLoginContext {
  readonly source: TokenSource
  /** The live flow, or how the last one ended. */
  readonly flow: LoginFlow | null
  /** What is used when no flow is live. */
  readonly account: HeldToken | null
  /** The token that the live flow brought, until it is the account's. */
  readonly candidate: HeldToken | null
  /** The account's session with the provider was valid when it was last looked at. */
  readonly session: boolean
  /** Requests in vain, one after another, for a passing reason. */
  readonly failures: number
  /** Until the next request. */
  readonly delayMs: number
  /** The code has outlived its time; a poll under way may still bring its token. */
  readonly overdue: boolean
  /** So little is left of the code's life that a back-off might outlast it. */
  readonly lastMinute: boolean
  /** The one refresh of this exchange is spent. */
  readonly refreshed: boolean
  /** Why the account cannot be used, or null. */
  readonly problem: string | null
  /** Why the login's file could not be read or written, or null. */
  readonly storageProblem: string | null
}

/** What of its context may be shown; nothing in it is secret. */
export const DEVICE_LOGIN_VISIBLE = [
  "source",
  "flow",
  "failures",
  "overdue",
  "refreshed",
  "problem",
  "storageProblem"
] as const satisfies ReadonlyArray<keyof DeviceLoginContext>

export type DeviceLoginEvent =
  /** Somebody wants to sign in; `id` is the new flow's, if there is to be one. `force` supersedes a live flow. */
  | { readonly type: "START"; readonly id: string; readonly force: boolean }
  | { readonly type: "CANCEL" }
  | { readonly type: "LOGOUT" }
  /** A person asks for another exchange. */
  | { readonly type: "RETRY" }
  /** The provider is to be used, and there is no session that is valid. */
  | { readonly type: "USE" }

const LIVE: ReadonlySet<LoginPhase> = new Set(["requesting", "waiting", "exchanging"])

/** Whether a flow is still on its way. */
export const isLive = (flow: LoginFlow | null): boolean => flow !== null && LIVE.has(flow.phase)

/** A number of ms that a provider names, within bounds; what is no number above 0 counts as not said. */
export const saneMs = (ms: number, unsaid: number, min: number, max: number): number =>
  ms > 0 && Number.isFinite(ms) ? Math.min(Math.max(ms, min), max) : unsaid

export const saneInterval = (ms: number): number =>
  saneMs(ms, POLL_INTERVAL_MS, POLL_INTERVAL_MIN_MS, POLL_INTERVAL_MAX_MS)

export const saneRetry = (ms: number): number => saneMs(ms, 0, 0, RETRY_AFTER_LONGEST_MS)

const kindOf = (event: unknown): string => outputOf<{ readonly kind: string }>(event).kind

const is =
  (kind: string) =>
  ({ event }: { readonly event: unknown }): boolean =>
    kindOf(event) === kind

interface Args {
  readonly context: DeviceLoginContext
  readonly event: unknown
}

/** Another try is worth it: the reason passes, not too late, and not every rung has been tried. */
const worthAnother = ({ context, event }: Args): boolean => {
  const answer = outputOf<CodeAnswer | ExchangeAnswer | RefreshAnswer>(event)
  return (
    answer.kind === "passing" &&
    context.failures < PROVIDER_LADDER_MS.length &&
    saneRetry(answer.retryAfterMs) <= RETRY_AFTER_FLOW_MS
  )
}

export const deviceLoginSetup = setup({
  types: {
    context: {} as DeviceLoginContext,
    events: {} as DeviceLoginEvent,
    tags: {} as "loading" | "asking" | "settled" | "degraded"
  },
  actors: {
    load: task<undefined, LoadedLogin>(),
    save: task<SavedLogin>(),
    requestCode: task<{ readonly flow: string }, CodeAnswer>(),
    pollToken: task<{ readonly flow: string }, TokenAnswer>(),
    exchange: task<{ readonly handle: number }, ExchangeAnswer>(),
    refresh: task<{ readonly handle: number }, RefreshAnswer>()
  },
  guards: {
    mayBegin: ({ context, event }) =>
      event.type === "START" && context.source === "login" && (event.force || !isLive(context.flow)),
    mayForget: ({ context }) => context.source === "login",
    isWaiting: ({ context }) => context.flow?.phase === "waiting",
    cutShort: ({ context }) => isLive(context.flow),
    codeGiven: is("code"),
    worthAnother,
    pending: is("pending"),
    slowDown: is("slow_down"),
    token: is("token"),
    expired: is("expired"),
    refused: is("refused"),
    refusedOfFlow: ({ context, event }) => is("refused")({ event }) && context.candidate !== null,
    overdue: ({ context }) => context.overdue,
    session: is("session"),
    noAccess: is("no_access"),
    mayRefresh: ({ context, event }) =>
      is("unauthorized")({ event }) && !context.refreshed && tokenOf(context)?.refreshable === true,
    unauthorizedOfFlow: ({ context, event }) => is("unauthorized")({ event }) && context.candidate !== null,
    unauthorized: is("unauthorized"),
    refreshed: is("refreshed"),
    ofFlow: ({ context }) => context.candidate !== null,
    signedOut: ({ context }) => context.account === null,
    hasSession: ({ context }) => context.session,
    hasNoAccess: ({ context }) => context.account?.access === "no_access",
    isRefused: ({ context }) => context.account?.access === "refused",
    isFailing: ({ context }) => context.problem !== null
  },
  delays: {
    pollDelay: ({ context }) => context.delayMs,
    codeLife: ({ context }) => context.flow?.lifeMs ?? 0,
    lastMinute: ({ context }) => Math.max(0, (context.flow?.lifeMs ?? 0) - LAST_MINUTE_MS),
    ladder: ({ context }) => context.delayMs,
    rest: ({ context }) => Math.max(context.delayMs, REST_MS)
  }
})

/** The token that an exchange is made with: of the live flow, else the account's. */
export const tokenOf = (context: DeviceLoginContext): HeldToken | null => context.candidate ?? context.account
