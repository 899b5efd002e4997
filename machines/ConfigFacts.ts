/**
 * What a machine's disk says about its configuration, in the words of the design.
 *
 * `StateFile` mirrors `state.json` field by field (the Schema lives in `src/domain`). The chart in `ConfigApply.ts` says
 * when a decision is taken; `ConfigBoot.ts` and `ConfigStage.ts` say what it is.
 */
import type { ApplyVerdict, QuarantineReason, RollbackReason, RunningSource, SlotName } from "./Vocabulary.ts"

// ---------------------------------------------------------------------------------------------- numbers

/** Unexplained starts that a revision on probation is given; the last of them rolls back before plugin code runs. */
export const PROBATION_ATTEMPTS = 5
/** The probation window is spent in this many equal parts, each charged durably before it is used. */
export const PROBATION_PARTS = 24
/** Entries kept in quarantine; the oldest goes first, never the active revision's. */
export const QUARANTINE_LIMIT = 16
/** Waits before a revision that was rolled back is tried again, by how often it was; the last one repeats. */
export const QUARANTINE_RETRY_MS = [3_600_000, 14_400_000, 86_400_000] as const
/** Waits before an apply that failed transiently is tried again; the last one repeats. */
export const TRANSIENT_RETRY_MS = [60_000, 300_000, 900_000, 3_600_000] as const
/** Unexplained starts after which a promoted configuration is run without its plugins. */
export const SAFE_START_COUNT = 3
/** Running this long clears the count of unexplained starts. */
export const STABLE_MS = 600_000
/** Running this long in safe start earns one normal attempt; doubled each time that attempt fails. */
export const SAFE_HOLD_MS = 3_600_000
/** The hold stops doubling here (one week). */
export const SAFE_HOLD_MAX_MS = 604_800_000
/** The largest count of starts and attempts that anything distinguishes. */
export const COUNT_MAX = 1_000

/** The tag of a flip's failure when the rename certainly did not happen; after any other the process restarts. */
export const NOT_FLIPPED = "NotFlipped"

// ---------------------------------------------------------------------------------------------- types

/** A revision remembered as bad. Times are milliseconds of the wall clock. */
export interface QuarantineEntry {
  readonly etag: string
  readonly digest: string
  readonly environment: string
  readonly reason: QuarantineReason
  readonly recorded_at: number
  readonly attempts: number
  readonly retry_at?: number | undefined
  readonly detail?: string | undefined
}

/** The probation that is being served: durable, so that neither a kill nor a power cut ends or restarts it. */
export interface Marker {
  readonly etag: string
  readonly slot: SlotName
  readonly previous_slot: SlotName
  readonly attempts_left: number
  /** What is left of the window and not charged yet, in ms of elapsed time. */
  readonly budget_ms: number
  /** The whole window W in ms; one part is W / 24. */
  readonly window_ms: number
  readonly applied_at: number
  /** Whether the one extension for a throttling central was given. */
  readonly extended?: boolean | undefined
  readonly saved_quarantine?: QuarantineEntry | undefined
}

export interface LastRollback {
  readonly etag: string | null
  readonly reason: RollbackReason
  readonly at: number
  readonly detail?: string | undefined
}

export interface LastAttempt {
  readonly etag: string
  readonly verdict: ApplyVerdict
  readonly reason?: string | undefined
  readonly at: number
  readonly attempt: number
  readonly retry_at?: number | undefined
}

/** Unexplained starts since the daemon last ran for ten minutes, and the hold of safe start. Durations in ms. */
export interface Unexplained {
  readonly count: number
  readonly ran_ms: number
  readonly safe_hold_ms: number
}

/** `state.json`: everything about applying that must outlive the process. */
export interface StateFile {
  readonly version: 1
  readonly marker?: Marker | undefined
  readonly quarantine: ReadonlyArray<QuarantineEntry>
  readonly last_rollback?: LastRollback | undefined
  readonly last_attempt?: LastAttempt | undefined
  readonly last_exit?: "planned" | undefined
  readonly boot_id?: string | undefined
  readonly unexplained?: Unexplained | undefined
}

export interface SlotFacts {
  /** SHA-256 of document.json equals the digest in record.json. */
  readonly intact: boolean
  /** null: a seed copy. */
  readonly etag: string | null
  readonly digest: string
  readonly promoted: boolean
  /** The probation window that this slot's document asks for, in ms. */
  readonly window_ms: number
  readonly interval_ms: number
  /** The document names a central, alone or with the user's own layer. */
  readonly central: boolean
}

/** One reading of the disk and of the clocks, made by the `inspect` task. */
export interface DiskFacts {
  readonly leave: boolean
  readonly join: boolean
  readonly seed: boolean
  readonly active: "absent" | "dangling" | SlotName
  readonly slots: Readonly<Record<SlotName, SlotFacts | null>>
  readonly state: "absent" | "unreadable" | StateFile
  /** identity.json names a URL that confirmed. */
  readonly rescue: boolean
  /** The user's own config.json holds a central sink. */
  readonly localCentral: boolean
  /** The operating system's boot id; empty where it has none. */
  readonly bootId: string
  /** Daemon version and plugin set: what a verdict about bytes was made with. */
  readonly environment: string
  /** Wall clock, ms. */
  readonly wall: number
  /** -1..1, drawn afresh: the machine's only source of chance. */
  readonly jitter: number
  /** The poll interval of the seed, of rescue, or of the user's own central sink. */
  readonly bareIntervalMs: number
  /** Why the disk can be read but not written, if so. */
  readonly readOnly: string | null
}

/** What this process runs: chosen once at boot and frozen, so that If-None-Match means "this is what I run". */
export interface Running {
  readonly source: RunningSource
  readonly slot: SlotName | null
  readonly etag: string | null
  readonly digest: string | null
  /** A central is polled, and every so many ms. */
  readonly central: boolean
  readonly intervalMs: number
}

// ---------------------------------------------------------------------------------------------- words of the design

/** The state of a machine that has none yet. */
export const EMPTY_STATE: StateFile = { version: 1, quarantine: [] }

export const otherSlot = (slot: SlotName): SlotName => (slot === "a" ? "b" : "a")

export const quarantineOf = (state: StateFile, etag: string | null): QuarantineEntry | undefined =>
  etag === null ? undefined : state.quarantine.find((entry) => entry.etag === etag)

/** Intact, worth trusting (promoted, or the copy of the seed) and not known to be bad. */
export const usable = (disk: DiskFacts, state: StateFile, slot: SlotName): boolean => {
  const facts = disk.slots[slot]
  return (
    facts !== null &&
    facts.intact &&
    (facts.promoted || facts.etag === null) &&
    quarantineOf(state, facts.etag) === undefined
  )
}

/** A machine can run bare: from the seed, the last URL that confirmed, or the user's own central sink. */
export const bareIsPossible = (disk: DiskFacts): boolean => disk.seed || disk.rescue || disk.localCentral

export const activeSlot = (disk: DiskFacts): SlotName | null =>
  disk.active === "a" || disk.active === "b" ? disk.active : null

export const activeFacts = (disk: DiskFacts): SlotFacts | null => {
  const slot = activeSlot(disk)
  return slot === null ? null : disk.slots[slot]
}

/** Something names a slot, and that slot cannot be run (E4). */
export const activeIsBroken = (disk: DiskFacts): boolean =>
  disk.active !== "absent" && activeFacts(disk)?.intact !== true

/** The active revision is remembered as bad: a rollback whose flip was lost (E5). */
export const activeIsQuarantined = (disk: DiskFacts, state: StateFile): boolean =>
  quarantineOf(state, activeFacts(disk)?.etag ?? null) !== undefined

/** Where to go from a slot that cannot stay: the other one if usable (promoted before seed copy), else none. */
export const refuge = (disk: DiskFacts, state: StateFile): SlotName | null => {
  const slot = activeSlot(disk)
  const candidates: ReadonlyArray<SlotName> = slot === null ? ["a", "b"] : [otherSlot(slot)]
  const fit = candidates.filter((candidate) => usable(disk, state, candidate))
  return fit.find((candidate) => disk.slots[candidate]?.promoted === true) ?? fit[0] ?? null
}

// ---------------------------------------------------------------------------------------------- quarantine

/** ± 10 %, by a `jitter` in -1..1. */
export const jittered = (ms: number, jitter: number): number => Math.round(ms * (1 + 0.1 * jitter))

/** The step of a ladder whose last rung repeats. */
export const rung = <T>(ladder: ReadonlyArray<T>, step: number): T =>
  ladder[Math.min(Math.max(step, 0), ladder.length - 1)] as T

export const withoutQuarantine = (state: StateFile, etag: string): StateFile => ({
  ...state,
  quarantine: state.quarantine.filter((entry) => entry.etag !== etag)
})

/** Adds an entry (replacing the etag's older one); the oldest go first, never the active revision's. */
export const withQuarantine = (state: StateFile, entry: QuarantineEntry, activeEtag: string | null): StateFile => {
  const kept = [...withoutQuarantine(state, entry.etag).quarantine, entry]
  while (kept.length > QUARANTINE_LIMIT) {
    const oldest = kept.findIndex((candidate) => candidate.etag !== activeEtag)
    kept.splice(Math.max(oldest, 0), 1)
  }
  return { ...state, quarantine: kept }
}

/** May this revision be tried (again)? Behaviour is forgiven by time, bytes by another environment. */
export const isDue = (entry: QuarantineEntry, wall: number, environment: string): boolean =>
  entry.retry_at === undefined ? entry.environment !== environment : entry.retry_at <= wall

/** Drops the marker and gives back the quarantine entry that it carried. */
export const withoutMarker = (state: StateFile, activeEtag: string | null): StateFile => {
  const { marker, ...rest } = state
  return marker?.saved_quarantine === undefined ? rest : withQuarantine(rest, marker.saved_quarantine, activeEtag)
}

// ---------------------------------------------------------------------------------------------- the end of a process

/** An orderly stop: the exit is recorded, the unused part of the budget is given back, running time is noted. */
export const closed = (state: StateFile, unusedMs: number, ranMs: number): StateFile => ({
  ...state,
  ...(state.marker === undefined
    ? {}
    : {
        marker: {
          ...state.marker,
          budget_ms: Math.min(state.marker.window_ms, state.marker.budget_ms + Math.max(0, Math.round(unusedMs)))
        }
      }),
  ...(state.unexplained === undefined
    ? {}
    : { unexplained: { ...state.unexplained, ran_ms: state.unexplained.ran_ms + Math.max(0, Math.round(ranMs)) } }),
  last_exit: "planned"
})

/** What is known before the disk was read: nothing. */
export const UNREAD_DISK: DiskFacts = {
  leave: false,
  join: false,
  seed: false,
  active: "absent",
  slots: { a: null, b: null },
  state: "absent",
  rescue: false,
  localCentral: false,
  bootId: "",
  environment: "",
  wall: 0,
  jitter: 0,
  bareIntervalMs: 300_000,
  readOnly: null
}
