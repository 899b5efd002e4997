/** What is on a disk, read by nobody's code but this: no schema, service or digest of the product is used. */
import { createHash } from "node:crypto"
import { type Disk, lookUp, madeOnce, readDirectory, readFile, readLink, treeOf } from "./Disk.ts"
import { artifactHash } from "./Plugins.ts"
import { CONTROL, HOME } from "./Services.ts"

export type SlotName = "a" | "b"

/** A slot directory as it is. */
export interface SeenSlot {
  readonly etag: string | null
  readonly digest: string
  readonly document: string
  /** The digest is that of the document. */
  readonly intact: boolean
  readonly promoted: boolean
  /** Artifact hashes by the names of plugins, as the record says them. */
  readonly plugins: Readonly<Record<string, string>>
}

/** What the lock says of one plugin. */
export interface SeenEntry {
  readonly content_hash: string
  readonly installed_by: "operator" | "revision"
}

/** What is on a disk of plugins. */
export interface SeenPlugins {
  /** By name; empty: there is none. */
  readonly lock: Readonly<Record<string, SeenEntry>> | "damaged"
  /** Installed trees by `name hash`, with the hash that their files have. */
  readonly trees: Readonly<Record<string, string>>
  /** There is something half installed. */
  readonly staging: boolean
}

export interface SeenQuarantine {
  readonly etag: string
  readonly reason: string
  readonly attempts: number
}

export interface SeenMarker {
  readonly etag: string
  readonly slot: SlotName
  readonly previous_slot: SlotName
  readonly attempts_left: number
  readonly budget_ms: number
  readonly window_ms: number
  readonly saved_quarantine?: SeenQuarantine
}

export interface SeenState {
  readonly marker?: SeenMarker
  readonly quarantine: ReadonlyArray<SeenQuarantine>
}

export interface Seen {
  /** null: absent; "damaged": there is something, and it is no state file. */
  readonly state: SeenState | null | "damaged"
  readonly slots: Readonly<Record<SlotName, SeenSlot | null | "damaged">>
  readonly active: SlotName | "absent" | "dangling"
  readonly seed: string | null
  readonly join: boolean
  readonly leave: boolean
  /** The credential for each central, from identity.json or else its copy. */
  readonly identities: Readonly<Record<string, { readonly jwt: string }>>
  readonly identityFiles: number
  /** Paths of everything below the state directory. */
  readonly paths: ReadonlyArray<string>
  /** Paths of files that hold this text. */
  readonly holding: (text: string) => ReadonlyArray<string>
}

/** A file's text, and what it says as JSON, if anything. */
interface Read {
  readonly text: string | null
  readonly value: Record<string, unknown> | null
}

const NOTHING: Read = { text: null, value: null }

const readOnce = madeOnce((bytes: Uint8Array): Read => {
  const text = Buffer.from(bytes).toString("utf8")
  try {
    const value: unknown = JSON.parse(text)
    return { text, value: typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null }
  } catch {
    return { text, value: null }
  }
})

const fileAt = (disk: Disk, path: string): Read => {
  try {
    return readOnce(readFile(disk, path))
  } catch {
    return NOTHING
  }
}

const isThere = (disk: Disk, path: string): boolean => {
  try {
    lookUp(disk, path, false)
    return true
  } catch {
    return false
  }
}

const sha256 = (text: Uint8Array): string => createHash("sha256").update(text).digest("hex")

const slotAt = (disk: Disk, slot: SlotName): Seen["slots"][SlotName] => {
  const path = `${CONTROL}/${slot}`
  try {
    if (lookUp(disk, path, false).kind !== "directory") return "damaged"
  } catch {
    return null
  }
  const names = readDirectory(disk, path)
  const record = fileAt(disk, `${path}/record.json`).value
  const document = fileAt(disk, `${path}/document.json`).text
  if (record === null || document === null) return "damaged"
  const digest = String(record["digest"])
  return {
    etag: record["etag"] === null ? null : String(record["etag"]),
    digest,
    document,
    intact: digest === sha256(Buffer.from(document)),
    promoted: names.includes("promoted"),
    plugins: (record["plugins"] ?? {}) as SeenSlot["plugins"]
  }
}

const activeOf = (disk: Disk): Seen["active"] => {
  try {
    const target = readLink(disk, `${CONTROL}/active`)
    return (target === "a" || target === "b") && slotAt(disk, target) !== null ? target : "dangling"
  } catch {
    return "absent"
  }
}

const stateOf = (disk: Disk): Seen["state"] => {
  const { text, value } = fileAt(disk, `${CONTROL}/state.json`)
  if (text === null) return null
  return value !== null && Array.isArray(value["quarantine"]) ? (value as unknown as SeenState) : "damaged"
}

const identitiesIn = ({ value }: Read): Seen["identities"] | null => {
  const known = value?.["identities"]
  return typeof known === "object" && known !== null ? (known as Seen["identities"]) : null
}

export const seen = madeOnce((disk: Disk): Seen => {
  const main = fileAt(disk, `${HOME}/state/identity.json`)
  const copy = fileAt(disk, `${HOME}/state/identity.bak.json`)
  let known: ReturnType<typeof treeOf> | undefined
  const tree = () => (known ??= treeOf(disk))
  return {
    state: stateOf(disk),
    slots: { a: slotAt(disk, "a"), b: slotAt(disk, "b") },
    active: activeOf(disk),
    seed: fileAt(disk, `${CONTROL}/seed.json`).text,
    join: isThere(disk, `${CONTROL}/join.json`),
    leave: isThere(disk, `${CONTROL}/leave.json`),
    identities: identitiesIn(main) ?? identitiesIn(copy) ?? {},
    identityFiles: [main, copy].filter(({ text }) => text !== null).length,
    get paths() {
      return Object.keys(tree()).filter((path) => path.startsWith(`${HOME}/state/`))
    },
    holding: (text) => Object.keys(tree()).filter((path) => tree()[path]?.includes(text) === true)
  }
})

const PLUGINS = `${HOME}/state/plugins`
const STAGING = ".staging"

const namesIn = (disk: Disk, path: string): ReadonlyArray<string> => {
  try {
    return readDirectory(disk, path)
  } catch {
    return []
  }
}

const filesBelow = (disk: Disk, root: string, path = ""): ReadonlyArray<readonly [path: string, bytes: Uint8Array]> =>
  namesIn(disk, `${root}/${path}`).flatMap((name) => {
    const inner = path === "" ? name : `${path}/${name}`
    const { kind } = lookUp(disk, `${root}/${inner}`, false)
    return kind === "directory" ? filesBelow(disk, root, inner) : [[inner, readFile(disk, `${root}/${inner}`)]]
  })

/** What is installed; names with a scope are in no life. */
export const pluginsSeen = (disk: Disk): SeenPlugins => {
  const { text, value } = fileAt(disk, `${HOME}/state/plugin-lock.json`)
  const lock = text === null ? {} : (value?.["plugins"] as SeenPlugins["lock"] | undefined)
  const names = namesIn(disk, PLUGINS)
  const trees = names
    .filter((name) => name !== STAGING)
    .flatMap((name) => namesIn(disk, `${PLUGINS}/${name}`).map((hash) => [name, hash] as const))
    .map(([name, hash]) => {
      const files = Object.fromEntries(filesBelow(disk, `${PLUGINS}/${name}/${hash}`))
      return [`${name} ${hash}`, artifactHash(files)] as const
    })
  return { lock: lock ?? "damaged", trees: Object.fromEntries(trees), staging: names.includes(STAGING) }
}

export const slotOf = (now: Seen, slot: SlotName): SeenSlot | null => {
  const found = now.slots[slot]
  return found === "damaged" ? null : found
}

export const activeSlotOf = (now: Seen): SeenSlot | null =>
  now.active === "a" || now.active === "b" ? slotOf(now, now.active) : null

export const quarantined = (now: Seen, etag: string | null): SeenQuarantine | undefined =>
  now.state === null || now.state === "damaged" ? undefined : now.state.quarantine.find((entry) => entry.etag === etag)

export const markerOf = (now: Seen): SeenMarker | undefined =>
  now.state === null || now.state === "damaged" ? undefined : now.state.marker

/** Intact, and promoted or a copy of the seed, and not quarantined. */
export const isUsable = (now: Seen, slot: SlotName): boolean => {
  const found = slotOf(now, slot)
  return (
    found !== null &&
    found.intact &&
    (found.promoted || found.etag === null) &&
    quarantined(now, found.etag) === undefined
  )
}

/** The revision to fall back on: the active one if promoted, else the other one if promoted. */
export const lastKnownGood = (now: Seen): string | null => {
  if (now.active !== "a" && now.active !== "b") return null
  const other = slotOf(now, now.active === "a" ? "b" : "a")
  const active = activeSlotOf(now)
  return active?.promoted === true ? active.etag : other?.promoted === true ? other.etag : null
}
