/** Reading a lock: what stands there now, whatever it is, and at what cost. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Layer, Ref } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { followLock } from "../../src/boundary/LockFile.ts"

const lockOf = (...names: ReadonlyArray<string>): string =>
  JSON.stringify({
    distributions: names.map((name) => ({ name, top_level_modules: [name], version: "1.0" })),
    version: 1
  })

/** A place for a lock, and a file system that counts what is read and can be told to fail. */
const stage = Effect.gen(function* () {
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-lock-file-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const real = yield* FileSystem.FileSystem
  const reads = yield* Ref.make(0)
  const isBroken = yield* Ref.make(false)
  const counted = Layer.succeed(FileSystem.FileSystem, {
    ...real,
    readFile: (path) =>
      Effect.andThen(
        Ref.update(reads, (count) => count + 1),
        Effect.flatMap(Ref.get(isBroken), (broken) => real.readFile(broken ? root : path))
      )
  })
  const file = join(root, "core-lock.json")
  const state = Effect.provide(yield* followLock(file), counted)
  return { root, file, state, reads: Ref.get(reads), breakDisk: (broken: boolean) => Ref.set(isBroken, broken) }
}).pipe(Effect.provide(NodeServices.layer))

const namesOf = (state: Effect.Success<Effect.Success<typeof stage>["state"]>) =>
  state._tag === "ready" ? state.lock.distributions.map(({ name }) => name) : state._tag

describe("a lock that is asked for again and again", () => {
  it.live("is read once while it stays the same", () =>
    Effect.gen(function* () {
      const { file, reads, state } = yield* stage
      writeFileSync(file, lockOf("one"))
      for (let turn = 0; turn < 5; turn++) assert.deepStrictEqual(namesOf(yield* state), ["one"])
      assert.strictEqual(yield* reads, 1)
    })
  )

  it.live("is seen when it appears, changes, is replaced and goes", () =>
    Effect.gen(function* () {
      const { file, root, state } = yield* stage
      assert.strictEqual(namesOf(yield* state), "missing")
      writeFileSync(file, lockOf("one"))
      assert.deepStrictEqual(namesOf(yield* state), ["one"])
      writeFileSync(file, lockOf("two"))
      utimesSync(file, 1, 1)
      assert.deepStrictEqual(namesOf(yield* state), ["two"])
      // Of the same length and age, but another file: what a program that writes beside and renames leaves.
      writeFileSync(join(root, "next"), lockOf("six"))
      utimesSync(join(root, "next"), 1, 1)
      renameSync(join(root, "next"), file)
      assert.deepStrictEqual(namesOf(yield* state), ["six"])
      rmSync(file)
      assert.strictEqual(namesOf(yield* state), "missing")
    })
  )

  it.live("is not thought unreadable for ever because it could not be read once", () =>
    Effect.gen(function* () {
      const { breakDisk, file, state } = yield* stage
      writeFileSync(file, lockOf("one"))
      yield* breakDisk(true)
      assert.strictEqual(namesOf(yield* state), "unreadable")
      yield* breakDisk(false)
      assert.deepStrictEqual(namesOf(yield* state), ["one"])
    })
  )

  it.live.each<readonly [string, (file: string, root: string) => void, string]>([
    ["a directory", (file) => execFileSync("mkdir", [file]), "is no regular file"],
    ["a pipe that nobody writes to", (file) => execFileSync("mkfifo", [file]), "is no regular file"],
    ["a link to itself", (file) => execFileSync("ln", ["-s", file, file]), "cannot be read"],
    [
      "below a file",
      (_, root) => {
        rmSync(root, { recursive: true })
        writeFileSync(root, "")
      },
      "cannot be read"
    ],
    [
      "50 MB",
      (file) => {
        writeFileSync(file, "")
        truncateSync(file, 50_000_000)
      },
      "is larger than 4 MiB"
    ],
    ["null", (file) => writeFileSync(file, "null"), "has not the form of a core lock"],
    ["empty", (file) => writeFileSync(file, ""), "is no JSON document"],
    ["cut off", (file) => writeFileSync(file, lockOf("one").slice(0, 40)), "is no JSON document"],
    ["of another version", (file) => writeFileSync(file, '{"distributions": [], "version": 2}'), "has not the form"],
    ["with a key twice", (file) => writeFileSync(file, '{"version": 1, "version": 1}'), "appears twice"]
  ])("is unreadable when it is %s, and costs no reading then", ([, make, words]) =>
    Effect.gen(function* () {
      const { file, reads, root, state } = yield* stage
      make(file, root)
      const first = yield* state
      assert.strictEqual(first._tag, "unreadable")
      assert.include(first._tag === "unreadable" ? first.message : "", words)
      yield* state
      assert.isAtMost(yield* reads, 1)
    })
  )

  it.live("is read again when who may read it has changed", () =>
    Effect.gen(function* () {
      const { file, reads, state } = yield* stage
      writeFileSync(file, lockOf("one"), { mode: 0o644 })
      yield* state
      chmodSync(file, 0o600)
      assert.deepStrictEqual(namesOf(yield* state), ["one"])
      assert.strictEqual(yield* reads, 2)
    })
  )
})
