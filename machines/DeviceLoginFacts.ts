/**
 * What each event makes of the facts of DeviceLogin.
 *
 * @ref LLP 0015#facts [implements]: a record is replaced whole, and nothing of an older flow outlives it
 */
import { rung } from "./ConfigFacts.ts"
import {
  CODE_LIFE_MAX_MS,
  CODE_LIFE_MS,
  type DeviceLoginContext,
  type HeldToken,
  isLive,
  type LoginFlow,
  type Passing,
  POLL_BACK_OFF_MAX_MS,
  POLL_INTERVAL_MAX_MS,
  POLL_INTERVAL_MS,
  POLL_MARGIN_MS,
  PROVIDER_LADDER_MS,
  type SavedLogin,
  saneInterval,
  saneMs,
  saneRetry,
  SLOW_DOWN_MS,
  tokenOf
} from "./DeviceLoginSetup.ts"
import { failureOf, outputOf } from "./Task.ts"
import type { LoginPhase } from "./Vocabulary.ts"

type Facts = Partial<DeviceLoginContext>

interface InContext {
  readonly context: DeviceLoginContext
}

interface Args extends InContext {
  readonly event: unknown
}

const newFlow = (id: string): LoginFlow => ({
  id,
  phase: "requesting",
  intervalMs: POLL_INTERVAL_MS,
  lifeMs: CODE_LIFE_MS,
  code: null,
  message: null
})

/** The flow in another phase, with nothing left of the phase before. */
const reached = (
  { flow }: DeviceLoginContext,
  phase: LoginPhase,
  code: string | null = null,
  message: string | null = null
): Facts => ({ flow: flow === null ? null : { ...flow, phase, code, message } })

const failed = (context: DeviceLoginContext, code: string, message: string | null): Facts =>
  context.candidate === null ? {} : reached(context, "error", code, message)

/** The flow's token becomes the account's, whole. */
const adopted = (context: DeviceLoginContext, changes: Partial<HeldToken> = {}): Facts => {
  const token = tokenOf(context)
  return { account: token === null ? null : { ...token, ...changes }, candidate: null }
}

const kept = (context: DeviceLoginContext, code: string, message: string): Facts => ({
  ...failed(context, code, message),
  ...adopted(context),
  problem: context.session ? null : message
})

/** A flow supersedes whatever there was but the account itself, whose session goes. */
export const begun = (id: string): Facts => ({
  flow: newFlow(id),
  candidate: null,
  session: false,
  failures: 0,
  refreshed: false,
  problem: null
})

/** The process died before the flow had a code: nobody has seen anything of it, and it begins anew. */
export const begunAnew = ({ context }: InContext): Facts => ({ ...reached(context, "requesting"), session: false })

/** Whoever uses the provider says that there is no session that is valid. */
export const used = (): Facts => ({ session: false })

export const forgotten = ({ context }: InContext): Facts => ({
  ...(isLive(context.flow) ? reached(context, "cancelled") : { flow: null }),
  account: null,
  candidate: null,
  session: false,
  problem: null
})

export const cancelled = ({ context }: InContext): Facts => ({ ...reached(context, "cancelled"), candidate: null })

export const expired = ({ context }: InContext): Facts => reached(context, "expired")

/** The provider's own word for why not. */
export const refusedByProvider = ({ context, event }: Args): Facts => {
  const { code, message } = outputOf<{ readonly code: string; readonly message: string }>(event)
  return reached(context, "error", code, message)
}

/** No code could be had because of a bug: another flow may do better. */
export const noCode = ({ context, event }: Args): Facts =>
  reached(context, "error", "internal", failureOf(event).message)

export const codeReceived = ({ context, event }: Args): Facts => {
  const { intervalMs, lifeMs } = outputOf<{ readonly intervalMs: number; readonly lifeMs: number }>(event)
  return {
    flow: {
      ...(context.flow ?? newFlow("")),
      intervalMs: saneInterval(intervalMs),
      lifeMs: saneMs(lifeMs, CODE_LIFE_MS, 0, CODE_LIFE_MAX_MS)
    }
  }
}

/** The code is on the disk, and may be seen. */
export const waitingForPerson = ({ context }: InContext): Facts => reached(context, "waiting")

export const tokenReceived = ({ context, event }: Args): Facts => ({
  ...reached(context, "exchanging"),
  candidate: outputOf<{ readonly token: HeldToken }>(event).token
})

/** What the last flow failed of is what the account suffers from: when that is over, the flow has come to its end well. */
const isOfAccount = ({ flow, problem }: DeviceLoginContext): boolean =>
  flow?.phase === "error" && problem !== null && flow.message === problem

/** A session. */
export const granted = ({ context, event }: Args): Facts => {
  const { name } = outputOf<{ readonly name: string | null }>(event)
  return {
    ...(context.candidate !== null || isOfAccount(context) ? reached(context, "ok") : {}),
    ...adopted(context, { name: name ?? tokenOf(context)?.name ?? null, access: "granted" }),
    session: true,
    problem: null
  }
}

/** The certainty that this account has no subscription: its token stays, for that may change. */
export const withoutAccess = ({ context, event }: Args): Facts => {
  const { message, name } = outputOf<{ readonly name: string | null; readonly message: string }>(event)
  return {
    ...failed(context, "no_access", message),
    ...adopted(context, { name: name ?? tokenOf(context)?.name ?? null, access: "no_access" }),
    session: false,
    problem: message
  }
}

/** For a passing reason, too often: everything is kept, a session that is still valid too, and a later use asks again. */
export const givenUp = ({ context, event }: Args): Facts => {
  const { code, message, retryAfterMs } = outputOf<Passing>(event)
  return { ...kept(context, code, message), delayMs: saneRetry(retryAfterMs) }
}

/** A bug in a service is no reason to lose a token either. */
export const broken = ({ context, event }: Args): Facts => ({
  ...kept(context, "internal", failureOf(event).message),
  delayMs: 0
})

/** The token of the flow is worth nothing, and the account before it stays. */
export const dropped = ({ context, event }: Args): Facts => ({
  ...failed(context, "unauthorized", outputOf<{ readonly message: string }>(event).message),
  candidate: null
})

/** The certainty that the account's token is not taken any more; a restart does not try it again. */
export const denied = ({ context, event }: Args): Facts => ({
  ...adopted(context, { access: "refused" }),
  session: false,
  problem: outputOf<{ readonly message: string }>(event).message
})

/** The token under the handle is another one: whether it can be renewed again it says itself, the rest is unknown. */
export const renewed = ({ context, event }: Args): Facts => {
  const { refreshable } = outputOf<{ readonly refreshable: boolean }>(event)
  const changes = { refreshable, access: "unknown" } as const
  const { account, candidate } = context
  if (candidate !== null) return { candidate: { ...candidate, ...changes }, refreshed: true }
  return { account: account === null ? null : { ...account, ...changes }, refreshed: true }
}

/** What the file is to say: everything at once, so that no part of an older flow outlives it. */
export const savedOf = ({ context }: InContext): SavedLogin => ({
  flow: context.flow,
  account: context.account,
  candidate: context.candidate,
  session: context.session
})

/** The wait after one more request in vain: the ladder's, or as long as the server asks for. */
export const passed = ({ context, event }: Args): Facts => {
  const answer = outputOf<Passing>(event)
  return {
    failures: Math.min(context.failures + 1, PROVIDER_LADDER_MS.length),
    delayMs: Math.max(rung(PROVIDER_LADDER_MS, context.failures), saneRetry(answer.retryAfterMs))
  }
}

/** The wait after a poll in vain: never shorter than the interval, longer each time, and never past the deadline. */
export const pollPassed = ({ context, event }: Args): Facts => {
  const answer = outputOf<Passing>(event)
  const interval = context.flow?.intervalMs ?? POLL_INTERVAL_MS
  const backOff = context.lastMinute
    ? interval
    : Math.min(interval * 2 ** Math.min(context.failures, 6), POLL_BACK_OFF_MAX_MS)
  return {
    failures: Math.min(context.failures + 1, 7),
    delayMs: Math.max(interval, backOff, saneRetry(answer.retryAfterMs)) + POLL_MARGIN_MS
  }
}

/** The wait after a poll that was answered as it should be. */
export const pollAnswered = ({ context }: Args): Facts => ({
  failures: 0,
  delayMs: (context.flow?.intervalMs ?? POLL_INTERVAL_MS) + POLL_MARGIN_MS
})

/** The provider wants to be asked less often, from now on. */
export const slowedDown = ({ context, event }: Args): Facts => {
  const { flow } = context
  if (flow === null) return {}
  const wanted = outputOf<{ readonly intervalMs: number }>(event).intervalMs
  const intervalMs = Math.max(flow.intervalMs + SLOW_DOWN_MS, saneMs(wanted, 0, 0, POLL_INTERVAL_MAX_MS))
  return { flow: { ...flow, intervalMs }, failures: 0, delayMs: intervalMs + POLL_MARGIN_MS }
}
