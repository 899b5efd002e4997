/**
 * Boot evaluation and rollback as pure decisions: steps E4 to E11 and R0 to R1 of the design.
 */
import {
  activeFacts,
  activeIsBroken,
  activeIsQuarantined,
  activeSlot,
  bareIsPossible,
  COUNT_MAX,
  type DiskFacts,
  jittered,
  type Marker,
  otherSlot,
  PROBATION_ATTEMPTS,
  PROBATION_PARTS,
  QUARANTINE_RETRY_MS,
  type QuarantineEntry,
  refuge,
  type Running,
  rung,
  SAFE_HOLD_MAX_MS,
  SAFE_HOLD_MS,
  SAFE_START_COUNT,
  type StateFile,
  type Unexplained,
  usable,
  withoutMarker,
  withoutQuarantine,
  withQuarantine
} from "./ConfigFacts.ts"
import type { SlotName, StartKind } from "./Vocabulary.ts"

// ---------------------------------------------------------------------------------------------- rollback

/** R1: the revision is remembered as bad, the marker goes, the exit that follows is a planned one. */
export const rolledBack = (
  state: StateFile,
  disk: DiskFacts,
  reason: "probation_expired" | "crash_loop"
): StateFile => {
  const { marker, ...rest } = state
  if (marker === undefined) return rest
  const attempts = Math.min((marker.saved_quarantine?.attempts ?? 0) + 1, COUNT_MAX)
  const detail =
    reason === "crash_loop"
      ? `${PROBATION_ATTEMPTS} unexplained starts`
      : `no confirmed poll within ${Math.round(marker.window_ms / 1000)} s`
  const entry: QuarantineEntry = {
    etag: marker.etag,
    digest: disk.slots[marker.slot]?.digest ?? "",
    environment: disk.environment,
    reason,
    recorded_at: disk.wall,
    attempts,
    retry_at: disk.wall + jittered(rung(QUARANTINE_RETRY_MS, attempts - 1), disk.jitter),
    detail
  }
  return {
    ...withQuarantine(rest, entry, null),
    last_rollback: { etag: marker.etag, reason, at: disk.wall, detail },
    last_exit: "planned",
    unexplained: undefined
  }
}

/** R0: the previous slot if usable, else bare, else there is nowhere to go. */
export const rollbackTarget = (disk: DiskFacts, state: StateFile): SlotName | "bare" | "nowhere" => {
  const previous = state.marker?.previous_slot
  if (previous !== undefined && usable(disk, state, previous)) return previous
  return bareIsPossible(disk) ? "bare" : "nowhere"
}

// ---------------------------------------------------------------------------------------------- boot evaluation

/** How the previous process ended. Without a boot id a missing record is ambiguous: it counts, and is reported. */
export const startKind = (disk: DiskFacts, state: StateFile): StartKind => {
  if (state.last_exit !== undefined) return "explained"
  if (state.boot_id === undefined) return "first"
  if (state.boot_id === "" || disk.bootId === "") return "indeterminate"
  return state.boot_id === disk.bootId ? "unexplained" : "explained"
}

export const isUnexplained = (kind: StartKind): boolean => kind === "unexplained" || kind === "indeterminate"

/** E6: a marker that does not speak of the active revision is dropped. */
export const markerIsForeign = (disk: DiskFacts, state: StateFile): boolean =>
  state.marker !== undefined && (state.marker.slot !== disk.active || activeFacts(disk)?.etag !== state.marker.etag)

/** E6: such a marker goes. A commit that was cut before its flip was never applied: its revision did not run. */
export const withoutForeignMarker = (disk: DiskFacts, state: StateFile): StateFile => {
  const { last_attempt, marker, ...rest } = state
  if (marker === undefined || !markerIsForeign(disk, state)) return state
  const activeEtag = activeFacts(disk)?.etag ?? null
  const isCut = !slotIsGone(disk, marker) && last_attempt?.verdict === "applied" && last_attempt.etag === marker.etag
  return withoutMarker(isCut || last_attempt === undefined ? { ...rest, marker } : state, activeEtag)
}

/** A link that dangles names a slot that is gone; whose it was only a marker can tell. */
const slotIsGone = (disk: DiskFacts, marker: Marker): boolean =>
  disk.active === "dangling" && disk.slots[marker.slot] === null

/** E4: what was active is given up, blamed for nothing, and its probation with it. */
export const corrupted = (disk: DiskFacts, state: StateFile): StateFile => {
  const { marker } = state
  const isNamed = marker !== undefined && slotIsGone(disk, marker)
  return {
    ...withoutMarker(withoutForeignMarker(disk, state), null),
    last_rollback: {
      etag: isNamed ? marker.etag : (activeFacts(disk)?.etag ?? null),
      reason: "slot_corrupt",
      at: disk.wall,
      detail:
        disk.active === "dangling" ? "the active link named no slot" : `slot ${disk.active} did not match its digest`
    }
  }
}

/** What is remembered while the disk cannot be repaired: what E4 and E6 would make of it. */
export const asFarAsKnown = (disk: DiskFacts, state: StateFile): StateFile =>
  activeIsBroken(disk) ? corrupted(disk, state) : withoutForeignMarker(disk, state)

/** E7: nobody watches the active revision although somebody must. */
export const needsMarker = (disk: DiskFacts, state: StateFile, lost: boolean): boolean => {
  const slot = activeSlot(disk)
  const facts = activeFacts(disk)
  return (
    slot !== null &&
    facts !== null &&
    facts.etag !== null &&
    !facts.promoted &&
    state.marker === undefined &&
    (lost || usable(disk, state, otherSlot(slot)))
  )
}

export const freshMarker = (disk: DiskFacts, slot: SlotName): Marker => ({
  etag: disk.slots[slot]?.etag ?? "",
  slot,
  previous_slot: otherSlot(slot),
  attempts_left: PROBATION_ATTEMPTS,
  budget_ms: disk.slots[slot]?.window_ms ?? 0,
  window_ms: disk.slots[slot]?.window_ms ?? 0,
  applied_at: disk.wall
})

/** E8: the promotion is finished: no marker, and the revision is no longer remembered as bad. */
export const promotionFinished = (state: StateFile): StateFile => {
  const { marker, ...rest } = state
  return marker === undefined ? rest : withoutQuarantine(rest, marker.etag)
}

/** There is nowhere to roll back to: the revision stays, and nobody watches it any more. */
export const markerDropped = ({ marker: _dropped, ...rest }: StateFile): StateFile => rest

/** E6 to E8 in one: what state.json should say before the start is counted. */
export const reconciled = (disk: DiskFacts, state: StateFile, lost: boolean): StateFile => {
  const facts = activeFacts(disk)
  const known = withoutForeignMarker(disk, state)
  if (known.marker !== undefined && facts?.promoted === true) return promotionFinished(known)
  const slot = activeSlot(disk)
  return slot !== null && needsMarker(disk, known, lost) ? { ...known, marker: freshMarker(disk, slot) } : known
}

export const partMs = (marker: Marker): number => Math.ceil(marker.window_ms / PROBATION_PARTS)

/** Charges one part of the budget; the last one may be smaller. */
export const charged = (marker: Marker): Marker => ({
  ...marker,
  budget_ms: Math.max(0, marker.budget_ms - partMs(marker))
})

/** How much the part that is charged now is worth, in ms. */
export const chargeOf = (marker: Marker): number => Math.min(partMs(marker), marker.budget_ms)

/** E9: the verdict on the start of a revision on probation, before it is charged. */
export const bootVerdict = (state: StateFile, kind: StartKind): "go_on" | "crash_loop" | "probation_expired" => {
  if (state.marker === undefined) return "go_on"
  if (state.marker.attempts_left - (isUnexplained(kind) ? 1 : 0) <= 0) return "crash_loop"
  return state.marker.budget_ms <= 0 ? "probation_expired" : "go_on"
}

/**
 * A probation's attempts forgive a reboot of the system, for its budget is charged all the same. Safe start has no
 * budget: a promoted plugin that takes the system down would never be left out, so sudden reboots count for it.
 */
const counted = (state: StateFile, kind: StartKind): Unexplained | undefined => {
  const known = state.unexplained
  if (kind === "first" || state.last_exit !== undefined) return known
  return {
    count: Math.min((known?.count ?? 0) + 1, COUNT_MAX),
    ran_ms: 0,
    safe_hold_ms: known?.safe_hold_ms ?? SAFE_HOLD_MS
  }
}

/** E9 and E10: the start is counted, one part charged, the recorded exit used up, the boot id noted. */
export const started = (disk: DiskFacts, state: StateFile, kind: StartKind): StateFile => {
  const { last_exit: _usedUp, ...rest } = state
  const marker = state.marker
  return {
    ...rest,
    ...(marker === undefined
      ? {}
      : {
          marker: {
            ...charged(marker),
            attempts_left: marker.attempts_left - (isUnexplained(kind) ? 1 : 0)
          }
        }),
    boot_id: disk.bootId,
    unexplained: counted(state, kind)
  }
}

/** What the process runs, from the disk as it is now. */
export const runningOf = (disk: DiskFacts): Running => {
  const slot = activeSlot(disk)
  const facts = slot === null ? null : disk.slots[slot]
  if (slot !== null && facts !== null) {
    const { central, digest, etag, interval_ms } = facts
    return { source: "slot", slot, etag, digest, central: central || disk.localCentral, intervalMs: interval_ms }
  }
  return {
    source: disk.seed ? "seed" : disk.rescue ? "rescue" : "none",
    slot: null,
    etag: null,
    digest: null,
    central: bareIsPossible(disk),
    intervalMs: disk.bareIntervalMs
  }
}

/** What the process runs while its disk cannot be repaired: the best that can be read, chosen without writing. */
export const runningReadOnly = (disk: DiskFacts, state: StateFile): Running => {
  const target = refuge(disk, state)
  const isBad = activeIsQuarantined(disk, state) && (target !== null || bareIsPossible(disk))
  return activeIsBroken(disk) || isBad ? runningOf({ ...disk, active: target ?? "absent" }) : runningOf(disk)
}

/** E11: the joining token has done its work. */
export const seedIsSpent = (disk: DiskFacts): boolean =>
  disk.seed && activeSlot(disk) !== null && (disk.slots.a?.promoted === true || disk.slots.b?.promoted === true)

/** Outside probation the third unexplained start in a row runs first-party plugins only. */
export const isSafeStart = (state: StateFile): boolean =>
  state.marker === undefined && (state.unexplained?.count ?? 0) >= SAFE_START_COUNT

/** Safe start has held long enough: the next start may be a normal one, and a failure of it holds twice as long. */
export const holdIsOver = (state: StateFile): StateFile => ({
  ...state,
  unexplained: {
    count: SAFE_START_COUNT - 1,
    ran_ms: 0,
    safe_hold_ms: Math.min((state.unexplained?.safe_hold_ms ?? SAFE_HOLD_MS) * 2, SAFE_HOLD_MAX_MS)
  }
})
