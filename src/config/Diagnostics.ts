/** What a person should know about this machine's configuration, and what to do about it. Pure. */
import type { ConfigApplyContext, StateFile } from "../../machines/index.ts"
import { type Diagnostic, isoTime } from "../domain/index.ts"
import type { EffectiveConfig } from "./RunningConfig.ts"

const error = (kind: string, message: string, ...repair: readonly [string, ...Array<string>]): Diagnostic => ({
  severity: "error",
  kind,
  message,
  repair
})
const warning = (kind: string, message: string, ...repair: readonly [string, ...Array<string>]): Diagnostic => ({
  severity: "warning",
  kind,
  message,
  repair
})

/** Kinds that make `overall` degraded: the machine works worse than it should, not only its revision. */
export const DEGRADING_KINDS: ReadonlySet<string> = new Set([
  "safe_start",
  "state_lost",
  "poll_failing",
  "identity_failing",
  "storage_failing",
  "storage_impaired",
  "api_unavailable",
  "plugin_failed",
  "rollback_no_target",
  "local_layer_unusable",
  "central_layer_unusable",
  "rescue"
])

const kindOf = ({ retry_at, verdict }: NonNullable<StateFile["last_attempt"]>): string =>
  verdict === "apply_io_error" ? "storage_failing" : retry_at === undefined ? "revision_refused" : "revision_failed"

/** A later revision was applied and is not on probation any more: what was rolled back before it is history. */
const isHistory = ({ last_attempt, last_rollback, marker }: StateFile): boolean =>
  marker === undefined &&
  last_attempt?.verdict === "applied" &&
  last_attempt.etag !== last_rollback?.etag &&
  last_attempt.at > (last_rollback?.at ?? 0)

/** A served revision that was not applied, and a rollback: each raises one, until another revision is applied. */
export const revisionDiagnostics = (state: StateFile): ReadonlyArray<Diagnostic> => {
  const { last_attempt, last_rollback } = state
  const attempt =
    last_attempt === undefined || last_attempt.verdict === "applied"
      ? []
      : [
          warning(
            kindOf(last_attempt),
            `revision ${last_attempt.etag} was not applied: ${last_attempt.verdict}${last_attempt.reason === undefined ? "" : ` (${last_attempt.reason})`}`,
            last_attempt.retry_at === undefined
              ? "Correct the document and save it in central, or: holdfast config retry ETAG"
              : `It is tried again after ${isoTime(last_attempt.retry_at)}, or at once: holdfast config retry ETAG`
          )
        ]
  const back =
    last_rollback === undefined || isHistory(state)
      ? []
      : [
          warning(
            "rolled_back",
            `revision ${last_rollback.etag ?? "(none)"} was rolled back: ${last_rollback.reason}${last_rollback.detail === undefined ? "" : ` (${last_rollback.detail})`}`,
            last_rollback.reason === "slot_corrupt"
              ? "Check the disk's health and the system log."
              : "Correct the revision and save it in central; the last-known-good one runs meanwhile."
          )
        ]
  return [...attempt, ...back]
}

/** A revision that never proved itself, with no probation: it could not be rolled back, for there was nowhere to go. */
const runsUnwatched = ({ disk, running, state }: ConfigApplyContext): boolean =>
  running.slot !== null &&
  running.etag !== null &&
  disk.slots[running.slot]?.promoted === false &&
  state.marker === undefined

/** Storage, lost state, safe start: how the machine itself is. */
export const engineDiagnostics = (context: ConfigApplyContext): ReadonlyArray<Diagnostic> => [
  ...(context.impaired === null
    ? []
    : [
        error(
          "storage_impaired",
          `the state directory cannot be used: ${context.impaired}`,
          "The machine polls, and stages nothing until it can write again. It looks every 30 s."
        )
      ]),
  ...(context.storageProblem === null || context.impaired !== null
    ? []
    : [error("storage_failing", context.storageProblem, "Nothing is reported as done that is not durable.")]),
  ...(context.lost
    ? [
        error(
          "state_lost",
          "state.json was missing or could not be read; probation was armed afresh where it must be",
          "Look at state/config-control/state.json.unreadable and at the disk's health."
        )
      ]
    : []),
  ...(!runsUnwatched(context)
    ? []
    : [
        error(
          "rollback_no_target",
          `revision ${context.running.etag} did not prove itself, and there is nothing to roll back to: it runs unwatched`,
          "Save a good revision in central."
        )
      ]),
  ...(context.start === "indeterminate"
    ? [
        warning(
          "indeterminate_start",
          "how the previous process ended cannot be told on this system; it was counted as unexplained",
          "Stop the daemon with SIGTERM or `holdfast daemon restart`, which records how it ended."
        )
      ]
    : []),
  ...(context.running.source === "rescue"
    ? [
        error(
          "rescue",
          "no slot can be used: the machine runs only its line to central",
          "Save a good revision in central."
        )
      ]
    : [])
]

/** The layers of the running configuration. */
export const layerDiagnostics = (config: EffectiveConfig): ReadonlyArray<Diagnostic> => [
  ...(config.boot.safeStart
    ? [
        error(
          "safe_start",
          `${config.boot.unexplained} unexplained starts in a row: only first-party plugins run, and no local layer`,
          "It ends with a new revision, after an hour of running, or with: holdfast daemon restart --normal"
        )
      ]
    : []),
  ...(config.problem === null
    ? []
    : [
        error(
          "central_layer_unusable",
          `the central layer cannot be read: ${config.problem}`,
          "The machine runs its line to the last central that confirmed. Correct the disk, then: holdfast daemon restart"
        )
      ]),
  ...(config.localProblem === null
    ? []
    : [
        error(
          "local_layer_unusable",
          `config.json cannot be used: ${config.localProblem}`,
          "Correct the file, then: holdfast daemon restart"
        )
      ]),
  ...config.dropped.map(({ entry, reason }) =>
    warning(
      "local_entry_dropped",
      `${entry} of the local config.json is not used: ${reason}`,
      "Correct the entry in config.json, then: holdfast daemon restart"
    )
  )
]
