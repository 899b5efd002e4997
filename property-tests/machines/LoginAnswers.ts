/** What the provider answers a login, as a history wants it: honestly, or with one of the things that go wrong. */
import type { CodeAnswer, ExchangeAnswer, Passing, RefreshAnswer, TokenAnswer } from "../../machines/index.ts"
import type { LoginProvider, Token } from "./LoginProvider.ts"

/** How a task ends: as it should, or with trouble; `pick` chooses among what can be. */
export interface Fate {
  readonly honest: boolean
  readonly pick: number
}

export const HONEST: Fate = { honest: true, pick: 0 }

/** A bug of a service: the task itself fails. */
export interface Failed {
  readonly failed: string
}
/** The token of a poll is not in the machine's hands yet. */
export type Polled =
  | Exclude<TokenAnswer, { readonly kind: "token" }>
  | { readonly kind: "token"; readonly token: Token }
export type Renewed = RefreshAnswer & { readonly token?: Token }
export type Coded = CodeAnswer & { readonly deviceCode?: string }

const NAN = Number.NaN
const INTERVALS = [5_000, 5_000, 5_000, NAN, 0, 1_000, 10_000, 400, 1e12, -3] as const
const LIVES = [900_000, 900_000, 60_000, 30_000, 4_000, NAN, 0, 1e12, 180_000] as const
const RETRIES = [0, 0, 3_000, 20_000, 45_000, NAN, 1e12] as const
const SLOWED = [0, NAN, 3_000, 20_000, 1e12] as const

const one = <T>(list: ReadonlyArray<T>, pick: number): T => list[pick % list.length] as T

const passing = (pick: number): Passing => ({
  kind: "passing",
  retryAfterMs: one(RETRIES, pick),
  code: "provider_unavailable",
  message: "the provider is in trouble"
})
/** The pick with which every request, done with trouble, is answered 503 and no Retry-After. */
export const UNAVAILABLE: Fate = { honest: false, pick: 15 }

const BUG: Failed = { failed: "Defect" }

export const codeAnswer = (provider: LoginProvider, flow: string, now: number, fate: Fate): Coded | Failed => {
  const { honest, pick } = fate
  if (!honest && pick % 5 === 0) return BUG
  if (!honest && pick % 5 === 1) return { kind: "refused", code: "device_flow_disabled", message: "not enabled" }
  if (!honest) return passing(pick)
  const lifeMs = one(LIVES, pick >> 3)
  const deviceCode = provider.newCode(flow, now, lifeMs)
  return { kind: "code", intervalMs: one(INTERVALS, pick), lifeMs, deviceCode }
}

export const tokenAnswer = (provider: LoginProvider, code: string, now: number, fate: Fate): Polled | Failed => {
  const { honest, pick } = fate
  const dice = pick % 16
  if (!honest && dice === 0) return BUG
  if (!honest && dice === 1) return { kind: "refused", code: "access_denied", message: "declined" }
  if (!honest && dice === 2) return { kind: "expired" }
  if (!honest && dice < 8) return { kind: "slow_down", intervalMs: one(SLOWED, pick >> 4) }
  if (!honest) return passing(pick)
  return provider.poll(code, now, pick % 3 !== 1)
}

export const exchangeAnswer = (provider: LoginProvider, token: Token, fate: Fate): ExchangeAnswer | Failed => {
  const { honest, pick } = fate
  const dice = pick % 8
  if (!honest && dice === 0) return BUG
  if (!honest && dice > 4) return passing(pick)
  if (!honest && dice < 4) provider.revoke(token)
  else if (!honest) provider.forget(token)
  const kind = provider.exchange(token)
  return kind === "unauthorized"
    ? { kind, message: "401" }
    : kind === "no_access"
      ? { kind, name: token.person, message: "no subscription" }
      : { kind, name: token.person }
}

export const refreshAnswer = (provider: LoginProvider, token: Token, fate: Fate): Renewed | Failed => {
  const { honest, pick } = fate
  const dice = pick % 4
  if (!honest && dice === 0) return BUG
  if (!honest && dice !== 1) return passing(pick)
  if (!honest) provider.forget(token)
  const renewed = provider.refresh(token, pick % 3 !== 1)
  return renewed === null
    ? { kind: "refused", message: "spent" }
    : { kind: "refreshed", refreshable: renewed.refresh !== null, token: renewed }
}
