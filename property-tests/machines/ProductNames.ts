/**
 * Etags in states of the product graph: each is named by its role (`G1`, `G2` … for revisions of the central that
 * answers, `B1` … for revisions that name a host which never does), and so is what speaks of it.
 */
import {
  SAFE_HOLD_MS,
  SAFE_START_COUNT,
  UNREAD_DISK,
  type DiskFacts,
  type Marker,
  type QuarantineEntry,
  type SlotName,
  type StateFile
} from "../../machines/index.ts"
import type { Disk, SlotDisk } from "./DiskModel.ts"
import { memo, shared } from "./ProductPieces.ts"
import { DEAD_URL, digestOf, MAIN_URL } from "./Revisions.ts"

/** Attempts of a probation are the last one, or more: how many more is left open. */
export const ATTEMPTS = 2
/** The instant of the calendar that retries wait for. */
export const DUE = 5_000

export const urlOf = (etag: string): string => (etag.startsWith("B") ? DEAD_URL : MAIN_URL)

/** A smallest name that is not taken. */
export const freshName = (letter: "G" | "B", taken: ReadonlyArray<string>): string => {
  let count = 1
  while (taken.includes(`${letter}${count}`)) count++
  return `${letter}${count}`
}

type Rename = (etag: string) => string

/** What etags are called from here on, and what becomes of pieces that speak of them. */
export interface Naming {
  readonly rename: Rename
  readonly file: (state: StateFile) => StateFile
  readonly facts: (disk: DiskFacts) => DiskFacts
  readonly slots: (slots: Disk["slots"]) => Disk["slots"]
  readonly input: (input: unknown) => TaskInput
}

interface TaskInput {
  readonly etag?: string
  readonly slot?: SlotName
  readonly state?: StateFile
}

const NOTHING: TaskInput = {}
const namings = new Map<string, Naming>()

/** `mute`: a revision that turns out to name a host which never answers; `slotted`: the etags that a slot holds. */
export const namingOf = (etags: ReadonlyArray<string>, mute: string | null, slotted: ReadonlySet<string>): Naming => {
  const key = `${etags.join()} ${mute ?? ""} ${[...slotted].join()}`
  let naming = namings.get(key)
  if (naming === undefined) namings.set(key, (naming = namingFor(namesFor(etags, mute), slotted)))
  return naming
}

const namingFor = (names: ReadonlyMap<string, string>, slotted: ReadonlySet<string>): Naming => {
  const rename: Rename = (etag) => names.get(etag) ?? etag
  const file = memo((state: StateFile) => fileOf(state, rename, slotted))
  const input = memo(({ etag, slot, state }: TaskInput) =>
    shared({
      ...(etag === undefined ? {} : { etag: rename(etag) }),
      ...(slot === undefined ? {} : { slot }),
      ...(state === undefined ? {} : { state: file(state) })
    })
  )
  return {
    rename,
    file,
    facts: memo((disk: DiskFacts) => factsOf(disk, rename)),
    slots: memo((slots: Disk["slots"]) => shared({ a: slotOf(slots.a, rename), b: slotOf(slots.b, rename) })),
    input: (given) => input((given ?? NOTHING) as TaskInput)
  }
}

const namesFor = (etags: ReadonlyArray<string>, mute: string | null): ReadonlyMap<string, string> => {
  const names = new Map<string, string>()
  for (const etag of etags) {
    names.set(etag, freshName(etag.startsWith("B") || etag === mute ? "B" : "G", [...names.values()]))
  }
  return names
}

const entryOf = (entry: QuarantineEntry, rename: Rename): QuarantineEntry => ({
  etag: rename(entry.etag),
  digest: digestOf(rename(entry.etag)),
  environment: "1",
  reason: "crash_loop",
  recorded_at: 0,
  attempts: 1,
  ...(entry.retry_at === undefined ? {} : { retry_at: DUE })
})

const markerOf = (marker: Marker, rename: Rename): Marker => ({
  etag: rename(marker.etag),
  slot: marker.slot,
  previous_slot: marker.previous_slot,
  attempts_left: Math.min(marker.attempts_left, ATTEMPTS),
  budget_ms: marker.budget_ms,
  window_ms: marker.window_ms,
  applied_at: 0,
  ...(marker.extended === true ? { extended: true } : {}),
  ...(marker.saved_quarantine === undefined ? {} : { saved_quarantine: entryOf(marker.saved_quarantine, rename) })
})

/** Quarantine is kept for revisions in a slot. What else is remembered only says that an offer is skipped, and any may be. */
const fileOf = (state: StateFile, rename: Rename, slotted: ReadonlySet<string>): StateFile => {
  const { marker, unexplained } = state
  return shared({
    version: 1,
    quarantine: state.quarantine
      .filter(({ etag }) => slotted.has(etag))
      .map((entry) => entryOf(entry, rename))
      .sort((x, y) => (x.etag < y.etag ? -1 : 1)),
    ...(marker === undefined ? {} : { marker: markerOf(marker, rename) }),
    ...(state.last_exit === undefined ? {} : { last_exit: state.last_exit }),
    ...(state.boot_id === undefined ? {} : { boot_id: state.boot_id }),
    ...(unexplained === undefined
      ? {}
      : {
          unexplained: {
            count: Math.min(unexplained.count, SAFE_START_COUNT),
            ran_ms: 0,
            safe_hold_ms: SAFE_HOLD_MS
          }
        })
  })
}

const slotOf = (slot: SlotDisk | null, rename: Rename): SlotDisk | null =>
  slot === null || slot.etag === null ? slot : { ...slot, etag: rename(slot.etag), url: urlOf(rename(slot.etag)) }

const factsOf = (disk: DiskFacts, rename: Rename): DiskFacts => {
  if (disk === UNREAD_DISK) return disk
  const of = (slot: SlotName) => {
    const facts = disk.slots[slot]
    if (facts === null) return null
    const etag = facts.etag === null ? null : rename(facts.etag)
    return { ...facts, etag, digest: digestOf(etag) }
  }
  return shared({ ...disk, environment: "1", wall: 0, jitter: 0, slots: { a: of("a"), b: of("b") } })
}
