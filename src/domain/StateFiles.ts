/** The files that the daemon owns, as Schemas. Unknown versions are refused, never guessed. */
import { Schema } from "effect"
import type { StateFile as MachineState } from "../../machines/ConfigFacts.ts"
import { APPLY_VERDICTS, QUARANTINE_REASONS, ROLLBACK_REASONS, SLOTS } from "../../machines/Vocabulary.ts"

const Millis = Schema.Finite
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const QuarantineEntry = Schema.Struct({
  etag: Schema.NonEmptyString,
  digest: Schema.String,
  environment: Schema.String,
  reason: Schema.Literals(QUARANTINE_REASONS),
  recorded_at: Millis,
  attempts: Count,
  retry_at: Schema.optional(Millis),
  detail: Schema.optional(Schema.String)
})

const Marker = Schema.Struct({
  etag: Schema.NonEmptyString,
  slot: Schema.Literals(SLOTS),
  previous_slot: Schema.Literals(SLOTS),
  attempts_left: Schema.Int,
  budget_ms: Schema.Finite,
  window_ms: Schema.Finite.check(Schema.isGreaterThan(0)),
  applied_at: Millis,
  extended: Schema.optional(Schema.Boolean),
  saved_quarantine: Schema.optional(QuarantineEntry)
})

/** `state/config-control/state.json`. Times are milliseconds of the wall clock, durations milliseconds. */
export const StateFile = Schema.Struct({
  version: Schema.Literal(1),
  marker: Schema.optional(Marker),
  quarantine: Schema.Array(QuarantineEntry),
  last_rollback: Schema.optional(
    Schema.Struct({
      etag: Schema.NullOr(Schema.String),
      reason: Schema.Literals(ROLLBACK_REASONS),
      at: Millis,
      detail: Schema.optional(Schema.String)
    })
  ),
  last_attempt: Schema.optional(
    Schema.Struct({
      etag: Schema.String,
      verdict: Schema.Literals(APPLY_VERDICTS),
      reason: Schema.optional(Schema.String),
      at: Millis,
      attempt: Count,
      retry_at: Schema.optional(Millis)
    })
  ),
  last_exit: Schema.optional(Schema.Literal("planned")),
  boot_id: Schema.optional(Schema.String),
  unexplained: Schema.optional(Schema.Struct({ count: Count, ran_ms: Schema.Finite, safe_hold_ms: Schema.Finite }))
})
export type StateFile = typeof StateFile.Type

/** `state.json` as text. */
export const StateFileJson = Schema.fromJsonString(StateFile)

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
/** The file and the machine mean the same: this line stops compiling when they do not. */
export const stateFileIsTheMachines: Same<StateFile, MachineState> = true

/** One machine credential for one central. Times are Unix seconds; `expires_at` 0 when the server sent nonsense. */
export const IdentityEntry = Schema.Struct({
  jwt: Schema.RedactedFromValue(Schema.NonEmptyString),
  expires_at: Schema.Finite,
  obtained_at: Schema.Finite,
  gateway_id: Schema.String,
  /** SHA-256, hex, of the policy token that it was traded for. */
  bootstrap_token_fp: Schema.optional(Schema.String)
})
export type IdentityEntry = typeof IdentityEntry.Type

/** `state/identity.json` and its second copy: one identity per normalised central URL. */
export const IdentityFile = Schema.Struct({
  version: Schema.Literal(1),
  last_confirmed_url: Schema.optional(Schema.String),
  identities: Schema.Record(Schema.String, IdentityEntry)
})
export type IdentityFile = typeof IdentityFile.Type
export const IdentityFileJson = Schema.fromJsonString(IdentityFile)

/** `state/trust.json` and its second copy: what the person who joined this machine vouched for, kept outside every served document. */
export const TrustFile = Schema.Struct({
  version: Schema.Literal(1),
  /** Certificate authorities, PEM, besides the system's. */
  ca: Schema.optional(Schema.String),
  /** Plain http was allowed for this base URL. */
  insecure_url: Schema.optional(Schema.String)
})
export type TrustFile = typeof TrustFile.Type
export const TrustFileJson = Schema.fromJsonString(TrustFile)
