/**
 * A disk as data: what a POSIX file system shows now, and what of it a power cut would leave.
 *
 * Every inode has two sides. A file's durable bytes are those of its last fsync, and each write since then is pending; a
 * directory's durable entries are those of its last fsync, and each change of names since then is pending. Nothing
 * orders pending operations: each may survive a cut without the others, as POSIX allows and no journal promises.
 *
 * Inodes are never changed in place, so that a copy of a disk costs a copy of one small map.
 */

export type Ino = number

/** A write (or the lack of one: `length` alone cuts or extends) that no fsync has made durable. */
export interface PendingWrite {
  readonly seq: number
  readonly offset: number
  readonly bytes: Uint8Array
}

/** One atomic change of names in a directory; null unlinks. A rename sets two. */
export interface PendingNames {
  readonly seq: number
  readonly names: ReadonlyArray<readonly [name: string, ino: Ino | null]>
  /** A rename between two directories is one change, of both: the other directory, which has the same `seq` pending. */
  readonly twin?: Ino
}

export interface FileInode {
  readonly kind: "file"
  readonly content: Uint8Array
  readonly durable: Uint8Array
  readonly pending: ReadonlyArray<PendingWrite>
}

export interface DirectoryInode {
  readonly kind: "directory"
  readonly entries: ReadonlyMap<string, Ino>
  readonly durable: ReadonlyMap<string, Ino>
  readonly pending: ReadonlyArray<PendingNames>
}

export interface LinkInode {
  readonly kind: "link"
  readonly target: string
}

export type Inode = FileInode | DirectoryInode | LinkInode

export interface Disk {
  readonly inodes: ReadonlyMap<Ino, Inode>
  /** The next inode's number. */
  readonly next: Ino
  /** The next operation's number. */
  readonly seq: number
}

/** An operation that a file system refuses, with the system's code. */
export class Refused extends Error {
  readonly code: string
  constructor(code: string, path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

export const ROOT: Ino = 1
const NO_BYTES = new Uint8Array(0)
const LINKS_MAX = 40

const emptyDirectory: DirectoryInode = { kind: "directory", entries: new Map(), durable: new Map(), pending: [] }
const emptyFile: FileInode = { kind: "file", content: NO_BYTES, durable: NO_BYTES, pending: [] }

export const emptyDisk: Disk = { inodes: new Map([[ROOT, emptyDirectory]]), next: ROOT + 1, seq: 1 }

// ---------------------------------------------------------------------------------------------- looking

const split = new Map<string, ReadonlyArray<string>>()

/** The names in a path; a life asks for the same few hundred paths again and again. */
const segments = (path: string): ReadonlyArray<string> => {
  const known = split.get(path)
  if (known !== undefined) return known
  const names = path.split("/").filter((name) => name !== "" && name !== ".")
  split.set(path, names)
  return names
}

const inodeOf = (disk: Disk, ino: Ino): Inode => {
  const inode = disk.inodes.get(ino)
  if (inode === undefined) throw new Error(`inode ${ino} is not on this disk`)
  return inode
}

const directoryOf = (disk: Disk, ino: Ino, path: string): DirectoryInode => {
  const inode = inodeOf(disk, ino)
  if (inode.kind !== "directory") throw new Refused("ENOTDIR", path)
  return inode
}

/** Where a path ends: the directory that holds (or could hold) its last name, and the inode if there is one. */
interface Place {
  readonly parent: Ino
  readonly name: string
  readonly ino: Ino | undefined
}

const walk = (disk: Disk, path: string, follow: boolean): Place => {
  let names = segments(path)
  let parent = ROOT
  let links = 0
  let last: Place = { parent: ROOT, name: "", ino: ROOT }
  for (let index = 0; index < names.length; index++) {
    const name = names[index] ?? ""
    const isLast = index === names.length - 1
    const directory = directoryOf(disk, parent, path)
    if (name === "..") throw new Error(`".." is not modelled: ${path}`)
    const ino = directory.entries.get(name)
    last = { parent, name, ino }
    if (ino === undefined) {
      if (!isLast) throw new Refused("ENOENT", path)
      return last
    }
    const inode = inodeOf(disk, ino)
    if (inode.kind === "link" && (!isLast || follow)) {
      if (++links > LINKS_MAX) throw new Refused("ELOOP", path)
      if (inode.target === "") throw new Refused("ENOENT", path)
      names = [...segments(inode.target), ...names.slice(index + 1)]
      index = -1
      const from = inode.target.startsWith("/") ? ROOT : parent
      if (names.length === 0) last = { parent, name: "", ino: from }
      parent = from
      continue
    }
    parent = ino
    if (!isLast && inode.kind !== "directory") throw new Refused("ENOTDIR", path)
  }
  return last
}

const found = (disk: Disk, path: string, follow: boolean): Ino => {
  const { ino } = walk(disk, path, follow)
  if (ino === undefined) throw new Refused("ENOENT", path)
  return ino
}

/** The inode that a path leads to; the link itself unless `follow`. */
export const lookUp = (disk: Disk, path: string, follow: boolean): Inode => inodeOf(disk, found(disk, path, follow))

export const readFile = (disk: Disk, path: string): Uint8Array => contentOf(disk, openFile(disk, path), path)

export const contentOf = (disk: Disk, ino: Ino, path: string): Uint8Array => {
  const inode = inodeOf(disk, ino)
  if (inode.kind !== "file") throw new Refused("EISDIR", path)
  return inode.content
}

export const readLink = (disk: Disk, path: string): string => {
  const inode = lookUp(disk, path, false)
  if (inode.kind !== "link") throw new Refused("EINVAL", path)
  return inode.target
}

export const readDirectory = (disk: Disk, path: string): ReadonlyArray<string> => [
  ...directoryOf(disk, found(disk, path, true), path).entries.keys()
]

/** Opens what is there, for reading or to sync it; a link at its end is refused unless `follow`. */
export const openFile = (disk: Disk, path: string, follow = true): Ino => {
  const ino = found(disk, path, follow)
  if (inodeOf(disk, ino).kind === "link") throw new Refused("ELOOP", path)
  return ino
}

// ---------------------------------------------------------------------------------------------- changing

const withInode = (disk: Disk, ino: Ino, inode: Inode): Disk => ({
  ...disk,
  inodes: new Map(disk.inodes).set(ino, inode)
})

/** Half of an atomic change, or the whole of it: the names in one directory. */
const renamed = (disk: Disk, parent: Ino, path: string, change: PendingNames): Disk => {
  const directory = directoryOf(disk, parent, path)
  return withInode(disk, parent, {
    ...directory,
    entries: named(directory.entries, [change]),
    pending: [...directory.pending, change]
  })
}

/** One atomic change of names in one directory. */
const rename_ = (disk: Disk, parent: Ino, path: string, names: PendingNames["names"]): Disk => ({
  ...renamed(disk, parent, path, { seq: disk.seq, names }),
  seq: disk.seq + 1
})

const named = (entries: ReadonlyMap<string, Ino>, changes: ReadonlyArray<PendingNames>): ReadonlyMap<string, Ino> => {
  const next = new Map(entries)
  for (const { names } of changes) {
    for (const [name, ino] of names) {
      if (ino === null) next.delete(name)
      else next.set(name, ino)
    }
  }
  return next
}

const add = (disk: Disk, path: string, inode: Inode): readonly [Disk, Ino] => {
  const { ino, name, parent } = walk(disk, path, false)
  if (ino !== undefined) throw new Refused("EEXIST", path)
  const fresh = disk.next
  const added = { ...withInode(disk, fresh, inode), next: fresh + 1 }
  return [rename_(added, parent, path, [[name, fresh]]), fresh]
}

/** O_CREAT | O_EXCL. */
export const createFile = (disk: Disk, path: string): readonly [Disk, Ino] => add(disk, path, emptyFile)

export const makeDirectory = (disk: Disk, path: string): Disk => add(disk, path, emptyDirectory)[0]

export const symlink = (disk: Disk, target: string, path: string): Disk => {
  if (target === "") throw new Refused("ENOENT", path)
  return add(disk, path, { kind: "link", target })[0]
}

export const write = (disk: Disk, ino: Ino, bytes: Uint8Array): Disk => {
  const file = inodeOf(disk, ino)
  if (file.kind !== "file") throw new Refused("EISDIR", "")
  if (bytes.length === 0) return disk
  const pending: PendingWrite = { seq: disk.seq, offset: file.content.length, bytes }
  const next = { ...file, content: written(file.content, pending), pending: [...file.pending, pending] }
  return { ...withInode(disk, ino, next), seq: disk.seq + 1 }
}

/** The content after a write; a gap before it reads as zeros. */
export const written = (content: Uint8Array, { bytes, offset }: Pick<PendingWrite, "bytes" | "offset">): Uint8Array => {
  const next = new Uint8Array(Math.max(content.length, offset + bytes.length))
  next.set(content)
  next.set(bytes, offset)
  return next
}

/** fsync: of a file its bytes, of a directory its names. Never the name of what is synced. */
export const sync = (disk: Disk, ino: Ino): Disk => {
  const inode = inodeOf(disk, ino)
  if (inode.kind === "link" || inode.pending.length === 0) return disk
  if (inode.kind === "file") return withInode(disk, ino, { ...inode, durable: inode.content, pending: [] })
  return inode.pending.reduce(
    (next, { seq, twin }) => (twin === undefined ? next : syncChange(next, twin, seq)),
    withInode(disk, ino, { ...inode, durable: inode.entries, pending: [] })
  )
}

/** The other half of a rename that became durable: with it what it undid, and nothing else of that directory. */
const syncChange = (disk: Disk, ino: Ino, seq: number): Disk => {
  const directory = inodeOf(disk, ino)
  if (directory.kind !== "directory") return disk
  const change = directory.pending.find((one) => one.seq === seq)
  if (change === undefined) return disk
  const settled = new Set(change.names.map(([name]) => name))
  const pending = directory.pending.flatMap((one) => {
    if (one.seq >= seq) return one.seq === seq ? [] : [one]
    const names = one.names.filter(([name]) => !settled.has(name))
    return names.length === 0 ? [] : [{ ...one, names }]
  })
  return withInode(disk, ino, { ...directory, durable: named(directory.durable, [change]), pending })
}

/** A file's fsync that failed: what was pending is never written, and the next fsync finds nothing to do. */
export const forget = (disk: Disk, ino: Ino): Disk => {
  const inode = inodeOf(disk, ino)
  return inode.kind === "file" ? withInode(disk, ino, { ...inode, pending: [] }) : disk
}

export const rename = (disk: Disk, from: string, to: string): Disk => {
  const source = walk(disk, from, false)
  const target = walk(disk, to, false)
  if (source.ino === undefined) throw new Refused("ENOENT", from)
  if (source.name === "" || target.name === "") throw new Refused("EBUSY", from)
  if (holds(disk, source.ino, target.parent)) throw new Refused("EINVAL", from)
  if (target.ino !== undefined && holds(disk, target.ino, source.parent)) throw new Refused("ENOTEMPTY", to)
  if (source.ino === target.ino) return disk
  const moved = inodeOf(disk, source.ino)
  if (target.ino !== undefined) {
    const replaced = inodeOf(disk, target.ino)
    if (moved.kind === "directory" && replaced.kind !== "directory") throw new Refused("ENOTDIR", to)
    if (moved.kind !== "directory" && replaced.kind === "directory") throw new Refused("EISDIR", to)
    if (replaced.kind === "directory" && replaced.entries.size > 0) throw new Refused("ENOTEMPTY", to)
  }
  const leaves = [source.name, null] as const
  const arrives = [target.name, source.ino] as const
  if (source.parent === target.parent) return rename_(disk, source.parent, from, [leaves, arrives])
  const left = renamed(disk, source.parent, from, { seq: disk.seq, names: [leaves], twin: target.parent })
  const both = renamed(left, target.parent, to, { seq: disk.seq, names: [arrives], twin: source.parent })
  return { ...both, seq: disk.seq + 1 }
}

/** Whether a directory is `inside`, or anywhere above it. */
const holds = (disk: Disk, ino: Ino, inside: Ino): boolean => {
  if (ino === inside) return true
  const inode = inodeOf(disk, ino)
  return inode.kind === "directory" && [...inode.entries.values()].some((child) => holds(disk, child, inside))
}

/** unlink or rmdir: one name. */
export const unlink = (disk: Disk, path: string): Disk => {
  const { ino, name, parent } = walk(disk, path, false)
  if (ino === undefined) throw new Refused("ENOENT", path)
  const inode = inodeOf(disk, ino)
  if (inode.kind === "directory" && inode.entries.size > 0) throw new Refused("ENOTEMPTY", path)
  return rename_(disk, parent, path, [[name, null]])
}

// ---------------------------------------------------------------------------------------------- the whole tree

/** What is made of a disk or of a part of it, made once for as long as that is held: none is ever changed in place. */
export const madeOnce = <K extends object, A extends object | string>(make: (from: K) => A): ((from: K) => A) => {
  const made = new WeakMap<K, A>()
  return (from) => {
    const known = made.get(from)
    if (known !== undefined) return known
    const fresh = make(from)
    made.set(from, fresh)
    return fresh
  }
}

/** Bytes as text, a character for each. */
export const textOf = madeOnce((bytes: Uint8Array) => Buffer.from(bytes).toString("latin1"))

/** The names in a directory, sorted. */
export const sortedNames = madeOnce((entries: DirectoryInode["entries"]) => [...entries.keys()].sort())

/** Everything that can be seen from the root: files as text, links as `→ target`, directories as `/`. */
export const treeOf = (disk: Disk): Readonly<Record<string, string>> => {
  const tree: Record<string, string> = {}
  const visit = (ino: Ino, path: string): void => {
    const inode = inodeOf(disk, ino)
    if (inode.kind === "file") tree[path] = textOf(inode.content)
    if (inode.kind === "link") tree[path] = `→ ${inode.target}`
    if (inode.kind !== "directory") return
    if (path !== "") tree[path] = "/"
    for (const name of sortedNames(inode.entries)) visit(inode.entries.get(name) ?? ROOT, `${path}/${name}`)
  }
  visit(ROOT, "")
  return tree
}
