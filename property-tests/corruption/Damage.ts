/** What may happen to a file behind everybody's back, done to a disk. */
import { type Disk, type FileInode, type Ino, type Inode, lookUp, treeOf } from "../crash/Disk.ts"
import { CONTROL, HOME } from "../crash/Services.ts"

/** How a file was damaged: the columns of the table. */
export const HOWS = ["byte", "cut", "removed", "directory", "link"] as const
export type How = (typeof HOWS)[number]

/** One file, and what became of it. */
export interface Damage {
  readonly path: string
  readonly how: How
  /** For reports: `byte 12 → 0xff`. */
  readonly what: string
  readonly inode: Inode | null
}

export const ACTIVE = `${CONTROL}/active`

/** The files that are damaged: all of the daemon's state, and the user's own layer. */
export const filesOf = (disk: Disk): ReadonlyArray<string> =>
  Object.entries(treeOf(disk))
    .filter(
      ([path, content]) => content !== "/" && (path.startsWith(`${HOME}/state/`) || path === `${HOME}/config.json`)
    )
    .map(([path]) => path)
    .sort()

/** A file whose bytes are durable: nothing of what happened to it is pending. */
const fileOf = (bytes: Uint8Array): FileInode => ({ kind: "file", content: bytes, durable: bytes, pending: [] })

const EMPTY_DIRECTORY: Inode = { kind: "directory", entries: new Map(), durable: new Map(), pending: [] }

/** Each byte: one bit of it flipped, all of them zero, and all of them one (no text has that). */
export const bytesOf = (disk: Disk, path: string): ReadonlyArray<Damage> => {
  const content = contentOf(disk, path)
  return [...content].flatMap((byte, at) =>
    [byte ^ (1 << (at % 7)), 0x00, 0xff].map((value): Damage => {
      const next = content.slice()
      next[at] = value
      return { path, how: "byte", what: `byte ${at} → 0x${value.toString(16)}`, inode: fileOf(next) }
    })
  )
}

/** Cut short: to nothing, to one byte, at every 512-byte sector, by half, and by the last byte. */
const cutsOf = (disk: Disk, path: string): ReadonlyArray<Damage> => {
  const content = contentOf(disk, path)
  const sectors = Array.from({ length: Math.ceil(content.length / 512) }, (_, index) => index * 512)
  const lengths = new Set([0, 1, ...sectors, content.length >> 1, content.length - 2, content.length - 1])
  return [...lengths]
    .filter((length) => length >= 0 && length < content.length)
    .map((length) => ({ path, how: "cut", what: `cut to ${length}`, inode: fileOf(content.slice(0, length)) }))
}

/** Gone, or a directory of that name. */
const replacedOf = (path: string): ReadonlyArray<Damage> => [
  { path, how: "removed", what: "removed", inode: null },
  { path, how: "directory", what: "a directory instead", inode: EMPTY_DIRECTORY }
]

/** What a link may become besides. */
const linksOf = (path: string): ReadonlyArray<Damage> => [
  ...["c", "", `${CONTROL}/a`, "../a", "active"].map((target): Damage => ({
    path,
    how: "link",
    what: `leads to "${target}"`,
    inode: { kind: "link", target }
  })),
  { path, how: "link", what: "a file instead", inode: fileOf(new TextEncoder().encode("a")) }
]

const isLink = (disk: Disk, path: string): boolean => lookUp(disk, path, false).kind === "link"

/** Everything that is done to one file. */
export const damagesOf = (disk: Disk, path: string): ReadonlyArray<Damage> =>
  isLink(disk, path)
    ? [...replacedOf(path), ...linksOf(path)]
    : [...bytesOf(disk, path), ...cutsOf(disk, path), ...replacedOf(path)]

/** What is done to one file of a pair: a byte near its beginning, in its middle and near its end, cut short, and gone. */
export const fewDamagesOf = (disk: Disk, path: string, all: boolean): ReadonlyArray<Damage> => {
  if (isLink(disk, path)) return [replacedOf(path)[0]!, linksOf(path)[0]!]
  const bytes = bytesOf(disk, path)
  const places = all ? [bytes.length >> 4, bytes.length >> 1, bytes.length - 6] : [bytes.length >> 1]
  const cuts = cutsOf(disk, path)
  return [
    ...places.flatMap((place) => bytes.slice(place - (place % 3), place - (place % 3) + 1)),
    ...(all ? [cuts.at(-3), cuts[0]] : [cuts[0]]),
    ...replacedOf(path).slice(0, all ? 2 : 1)
  ].filter((damage) => damage !== undefined)
}

const contentOf = (disk: Disk, path: string): Uint8Array => {
  const inode = lookUp(disk, path, false)
  return inode.kind === "file" ? inode.content : new Uint8Array(0)
}

/** The disk after it; inodes are shared with the one before. */
export const damaged = (disk: Disk, damages: ReadonlyArray<Damage>): Disk =>
  damages.reduce((now, { inode, path }) => {
    const directory = path.slice(0, path.lastIndexOf("/"))
    const name = path.slice(path.lastIndexOf("/") + 1)
    const parent = lookUp(now, directory, false)
    if (parent.kind !== "directory") throw new Error(`${directory} is no directory`)
    const ino: Ino = now.next
    const named = (entries: ReadonlyMap<string, Ino>) => {
      const next = new Map(entries)
      if (inode === null) next.delete(name)
      else next.set(name, ino)
      return next
    }
    const inodes = new Map(now.inodes)
    if (inode !== null) inodes.set(ino, inode)
    const [self] = [...now.inodes].find(([, each]) => each === parent) ?? []
    if (self === undefined) throw new Error(`${directory} is not on this disk`)
    const entries = named(parent.entries)
    inodes.set(self, { ...parent, entries, durable: entries, pending: [] })
    return { ...now, inodes, next: ino + 1 }
  }, disk)
