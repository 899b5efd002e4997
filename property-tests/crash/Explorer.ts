/**
 * Every moment of a life, every disk that a cut there may leave, and the life after it.
 *
 * A cut is a `kill -9` (nothing is lost yet, and nothing becomes durable) or a power cut. Lives that are the same from
 * some moment on are lived once: what counts is the disk, what the witness knows, and what the process remembers.
 */
import { hash } from "node:crypto"
import { type Disk, emptyDisk, madeOnce, ROOT, sortedNames, textOf } from "./Disk.ts"
import { type Goal, Life, type Moment } from "./Life.ts"
import { pluginsSeen, seen } from "./Oracle.ts"
import { namesWhatIsThere } from "./PluginWitness.ts"
import { powerCuts } from "./PowerCut.ts"
import type { Engine } from "./Services.ts"
import { killed, NEWBORN, rebooted, survivedCut, Violated, type Witness } from "./Witness.ts"
import { NEXT_GOOD, type PluginRevision, type Revision } from "./Central.ts"

/** How far an exploration goes. */
export interface Bounds {
  /** Cuts in one life. */
  readonly cuts: number
  /** Disks per power cut up to which all are tried, by how many cuts came before; beyond it they are sampled. */
  readonly disks: ReadonlyArray<number>
  /** Of the moments after an earlier cut, one in so many is cut again. */
  readonly stride: number
  /** What the first cut may be; anything unless it is said. */
  readonly first?: "kill" | "power"
}

export interface Explored {
  readonly moments: number
  /** Distinct disks that a cut left, each booted. */
  readonly crashPoints: number
  readonly byCuts: ReadonlyArray<number>
  readonly sampledMoments: number
  /** The first sentence that turned out wrong, and how to get there. */
  readonly violation: {
    readonly sentence: string
    readonly message: string
    readonly path: ReadonlyArray<string>
  } | null
}

interface Start {
  readonly from: Omit<Moment, "label">
  readonly cutsLeft: number
  readonly path: ReadonlyArray<string>
}

/** A machine without a home. */
export const BLANK: Omit<Moment, "label"> = {
  disk: emptyDisk,
  witness: NEWBORN,
  now: { uptime: 0, wall: 1_700_000_000_000 }
}

/** How a life begins and ends, where it is not from birth to `NEXT_GOOD`. */
export interface Frame {
  /** What was reached before the first moment that may be cut; then the machine was killed. */
  readonly before: ReadonlyArray<Goal>
  /** The good revision that liveness is measured by. */
  readonly next: Revision | PluginRevision
  /** Whether a first cut may come at this moment. */
  readonly isCut: (moment: Moment) => boolean
}

const WHOLE: Frame = { before: [], next: NEXT_GOOD, isCut: () => true }

/** Explores one life. Errors are thrown by the thousand and looked at by code alone: they carry no stacks meanwhile. */
export const explore = (engine: Engine, goals: ReadonlyArray<Goal>, bounds: Bounds, frame: Frame = WHOLE): Explored => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return explored(engine, goals, bounds, frame)
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** Where a machine is killed that has lived to its goals, uncut. */
const lived = (engine: Engine, goals: ReadonlyArray<Goal>): Omit<Moment, "label"> => {
  const life = new Life({ engine, goals }, BLANK)
  life.run()
  return { disk: life.disk, witness: { ...killed(life.witness, false), goal: 0 }, now: { ...life.around.now } }
}

const explored = (engine: Engine, goals: ReadonlyArray<Goal>, bounds: Bounds, frame: Frame): Explored => {
  const { before, isCut, next } = frame
  const life = [...goals, { aim: "promote", revision: next } as const]
  const known = new Set<string>()
  // Apart, because the number of what is known says which moments after a cut are cut again.
  const launched = new Set<string>()
  const starts: Array<Start> = []
  const byCuts = Array.from({ length: bounds.cuts + 1 }, () => 0)
  let moments = 0
  let sampledMoments = 0

  const branch = (start: Start, moment: Moment): void => {
    if (start.cutsLeft === bounds.cuts && !isCut(moment)) return
    const key = keyOf(moment, `moment ${start.cutsLeft}`)
    if (known.has(key)) return
    known.add(key)
    const depth = bounds.cuts - start.cutsLeft
    if (depth > 0 && known.size % bounds.stride !== 0) return
    moments++
    const cutsLeft = start.cutsLeft - 1
    const add = (how: string, disk: Disk, witness: Witness): void => {
      const from = { disk, witness, now: moment.now }
      const path = [...start.path, `${how} before ${moment.label}`]
      const startKey = keyOf(from, `start ${cutsLeft}`)
      if (known.has(startKey)) return
      known.add(startKey)
      byCuts[depth + 1] = (byCuts[depth + 1] ?? 0) + 1
      starts.push({ from, cutsLeft, path })
    }
    const only = depth === 0 ? bounds.first : undefined
    if (only !== "power") add("kill", moment.disk, killed(moment.witness, false))
    if (only === "kill") return
    const cuts = powerCuts(moment.disk, bounds.disks[depth])
    if (cuts.isSampled) sampledMoments++
    cuts.disks.forEach((disk, index) =>
      add(`power cut (${index} of ${cuts.disks.length})`, disk, rebooted(moment.witness))
    )
  }

  const violated = (error: unknown, path: ReadonlyArray<string>): Explored => {
    if (!(error instanceof Violated)) throw error
    const violation = { sentence: error.sentence, message: error.message, path }
    return { moments, crashPoints: total(byCuts), byCuts, sampledMoments, violation }
  }

  try {
    starts.push({ from: before.length === 0 ? BLANK : lived(engine, before), cutsLeft: bounds.cuts, path: [] })
  } catch (error) {
    return violated(error, [])
  }
  for (let start = starts.pop(); start !== undefined; start = starts.pop()) {
    const current = start
    try {
      const now = seen(current.from.disk)
      survivedCut(current.from.witness, now)
      namesWhatIsThere(current.from.witness, now, pluginsSeen(current.from.disk))
      new Life(
        {
          engine,
          goals: life,
          ...(current.cutsLeft > 0 ? { onMoment: (moment: Moment) => branch(current, moment) } : {}),
          isLaunched: (moment, memory) => isIn(launched, keyOf(moment, `${current.cutsLeft} ${memory}`)),
          isKnown: (moment, memory) => isIn(known, keyOf(moment, `boot ${current.cutsLeft} ${memory}`))
        },
        current.from
      ).run()
    } catch (error) {
      return violated(error, current.path)
    }
  }
  return { moments, crashPoints: total(byCuts), byCuts, sampledMoments, violation: null }
}

const total = (counts: ReadonlyArray<number>): number => counts.reduce((sum, count) => sum + count, 0)

/** Whether it was in the set; now it is. */
export const isIn = (set: Set<string>, key: string): boolean => set.size === set.add(key).size

/** Two moments with the same key have the same futures: times are told as distances from now. */
export const keyOf = ({ disk, now, witness }: Omit<Moment, "label">, memory: string): string => {
  const { bootSeq, ...facts } = witness
  const since: Since = { now, boot: `boot-${bootSeq}` }
  const parts = [told(divided(memory), since), JSON.stringify(facts)]
  contentsOf(disk, since, parts)
  return hash("sha1", parts.join(""), "base64")
}

/** What times and boots are told as distances from. */
interface Since {
  readonly now: Moment["now"]
  readonly boot: string
}

/** Text, between times and names of boots; they stand at the odd places. */
type Divided = ReadonlyArray<string>

const divided = (text: string): Divided =>
  text
    .replaceAll(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, "iso")
    .replaceAll(/"digest":"[0-9a-f]{64}","version"/g, "sealed")
    .split(/(\b1[67]\d{11}\b|\b1[67]\d{8}\b|boot-\d+)/)

const dividedOnce = madeOnce((bytes: Uint8Array) => divided(textOf(bytes)))

const told = (text: Divided, { boot, now }: Since): string =>
  text.length === 1
    ? (text[0] ?? "")
    : text
        .map((part, index) => {
          if (index % 2 === 0) return part
          if (part.startsWith("boot")) return part === boot ? "this boot" : "a boot"
          return part.length === 13 ? `t${Number(part) - now.wall}` : `s${Number(part) - Math.floor(now.wall / 1_000)}`
        })
        .join("")

/** Everything that can be seen, and everything that is not durable yet; numbers of inodes do not count. */
const contentsOf = (disk: Disk, since: Since, texts: Array<string>): void => {
  const visit = (ino: number, path: string): void => {
    const inode = disk.inodes.get(ino)
    if (inode === undefined) return
    switch (inode.kind) {
      case "link":
        texts.push(`${path} → ${inode.target}\n`)
        return
      case "file":
        texts.push(path, " ", told(dividedOnce(inode.content), since), "\n")
        for (const { bytes, offset } of inode.pending) texts.push(`pending ${offset} ${bytes.length}\n`)
        if (inode.durable !== inode.content) texts.push(told(dividedOnce(inode.durable), since))
        return
      case "directory": {
        texts.push(`${path}/\n`)
        for (const name of sortedNames(inode.entries)) visit(inode.entries.get(name) ?? ROOT, `${path}/${name}`)
        if (inode.pending.length === 0) return
        texts.push(`durable ${JSON.stringify(sortedNames(inode.durable))}\n`)
        for (const { names } of inode.pending) {
          texts.push(`pending ${JSON.stringify(names.map(([name, child]) => [name, child === null]))}\n`)
          for (const [, child] of names) if (child !== null) visit(child, "pending")
        }
        for (const child of inode.durable.values())
          if (![...inode.entries.values()].includes(child)) visit(child, "lost")
      }
    }
  }
  visit(ROOT, "")
}
