/** What a person should know about this machine's configuration, and what to do about it. Pure. */
import { otherSlot, quarantineOf, usable } from "../../machines/ConfigFacts.ts"
import type { ConfigApplyContext, StateFile } from "../../machines/index.ts"
import { type Diagnostic, isoTime } from "../domain/index.ts"
import type { Loss } from "./ControlFiles.ts"
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
  "join_lost",
  "seed_lost",
  "trust_lost",
  "poll_failing",
  "report_failing",
  "identity_failing",
  "credential_dead",
  "storage_failing",
  "storage_impaired",
  "api_unavailable",
  "plugin_failed",
  "provider_invalid",
  "rollback_no_target",
  "local_layer_unusable",
  "central_layer_unusable",
  "rescue",
  "central_forgotten"
])

const kindOf = ({ retry_at, verdict }: NonNullable<StateFile["last_attempt"]>): string =>
  verdict === "apply_io_error" ? "storage_failing" : retry_at === undefined ? "revision_refused" : "revision_failed"

/**
 * A later revision was applied and is not on probation any more, or the same one was tried again and proved itself:
 * what was rolled back before that is history.
 */
const isHistory = ({ last_attempt, last_rollback, marker, quarantine }: StateFile): boolean => {
  if (marker !== undefined || last_attempt?.verdict !== "applied") return false
  if (last_attempt.etag !== last_rollback?.etag) return last_attempt.at > (last_rollback?.at ?? 0)
  return last_rollback.reason !== "slot_corrupt" && !quarantine.some(({ etag }) => etag === last_rollback.etag)
}

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

/**
 * A revision that never proved itself, with no probation of its own: it could not be rolled back, for there was nowhere to go.
 * (One that was rolled back is quarantined, and ends with this process.)
 */
const runsUnwatched = ({ disk, running, state }: ConfigApplyContext): boolean =>
  running.slot !== null &&
  running.etag !== null &&
  disk.slots[running.slot]?.promoted !== true &&
  state.marker?.etag !== running.etag &&
  !state.quarantine.some(({ etag }) => etag === running.etag)

/** It was in a fleet, as far as it remembers, and nothing tells it how to reach a central. */
const isCutOff = ({ impaired, running, state }: ConfigApplyContext): boolean =>
  impaired === null &&
  running.source === "none" &&
  !running.central &&
  (state.last_attempt !== undefined || state.last_rollback !== undefined || state.quarantine.length > 0)

/** What is wrong with the slot that could be gone back to, if anything: one that was rolled back from is as it should be. */
const refugeProblem = ({ disk, running, state }: ConfigApplyContext): string | null => {
  if (running.slot === null) return null
  const slot = otherSlot(running.slot)
  const facts = disk.slots[slot]
  if (facts === null) return `slot ${slot} is missing`
  if (!facts.intact) return `slot ${slot} is damaged`
  if (usable(disk, state, slot) || quarantineOf(state, facts.etag) !== undefined) return null
  return `slot ${slot} holds a revision that never proved itself`
}

/** On probation by this boot, not by an apply: that it had proved itself is forgotten (E7). */
const provesItselfAgain = ({ disk, lost, running, state }: ConfigApplyContext): boolean =>
  !lost &&
  typeof disk.state === "object" &&
  disk.state.marker === undefined &&
  state.marker !== undefined &&
  state.marker.slot === running.slot

/** It runs no document of central's although slots are there, and only the user's own layer names a central. */
const runsLocalAlone = ({ disk, running }: ConfigApplyContext): boolean =>
  running.source === "none" && running.central && (disk.slots.a !== null || disk.slots.b !== null)

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
          context.impaired === null
            ? `revision ${context.running.etag} did not prove itself, and there is nothing to roll back to: it runs unwatched`
            : `revision ${context.running.etag} has not proved itself, and no probation can be written: it runs unwatched`,
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
  ...(!provesItselfAgain(context)
    ? []
    : [
        warning(
          "promotion_lost",
          `that revision ${context.running.etag} was promoted is not on the disk any more: it is on probation again`,
          "Nothing is to be done: the next confirming poll promotes it. Check the disk's health and the system log."
        )
      ]),
  ...(refugeProblem(context) === null
    ? []
    : [
        warning(
          "refuge_lost",
          `${refugeProblem(context)}: there is no revision to go back to but the one that runs`,
          "The next revision that is applied takes that slot. Check the disk's health and the system log."
        )
      ]),
  ...(context.running.source === "rescue" || runsLocalAlone(context)
    ? [
        error(
          "rescue",
          "no slot can be used: the machine runs only its line to central",
          "Save a good revision in central."
        )
      ]
    : []),
  ...(isCutOff(context)
    ? [
        error(
          "central_forgotten",
          "no slot can be used, and neither a joining document nor a central that confirmed is left: nothing is polled",
          "Join again: holdfast join URL"
        )
      ]
    : [])
]

const LOST: Readonly<Record<Loss, Diagnostic>> = {
  "join.json": error(
    "join_lost",
    "the joining intent (join.json) and its copy are damaged: it is not carried out",
    "Join again: holdfast join URL"
  ),
  "seed.json": error(
    "seed_lost",
    "the joining document (seed.json) and its copy are damaged or gone, and the policy token with them",
    "If no central is polled: holdfast join URL"
  ),
  "trust.json": error(
    "trust_lost",
    "what was vouched for at the join (trust.json: a certificate authority, or plain http) is damaged or gone",
    "If central cannot be reached or its revisions are refused: holdfast join URL with --ca or --allow-insecure-http"
  ),
  "identity.json": warning(
    "identity_lost",
    "identity.json and its copy cannot be understood; where there is a policy token, this machine enrols again",
    "Check the disk's health; after a downgrade, go back to the newer version. Before a new one is written they are kept as *.unreadable."
  )
}

/** A revision that is being applied has no verdict yet; `state` is the one that the apply engine is in. */
export const stagingDiagnostics = ({ offer }: ConfigApplyContext, state: string): ReadonlyArray<Diagnostic> =>
  offer === null || !/^steady\.(checking|installing|validating|committing)/.test(state)
    ? []
    : [
        {
          severity: "info",
          kind: "revision_staging",
          message: `revision ${offer.etag} is being applied`,
          repair: []
        }
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
  ...config.losses.map((loss) => LOST[loss]),
  ...config.dropped.map(({ entry, reason }) =>
    warning(
      "local_entry_dropped",
      `${entry} of the local config.json is not used: ${reason}`,
      "Correct the entry in config.json, then: holdfast daemon restart"
    )
  )
]
