import { createHash } from "node:crypto"
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  openSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Clock, Effect, Latch, Layer, Path } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { EndRecord, TailOutcome } from "../../src/domain/index.ts"
import { type Tail, type TailBatch, TailFiles, TailMeter, Tails } from "../../src/runs/index.ts"
import { Uptime } from "../../src/statechart/index.ts"

let directory = ""
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-tails-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Ten times as fast: a poll each 25 ms. */
const layer = Layer.provide(Tails.layer, Layer.mergeAll(TailFiles.layer, Uptime.layerScaled(10), Path.layer))

const recordOf = (text: string): EndRecord => ({
  exit_code: 0,
  signal: null,
  bytes: Buffer.byteLength(text),
  lines: 0,
  sha256: createHash("sha256").update(text).digest("hex")
})

interface Followed {
  readonly tail: Tail
  readonly batches: Array<TailBatch>
  readonly texts: () => ReadonlyArray<string>
  readonly until: (isSo: () => boolean) => Effect.Effect<void>
}

const following = (reopen: boolean, body: (followed: Followed) => Effect.Effect<TailOutcome>): Promise<TailOutcome> =>
  Effect.gen(function* () {
    const tails = yield* Tails
    const batches: Array<TailBatch> = []
    const spec = { runId: "r", directory, logName: "log", recordName: "exit", reopen, from: null }
    const tail = yield* tails.open(spec, (batch) => Effect.sync(() => void batches.push(batch)))
    const texts = () =>
      batches.flatMap((batch) => (batch._tag === "Lines" ? batch.lines.map(({ text }) => text) : ["gap"]))
    const until = Effect.fnUntraced(function* (isSo: () => boolean) {
      const end = (yield* Clock.currentTimeMillis) + 10_000
      while (!isSo() && (yield* Clock.currentTimeMillis) < end) yield* Effect.sleep(5)
      if (!isSo()) throw new Error(`it came to ${JSON.stringify(texts())}`)
    })
    return yield* body({ tail, batches, texts, until })
  }).pipe(Effect.scoped, Effect.provide(layer), Effect.runPromise)

const log = () => join(directory, "log")

describe.each([
  ["a disk", false],
  ["a volume that is opened anew each time", true]
])("tailing a file on %s", (_, reopen) => {
  it("delivers what is written, an unfinished last line too, and finds the record beside it", async () => {
    const outcome = await following(reopen, ({ tail, texts, until }) =>
      Effect.gen(function* () {
        yield* Effect.sleep(60)
        writeFileSync(log(), "")
        yield* Effect.sleep(60)
        appendFileSync(log(), "one\ntw")
        yield* until(() => texts().length === 1)
        appendFileSync(log(), "o\nthree €")
        yield* until(() => texts().length === 2)
        writeFileSync(join(directory, "exit"), JSON.stringify(recordOf("one\ntwo\nthree €")).padEnd(512))
        yield* tail.drain({ record: null, ended: true })
        const settled = yield* tail.settled
        expect(texts()).toEqual(["one", "two", "three €"])
        return settled
      })
    )
    expect(outcome).toMatchObject({ end: "complete", bytes: 17, lines: 3, missingBytes: 0, gaps: [], message: null })
  })

  it("tells a gap where another file takes the place of the first, and goes on with that", async () => {
    await following(reopen, ({ tail, texts, until }) =>
      Effect.gen(function* () {
        writeFileSync(log(), "old\n")
        yield* until(() => texts().includes("old"))
        writeFileSync(join(directory, "next"), "new\n")
        renameSync(join(directory, "next"), log())
        yield* until(() => texts().includes("new"))
        expect(texts()).toEqual(["old", "gap", "new"])
        yield* tail.drain({ record: recordOf("new\n"), ended: true })
        const settled = yield* tail.settled
        expect(settled.end).toBe("complete")
        expect(settled.gaps).toEqual([{ from: 4, to: null, reason: "replaced" }])
        return settled
      })
    )
  })

  it("says what is missing of what the record promises, and why", async () => {
    const outcome = await following(reopen, ({ tail, texts, until }) =>
      Effect.gen(function* () {
        writeFileSync(log(), "one\ntw")
        yield* until(() => texts().includes("one"))
        const record = { ...recordOf("one\ntwo\nthree\n"), volume_error: "No space left on device" }
        yield* tail.drain({ record, ended: true })
        return yield* tail.settled
      })
    )
    expect(outcome).toMatchObject({ end: "incomplete", bytes: 6, missingBytes: 8 })
    expect(outcome.gaps).toEqual([{ from: 6, to: 14, reason: "unreadable" }])
    expect(outcome.message).toBe(`8 of 14 bytes of the output at ${log()} did not arrive: No space left on device`)
  })
})

describe("tailing a file on a disk", () => {
  it("reads on what has no name any more", async () => {
    const outcome = await following(false, ({ tail, texts, until }) =>
      Effect.gen(function* () {
        const file = openSync(log(), "w")
        writeSync(file, "one\n")
        yield* until(() => texts().includes("one"))
        unlinkSync(log())
        writeSync(file, "two\n")
        yield* until(() => texts().includes("two"))
        yield* tail.drain({ record: recordOf("one\ntwo\n"), ended: true })
        return yield* tail.settled
      })
    )
    expect(outcome.end).toBe("complete")
  })

  it("keeps nothing open once it is over", async () => {
    const open = () => readdirSync("/proc/self/fd").length
    const before = open()
    for (let count = 0; count < 3; count++) {
      await following(false, ({ tail, texts, until }) =>
        Effect.gen(function* () {
          writeFileSync(log(), "one\n")
          yield* until(() => texts().includes("one"))
          yield* tail.drain({ record: recordOf("one\n"), ended: true })
          return yield* tail.settled
        })
      )
    }
    expect(open()).toBeLessThanOrEqual(before + 1)
  })
})

describe("tailing many files", () => {
  it("reads them all when all grow at once and every third of their consumers stalls", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `log${index}`)
    const stalls = (index: number) => index % 3 === 0
    const texts = new Map<string, string>()
    const all = (isSo: (name: string, index: number) => boolean) =>
      Effect.repeat(Effect.sleep(10), { times: 1_000, until: () => names.every(isSo) })
    for (const name of names) writeFileSync(join(directory, name), "")
    await Effect.gen(function* () {
      const tails = yield* Tails
      const isOpen = Latch.makeUnsafe()
      for (const [index, name] of names.entries()) {
        const spec = { runId: name, directory, logName: name, recordName: `${name}.exit`, reopen: false, from: null }
        yield* tails.open(
          spec,
          Effect.fnUntraced(function* (batch) {
            if (stalls(index)) yield* isOpen.await
            if (batch._tag === "Lines") texts.set(name, batch.lines.map(({ text }) => text).join("\n"))
          })
        )
      }
      yield* Effect.sleep(100)
      for (const name of names) writeFileSync(join(directory, name), `${name}\n`)
      const isThere = (name: string) => texts.get(name) === name
      yield* all((name, index) => stalls(index) || isThere(name))
      expect([...texts.keys()].toSorted()).toEqual(names.filter((_, index) => !stalls(index)).toSorted())
      isOpen.openUnsafe()
      yield* all(isThere)
      expect(names.filter((name) => !isThere(name))).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.runPromise)
  })

  it("tells the meter of those that are metered: bytes, lag and gaps", async () => {
    const told = { bytes: 0, gaps: [] as Array<string>, lags: [] as Array<number> }
    const meter = Layer.succeed(TailMeter, {
      delivered: (bytes, lagMs) => {
        told.bytes += bytes
        told.lags.push(lagMs)
      },
      gap: (reason) => void told.gaps.push(reason)
    })
    await Effect.gen(function* () {
      const tails = yield* Tails
      const spec = { runId: "r", directory, logName: "log", recordName: "exit", reopen: false, from: null }
      const metered = yield* tails.open({ ...spec, isMetered: true }, () => Effect.void)
      yield* tails.open(spec, () => Effect.void)
      writeFileSync(log(), "one\ntwo")
      yield* Effect.repeat(Effect.sleep(5), { times: 1_000, until: () => told.bytes === 4 })
      writeFileSync(join(directory, "next"), "new\n")
      renameSync(join(directory, "next"), log())
      yield* Effect.repeat(Effect.sleep(5), { times: 1_000, until: () => told.bytes === 8 })
      const record = { ...recordOf("new\nand more\n"), volume_error: "No space left on device" }
      yield* metered.drain({ record, ended: true })
      expect((yield* metered.settled).end).toBe("incomplete")
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(layer, meter)), Effect.runPromise)
    expect(told.bytes).toBe(8)
    expect(told.gaps).toEqual(["replaced", "unreadable"])
    expect(told.lags.every((ms) => ms > 0 && ms < 5_000)).toBe(true)
  })

  it("reads what is there once, however many wait for a buffer", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `log${index}`)
    const text = `${"x".repeat(99)}\n`.repeat(5_000)
    const told = { bytes: 0, reads: 0 }
    const meter = Layer.succeed(TailMeter, {
      delivered: (bytes) => {
        told.bytes += bytes
        told.reads++
      },
      gap: () => {}
    })
    for (const name of names) writeFileSync(join(directory, name), text)
    await Effect.gen(function* () {
      const tails = yield* Tails
      for (const name of names) {
        const spec = { runId: name, directory, logName: name, recordName: `${name}.exit`, reopen: false, from: null }
        yield* tails.open({ ...spec, isMetered: true }, () => Effect.void)
      }
      yield* Effect.repeat(Effect.sleep(10), { times: 1_000, until: () => told.bytes === names.length * text.length })
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(layer, meter)), Effect.runPromise)
    expect(told.bytes).toBe(names.length * text.length)
    expect(told.reads).toBeLessThan(2 * names.length)
  })
})
