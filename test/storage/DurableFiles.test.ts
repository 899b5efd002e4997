import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { writeFileSync } from "node:fs"
import { DurableFiles } from "../../src/storage/index.ts"
import { bytes, modeOf, onMachine, text } from "./Machine.ts"

describe("DurableFiles.write", () => {
  it.effect("makes exactly the calls that make a file durable, in their order", () =>
    onMachine(({ root, recording }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* files.write(root, "state.json", "{}")
        assert.deepStrictEqual(recording.calls, [
          "remove state.json.tmp",
          "create state.json.tmp",
          "write state.json.tmp",
          "fsync state.json.tmp",
          "read state.json.tmp",
          "rename state.json.tmp → state.json",
          "fsync ."
        ])
      })
    )
  )

  it.effect("replaces an old file, ignores a leftover temporary file, and keeps the mode at 0600", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { fs, path, root } = machine
        const files = yield* DurableFiles
        const target = path.join(root, "state.json")
        yield* files.write(root, "state.json", "old, and longer than the new one")
        yield* fs.writeFileString(`${target}.tmp`, "half a fi")
        yield* files.write(root, "state.json", bytes("new"))
        assert.strictEqual(yield* fs.readFileString(target), "new")
        assert.strictEqual(yield* modeOf(machine, target), 0o600)
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["state.json"])
      })
    )
  )

  it.effect("writes an empty file", () =>
    onMachine(({ root, fs, path }) =>
      Effect.gen(function* () {
        yield* (yield* DurableFiles).write(root, "empty", "")
        assert.strictEqual(yield* fs.readFileString(path.join(root, "empty")), "")
      })
    )
  )

  for (const call of ["create n.tmp", "write n.tmp", "fsync n.tmp", "read n.tmp", "rename n.tmp → n"]) {
    it.effect(`leaves the old file untouched and nothing beside it when the disk fills up at "${call}"`, () =>
      onMachine(({ root, recording, fs, path }) =>
        Effect.gen(function* () {
          const files = yield* DurableFiles
          yield* files.write(root, "n", "old")
          recording.fault = (each) => (each === call ? "ENOSPC" : undefined)
          const error = yield* Effect.flip(files.write(root, "n", "new"))
          assert.strictEqual(error.code, "ENOSPC")
          assert.include(error.message, "Free space")
          assert.strictEqual(yield* fs.readFileString(path.join(root, "n")), "old")
          assert.deepStrictEqual(yield* fs.readDirectory(root), ["n"])
        })
      )
    )
  }

  it.effect("writes a new inode when it is tried again after a failed fsync", () =>
    onMachine(({ root, recording }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        recording.fault = (call) => (call === "fsync n.tmp" ? "EIO" : undefined)
        const error = yield* Effect.flip(files.write(root, "n", "x"))
        assert.deepStrictEqual([error.operation, error.code], ["fsync", "EIO"])
        recording.fault = () => undefined
        recording.calls.length = 0
        yield* files.write(root, "n", "x")
        assert.deepStrictEqual(recording.calls.slice(0, 2), ["remove n.tmp", "create n.tmp"])
      })
    )
  )

  it.effect("names the directory sync as what failed when the file is already renamed", () =>
    onMachine(({ root, recording, fs, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        recording.fault = (call) => (call === "fsync ." ? "EIO" : undefined)
        const error = yield* Effect.flip(files.write(root, "n", "x"))
        assert.deepStrictEqual([error.operation, error.path], ["syncDirectory", root])
        assert.strictEqual(yield* fs.readFileString(path.join(root, "n")), "x")
      })
    )
  )

  it.effect("leaves the old file untouched when the disk gives back something else than was written", () =>
    onMachine(({ root, recording, fs, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* files.write(root, "n", "old")
        recording.fault = (call) => {
          if (call === "read n.tmp") writeFileSync(path.join(root, "n.tmp"), "y")
          return undefined
        }
        const error = yield* Effect.flip(files.write(root, "n", "x"))
        assert.deepStrictEqual([error.operation, error.code], ["readBack", "CORRUPT"])
        assert.strictEqual(yield* fs.readFileString(path.join(root, "n")), "old")
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["n"])
      })
    )
  )

  it.effect("reports the write's own failure when the temporary file cannot be removed either", () =>
    onMachine(({ root, recording }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        let created = false
        recording.fault = (call) => {
          if (call === "create n.tmp") created = true
          if (call === "write n.tmp") return "ENOSPC"
          return created && call === "remove n.tmp" ? "EROFS" : undefined
        }
        assert.strictEqual((yield* Effect.flip(files.write(root, "n", "x"))).code, "ENOSPC")
      })
    )
  )
})

describe("DurableFiles.read", () => {
  it.effect("answers nothing for a missing file", () =>
    onMachine(({ root, path }) =>
      Effect.gen(function* () {
        assert.isTrue(Option.isNone(yield* (yield* DurableFiles).read(path.join(root, "no", "such"))))
      })
    )
  )

  it.effect("fails for what is there and cannot be read", () =>
    onMachine(({ root, recording, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* files.write(root, "n", "x")
        recording.fault = (call) => (call === "read n" ? "EMFILE" : undefined)
        const error = yield* Effect.flip(files.read(path.join(root, "n")))
        assert.strictEqual(error.code, "EMFILE")
        assert.include(error.message, "LimitNOFILE")
        assert.strictEqual((yield* Effect.flip(files.read(root))).code, "EISDIR")
      })
    )
  )
})

describe("DurableFiles.makeDirectory", () => {
  it.effect("creates each missing level with mode 0700 and syncs it into its parent", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { root, recording, path } = machine
        const files = yield* DurableFiles
        yield* files.makeDirectory(path.join(root, "x", "y", "z"))
        const below = recording.calls.filter((call) => !call.startsWith("fsync /"))
        const effective = below.filter((call, index) => below.indexOf(call) === index)
        assert.deepStrictEqual(effective, ["mkdir x/y/z", "mkdir x/y", "mkdir x", "fsync .", "fsync x", "fsync x/y"])
        assert.isBelow(recording.calls.indexOf("fsync ."), recording.calls.lastIndexOf("mkdir x/y"))
        for (const each of ["x", "x/y", "x/y/z"])
          assert.strictEqual(yield* modeOf(machine, path.join(root, each)), 0o700)
      })
    )
  )

  it.effect("syncs what a killed process may have made and never synced, all the way up, and once", () =>
    onMachine(({ root, fs, recording, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* fs.makeDirectory(path.join(root, "x"))
        const made = path.join(root, "x", "y")
        yield* files.makeDirectory(made)
        const above = `fsync ${path.dirname(root)}`
        assert.deepStrictEqual(recording.calls.slice(0, 4), ["mkdir x/y", "fsync x", "fsync .", above])
        recording.calls.length = 0
        yield* files.makeDirectory(made)
        assert.deepStrictEqual(recording.calls, ["mkdir x/y"])
      })
    )
  )

  it.effect("syncs the levels above again when one of them failed", () =>
    onMachine(({ root, recording, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        const made = path.join(root, "x", "y")
        const above = `fsync ${path.dirname(root)}`
        recording.fault = (call) => (call === above ? "EIO" : undefined)
        assert.strictEqual((yield* Effect.flip(files.makeDirectory(made))).code, "EIO")
        recording.fault = () => undefined
        recording.calls.length = 0
        yield* files.makeDirectory(made)
        assert.include(recording.calls, above)
      })
    )
  )

  it.effect("refuses a file of that name", () =>
    onMachine(({ root, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* files.write(root, "x", "")
        assert.strictEqual((yield* Effect.flip(files.makeDirectory(path.join(root, "x")))).code, "EEXIST")
      })
    )
  )
})

describe("DurableFiles", () => {
  it.effect("removes files, links without their targets, and whole directories; a missing path is fine", () =>
    onMachine(({ root, fs, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* files.makeDirectory(path.join(root, "d", "e"))
        yield* files.write(path.join(root, "d"), "kept", "x")
        yield* fs.symlink("d", path.join(root, "link"))
        yield* files.remove(path.join(root, "link"))
        assert.strictEqual(yield* fs.readFileString(path.join(root, "d", "kept")), "x")
        yield* files.remove(path.join(root, "d"))
        yield* files.remove(path.join(root, "d"))
        assert.deepStrictEqual(yield* fs.readDirectory(root), [])
      })
    )
  )

  it.effect("renames, then syncs the directory", () =>
    onMachine(({ root, recording, fs, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        yield* files.write(root, "join.json", "x")
        recording.calls.length = 0
        yield* files.rename(root, "join.json", "seed.json")
        assert.deepStrictEqual(recording.calls, ["rename join.json → seed.json", "fsync ."])
        assert.strictEqual(text(yield* fs.readFile(path.join(root, "seed.json"))), "x")
      })
    )
  )

  it.effect("sweeps what matches and leaves the rest; a missing directory is fine", () =>
    onMachine(({ root, fs, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        for (const name of ["b.tmp", "a.tmp", "keep"]) yield* files.write(root, name, "x")
        const swept = yield* files.sweep(root, (name) => name.endsWith(".tmp"))
        assert.deepStrictEqual(swept, ["a.tmp", "b.tmp"])
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["keep"])
        assert.deepStrictEqual(yield* files.sweep(path.join(root, "none"), () => true), [])
      })
    )
  )

  it.effect("does not let an interrupt leave a write half-way", () =>
    onMachine(({ root, recording, fs, path }) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        const fiber = yield* Effect.forkChild(files.write(root, "n", "x"), { startImmediately: true })
        assert.isAbove(recording.calls.length, 0)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(recording.calls.at(-1), "fsync .")
        assert.strictEqual(yield* fs.readFileString(path.join(root, "n")), "x")
      })
    )
  )
})
