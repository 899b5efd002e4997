/** The spool on a disk that loses power, and a central that takes its batches or refuses them; what must hold of both. */
import { NodePath } from "@effect/platform-node"
import { Context, Effect, Exit, Layer, Option, References, Scope } from "effect"
import * as fc from "fast-check"
import type { makeSpool, Spool } from "../../src/central/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"
import { contentOf, type Disk, emptyDisk, lookUp, openFile, readDirectory, Refused } from "./Disk.ts"
import { CHANGES, layerMounted, mount } from "./DiskFileSystem.ts"
import { powerCuts } from "./PowerCut.ts"

/** What may happen; `after` operations that change the disk the process is cut, or the disk fails. */
export type SpoolMove =
  | { readonly type: "RECORD"; readonly rows: number }
  | { readonly type: "STORE" | "DELIVER" | "REFUSE" | "SEAL" }
  /** Sent, and cut before it is removed. */
  | { readonly type: "TAKEN" }
  | { readonly type: "CUT"; readonly after: number; readonly power: boolean; readonly which: number }
  | { readonly type: "FAIL"; readonly after: number; readonly code: string; readonly times: number }

const PLACE = "/h/state/ingest/events"
/** Small enough to be full soon: a row is about 90 bytes. */
const MAX_BYTES = 1_000
const SEGMENT = 600

const moves: fc.Arbitrary<SpoolMove> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("RECORD" as const), rows: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 6, arbitrary: fc.constant({ type: "STORE" as const }) },
  { weight: 3, arbitrary: fc.constant({ type: "DELIVER" as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ type: "REFUSE" as const }, { type: "SEAL" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "TAKEN" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("CUT" as const),
      after: fc.nat(8),
      power: fc.boolean(),
      which: fc.nat(1_000)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("FAIL" as const),
      after: fc.nat(8),
      code: fc.constantFrom("ENOSPC", "EIO", "EROFS"),
      times: fc.integer({ min: 1, max: 6 })
    })
  }
)
export const spoolHistories = fc.array(moves, { minLength: 2, maxLength: 30, size: "max" })

class Cut extends Error {}

interface Told {
  readonly id: string
  readonly type?: string
  readonly rows?: number
}

/** One machine over its processes' lives. */
export class SpoolHistory {
  private readonly make: typeof makeSpool
  private mounted = mount(emptyDisk)
  private spool: Spool | null = null
  private recorded = 0
  /** In memory, as far as the history knows. */
  private memory: Array<string> = []
  /** Stored, and said so. */
  private readonly acknowledged = new Set<string>()
  private readonly central = new Map<string, Told>()
  /** The bytes of each batch that was ever shown. */
  private readonly shown = new Map<string, string>()
  private positions = new Map<string, number>()

  constructor(make: typeof makeSpool) {
    this.make = make
  }

  play(history: ReadonlyArray<SpoolMove>): void {
    for (const move of history) {
      this.moved(move)
      this.judgeDisk()
    }
    this.quiet()
    this.drain()
    const missing = [...this.acknowledged].filter((id) => !this.central.has(id))
    const gaps = [...this.central.values()].reduce((sum, { rows = 0, type }) => sum + (type === "gap" ? rows : 0), 0)
    if (missing.length > gaps) throw new Error(`${missing.length} rows are missing and ${gaps} are told as lost`)
  }

  private moved(move: SpoolMove): void {
    switch (move.type) {
      case "RECORD":
        for (let row = 0; row < move.rows; row++) {
          const id = `row-${++this.recorded}`
          this.memory.push(id)
          const at = new Date(1_700_000_000_000 + this.recorded).toISOString()
          const row = { id, at, type: "config_applied", etag: "x".repeat(20) }
          this.run((spool) => spool.record(row))
        }
        return
      case "STORE": {
        const rows = this.memory
        if (this.run((spool) => spool.store) === undefined) return
        for (const id of rows) this.acknowledged.add(id)
        this.memory = []
        return
      }
      case "SEAL":
        this.run((spool) => spool.seal)
        return
      case "DELIVER":
      case "TAKEN":
      case "REFUSE": {
        const batch = this.take(move.type !== "REFUSE")
        if (batch === undefined) return
        if (move.type === "DELIVER") this.run((spool) => spool.remove(batch))
        else if (move.type === "REFUSE") this.run((spool) => spool.setAside(batch))
        else this.cut(false, 0)
        return
      }
      case "CUT":
      case "FAIL":
        this.arm(move)
    }
  }

  /** Central takes the oldest batch, unless it refuses it; its name. */
  private take(isTaken: boolean): string | undefined {
    const found = this.run((spool) => spool.oldest)
    if (found === undefined || Option.isNone(found)) return undefined
    const { bytes, name, position, stream } = found.value
    const text = new TextDecoder().decode(bytes)
    if ((this.shown.get(name) ?? text) !== text) throw new Error(`${name} was another batch before`)
    const isNew = !this.shown.has(name)
    this.shown.set(name, text)
    // One whose removal a power cut undid comes again, to another process.
    if (isNew && (this.positions.get(stream) ?? 0) > position) throw new Error(`${name} comes after a later one`)
    this.positions.set(stream, Math.max(this.positions.get(stream) ?? 0, position))
    for (const line of text.split("\n").slice(0, -1)) {
      const row = JSON.parse(line) as Told
      if (isTaken && !this.central.has(row.id)) this.central.set(row.id, row)
    }
    if (!text.endsWith("\n")) throw new Error(`${name} ends within a row`)
    return name
  }

  /** The next operations that change something: one of them is the last, or some fail. */
  private arm(move: Extract<SpoolMove, { readonly type: "CUT" | "FAIL" }>): void {
    let left = move.after
    if (move.type === "CUT") {
      this.mounted.before = (operation) => {
        if (!CHANGES.has(operation) || left-- > 0) return
        throw new Cut()
      }
      this.pending = { power: move.power, which: move.which }
      return
    }
    let times = move.times
    this.mounted.fault = (operation) =>
      CHANGES.has(operation) && left-- <= 0 && times-- > 0 ? { code: move.code, done: "part" } : undefined
  }
  private pending = { power: false, which: 0 }

  /** Runs something of the spool; undefined when it failed, or the process was cut in it. */
  private run<A, E>(use: (spool: Spool) => Effect.Effect<A, E>): A | undefined {
    const exit = Effect.runSyncExit(
      Effect.suspend(() => use((this.spool ??= this.begin()))).pipe(
        Effect.provideService(References.MinimumLogLevel, "None")
      )
    )
    if (Exit.isSuccess(exit)) return exit.value
    const defect = exit.cause.reasons.find(({ _tag }) => _tag === "Die")
    if (defect !== undefined && "defect" in defect) {
      if (!(defect.defect instanceof Cut)) throw defect.defect
      this.cut(this.pending.power, this.pending.which)
    }
    return undefined
  }

  private begin(): Spool {
    const world = DurableFiles.layer.pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          layerMounted(this.mounted, () => "boot"),
          NodePath.layer
        )
      )
    )
    return Effect.runSync(
      Effect.gen({ self: this }, function* () {
        const scope = yield* Scope.make()
        const services = yield* Layer.buildWithScope(world, scope)
        return yield* this.make({
          directory: PLACE,
          signal: "events",
          maxBytes: MAX_BYTES,
          segmentBytes: SEGMENT
        }).pipe(Effect.provideContext(Context.add(services, Scope.Scope, scope)))
      })
    )
  }

  private cut(power: boolean, which: number): void {
    const { disks } = power ? powerCuts(this.mounted.disk, 16) : { disks: [this.mounted.disk] }
    this.mounted = mount(disks[which % disks.length] ?? this.mounted.disk)
    this.spool = null
    this.memory = []
    this.positions = new Map()
  }

  private quiet(): void {
    this.mounted.before = () => {}
    this.mounted.fault = () => undefined
  }

  private drain(): void {
    for (let round = 0; round < 200; round++) {
      this.run((spool) => spool.store)
      const name = this.take(true)
      if (name === undefined) return
      this.run((spool) => spool.remove(name))
    }
    throw new Error("it never comes to an end")
  }

  private judgeDisk(): void {
    const size = sizeOf(this.mounted.disk)
    // A file that could not be removed, and one that is being written, may come on top.
    if (size > MAX_BYTES + 2 * SEGMENT + 600) throw new Error(`${size} bytes are on the disk`)
  }
}

const sizeOf = (disk: Disk): number => {
  try {
    return readDirectory(disk, PLACE).reduce((sum, name) => {
      const inode = lookUp(disk, `${PLACE}/${name}`, false)
      return inode.kind === "file" ? sum + contentOf(disk, openFile(disk, `${PLACE}/${name}`, true), name).length : sum
    }, 0)
  } catch (error) {
    if (error instanceof Refused) return 0
    throw error
  }
}

/** A history that the spool does not stand, in words, or null. */
export const spoolCounterexample = (
  make: typeof makeSpool,
  sample: { readonly numRuns: number; readonly seed: number; readonly endOnFailure?: boolean }
): string | null => {
  const details = fc.check(
    fc.property(spoolHistories, (history) => new SpoolHistory(make).play(history)),
    sample
  )
  if (!details.failed) return null
  const why = details.errorInstance instanceof Error ? details.errorInstance.message : String(details.errorInstance)
  return `${why} — after ${fc.stringify(details.counterexample)} (seed ${details.seed})`
}
