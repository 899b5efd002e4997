import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ControlFiles } from "../../src/config/index.ts"
import { DurableFiles, IdentityStore, sha256Hex, Slots } from "../../src/storage/index.ts"
import { bytes, centralDocument, type Engine, fillSlot, inspected, isChange, withEngine } from "./Engine.ts"

const CENTRAL = "https://central.example"
const document = centralDocument(CENTRAL)
const polling = (seconds: number) => ({
  version: 2,
  sinks: {
    central: { plugin: "@holdfast/central", config: { url: CENTRAL, identity: {}, poll_interval_seconds: seconds } }
  }
})

const write = (engine: Engine, name: string, content: string) =>
  Effect.flatMap(DurableFiles, (files) =>
    Effect.andThen(
      files.makeDirectory(engine.home.control),
      Effect.orDie(engine.fs.writeFileString(engine.at(name), content))
    )
  )

describe("inspect", () => {
  it.live("finds nothing on a new machine", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const { bootId, jitter, wall: _, ...facts } = yield* inspected(true)
        assert.deepStrictEqual(facts, {
          leave: false,
          join: false,
          seed: false,
          active: "absent",
          slots: { a: null, b: null },
          state: "absent",
          rescue: false,
          localCentral: false,
          environment: "env-1",
          bareIntervalMs: 300_000,
          readOnly: null
        })
        assert.isTrue(jitter >= -1 && jitter <= 1)
        assert.match(bootId, process.platform === "linux" ? /^[0-9a-f-]{36}$/ : /^/)
      })
    )
  )

  it.live("reads what each slot is, and how it wants to be watched", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", null, polling(20), true)
        yield* fillSlot(engine, "b", '"2"', { version: 2 })
        const { slots } = yield* inspected()
        assert.deepStrictEqual(slots.a, {
          intact: true,
          etag: null,
          digest: yield* sha256Hex(bytes(polling(20))),
          promoted: true,
          window_ms: 120_000,
          interval_ms: 20_000,
          central: true
        })
        assert.deepInclude(slots.b, {
          intact: true,
          etag: '"2"',
          promoted: false,
          window_ms: 300_000,
          interval_ms: 300_000,
          central: false
        })
      })
    )
  )

  it.live("knows a damaged slot: each byte of its document and of its record flipped", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', document)
        for (const name of ["document.json", "record.json"]) {
          const file = engine.at("a", name)
          const whole = yield* engine.fs.readFile(file)
          for (let at = 0; at < whole.length; at++) {
            const flipped = Uint8Array.from(whole)
            flipped[at] = flipped[at]! ^ 1
            yield* engine.fs.writeFile(file, flipped)
            const facts = (yield* inspected()).slots.a
            // Without its own digest a record is taken as it is.
            if (name === "document.json" || at >= '{"seal"'.length) assert.isFalse(facts?.intact, `${name} ${at}`)
            else assert.include([false, '"1"'], (facts?.intact ?? false) && facts?.etag, `${name} ${at}`)
          }
          yield* engine.fs.writeFile(file, whole)
        }
        assert.isTrue((yield* inspected()).slots.a?.intact)
      })
    )
  )

  it.live("knows a slot that is missing a file, is truncated, or holds what is no document", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const damaged = Effect.fnUntraced(function* (damage: Effect.Effect<void, unknown>, what: string) {
          yield* engine.fs.remove(engine.at("a"), { recursive: true, force: true })
          yield* fillSlot(engine, "a", '"1"', document)
          yield* damage
          const facts = (yield* inspected()).slots.a
          assert.isFalse(facts?.intact, what)
        })
        yield* damaged(engine.fs.remove(engine.at("a", "document.json")), "no document")
        yield* damaged(engine.fs.remove(engine.at("a", "record.json")), "no record")
        yield* damaged(engine.fs.truncate(engine.at("a", "document.json"), 10), "a cut document")
        yield* damaged(engine.fs.truncate(engine.at("a", "record.json"), 10), "a cut record")
        yield* damaged(engine.fs.writeFileString(engine.at("a", "record.json"), '{"digest":"x"}'), "no digest")
        yield* fillSlot(engine, "b", '"2"', { version: 7 })
        assert.isFalse((yield* inspected()).slots.b?.intact, "a document of another version with the right digest")
        yield* engine.fs.remove(engine.at("b"), { recursive: true })
        yield* engine.fs.writeFileString(engine.at("b"), "a file")
        assert.deepInclude((yield* inspected()).slots.b, { intact: false, promoted: false })
      })
    )
  )

  it.live("sees where `active` points: nowhere, to a slot, or to what cannot be one", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', document)
        yield* (yield* Slots).flip(engine.home.control, "a")
        assert.strictEqual((yield* inspected()).active, "a")
        const point = Effect.fnUntraced(function* (target: string) {
          yield* engine.fs.remove(engine.at("active"), { recursive: true })
          yield* engine.fs.symlink(target, engine.at("active"))
          return (yield* inspected()).active
        })
        assert.strictEqual(yield* point("b"), "b")
        for (const target of ["c", "../a", "/etc", "a/"]) assert.strictEqual(yield* point(target), "dangling", target)
        yield* engine.fs.remove(engine.at("active"))
        yield* engine.fs.makeDirectory(engine.at("active"))
        assert.strictEqual((yield* inspected()).active, "dangling")
      })
    )
  )

  it.live("sees intents, seed and state, and takes rotten ones for none", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        yield* control.writeJoin({ document: bytes(centralDocument(CENTRAL, "token")) })
        yield* control.writeLeave
        yield* control.writeState({ version: 1, quarantine: [], boot_id: "x" })
        yield* write(engine, "seed.json", JSON.stringify(document))
        assert.deepInclude(yield* inspected(), {
          join: true,
          leave: true,
          seed: true,
          state: { version: 1, quarantine: [], boot_id: "x" }
        })
        for (const name of ["join.json", "join.bak.json", "seed.json", "state.json", "leave.json"]) {
          yield* write(engine, name, '{"versi')
        }
        // That somebody wanted to leave is said by the file's being there.
        assert.deepInclude(yield* inspected(), { join: false, leave: true, seed: false, state: "unreadable" })
      })
    )
  )

  it.live("sees the ways to central that need no slot", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const identities = yield* IdentityStore
        yield* identities.put(CENTRAL, { jwt: Redacted.make("j"), expires_at: 0, obtained_at: 0, gateway_id: "g" })
        assert.isFalse((yield* inspected()).rescue)
        yield* identities.confirm(CENTRAL, "all")
        yield* engine.fs.writeFileString(engine.home.localConfig, JSON.stringify(polling(60)))
        assert.deepInclude(yield* inspected(), { rescue: true, localCentral: true, bareIntervalMs: 60_000 })
        yield* engine.fs.writeFileString(engine.home.localConfig, "{")
        assert.deepInclude(yield* inspected(), { localCentral: false, bareIntervalMs: 300_000 })
      })
    )
  )

  it.live("removes with `repair` what killed processes left half-done, and nothing else", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', document, true)
        const before = yield* engine.tree
        for (const name of ["state.json.tmp", "a/promoted.tmp"]) yield* write(engine, name, "x")
        yield* engine.fs.writeFileString(`${engine.home.state}/identity.json.tmp`, "x")
        yield* engine.fs.symlink("b", engine.at("active.new"))
        yield* engine.fs.makeDirectory(engine.at("b.new"))
        yield* engine.fs.makeDirectory(engine.at("b.old"))
        yield* inspected(true)
        assert.deepStrictEqual(yield* engine.tree, before)
      })
    )
  )

  it.live("changes nothing without `repair`", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', document)
        engine.recording.calls.length = 0
        yield* inspected()
        assert.deepStrictEqual(engine.recording.calls.filter(isChange), [])
      })
    )
  )

  it.live("answers on a disk that can only be read, and says why nothing can be written", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', document, true)
        yield* (yield* Slots).flip(engine.home.control, "a")
        for (const [code, reason] of [
          ["EROFS", "the file system is read-only"],
          ["ENOSPC", "the disk is full"],
          ["EACCES", "permission denied"]
        ] as const) {
          engine.recording.fault = (call) =>
            /^(create|write|mkdir|fsync|rename|remove) /.test(call) ? code : undefined
          const facts = yield* inspected(true)
          assert.include(facts.readOnly ?? "", reason)
          assert.strictEqual(facts.active, "a")
          assert.isTrue(facts.slots.a?.intact)
        }
      })
    )
  )

  it.live("fails when something may be there and cannot be read: another try may do better", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', document)
        yield* (yield* ControlFiles).writeState({ version: 1, quarantine: [] })
        yield* write(engine, "seed.json", JSON.stringify(document))
        for (const name of ["state.json", "seed.json", "document.json"]) {
          engine.recording.fault = (call) => (call.startsWith("read ") && call.endsWith(name) ? "EMFILE" : undefined)
          assert.match((yield* Effect.flip(inspected())).message, /too many files are open/, name)
        }
      })
    )
  )
})
