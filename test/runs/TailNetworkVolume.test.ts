/** A FUSE mount that remembers attributes and missing names for 20 seconds, as network volumes do. */
import { spawnSync } from "node:child_process"
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Clock, Effect, Layer, Path } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { TailFiles, Tails } from "../../src/runs/index.ts"
import { Uptime } from "../../src/statechart/index.ts"

const root = mkdtempSync(join(tmpdir(), "holdfast-volume-"))
/** Where the run writes, and where the daemon reads. */
const server = join(root, "server")
const mount = join(root, "mount")
mkdirSync(server)
mkdirSync(mount)

const CACHES = "attr_timeout=20,entry_timeout=20,negative_timeout=20"

/** Why nothing can be mounted here; null: it was. */
const hindrance = ((): string | null => {
  const { error, status, stderr } = spawnSync("bindfs", ["-o", CACHES, server, mount], { encoding: "utf8" })
  if (error !== undefined) {
    const missing = "the Debian package bindfs"
    if (process.env["CI"] !== undefined) throw new Error(`${missing} is missing`)
    return missing
  }
  return status === 0 ? null : stderr.trim()
})()
if (hindrance !== null) console.log(`skipped: a network volume needs bindfs and FUSE (${hindrance})`)

afterAll(() => {
  if (hindrance === null) spawnSync("umount", ["-l", mount])
  rmSync(root, { recursive: true, force: true })
})

const layer = Layer.provide(Tails.layer, Layer.mergeAll(TailFiles.layer, Uptime.layer, Path.layer))

/** How long each of these lines took to arrive after it was written, in milliseconds. */
const lags = (name: string, isThere: boolean, lines: number): Promise<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const tails = yield* Tails
    const arrived: Array<number> = []
    if (isThere) {
      writeFileSync(join(mount, name), "")
      expect(statSync(join(mount, name)).size).toBe(0)
    }
    const spec = { runId: name, directory: mount, logName: name, recordName: `${name}.exit`, reopen: true, from: null }
    yield* tails.open(spec, () => Effect.map(Clock.currentTimeMillis, (now) => void arrived.push(now)))
    yield* Effect.sleep(600)
    const written: Array<number> = []
    for (let line = 1; line <= lines; line++) {
      written.push(yield* Clock.currentTimeMillis)
      appendFileSync(join(server, name), "line\n")
      const end = (yield* Clock.currentTimeMillis) + 5_000
      while (arrived.length < line && (yield* Clock.currentTimeMillis) < end) yield* Effect.sleep(10)
    }
    return written.map((at, index) => (arrived[index] ?? Infinity) - at)
  }).pipe(Effect.scoped, Effect.provide(layer), Effect.runPromise)

describe.skipIf(hindrance !== null)("a volume that remembers what it saw for 20 seconds", () => {
  it("does not hide the growth of a file that was empty, or was not", async () => {
    const found = await lags("empty", true, 3)
    expect(Math.max(...found)).toBeLessThan(1_000)
  })

  it("does not hide a file that appears while it is waited for", async () => {
    const found = await lags("appears", false, 2)
    expect(Math.max(...found)).toBeLessThan(1_000)
  })

  it("does hide it from whoever asks for its size alone, so that this test is worth something", () => {
    writeFileSync(join(mount, "hidden"), "")
    expect(statSync(join(mount, "hidden")).size).toBe(0)
    appendFileSync(join(server, "hidden"), "line\n")
    expect(statSync(join(mount, "hidden")).size).toBe(0)
  })
})
