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
import { Clock, Effect, Layer, Path } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { EndRecord, TailOutcome } from "../../src/domain/index.ts"
import { type Tail, type TailBatch, TailFiles, Tails } from "../../src/runs/index.ts"
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
