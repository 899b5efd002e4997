/** What a machine says about its configuration: `remote_config` of status, reports and health. Pure. */
import type { ConfigApplyContext } from "../../machines/ConfigApplySetup.ts"
import {
  activeSlot,
  type DiskFacts,
  type Marker,
  otherSlot,
  type QuarantineEntry,
  type StateFile
} from "../../machines/ConfigFacts.ts"
import type { SlotName } from "../../machines/Vocabulary.ts"
import { isoTime, type RemoteConfig } from "../domain/index.ts"

/** What the view is made of: the machine's context, or the same read from the disk while no daemon runs. */
export interface ConfigView {
  readonly disk: DiskFacts
  readonly state: StateFile
  readonly running: Pick<ConfigApplyContext["running"], "source" | "etag" | "digest">
  /** What is left of the part of the probation budget in use, ms. */
  readonly partLeftMs: number
  /** ISO times of promotion by slot. */
  readonly promotedAt: Readonly<Record<SlotName, string | null>>
}

const quarantineView = ({ attempts, etag, reason, recorded_at, retry_at }: QuarantineEntry) => ({
  etag,
  reason,
  recorded_at: isoTime(recorded_at),
  attempts,
  ...(retry_at === undefined ? {} : { retry_at: isoTime(retry_at) })
})

const lastKnownGood = ({ disk, promotedAt }: ConfigView) => {
  const active = activeSlot(disk)
  const candidates: ReadonlyArray<SlotName> = active === null ? ["a", "b"] : [active, otherSlot(active)]
  const slot = candidates.find((name) => disk.slots[name]?.promoted === true && disk.slots[name]?.intact === true)
  return slot === undefined ? null : { etag: disk.slots[slot]?.etag ?? null, slot, promoted_at: promotedAt[slot] }
}

/** What runs has been promoted, and only the note that it is on probation is left to be removed. */
const isPromotedAlready = ({ disk, running }: ConfigView, { etag, slot }: Marker): boolean =>
  running.etag === etag && disk.slots[slot]?.etag === etag && disk.slots[slot]?.promoted === true

const remembersNothing = ({ last_attempt, last_rollback, quarantine }: StateFile): boolean =>
  last_attempt === undefined && last_rollback === undefined && quarantine.length === 0

/** null on a machine that never joined: nothing of a fleet runs, waits or is remembered. */
export const remoteConfigOf = (view: ConfigView): RemoteConfig | null => {
  const { disk, partLeftMs, running, state } = view
  if (running.source === "none" && !disk.join && disk.active === "absent" && remembersNothing(state)) return null
  const { last_attempt, last_rollback, marker } = state
  const newest = state.quarantine.at(-1)
  return {
    running_etag: running.etag,
    running_digest: running.digest,
    last_known_good: lastKnownGood(view),
    probation:
      marker === undefined || isPromotedAlready(view, marker)
        ? null
        : {
            etag: marker.etag,
            applied_at: isoTime(marker.applied_at),
            remaining_seconds: Math.max(0, Math.round((marker.budget_ms + partLeftMs) / 1_000)),
            attempts_left: marker.attempts_left
          },
    last_rollback:
      last_rollback === undefined
        ? null
        : {
            etag: last_rollback.etag,
            reason: last_rollback.reason,
            at: isoTime(last_rollback.at),
            ...(last_rollback.detail === undefined ? {} : { detail: last_rollback.detail })
          },
    bad_etag: newest === undefined ? null : quarantineView(newest),
    quarantine: state.quarantine.map(quarantineView),
    last_attempt:
      last_attempt === undefined
        ? null
        : {
            etag: last_attempt.etag,
            verdict: last_attempt.verdict,
            ...(last_attempt.reason === undefined ? {} : { reason: last_attempt.reason }),
            at: isoTime(last_attempt.at),
            attempt: last_attempt.attempt
          }
  }
}
