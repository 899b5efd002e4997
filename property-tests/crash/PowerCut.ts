/** What a power cut may leave of a disk: every choice among the operations that nothing had made durable. */
import { type Disk, type DirectoryInode, type Ino, type Inode, type PendingNames, ROOT, written } from "./Disk.ts"

/** A disk writes sectors of this many bytes whole or not at all. */
export const SECTOR = 512

/** How a pending write may end: as if it never was, whole, its length alone (zeros), its first or last sectors only. */
const WRITE_FATES = ["lost", "kept", "zeros", "head", "tail"] as const
type WriteFate = (typeof WRITE_FATES)[number]

/** A pending operation and the fates that it may meet; fate 0 is "lost", fate 1 is "kept". */
interface Choice {
  readonly seq: number
  readonly fates: ReadonlyArray<WriteFate>
}

/** Combinations of fates up to which all are tried; beyond it they are sampled. */
export const ENUMERATED = 64

/** Inodes that some choice of pending names can make visible; the others are gone whatever happens. */
const reachable = (disk: Disk): ReadonlyMap<Ino, Inode> => {
  const seen = new Map<Ino, Inode>()
  const visit = (ino: Ino): void => {
    const inode = disk.inodes.get(ino)
    if (inode === undefined || seen.has(ino)) return
    seen.set(ino, inode)
    if (inode.kind !== "directory") return
    for (const child of inode.durable.values()) visit(child)
    for (const { names } of inode.pending) for (const [, child] of names) if (child !== null) visit(child)
  }
  visit(ROOT)
  return seen
}

/** One for each operation: the two halves of a rename between directories have one fate. */
const choicesOf = (inodes: Iterable<Inode>): ReadonlyArray<Choice> => {
  const choices = [...inodes]
    .flatMap((inode): ReadonlyArray<Choice> => {
      if (inode.kind === "link") return []
      if (inode.kind === "directory") return inode.pending.map(({ seq }) => ({ seq, fates: ["lost", "kept"] }))
      return inode.pending.map(({ bytes, seq }) => ({
        seq,
        fates: bytes.length > SECTOR ? WRITE_FATES : ["lost", "kept", "zeros"]
      }))
    })
    .sort((left, right) => left.seq - right.seq)
  return choices.filter(({ seq }, index) => choices[index - 1]?.seq !== seq)
}

type Fates = ReadonlyMap<number, WriteFate>

/** The disk that comes up again: what survived is durable, nothing is pending. */
const survived = (inodes: ReadonlyMap<Ino, Inode>, disk: Disk, fates: Fates): Disk => {
  const next = new Map<Ino, Inode>()
  for (const [ino, inode] of inodes) next.set(ino, settled(inode, fates))
  const kept = new Map<Ino, Inode>()
  const visit = (ino: Ino): void => {
    const inode = next.get(ino)
    if (inode === undefined || kept.has(ino)) return
    kept.set(ino, inode)
    if (inode.kind === "directory") for (const child of inode.entries.values()) visit(child)
  }
  visit(ROOT)
  return { ...disk, inodes: kept }
}

const settled = (inode: Inode, fates: Fates): Inode => {
  if (inode.kind === "link") return inode
  if (inode.kind === "directory") {
    return inode.pending.length === 0 ? inode : settledDirectory(inode, fates)
  }
  if (inode.content === inode.durable) return inode
  let content = inode.durable
  for (const pending of inode.pending) {
    const { bytes, offset } = pending
    const sectors = Math.ceil(bytes.length / SECTOR)
    switch (fates.get(pending.seq)) {
      case "kept":
        content = written(content, pending)
        break
      case "zeros":
        content = written(content, { offset, bytes: new Uint8Array(bytes.length) })
        break
      case "head":
        content = written(content, { offset, bytes: bytes.slice(0, SECTOR * Math.max(1, Math.floor(sectors / 2))) })
        break
      case "tail": {
        const torn = new Uint8Array(bytes)
        torn.fill(0, 0, SECTOR)
        content = written(content, { offset, bytes: torn })
        break
      }
      default:
    }
  }
  return { kind: "file", content, durable: content, pending: [] }
}

const settledDirectory = (directory: DirectoryInode, fates: Fates): DirectoryInode => {
  const survivors = directory.pending.filter(({ seq }) => fates.get(seq) === "kept")
  const entries = new Map(directory.durable)
  for (const { names } of survivors) apply(entries, names)
  return { kind: "directory", entries, durable: entries, pending: [] }
}

const apply = (entries: Map<string, Ino>, names: PendingNames["names"]): void => {
  for (const [name, ino] of names) {
    if (ino === null) entries.delete(name)
    else entries.set(name, ino)
  }
}

/** Numbers in [0, limit), the same for the same disk in every run. */
const randomFrom = (seed: number): ((limit: number) => number) => {
  let state = seed >>> 0 || 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** The disks that a power cut at this moment may leave: all of them, or a sample of at least `bound`. */
export const powerCuts = (
  disk: Disk,
  bound = ENUMERATED
): { readonly disks: ReadonlyArray<Disk>; readonly isSampled: boolean } => {
  const inodes = reachable(disk)
  const choices = choicesOf(inodes.values())
  const combinations = choices.reduce((product, { fates }) => Math.min(product * fates.length, bound + 1), 1)
  const isSampled = combinations > bound
  const drawn = isSampled ? sampled(choices, bound, randomFrom(disk.seq * 7 + 1)) : everyCombination(choices)
  return { disks: drawn.map((fates) => survived(inodes, disk, fates)), isSampled }
}

const everyCombination = (choices: ReadonlyArray<Choice>): ReadonlyArray<Fates> =>
  choices
    .reduce<ReadonlyArray<ReadonlyArray<readonly [number, WriteFate]>>>(
      (all, { fates, seq }) => fates.flatMap((fate) => all.map((one) => [...one, [seq, fate] as const])),
      [[]]
    )
    .map((pairs) => new Map(pairs))

/** All lost, all kept, each alone lost, each alone kept, in each of its fates; the rest at random. */
const sampled = (choices: ReadonlyArray<Choice>, bound: number, random: (limit: number) => number) => {
  const all = (fate: WriteFate) => new Map(choices.map(({ seq }) => [seq, fate] as const))
  const drawn: Array<Fates> = [all("lost"), all("kept")]
  for (const { fates, seq } of choices) {
    for (const fate of fates) {
      if (fate !== "kept") drawn.push(new Map(all("kept")).set(seq, fate))
      if (fate !== "lost") drawn.push(new Map(all("lost")).set(seq, fate))
    }
  }
  while (drawn.length < bound) {
    drawn.push(new Map(choices.map(({ fates, seq }) => [seq, fates[random(fates.length)] ?? "lost"] as const)))
  }
  return drawn
}
