import type { SlotName } from "../../machines/Vocabulary.ts"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { DurableFiles, sha256Hex, Slots } from "../../src/storage/index.ts"
import { bytes, type Machine, modeOf, onMachine, text } from "./Machine.ts"

const content = Effect.fnUntraced(function* (document: string, etag: string | null = "etag") {
  return { document: bytes(document), record: { etag, digest: yield* sha256Hex(bytes(document)) } }
})

const writeSlot = Effect.fnUntraced(function* (
  machine: Machine,
  slot: SlotName,
  document: string,
  etag?: string | null
) {
  yield* (yield* Slots).writeSlot(machine.root, slot, yield* content(document, etag))
})

describe("Slots.writeSlot", () => {
  const fillNewSlot = [
    "remove b.new",
    "remove b.old",
    "mkdir b.new",
    "create b.new/document.json",
    "write b.new/document.json",
    "fsync b.new/document.json",
    "read b.new/document.json",
    "create b.new/record.json",
    "write b.new/record.json",
    "fsync b.new/record.json",
    "read b.new/record.json",
    "fsync b.new",
    "rename b → b.old",
    "rename b.new → b",
    "fsync .",
    "remove b.old"
  ]

  it.effect("makes exactly the calls of the sequence, in their order, the first time and the second", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        yield* writeSlot(machine, "b", "one")
        assert.deepStrictEqual(machine.recording.calls, fillNewSlot)
        machine.recording.calls.length = 0
        yield* writeSlot(machine, "b", "two")
        assert.deepStrictEqual(machine.recording.calls, fillNewSlot)
      })
    )
  )

  it.effect("leaves the exact document, its record, nothing else, and private modes", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { fs, path, root } = machine
        yield* writeSlot(machine, "a", `{"version": 2 }\n`, null)
        const slot = path.join(root, "a")
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["a"])
        assert.deepStrictEqual((yield* fs.readDirectory(slot)).sort(), ["document.json", "record.json"])
        assert.strictEqual(yield* fs.readFileString(path.join(slot, "document.json")), `{"version": 2 }\n`)
        const record: unknown = JSON.parse(yield* fs.readFileString(path.join(slot, "record.json")))
        assert.deepInclude(record, { etag: null, digest: yield* sha256Hex(bytes(`{"version": 2 }\n`)) })
        assert.strictEqual(yield* modeOf(machine, slot), 0o700)
        assert.strictEqual(yield* modeOf(machine, path.join(slot, "document.json")), 0o600)
        assert.strictEqual(yield* modeOf(machine, path.join(slot, "record.json")), 0o600)
      })
    )
  )

  it.effect("replaces a promoted slot by an unpromoted one", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* writeSlot(machine, "b", "one")
        yield* slots.writePromoted(machine.root, "b", "2026-11-21T10:00:00.000Z")
        yield* writeSlot(machine, "b", "two", "second")
        const found = yield* slots.readSlot(machine.root, "b")
        assert.deepStrictEqual([text(found.document), found.record?.etag, found.promoted], ["two", "second", false])
        assert.deepStrictEqual(yield* machine.fs.readDirectory(machine.root), ["b"])
      })
    )
  )

  it.effect("is not stopped by what a crash left behind", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { path, root } = machine
        const files = yield* DurableFiles
        yield* writeSlot(machine, "b", "one")
        for (const leftover of ["b.new", "b.old"]) {
          yield* files.makeDirectory(path.join(root, leftover))
          yield* files.write(path.join(root, leftover), "document.json", "half")
        }
        yield* writeSlot(machine, "b", "two")
        assert.strictEqual(text((yield* (yield* Slots).readSlot(root, "b")).document), "two")
        assert.deepStrictEqual(yield* machine.fs.readDirectory(root), ["b"])
      })
    )
  )

  for (const call of fillNewSlot.slice(2, 10)) {
    it.effect(`leaves the old slot and no half-written one when the disk fills up at "${call}"`, () =>
      onMachine((machine) =>
        Effect.gen(function* () {
          const { fs, recording, root } = machine
          yield* writeSlot(machine, "b", "old")
          recording.fault = (each) => (each === call ? "ENOSPC" : undefined)
          assert.strictEqual((yield* Effect.flip(writeSlot(machine, "b", "new"))).code, "ENOSPC")
          recording.fault = () => undefined
          const found = yield* (yield* Slots).readSlot(root, "b")
          assert.deepStrictEqual([text(found.document), found.intact], ["old", true])
          assert.deepStrictEqual(yield* fs.readDirectory(root), ["b"])
        })
      )
    )
  }

  for (const call of fillNewSlot.slice(10)) {
    it.effect(`can be done again after an I/O error at "${call}"`, () =>
      onMachine((machine) =>
        Effect.gen(function* () {
          const { recording, root } = machine
          yield* writeSlot(machine, "b", "old")
          let armed = true
          recording.fault = (each) => {
            if (!armed || each !== call) return undefined
            // The last call of the sequence has the same words as its second one.
            if (call === "remove b.old" && recording.calls.at(-2) !== "fsync .") return undefined
            armed = false
            return "EIO"
          }
          assert.strictEqual((yield* Effect.flip(writeSlot(machine, "b", "new"))).code, "EIO")
          yield* writeSlot(machine, "b", "new")
          assert.strictEqual(text((yield* (yield* Slots).readSlot(root, "b")).document), "new")
          assert.deepStrictEqual(yield* machine.fs.readDirectory(root), ["b"])
        })
      )
    )
  }
})

describe("Slots.flip", () => {
  const calls = ["remove active.new", "symlink active.new → b", "rename active.new → active", "fsync ."]

  it.effect("makes exactly the calls of the sequence when there is no link yet, and when there is one", () =>
    onMachine(({ recording, root, fs, path }) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* slots.flip(root, "b")
        assert.deepStrictEqual(recording.calls, calls)
        yield* slots.flip(root, "a")
        recording.calls.length = 0
        yield* slots.flip(root, "b")
        assert.deepStrictEqual(recording.calls, calls)
        assert.strictEqual(yield* fs.readLink(path.join(root, "active")), "b")
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["active"])
      })
    )
  )

  it.effect("is not stopped by a leftover link", () =>
    onMachine(({ root, fs, path }) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* fs.symlink("a", path.join(root, "active.new"))
        yield* slots.flip(root, "b")
        assert.deepStrictEqual(yield* slots.readActive(root), { slot: "b" })
      })
    )
  )

  it.effect("replaces a directory that a copy left in the link's place", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { root, path } = machine
        const slots = yield* Slots
        const files = yield* DurableFiles
        yield* files.makeDirectory(path.join(root, "active"))
        yield* files.write(path.join(root, "active"), "document.json", "copied")
        assert.deepStrictEqual(yield* slots.readActive(root), { dangling: "" })
        yield* slots.flip(root, "b")
        assert.deepStrictEqual(yield* slots.readActive(root), { slot: "b" })
      })
    )
  )

  for (const call of calls) {
    const renamed = call === "fsync ."
    it.effect(`says that the link ${renamed ? "is renamed" : "is not renamed"} when "${call}" fails`, () =>
      onMachine(({ recording, root }) =>
        Effect.gen(function* () {
          const slots = yield* Slots
          yield* slots.flip(root, "a")
          recording.fault = (each) => (each === call ? "EIO" : undefined)
          const error = yield* Effect.flip(slots.flip(root, "b"))
          assert.deepStrictEqual([error._tag, error.renamed, error.code], ["FlipError", renamed, "EIO"])
          assert.deepStrictEqual(yield* slots.readActive(root), { slot: renamed ? "b" : "a" })
        })
      )
    )
  }

  it.effect("says that the link is renamed when the rename reports an error and has happened", () =>
    onMachine(({ recording, root }) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* slots.flip(root, "a")
        recording.fault = (call) => (call.startsWith("rename") ? "EIO" : undefined)
        recording.happensAnyway = () => true
        assert.isTrue((yield* Effect.flip(slots.flip(root, "b"))).renamed)
      })
    )
  )
})

describe("Slots.readActive", () => {
  it.effect("tells no link, a slot, and anything else apart", () =>
    onMachine(({ root, fs, path }) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        const link = path.join(root, "active")
        assert.strictEqual(yield* slots.readActive(root), "absent")
        yield* fs.symlink("c", link)
        assert.deepStrictEqual(yield* slots.readActive(root), { dangling: "c" })
        yield* slots.unlinkActive(root)
        yield* fs.writeFileString(link, "a")
        assert.deepStrictEqual(yield* slots.readActive(root), { dangling: "" })
        yield* slots.flip(root, "a")
        assert.deepStrictEqual(yield* slots.readActive(root), { slot: "a" })
      })
    )
  )

  it.effect("answers absent after the link was removed, and the removal is synced", () =>
    onMachine(({ root, recording }) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* slots.flip(root, "a")
        recording.calls.length = 0
        yield* slots.unlinkActive(root)
        assert.deepStrictEqual(recording.calls, ["remove active", "fsync ."])
        assert.strictEqual(yield* slots.readActive(root), "absent")
      })
    )
  )
})

describe("Slots.readSlot", () => {
  it.effect("finds nothing where there is none", () =>
    onMachine(({ root }) =>
      Effect.gen(function* () {
        const found = yield* (yield* Slots).readSlot(root, "a")
        assert.deepStrictEqual(found, { present: false, intact: false, promoted: false })
      })
    )
  )

  it.effect("gives back what was written, and when it was promoted", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* writeSlot(machine, "a", "document", "W/1")
        yield* slots.writePromoted(machine.root, "a", "2026-11-21T10:00:00.000Z")
        const found = yield* slots.readSlot(machine.root, "a")
        assert.deepStrictEqual([text(found.document), found.record?.etag, found.intact], ["document", "W/1", true])
        assert.deepStrictEqual([found.promoted, found.promotedAt], [true, "2026-11-21T10:00:00.000Z"])
        assert.isUndefined(found.problem)
      })
    )
  )

  it.effect("calls a slot damaged for any changed byte of the document or of the digest", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { path, root } = machine
        const slots = yield* Slots
        yield* writeSlot(machine, "a", `{"version":2}`, "e")
        const record = path.join(root, "a", "record.json")
        const digestAt = readFileSync(record, "utf8").indexOf(`"digest"`)
        for (const file of [path.join(root, "a", "document.json"), record]) {
          const whole = readFileSync(file)
          for (let at = file === record ? digestAt : 0; at < whole.length; at++) {
            const damaged = Buffer.from(whole)
            damaged[at] = damaged[at]! ^ 1
            writeFileSync(file, damaged)
            assert.isFalse((yield* slots.readSlot(root, "a")).intact, `${file} byte ${at}`)
          }
          writeFileSync(file, whole)
        }
        assert.isTrue((yield* slots.readSlot(root, "a")).intact)
      })
    )
  )

  it.effect("answers a damaged slot when a file is missing, is a directory, or the name is a file's", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { fs, path, root } = machine
        const slots = yield* Slots
        const files = yield* DurableFiles
        yield* writeSlot(machine, "a", "document")
        yield* fs.remove(path.join(root, "a", "record.json"))
        const missing = yield* slots.readSlot(root, "a")
        assert.deepStrictEqual([missing.present, missing.intact, missing.problem], [true, false, undefined])
        yield* files.makeDirectory(path.join(root, "a", "record.json"))
        const directory = yield* slots.readSlot(root, "a")
        assert.deepStrictEqual([directory.intact, directory.problem?.code], [false, "EISDIR"])
        yield* files.write(root, "b", "a file")
        const file = yield* slots.readSlot(root, "b")
        assert.deepStrictEqual(file, { present: true, intact: false, promoted: false })
      })
    )
  )

  it.effect("answers a damaged slot for a bad sector, and fails when another try may succeed", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* writeSlot(machine, "a", "document")
        yield* slots.writePromoted(machine.root, "a", "2026-11-21T10:00:00.000Z")
        machine.recording.fault = (call) => (call.startsWith("read ") ? "EIO" : undefined)
        const found = yield* slots.readSlot(machine.root, "a")
        assert.deepStrictEqual([found.intact, found.promoted, found.problem?.code], [false, true, "EIO"])
        machine.recording.fault = (call) => (call === "read a/document.json" ? "EMFILE" : undefined)
        assert.strictEqual((yield* Effect.flip(slots.readSlot(machine.root, "a"))).code, "EMFILE")
      })
    )
  )

  it.effect("reads a damaged slot once more before it is given up", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* writeSlot(machine, "a", "document")
        for (const name of ["document.json", "record.json"]) {
          let failures = 0
          machine.recording.fault = (call) => (call === `read a/${name}` && failures++ === 0 ? "EIO" : undefined)
          assert.isTrue((yield* slots.readSlot(machine.root, "a")).intact)
        }
      })
    )
  )

  it.effect("takes no slot for promoted because the disk does not answer", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* writeSlot(machine, "a", "document")
        machine.recording.fault = (call) => (call === "read a/promoted" ? "EIO" : undefined)
        assert.isFalse((yield* slots.readSlot(machine.root, "a")).promoted)
      })
    )
  )

  it.effect("still calls a slot promoted when the time in the mark is unreadable", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { fs, path, root } = machine
        const slots = yield* Slots
        yield* writeSlot(machine, "a", "document")
        yield* fs.writeFileString(path.join(root, "a", "promoted"), "rotten")
        const found = yield* slots.readSlot(root, "a")
        assert.deepStrictEqual([found.promoted, found.promotedAt, found.intact], [true, undefined, true])
      })
    )
  )
})

describe("Slots at boot", () => {
  it.effect("promotes by a durable write into the slot, as often as asked", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        yield* writeSlot(machine, "b", "document")
        yield* slots.writePromoted(machine.root, "b", "2026-11-21T10:00:00.000Z")
        machine.recording.calls.length = 0
        yield* slots.writePromoted(machine.root, "b", "2026-11-21T10:00:00.000Z")
        assert.deepStrictEqual(machine.recording.calls, [
          "remove b/promoted.tmp",
          "create b/promoted.tmp",
          "write b/promoted.tmp",
          "fsync b/promoted.tmp",
          "read b/promoted.tmp",
          "rename b/promoted.tmp → b/promoted",
          "fsync b"
        ])
      })
    )
  )

  it.effect("syncs the state directory, the slots' directory and each slot that there is", () =>
    onMachine(({ root, recording, path }) =>
      Effect.gen(function* () {
        const slots = yield* Slots
        const files = yield* DurableFiles
        yield* slots.syncAll(root)
        assert.deepStrictEqual(recording.calls, ["fsync ."])
        yield* files.makeDirectory(path.join(root, "config-control"))
        yield* slots.writeSlot(path.join(root, "config-control"), "b", yield* content("x"))
        recording.calls.length = 0
        yield* slots.syncAll(root)
        assert.deepStrictEqual(recording.calls, ["fsync .", "fsync config-control", "fsync config-control/b"])
      })
    )
  )

  it.effect("sweeps leftover files, links and directories, and nothing else", () =>
    onMachine((machine) =>
      Effect.gen(function* () {
        const { fs, path, root } = machine
        const slots = yield* Slots
        const files = yield* DurableFiles
        yield* slots.sweep(path.join(root, "none"))
        yield* writeSlot(machine, "a", "document")
        yield* slots.flip(root, "a")
        yield* fs.symlink("b", path.join(root, "active.new"))
        yield* files.makeDirectory(path.join(root, "b.new"))
        yield* files.makeDirectory(path.join(root, "b.old"))
        yield* fs.writeFileString(path.join(root, "state.json.tmp"), "half")
        yield* fs.writeFileString(path.join(root, "a", "promoted.tmp"), "half")
        yield* fs.writeFileString(path.join(root, "seed.json"), "{}")
        yield* slots.sweep(root)
        assert.deepStrictEqual((yield* fs.readDirectory(root)).sort(), ["a", "active", "seed.json"])
        assert.deepStrictEqual((yield* fs.readDirectory(path.join(root, "a"))).sort(), ["document.json", "record.json"])
      })
    )
  )
})
