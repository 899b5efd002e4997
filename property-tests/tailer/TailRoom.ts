/** A tail on a model file system under simulated time: what is written, what arrives, and what is lost in between. */
import { createHash } from "node:crypto"
import { Clock, Deferred, Effect, Exit, Layer, Logger, Path, Scope } from "effect"
import type { EndRecord, Gap, TailCheckpoint, TailOutcome } from "../../src/domain/index.ts"
import type { Tail, TailBatch } from "../../src/runs/Tail.ts"
import { TailMeter } from "../../src/runs/TailMeter.ts"
import { Tails } from "../../src/runs/Tails.ts"
import { TestTime } from "../../src/statechart/TestTime.ts"
import { ModelDisk } from "./ModelDisk.ts"

export const DIRECTORY = "/runs/c/a"
export const LOG = `${DIRECTORY}/r.pod.ndjson`
export const RECORD = `${DIRECTORY}/r.pod.exit`

/** What arrived between two gaps. */
export interface Segment {
  readonly from: number
  readonly texts: Array<string>
  to: number
  gap: Gap | null
}

/** What the meter was told, and when. */
export interface Metered {
  readonly bytes: number
  readonly lagMs: number
  readonly at: number
}

/** The service under test, or a mutant of it. */
export type Build = Pick<typeof Tails, "layer">

/** The record that describes these bytes. */
export const recordOf = (bytes: Uint8Array, more: Partial<EndRecord> = {}): EndRecord => ({
  exit_code: 0,
  signal: null,
  bytes: bytes.length,
  lines: 0,
  sha256: createHash("sha256").update(bytes).digest("hex"),
  ...more
})

/** Moves of simulated time cost: nobody polls more often. */
const STEP_MS = 250

export class TailRoom {
  readonly disk: ModelDisk
  /** What arrived over all lives of the tailer. */
  readonly segments: Array<Segment> = []
  readonly wrong: Array<string> = []
  readonly metered: ReadonlyArray<Metered>
  readonly arrivedAt: Array<{ readonly to: number; readonly at: number }> = []
  endedAt = 0
  /** The consumer breaks over its next batch. */
  breaksNext = false
  now = 0
  tail!: Tail
  private gate: Deferred.Deferred<void> | null = null
  private scope!: Scope.Closeable
  private outcome: TailOutcome | null = null
  private readonly tails: Tails["Service"]
  private readonly time: TestTime["Service"]
  /** Lives may end within a delivery: what was not acknowledged comes again. */
  private nextPart = 0
  private pending: TailBatch | null = null

  /** Another file beside the room's own. */
  another(name: string, sink: (batch: TailBatch) => Effect.Effect<void>) {
    const spec = { runId: name, directory: DIRECTORY, logName: name, recordName: `${name}.exit` }
    return this.tails
      .open({ ...spec, reopen: this.disk.isNetwork, from: null }, sink)
      .pipe(Effect.provideService(Scope.Scope, this.scope))
  }

  constructor(tails: Tails["Service"], time: TestTime["Service"], disk: ModelDisk, metered: ReadonlyArray<Metered>) {
    this.metered = metered
    this.tails = tails
    this.time = time
    this.disk = disk
  }

  open(from: TailCheckpoint | null) {
    return Effect.gen({ self: this }, function* () {
      this.scope = yield* Scope.make()
      this.segments.push({ from: from?.offset ?? 0, to: from?.offset ?? 0, texts: [], gap: null })
      const spec = {
        runId: "r",
        directory: DIRECTORY,
        logName: "r.pod.ndjson",
        recordName: "r.pod.exit",
        reopen: this.disk.isNetwork,
        from,
        isMetered: true
      }
      this.tail = yield* this.tails.open(spec, (batch) => this.take(batch)).pipe(Scope.provide(this.scope))
      yield* this.tail.settled.pipe(
        Effect.zip(Clock.currentTimeMillis),
        Effect.map(([outcome, now]) => {
          this.outcome = outcome
          this.endedAt = now
        }),
        Effect.forkIn(this.scope)
      )
    })
  }

  private take(batch: TailBatch) {
    return Effect.gen({ self: this }, function* () {
      this.pending = batch
      const before = yield* this.tail.checkpoint
      const segment = this.segments.at(-1)!
      if (before !== null && before.offset > segment.to) this.say("the checkpoint is ahead of what was acknowledged")
      if (this.breaksNext) {
        this.breaksNext = false
        return yield* Effect.die(new Error("a bug in a consumer"))
      }
      while (this.gate !== null) yield* Deferred.await(this.gate)
      this.pending = null
      if (batch._tag === "Gap") {
        this.nextPart = 0
        segment.gap = { from: batch.from, to: batch.to, reason: batch.reason }
        this.segments.push({ from: 0, to: 0, texts: [], gap: null })
        return
      }
      if (batch.from !== segment.to) this.say(`bytes from ${batch.from} came after ${segment.to}`)
      for (const { part } of batch.lines) {
        if ((part?.index ?? 0) !== this.nextPart) this.say(`part ${part?.index ?? 0} came, and not ${this.nextPart}`)
        this.nextPart = part === undefined || part.last ? 0 : part.index + 1
      }
      const text = batch.lines
        .map((line) => line.text + (line.part === undefined || line.part.last ? "\n" : ""))
        .join("")
      if (text.includes("\uFFFD")) this.say("a character was split")
      const size = batch.lines.reduce((sum, line) => sum + Buffer.byteLength(line.text) + 1, 0)
      if (size > 8_192 && batch.lines.length > 1) this.say("a batch of several lines is over 8 KiB")
      segment.texts.push(text)
      segment.to = batch.to
      this.arrivedAt.push({ to: batch.to, at: this.disk.now })
    })
  }

  say(sentence: string): void {
    this.wrong.push(sentence)
  }

  pass(ms: number) {
    return Effect.gen({ self: this }, function* () {
      for (let left = ms; left > 0; left -= STEP_MS) {
        this.disk.now = this.now += Math.min(left, STEP_MS)
        yield* this.time.adjust(Math.min(left, STEP_MS))
      }
    })
  }

  get ended(): TailOutcome | null {
    return this.outcome
  }

  get isStalled(): boolean {
    return this.gate !== null
  }

  stall(): void {
    this.gate ??= Deferred.makeUnsafe<void>()
  }

  resume() {
    const { gate } = this
    this.gate = null
    return gate === null ? Effect.void : Deferred.succeed(gate, undefined)
  }

  /** The process dies; another one goes on from the checkpoint. */
  restart() {
    return Effect.gen({ self: this }, function* () {
      const checkpoint = yield* this.tail.checkpoint
      // Its consumer dies with it.
      yield* Scope.close(this.scope, Exit.void)
      yield* this.resume()
      const last = this.segments.at(-1)!
      if (checkpoint !== null && checkpoint.offset !== last.to && this.pending === null) {
        this.say(`the checkpoint says ${checkpoint.offset}, and ${last.to} was acknowledged`)
      }
      this.pending = null
      // What was looked at beyond the offset nobody knows any more.
      for (const one of this.disk.generations) one.shown = Math.min(one.shown, checkpoint?.offset ?? 0)
      yield* this.open(checkpoint)
    })
  }

  close() {
    return Effect.suspend(() => Scope.close(this.scope, Exit.void))
  }

  /** What arrived of the file that is there now, over all lives. */
  get arrived(): Buffer {
    const parts: Array<string> = []
    for (const { gap, texts } of this.segments) {
      parts.push(...texts)
      if (gap !== null) parts.length = 0
    }
    return Buffer.from(parts.join(""))
  }
}

/** Runs a life of a room. */
export const inRoom = <A>(build: Build, reopen: boolean, body: (room: TailRoom) => Effect.Effect<A>): Promise<A> =>
  Effect.gen(function* () {
    const time = yield* TestTime
    const disk = new ModelDisk(reopen)
    const metered: Array<Metered> = []
    const meter = Layer.succeed(TailMeter, {
      delivered: (bytes, lagMs) => void metered.push({ bytes, lagMs, at: disk.now }),
      gap: () => {}
    })
    const layer = Layer.provide(build.layer, Layer.mergeAll(disk.layer, Path.layer, meter))
    return yield* Effect.gen(function* () {
      return yield* body(new TailRoom(yield* Tails, time, disk, metered))
    }).pipe(Effect.provide(layer))
  }).pipe(Effect.provide(Layer.mergeAll(TestTime.layer, Logger.layer([]))), Effect.runPromise)
