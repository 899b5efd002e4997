/** A gateway's disk as another program sees it, and how far it had come when it was killed. */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { type StateFile, StateFileJson } from "../../src/domain/index.ts"

export type SlotName = "a" | "b"

export interface Slot {
  /** null: a copy of the seed. */
  readonly etag: string | null
  readonly digest: string
  readonly intact: boolean
  readonly promoted: boolean
}

export interface Disk {
  readonly active: SlotName | null
  readonly slots: Readonly<Record<SlotName, Slot | null>>
  readonly state: StateFile
  /** seed.json is there. */
  readonly seed: boolean
  /** Names of half-done writes: `state.json.tmp`, `b.new`, `b/promoted.tmp`, `identity.json.tmp`. */
  readonly halfDone: ReadonlyArray<string>
  /** identity.json and its copy are the same. */
  readonly identityWhole: boolean
  /** What state.json.tmp holds, whole or not. */
  readonly draft: string
}

const Record = Schema.fromJsonString(Schema.Struct({ etag: Schema.NullOr(Schema.String), digest: Schema.String }))

/** What is read is being replaced meanwhile, unless the daemon is dead. */
const read = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return null
  }
}

const list = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

export const stateDirectory = (home: string): string => join(home, "state")
export const controlDirectory = (home: string): string => join(home, "state", "config-control")

const readSlot = (directory: string): Slot | null => {
  const document = read(join(directory, "document.json"))
  const text = read(join(directory, "record.json"))
  if (document === null && text === null) return null
  const record = text === null ? null : Schema.decodeUnknownSync(Record)(text)
  const digest = createHash("sha256")
    .update(document ?? "")
    .digest("hex")
  return {
    etag: record?.etag ?? null,
    digest,
    intact: document !== null && record?.digest === digest,
    promoted: existsSync(join(directory, "promoted"))
  }
}

const readActive = (control: string): SlotName | null => {
  try {
    const target = readlinkSync(join(control, "active"))
    return target === "a" || target === "b" ? target : null
  } catch {
    return null
  }
}

const halfDone = (name: string): boolean => /\.(tmp|new|old)$/.test(name)

export const readDisk = (home: string): Disk => {
  const control = controlDirectory(home)
  const state = stateDirectory(home)
  const text = read(join(control, "state.json"))
  return {
    active: readActive(control),
    slots: { a: readSlot(join(control, "a")), b: readSlot(join(control, "b")) },
    state: text === null ? { version: 1, quarantine: [] } : Schema.decodeUnknownSync(StateFileJson)(text),
    seed: existsSync(join(control, "seed.json")),
    halfDone: [
      ...list(state).filter(halfDone),
      ...list(control).filter(halfDone),
      ...(["a", "b"] as const).flatMap((slot) =>
        list(join(control, slot))
          .filter(halfDone)
          .map((name) => `${slot}/${name}`)
      )
    ],
    identityWhole: read(join(state, "identity.json")) === read(join(state, "identity.bak.json")),
    draft: read(join(control, "state.json.tmp")) ?? ""
  }
}

/** Every file below a home that holds `needle`. */
export const filesWith = (home: string, needle: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (below: string) => {
    for (const name of list(join(home, below))) {
      const path = join(below, name)
      if (list(join(home, path)).length > 0) walk(path)
      else if (read(join(home, path))?.includes(needle) === true) found.push(path)
    }
  }
  walk("")
  return found
}

/** The phases that a kill can hit, in the order of a revision's life. */
export const PHASES = [
  "joining: enrolling, nothing applied yet",
  "steady, nothing new received",
  "identity half stored",
  "slot half written",
  "slot written, no marker",
  "marker half written",
  "marker written, not flipped",
  "flipped, not yet exited",
  "restarting, start not yet counted",
  "booting on probation",
  "on probation",
  "probation's budget half written",
  "promotion half written",
  "promoted, marker still there",
  "promoted, token still there",
  "rollback half written",
  "rollback recorded, not flipped",
  "rolled back, restarting",
  "booting, no probation",
  "stopping in order"
] as const
export type Phase = (typeof PHASES)[number]

export interface Killed {
  /** When the process that was killed was launched. */
  readonly before: Disk
  /** Once it was dead. */
  readonly after: Disk
  /** Its status file said that it runs. */
  readonly running: boolean
  /** It had been asked to stop. */
  readonly stopping: boolean
  /** The newest revision that was served. */
  readonly offered: string | null
}

/** How far the process had come, by what it left on the disk and had not found there. */
export const phaseOf = (killed: Killed): Phase => {
  const { after, before, offered, running, stopping } = killed
  const { marker } = after.state
  const active = after.active === null ? null : after.slots[after.active]
  const left = (name: RegExp) => after.halfDone.some((each) => name.test(each) && !before.halfDone.includes(each))
  if (left(/^identity\./) || (before.identityWhole && !after.identityWhole)) return "identity half stored"
  if (stopping) return "stopping in order"
  if (before.active !== after.active) {
    if (marker !== undefined) return "flipped, not yet exited"
    if (before.active !== null && !running) return "rolled back, restarting"
  }
  if (before.state.marker === undefined && marker !== undefined) return "marker written, not flipped"
  if (marker !== undefined && marker.slot === after.active) return probationPhase(killed, left)
  if (isRolledBack(after) && !isRolledBack(before)) return "rollback recorded, not flipped"
  if (before.state.marker !== undefined && after.seed && active?.promoted === true) return "promoted, token still there"
  if (left(/^[ab]\.(new|old)$/)) return "slot half written"
  if (stagedEtag(after) === offered && stagedEtag(before) !== offered) {
    return left(/^state\.json\.tmp$/) ? "marker half written" : "slot written, no marker"
  }
  if (active === null) return "joining: enrolling, nothing applied yet"
  return running ? "steady, nothing new received" : "booting, no probation"
}

const probationPhase = ({ after, before, running }: Killed, left: (name: RegExp) => boolean): Phase => {
  const promoted = (disk: Disk) => disk.active !== null && disk.slots[disk.active]?.promoted === true
  if (promoted(after) && !promoted(before)) return "promoted, marker still there"
  if (left(/promoted\.tmp$/)) return "promotion half written"
  if (after.draft.includes('"last_rollback"') && !after.draft.includes('"marker"')) return "rollback half written"
  if (after.state.last_exit !== undefined) return "restarting, start not yet counted"
  if (running && left(/^state\.json\.tmp$/)) return "probation's budget half written"
  return running ? "on probation" : "booting on probation"
}

/** The active revision is remembered as rolled back: the flip is still to come. */
const isRolledBack = ({ active, slots, state }: Disk): boolean => {
  const etag = active === null ? null : (slots[active]?.etag ?? null)
  return etag !== null && state.last_rollback?.etag === etag
}

/** The revision in the slot that is not active. */
const stagedEtag = ({ active, slots }: Disk): string | null => slots[active === "b" ? "a" : "b"]?.etag ?? null
