/**
 * Staging as pure decisions: what a finding does to `state.json`, and what a commit writes (steps C2 and C4).
 */
import {
  activeFacts,
  activeSlot,
  COUNT_MAX,
  type DiskFacts,
  otherSlot,
  PROBATION_ATTEMPTS,
  quarantineOf,
  rung,
  type StateFile,
  TRANSIENT_RETRY_MS,
  withoutQuarantine,
  withQuarantine
} from "./ConfigFacts.ts"
import type { QuarantineReason, SlotName } from "./Vocabulary.ts"

/** A revision that central offers. The bytes stay outside the machine: `offer` is their handle. */
export interface Offer {
  readonly etag: string
  readonly offer: number
  /** Wall clock when it arrived, ms. */
  readonly wall: number
}

/** What a step of staging found. `transient`: worth another try with the same bytes. */
export type Finding =
  | { readonly verdict: "accepted"; readonly digest: string; readonly window_ms: number }
  | {
      readonly verdict:
        | "config_invalid"
        | "document_too_large"
        | "artifact_hash_mismatch"
        | "bundled_version_mismatch"
        | "version_mismatch"
        | "plugin_install_failed"
      readonly transient: boolean
      readonly digest: string
      readonly detail: string
    }

export type Refusal = Exclude<Finding, { readonly verdict: "accepted" }>

const REASON_OF: Readonly<Record<Refusal["verdict"], QuarantineReason>> = {
  config_invalid: "validation_failed",
  document_too_large: "validation_failed",
  artifact_hash_mismatch: "artifact_hash_mismatch",
  bundled_version_mismatch: "bundled_version_mismatch",
  version_mismatch: "version_mismatch",
  plugin_install_failed: "validation_failed"
}

const attemptOf = (state: StateFile, etag: string): number =>
  Math.min((state.last_attempt?.etag === etag ? state.last_attempt.attempt : 0) + 1, COUNT_MAX)

/** A verdict about the bytes: remembered until the environment or an operator changes it. */
export const refused = (state: StateFile, disk: DiskFacts, offer: Offer, refusal: Refusal): StateFile => ({
  ...withQuarantine(
    state,
    {
      etag: offer.etag,
      digest: refusal.digest,
      environment: disk.environment,
      reason: REASON_OF[refusal.verdict],
      recorded_at: offer.wall,
      attempts: Math.min((quarantineOf(state, offer.etag)?.attempts ?? 0) + 1, COUNT_MAX),
      detail: refusal.detail
    },
    activeFacts(disk)?.etag ?? null
  ),
  last_attempt: {
    etag: offer.etag,
    verdict: refusal.verdict,
    reason: refusal.detail,
    at: offer.wall,
    attempt: attemptOf(state, offer.etag)
  }
})

/** A failure that says nothing about the bytes: tried again by the first poll after 1, 5, 15, then every 60 minutes. */
export const failedTransiently = (
  state: StateFile,
  offer: Offer,
  verdict: "plugin_install_failed" | "apply_io_error",
  detail: string
): StateFile => {
  const attempt = attemptOf(state, offer.etag)
  return {
    ...state,
    last_attempt: {
      etag: offer.etag,
      verdict,
      reason: detail,
      at: offer.wall,
      attempt,
      retry_at: offer.wall + rung(TRANSIENT_RETRY_MS, attempt - 1)
    }
  }
}

/** Is the offer one that failed transiently, with its retry time not reached? */
export const retryIsPending = (state: StateFile, offer: Offer): boolean =>
  state.last_attempt?.etag === offer.etag && (state.last_attempt.retry_at ?? 0) > offer.wall

/** C2: the slot that is not active; b when none is. */
export const targetSlot = (disk: DiskFacts): SlotName => {
  const slot = activeSlot(disk)
  return slot === null ? "b" : otherSlot(slot)
}

/** C4: the marker; this revision's quarantine entry moves into it; the exit that follows is a planned one. */
export const committed = (state: StateFile, disk: DiskFacts, offer: Offer, windowMs: number): StateFile => {
  const saved = quarantineOf(state, offer.etag)
  const target = targetSlot(disk)
  return {
    ...withoutQuarantine(state, offer.etag),
    marker: {
      etag: offer.etag,
      slot: target,
      previous_slot: activeSlot(disk) ?? "a",
      attempts_left: PROBATION_ATTEMPTS,
      budget_ms: windowMs,
      window_ms: windowMs,
      applied_at: offer.wall,
      ...(saved === undefined ? {} : { saved_quarantine: saved })
    },
    last_attempt: { etag: offer.etag, verdict: "applied", at: offer.wall, attempt: attemptOf(state, offer.etag) },
    last_exit: "planned",
    unexplained: undefined
  }
}

/** An operator asks for another try. */
export const retryAllowed = (state: StateFile, etag: string): StateFile => {
  const { last_attempt, ...rest } = withoutQuarantine(state, etag)
  return last_attempt === undefined || last_attempt.etag === etag ? rest : { ...rest, last_attempt }
}
