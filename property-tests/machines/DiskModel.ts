/**
 * The part of a machine's disk that the apply engine's decisions rest on, with each task of its chart as one atomic
 * operation. That the real operations are atomic is what the crash-point explorer shows; here it is given.
 */
import {
  otherSlot,
  type DiskFacts,
  type Finding,
  type SlotName,
  type StateFile,
  type Times
} from "../../machines/index.ts"
import { behaviourOf, digestOf, etagOf, MAIN_URL, urlOf } from "./Revisions.ts"

/** A slot: whose document it holds, and what has become of it. `etag: null` is a copy of the seed or of bare. */
export interface SlotDisk {
  readonly etag: string | null
  readonly url: string | null
  readonly promoted: boolean
  readonly intact: boolean
}

export interface Disk {
  readonly leave: boolean
  readonly join: boolean
  /** seed.json, with the policy token. */
  readonly seed: boolean
  readonly active: "absent" | "dangling" | SlotName
  readonly slots: Readonly<Record<SlotName, SlotDisk | null>>
  readonly state: "absent" | "unreadable" | StateFile
  readonly confirmedUrl: string | null
  /** The centrals that identity.json holds a credential for. */
  readonly identities: ReadonlyArray<string>
  readonly localCentral: boolean
  readonly bootId: string
  readonly readOnly: string | null
}

/** A machine on which `join` has just written its intent. */
export const JOINING: Disk = {
  leave: false,
  join: true,
  seed: false,
  active: "absent",
  slots: { a: null, b: null },
  state: "absent",
  confirmedUrl: null,
  identities: [],
  localCentral: false,
  bootId: "boot-1",
  readOnly: null
}

/** How many ms of probation the model's documents ask for. */
export interface Windows {
  readonly windowMs: number
  readonly intervalMs: number
}

/** What `inspect` reads. */
export const factsOf = (disk: Disk, wall: number, { windowMs, intervalMs }: Windows): DiskFacts => {
  const slotFacts = (slot: SlotDisk | null) =>
    slot === null
      ? null
      : {
          intact: slot.intact,
          etag: slot.etag,
          digest: digestOf(slot.etag),
          promoted: slot.promoted,
          window_ms: windowMs,
          interval_ms: intervalMs,
          central: slot.url !== null
        }
  return {
    leave: disk.leave,
    join: disk.join,
    seed: disk.seed,
    active: disk.active,
    slots: { a: slotFacts(disk.slots.a), b: slotFacts(disk.slots.b) },
    state: disk.state,
    rescue: disk.confirmedUrl !== null,
    localCentral: disk.localCentral,
    bootId: disk.bootId,
    environment: "1",
    wall,
    jitter: 0,
    bareIntervalMs: intervalMs,
    readOnly: disk.readOnly
  }
}

/** The central of the document that a process runs. */
export const runningUrl = (disk: Disk, slot: SlotName | null, source: string): string | null => {
  if (slot !== null) return disk.slots[slot]?.url ?? null
  if (source === "seed") return MAIN_URL
  if (source === "rescue") return disk.confirmedUrl
  return disk.localCentral ? MAIN_URL : null
}

/** The tasks of the chart that change the disk. */
export const WRITES = [
  "executeLeave",
  "executeJoin",
  "setStateAside",
  "writeState",
  "writeSeedCopy",
  "writeSlot",
  "flip",
  "unlinkActive",
  "writePromoted",
  "retireSeed",
  "rememberUrl"
] as const
export type Write = (typeof WRITES)[number]

export const isWrite = (src: string): src is Write => (WRITES as ReadonlyArray<string>).includes(src)

/** What a file holds: no key whose value is undefined. */
const asFile = (state: StateFile): StateFile => JSON.parse(JSON.stringify(state)) as StateFile

/** One task's effect on the disk, whole. `url` is the central that the running document names. */
export const applied = (disk: Disk, src: Write, input: unknown, url: string | null): Disk => {
  switch (src) {
    case "executeLeave":
      return { ...JOINING, join: false, bootId: disk.bootId, localCentral: disk.localCentral }
    case "executeJoin":
      return {
        ...JOINING,
        join: false,
        seed: true,
        bootId: disk.bootId,
        localCentral: disk.localCentral,
        identities: disk.identities.filter((known) => known !== MAIN_URL)
      }
    case "setStateAside":
      return { ...disk, state: "absent" }
    case "writeState":
      return { ...disk, state: asFile((input as { readonly state: StateFile }).state) }
    case "writeSeedCopy":
      return withSlot(disk, "a", {
        etag: null,
        url: disk.seed ? MAIN_URL : disk.localCentral ? null : disk.confirmedUrl,
        promoted: false,
        intact: true
      })
    case "writeSlot": {
      const { slot, etag } = input as { readonly slot: SlotName; readonly etag: string }
      return withSlot(disk, slot, { etag, url: urlOf(etag), promoted: false, intact: true })
    }
    case "flip":
      return { ...disk, active: (input as { readonly slot: SlotName }).slot }
    case "unlinkActive":
      return { ...disk, active: "absent" }
    case "writePromoted": {
      const { slot } = input as { readonly slot: SlotName }
      const known = disk.slots[slot]
      return known === null ? disk : withSlot(disk, slot, { ...known, promoted: true })
    }
    case "retireSeed":
      return { ...disk, seed: false }
    case "rememberUrl":
      return { ...disk, confirmedUrl: url }
  }
}

const withSlot = (disk: Disk, slot: SlotName, value: SlotDisk): Disk => ({
  ...disk,
  slots: { ...disk.slots, [slot]: value }
})

/** What the tasks that only look answer about an offer. */
export const findingOn = (src: string, handle: number, windowMs: number): Finding => {
  const etag = etagOf(handle)
  const digest = digestOf(etag)
  const behaviour = behaviourOf(etag)
  const refuse = (verdict: Exclude<Finding["verdict"], "accepted">, transient: boolean): Finding => ({
    verdict,
    transient,
    digest,
    detail: `${etag}: ${verdict}`
  })
  if (src === "checkShape" && behaviour === "I") return refuse("config_invalid", false)
  if (src === "installPins" && behaviour === "H") return refuse("artifact_hash_mismatch", false)
  if (src === "installPins" && behaviour === "T") return refuse("plugin_install_failed", true)
  if (src === "validate" && behaviour === "V") return refuse("config_invalid", false)
  return { verdict: "accepted", digest, window_ms: windowMs }
}

/** What a task of the apply engine answers when it succeeds; its effect has happened. */
export const outputOn = (disk: Disk, src: string, input: unknown, now: Times, windows: Windows): unknown => {
  switch (src) {
    case "inspect":
      return factsOf(disk, now.wall, windows)
    case "writeState":
    case "readTime":
      return now
    case "checkShape":
    case "installPins":
    case "validate":
      return findingOn(src, (input as { readonly offer: number }).offer, windows.windowMs)
    default:
      return undefined
  }
}

/** The slot that is last-known-good, derived as the design says: the active one if promoted, else the other one. */
export const lastKnownGood = (disk: Disk): string | null => {
  if (disk.active !== "a" && disk.active !== "b") return null
  const active = disk.slots[disk.active]
  const other = disk.slots[otherSlot(disk.active)]
  return active?.promoted === true ? active.etag : other?.promoted === true ? other.etag : null
}

// ---------------------------------------------------------------------------------------------- damage

/** A bit of a slot rots. */
export const rotted = (disk: Disk, slot: SlotName): Disk => {
  const known = disk.slots[slot]
  return known === null ? disk : withSlot(disk, slot, { ...known, intact: false })
}

/** The active link names a directory that is gone. */
export const dangled = (disk: Disk): Disk =>
  disk.active === "a" || disk.active === "b"
    ? { ...disk, active: "dangling", slots: { ...disk.slots, [disk.active]: null } }
    : disk
