/**
 * The literal words that machines, files, logs and pages share. Unions flow from these lists.
 */

/** The two places a configuration can be in. */
export const SLOTS = ["a", "b"] as const
export type SlotName = (typeof SLOTS)[number]

/** What the apply engine answers to an offered revision, in the order of the steps that answer it. */
export const APPLY_VERDICTS = [
  "restart_pending",
  "apply_engine_not_ready",
  "probation_pending",
  "apply_in_progress",
  "noop_same_etag",
  "skipped_bad_etag",
  "retry_pending",
  "document_too_large",
  "config_invalid",
  "artifact_hash_mismatch",
  "bundled_version_mismatch",
  "version_mismatch",
  "plugin_install_failed",
  "apply_io_error",
  "applied"
] as const
export type ApplyVerdict = (typeof APPLY_VERDICTS)[number]

/** Why a running revision was given up. */
export const ROLLBACK_REASONS = ["probation_expired", "crash_loop", "slot_corrupt"] as const
export type RollbackReason = (typeof ROLLBACK_REASONS)[number]

/** Why a revision is remembered as bad. Verdicts about behaviour carry a retry time, verdicts about the bytes do not. */
export const QUARANTINE_REASONS = [
  "probation_expired",
  "crash_loop",
  "validation_failed",
  "artifact_hash_mismatch",
  "bundled_version_mismatch",
  "version_mismatch"
] as const
export type QuarantineReason = (typeof QUARANTINE_REASONS)[number]

/** What a poll of central can come back with; the table of answers is in the chart of ConfigPull. */
export const POLL_ANSWERS = [
  "unchanged",
  "good",
  "document_too_large",
  "missing_etag",
  "invalid_json",
  "unauthorized",
  "not_found",
  "throttled",
  "http_error",
  "network_error"
] as const
export type PollAnswerKind = (typeof POLL_ANSWERS)[number]

/** How the previous process ended, as far as the next one can tell. */
export const START_KINDS = ["first", "explained", "unexplained", "indeterminate"] as const
export type StartKind = (typeof START_KINDS)[number]

/** Where the document that a process runs came from. */
export const RUNNING_SOURCES = ["slot", "seed", "rescue", "none"] as const
export type RunningSource = (typeof RUNNING_SOURCES)[number]

/** Why the daemon restarts itself (exit 75). */
export const RESTART_REASONS = [
  "config_applied",
  "config_rollback",
  "slot_corrupt",
  "storage_recovered",
  "safe_hold_over",
  "joined",
  "operator"
] as const
export type RestartReason = (typeof RESTART_REASONS)[number]

/** The phases of a flow, one device-code login attempt: three in which it is live, four in which it has ended. */
export const LOGIN_PHASES = ["requesting", "waiting", "exchanging", "ok", "error", "expired", "cancelled"] as const
export type LoginPhase = (typeof LOGIN_PHASES)[number]

/** What the last exchange said of a token. */
export const TOKEN_ACCESS = ["granted", "no_access", "refused", "unknown"] as const
export type TokenAccess = (typeof TOKEN_ACCESS)[number]

/** How a run ended. Without proof it is `unknown`, which is a failure. */
export const RUN_VERDICTS = ["succeeded", "failed", "timed_out", "cancelled", "lost", "unknown"] as const
export type RunVerdict = (typeof RUN_VERDICTS)[number]

/** How the tailing of a run's output ended. */
export const TAIL_ENDS = ["complete", "incomplete", "corrupt", "missing"] as const
export type TailEnd = (typeof TAIL_ENDS)[number]

/** Why bytes of a run's output were not delivered. */
export const GAP_REASONS = ["truncated", "replaced", "unreadable"] as const
export type GapReason = (typeof GAP_REASONS)[number]

/** What sending a batch to central can come to; the table is in the chart of Ingest. */
export const INGEST_ANSWERS = [
  "accepted",
  "nothing",
  "refused",
  "unsupported",
  "no_identity",
  "unauthorized",
  "throttled",
  "failed"
] as const
export type IngestAnswerKind = (typeof INGEST_ANSWERS)[number]
