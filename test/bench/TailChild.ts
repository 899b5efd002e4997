/**
 * What `Tail.ts` measures, in a process of its own: `node TailChild.js <mode> <argument>` prints one line of JSON.
 * Bundled before it runs, as the program is, and with V8 told what the daemon tells it, so that memory and speed are
 * those of the daemon.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  promises,
  readdirSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Deferred, Effect, Layer, Path, Scope } from "effect"
import { keepHeapSmall } from "../../src/daemon/SmallHeap.ts"
import type { EndRecord } from "../../src/domain/Runs.ts"
import type { Tail, TailBatch, TailBytes, TailSink } from "../../src/runs/Tail.ts"
import { TailFiles } from "../../src/runs/TailFiles.ts"
import { Tails } from "../../src/runs/Tails.ts"
import { Uptime } from "../../src/statechart/Uptime.ts"

const CHUNK = 1_048_576
const IDLE_FILES = 10_000
const LIVE_FILES = 144
const BURST_FILES = 1_000
const NEWLINE = 10
const WARM_UP_MS = 2_500

const layer = Layer.provide(Tails.layer, Layer.mergeAll(TailFiles.layer, Uptime.layer, Path.layer))
const withTails = <A>(body: (tails: Tails["Service"]) => Effect.Effect<A, never, never>): Promise<A> =>
  Tails.use(body).pipe(Effect.provide(layer), Effect.runPromise)

const specOf = (path: string) => ({
  runId: "r",
  directory: resolve(path, ".."),
  logName: path.slice(resolve(path, "..").length + 1),
  recordName: "none.exit",
  reopen: false,
  from: null
})

/** Stays open as long as the process. */
const everything = Scope.makeUnsafe()
const keep = <A>(open: Effect.Effect<A, never, Scope.Scope>): Effect.Effect<A> =>
  Effect.provideService(open, Scope.Scope, everything)

const msSince = (started: bigint): number => Number(process.hrtime.bigint() - started) / 1e6

const collect = (): void => {
  setFlagsFromString("--expose-gc")
  ;(runInNewContext("gc") as () => void)()
}

// ------------------------------------------------------------------------------------------------ catching up

let characters = 0
const eachChunk = (path: string, use: (chunk: Buffer) => void): void => {
  const file = openSync(path, "r")
  const buffer = Buffer.allocUnsafeSlow(CHUNK)
  for (let at = 0; ;) {
    const count = readSync(file, buffer, 0, CHUNK, at)
    if (count === 0) break
    const end = buffer.subarray(0, count).lastIndexOf(NEWLINE) + 1
    use(buffer.subarray(0, end))
    at += end
  }
  closeSync(file)
}

const lineByLine = (path: string): number => {
  const started = process.hrtime.bigint()
  eachChunk(path, (chunk) => {
    for (let at = 0; at < chunk.length;) {
      const end = chunk.indexOf(NEWLINE, at)
      characters += chunk.toString("utf8", at, end).length
      at = end + 1
    }
  })
  return msSince(started)
}

const chunkWise = (path: string): number => {
  const started = process.hrtime.bigint()
  eachChunk(path, (chunk) => {
    const lines = chunk.toString("utf8", 0, chunk.length - 1).split("\n")
    for (const line of lines) characters += line.length
  })
  return msSince(started)
}

/** Until the last line was delivered, and until the tail had settled with its hash. */
const ours = <Batch extends TailBatch | TailBytes>(
  path: string,
  record: EndRecord,
  open: (
    tails: Tails["Service"]
  ) => (spec: ReturnType<typeof specOf>, sink: TailSink<Batch>) => Effect.Effect<Tail, never, never>,
  take: (batch: Batch) => void
): Promise<readonly [delivered: number, settled: number]> =>
  withTails((tails) =>
    Effect.gen(function* () {
      const done = Deferred.makeUnsafe<number>()
      let started = 0n
      const tail = yield* open(tails)(specOf(path), (batch) =>
        Effect.sync(() => {
          // From the first batch: what a file waits for its first poll is not what is measured.
          if (started === 0n) started = process.hrtime.bigint()
          take(batch)
          if (batch.to === record.bytes) Deferred.doneUnsafe(done, Effect.succeed(msSince(started)))
        })
      )
      const delivered = yield* Deferred.await(done)
      yield* tail.drain({ record, ended: true })
      const { end } = yield* tail.settled
      if (end !== "complete") throw new Error(`the tail ended ${end}`)
      return [delivered, msSince(started)] as const
    })
  )

const ourLines = (path: string, record: EndRecord) =>
  ours<TailBatch>(
    path,
    record,
    (tails) => (spec, sink) => keep(tails.open(spec, sink)),
    (batch) => {
      if (batch._tag === "Lines") for (const { text } of batch.lines) characters += text.length
    }
  )

const ourBytes = (path: string, record: EndRecord) =>
  ours<TailBytes>(
    path,
    record,
    (tails) => (spec, sink) => keep(tails.openBytes(spec, sink)),
    (batch) => {
      if (batch._tag === "Bytes") characters += batch.bytes.length
    }
  )

const tailF = (path: string, size: number): Promise<number> =>
  new Promise((done) => {
    const child = spawn("tail", ["-n", "+1", "-F", path], { stdio: ["ignore", "pipe", "ignore"] })
    let started = 0n
    let count = 0
    child.stdout.on("data", (bytes: Buffer) => {
      if (started === 0n) started = process.hrtime.bigint()
      count += bytes.length
      if (count < size) return
      child.kill()
      done(msSince(started))
    })
  })

interface LineEmitter {
  readonly on: (event: string, listener: (line: string) => void) => void
  readonly unwatch: () => void
}

const npmTail = (path: string, lines: number, require: NodeJS.Require): Promise<number> =>
  new Promise((done) => {
    const { Tail: Peer } = require("tail") as { readonly Tail: new (path: string, options: object) => LineEmitter }
    const started = process.hrtime.bigint()
    let count = 0
    const peer = new Peer(path, { fromBeginning: true })
    peer.on("line", (line) => {
      characters += line.length
      if (++count < lines) return
      peer.unwatch()
      done(msSince(started))
    })
  })

const logdna = async (path: string, lines: number, require: NodeJS.Require): Promise<number> => {
  const Peer = require("@logdna/tail-file") as new (
    path: string,
    options: object
  ) => NodeJS.ReadableStream & {
    readonly start: () => Promise<void>
    readonly quit: () => Promise<void>
  }
  const peer = new Peer(path, { startPos: 0 })
  const started = process.hrtime.bigint()
  let count = 0
  const all = new Promise<number>((done) => {
    createInterface({ input: peer, crlfDelay: Infinity }).on("line", (line) => {
      characters += line.length
      if (++count === lines) done(msSince(started))
    })
  })
  await peer.start()
  const taken = await all
  await peer.quit()
  return taken
}

const catchUp = async (path: string, root: string, rounds: number): Promise<unknown> => {
  const require = createRequire(join(root, "package.json"))
  const bytes = statSync(path).size
  const hash = createHash("sha256")
  let lines = 0
  eachChunk(path, (chunk) => {
    hash.update(chunk)
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++
  })
  const record = { exit_code: 0, signal: null, bytes, lines, sha256: hash.digest("hex") }
  const taken: Record<string, Array<number>> = {}
  const note = (name: string, ms: number): void => void (taken[name] ??= []).push(ms)
  for (let round = 0; round <= rounds; round++) {
    const all = async (): Promise<ReadonlyArray<readonly [string, number]>> => {
      const [lineMs, settledMs] = await ourLines(path, record)
      const [byteMs] = await ourBytes(path, record)
      return [
        ["limit", lineByLine(path)],
        ["limit, whole chunks", chunkWise(path)],
        ["lines", lineMs],
        ["lines, hashed", settledMs],
        ["bytes", byteMs],
        ["tail -F", await tailF(path, bytes)],
        ["npm tail", await npmTail(path, lines, require)],
        ["logdna", await logdna(path, lines, require)]
      ]
    }
    // The first round warms up.
    for (const [name, ms] of await all()) if (round > 0) note(name, ms)
  }
  return { bytes, lines, taken }
}

// ------------------------------------------------------------------------------------------------ idle files

const share = async (ms: number): Promise<number> => {
  const before = process.cpuUsage()
  await sleep(ms)
  const { system, user } = process.cpuUsage(before)
  return (user + system) / 1_000 / ms
}

const idle = async (directory: string): Promise<unknown> => {
  mkdirSync(directory, { recursive: true })
  const paths = Array.from({ length: IDLE_FILES }, (_, index) => join(directory, `r${index}.pod.ndjson`))
  for (const path of paths) writeFileSync(path, '{"type":"text"}\n')
  const bare = async (): Promise<number> => {
    const before = process.cpuUsage()
    for (const path of paths) await promises.stat(path)
    const { system, user } = process.cpuUsage(before)
    return (user + system) / 1_000
  }
  const loops: Array<number> = []
  for (let round = 0; round < 6; round++) loops.push(await bare())
  return withTails((tails) =>
    Effect.gen(function* () {
      yield* Effect.promise(() => sleep(500))
      collect()
      const before = process.memoryUsage()
      const opened: Array<Tail> = []
      for (const path of paths) opened.push(yield* keep(tails.open(specOf(path), () => Effect.void)))
      // Five polls without growth, and a second.
      yield* Effect.promise(() => sleep(6_000))
      collect()
      const after = process.memoryUsage()
      const atIdle = yield* Effect.promise(() => share(10_000))
      yield* Effect.promise(() => sleep(60_000))
      const atDormant = yield* Effect.promise(() => share(15_000))
      const memory = (after.heapUsed + after.external - before.heapUsed - before.external) / opened.length
      return { bareMs: loops.slice(1), atIdle, atDormant, memory }
    })
  )
}

// ------------------------------------------------------------------------------------------------ live files

/** Writes a burst of 50 lines to each file every second, at a moment of its own; each line says when. */
const writeLive = async (directory: string, seconds: number): Promise<unknown> => {
  const files = Array.from({ length: LIVE_FILES }, (_, index) => openSync(join(directory, `l${index}.ndjson`), "a"))
  const began = Date.now()
  for (let tick = 0; tick < seconds * LIVE_FILES; tick++) {
    const due = began + (tick * 1_000) / LIVE_FILES
    if (due > Date.now()) await sleep(due - Date.now())
    const line = `{"type":"text","at":${Date.now()},"text":"${"word ".repeat(20)}"}\n`
    // Files in an order that has nothing to do with that of the polls.
    writeSync(files[(tick * 89) % LIVE_FILES] ?? 0, line.repeat(50))
  }
  return { lines: seconds * LIVE_FILES * 50 }
}

const live = (directory: string, seconds: number): Promise<unknown> => {
  mkdirSync(directory, { recursive: true })
  const paths = Array.from({ length: LIVE_FILES }, (_, index) => join(directory, `l${index}.ndjson`))
  for (const path of paths) writeFileSync(path, "")
  const lags: Array<number> = []
  let livesFrom = Infinity
  return withTails((tails) =>
    Effect.gen(function* () {
      for (const path of paths) {
        yield* keep(
          tails.open(specOf(path), (batch) =>
            Effect.sync(() => {
              if (batch._tag !== "Lines") return
              const now = Date.now()
              // Before the writer was there the files were idle.
              if (livesFrom === Infinity) livesFrom = now + WARM_UP_MS
              for (const { text } of batch.lines) {
                const at = Number(/"at":(\d+)/.exec(text)?.[1])
                if (at >= livesFrom) lags.push(now - at)
              }
            })
          )
        )
      }
      const writer = spawn(process.execPath, [process.argv[1] ?? "", "write", directory, String(seconds)])
      const usage = yield* Effect.promise(() => share(seconds * 1_000))
      yield* Effect.promise(() => sleep(2_000))
      writer.kill()
      const sorted = Float64Array.from(lags).sort()
      const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN
      return { lines: lags.length, p50: at(0.5), p99: at(0.99), max: at(1), usage }
    })
  )
}

// ------------------------------------------------------------------------------------------------ a burst

const burst = (directory: string): Promise<unknown> => {
  mkdirSync(directory, { recursive: true })
  const paths = Array.from({ length: BURST_FILES }, (_, index) => join(directory, `b${index}.ndjson`))
  const line = `${JSON.stringify({ type: "text", text: "word ".repeat(40) })}\n`
  const megabyte = line.repeat(Math.ceil(CHUNK / line.length) + 24)
  for (const path of paths) writeFileSync(path, "")
  const got = { bytes: 0 }
  return withTails((tails) =>
    Effect.gen(function* () {
      for (const path of paths) {
        yield* keep(
          tails.open(specOf(path), (batch) =>
            Effect.sync(() => {
              if (batch._tag === "Lines") got.bytes += batch.to - batch.from
            })
          )
        )
      }
      // What the start left behind is no part of the burst.
      yield* Effect.promise(() => sleep(2_000))
      collect()
      yield* Effect.promise(() => sleep(1_000))
      const before = process.memoryUsage.rss()
      let peak = before
      const started = process.hrtime.bigint()
      // Another process writes: this one would count the writer's memory.
      const writer = spawn(process.execPath, [process.argv[1] ?? "", "fill", directory, String(megabyte.length)])
      const expected = paths.length * megabyte.length
      for (; got.bytes !== expected; yield* Effect.promise(() => sleep(10))) {
        peak = Math.max(peak, process.memoryUsage.rss())
      }
      writer.kill()
      return { bytes: got.bytes, ms: msSince(started), before, peak }
    })
  )
}

const fill = async (directory: string, size: number): Promise<unknown> => {
  const line = `${JSON.stringify({ type: "text", text: "word ".repeat(40) })}\n`
  const text = line.repeat(Math.round(size / line.length))
  for (const name of readdirSync(directory)) appendFileSync(join(directory, name), text)
  return { size: text.length }
}

// ------------------------------------------------------------------------------------------------

const [mode = "", path = "", more = ""] = process.argv.slice(2)
if (mode !== "burst in a host") Effect.runSync(keepHeapSmall)
const modes: Readonly<Record<string, () => Promise<unknown>>> = {
  "catch-up": () => catchUp(path, more, 5),
  idle: () => idle(path),
  live: () => live(path, Number(more)),
  write: () => writeLive(path, Number(more)),
  burst: () => burst(path),
  "burst in a host": () => burst(path),
  fill: () => fill(path, Number(more))
}
const result = await modes[mode]?.()
console.log(JSON.stringify(result))
process.exit(characters < 0 ? 1 : 0)
