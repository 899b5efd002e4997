import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Redacted } from "effect"
import { ControlFiles } from "../../src/config/index.ts"
import type { StateFile } from "../../src/domain/index.ts"
import { DurableFiles, IdentityStore, Slots } from "../../src/storage/index.ts"
import { bytes, centralDocument, cutAt, type Engine, fillSlot, isChange, mend, text, withEngine } from "./Engine.ts"

const OLD = "https://old.example"
const NEW = "https://new.example"
const OLD_TOKEN = "old-policy-token"
const NEW_TOKEN = "new-policy-token"
const JWT = "jwt-of-the-old-fleet"

const STATE: StateFile = {
  version: 1,
  marker: {
    etag: '"2"',
    slot: "b",
    previous_slot: "a",
    attempts_left: 4,
    budget_ms: 100_000,
    window_ms: 120_000,
    applied_at: 1_700_000_000_000
  },
  quarantine: [
    { etag: '"1"', digest: "d", environment: "e", reason: "crash_loop", recorded_at: 1, attempts: 2, retry_at: 3 }
  ],
  last_rollback: { etag: '"1"', reason: "crash_loop", at: 5, detail: "why" },
  last_attempt: { etag: '"2"', verdict: "applied", at: 6, attempt: 1 },
  last_exit: "planned",
  boot_id: "boot",
  unexplained: { count: 1, ran_ms: 2, safe_hold_ms: 3 }
}

/** A machine of the old fleet, with a revision on probation. */
const inOldFleet = Effect.fnUntraced(function* (engine: Engine) {
  const control = yield* ControlFiles
  const identities = yield* IdentityStore
  yield* fillSlot(engine, "a", '"1"', centralDocument(OLD), true)
  yield* fillSlot(engine, "b", '"2"', centralDocument(OLD))
  yield* (yield* Slots).flip(engine.home.control, "b")
  yield* control.writeState(STATE)
  yield* (yield* DurableFiles).write(engine.home.control, "seed.json", bytes(centralDocument(OLD, OLD_TOKEN)))
  yield* identities.put(OLD, { jwt: Redacted.make(JWT), expires_at: 9, obtained_at: 1, gateway_id: "gw" })
  yield* identities.confirm(OLD, "all")
  yield* engine.fs.makeDirectory(`${engine.home.state}/ingest/runs`, { recursive: true })
  yield* engine.fs.writeFileString(`${engine.home.state}/ingest/runs/000001-s.ndjson`, "what waits for the old fleet")
})

const joinNew = ControlFiles.use((control) =>
  control.writeJoin({ document: bytes(centralDocument(NEW, NEW_TOKEN)), ca: "PEM", allowInsecureHttp: true })
)

const holding = (tree: Readonly<Record<string, string>>, secret: string) =>
  Object.keys(tree).filter((name) => tree[name]?.includes(secret))

describe("state.json", () => {
  it.live("comes back as it was written, from a private file", () =>
    withEngine(({ at, fs }) =>
      ControlFiles.use((control) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* control.readState, "absent")
          yield* control.writeState(STATE)
          assert.deepStrictEqual(yield* control.readState, STATE)
          assert.strictEqual((yield* fs.stat(at("state.json"))).mode & 0o777, 0o600)
        })
      )
    )
  )

  it.live("is unreadable when it is truncated anywhere, of another version, or holds an unknown word", () =>
    withEngine(({ at, fs }) =>
      ControlFiles.use((control) =>
        Effect.gen(function* () {
          yield* control.writeState(STATE)
          const whole = yield* fs.readFile(at("state.json"))
          for (let length = 0; length < whole.length; length++) {
            yield* fs.writeFile(at("state.json"), whole.slice(0, length))
            assert.strictEqual(yield* control.readState, "unreadable", `${length} bytes`)
          }
          const wrong: ReadonlyArray<object> = [
            { ...STATE, version: 2 },
            { ...STATE, version: "1" },
            { ...STATE, quarantine: undefined },
            { ...STATE, quarantine: [{ etag: "" }] },
            { ...STATE, marker: { ...STATE.marker, slot: "c" } },
            { ...STATE, marker: { ...STATE.marker, window_ms: 0 } },
            { ...STATE, marker: { ...STATE.marker, budget_ms: null } },
            { ...STATE, last_exit: "unplanned" },
            { ...STATE, unexplained: { count: -1, ran_ms: 0, safe_hold_ms: 0 } },
            []
          ]
          for (const content of wrong) {
            yield* fs.writeFileString(at("state.json"), JSON.stringify(content))
            assert.strictEqual(yield* control.readState, "unreadable", JSON.stringify(content))
          }
        })
      )
    )
  )

  it.live("that is unreadable is kept beside the new one", () =>
    withEngine(({ at, fs }) =>
      ControlFiles.use((control) =>
        Effect.gen(function* () {
          yield* control.writeState(STATE)
          yield* fs.writeFileString(at("state.json"), "rotten")
          yield* control.setStateAside
          assert.strictEqual(yield* control.readState, "absent")
          assert.strictEqual(yield* fs.readFileString(at("state.json.unreadable")), "rotten")
        })
      )
    )
  )

  it.live("that cannot be opened now is a failure with advice, not an absent file", () =>
    withEngine(({ recording }) =>
      ControlFiles.use((control) =>
        Effect.gen(function* () {
          yield* control.writeState(STATE)
          recording.fault = (call) => (call.endsWith("state.json") ? "EMFILE" : undefined)
          const { message } = yield* Effect.flip(control.readState)
          assert.match(message, /^reading .*state\.json failed: too many files are open/)
        })
      )
    )
  )

  it.live(
    "on a bad sector, or with a directory in its place, is unreadable and can be set aside, again and again",
    () =>
      withEngine(({ at, fs, recording }) =>
        ControlFiles.use((control) =>
          Effect.gen(function* () {
            yield* control.writeState(STATE)
            recording.fault = (call) => (call.endsWith("state.json") ? "EIO" : undefined)
            assert.strictEqual(yield* control.readState, "unreadable")
            recording.fault = () => undefined
            for (let n = 0; n < 2; n++) {
              yield* fs.remove(at("state.json"))
              yield* fs.makeDirectory(at("state.json"))
              assert.strictEqual(yield* control.readState, "unreadable")
              yield* control.setStateAside
              assert.strictEqual(yield* control.readState, "absent")
              yield* control.writeState(STATE)
            }
          })
        )
      )
  )

  it.live("one of whose numbers changed is unreadable, and one without a digest is taken as it is", () =>
    withEngine(({ at, fs }) =>
      ControlFiles.use((control) =>
        Effect.gen(function* () {
          yield* control.writeState(STATE)
          const whole = yield* fs.readFileString(at("state.json"))
          yield* fs.writeFileString(at("state.json"), whole.replace('"attempts_left":4', '"attempts_left":5'))
          assert.strictEqual(yield* control.readState, "unreadable")
          yield* fs.writeFileString(at("state.json"), JSON.stringify(STATE))
          assert.deepStrictEqual(yield* control.readState, STATE)
        })
      )
    )
  )
})

describe("a joining intent", () => {
  it.live("is whole when it holds a document with a central, and private", () =>
    withEngine(({ at, fs }) =>
      ControlFiles.use((control) =>
        Effect.gen(function* () {
          assert.isFalse(yield* control.joinIsWhole)
          yield* joinNew
          assert.isTrue(yield* control.joinIsWhole)
          assert.strictEqual((yield* fs.stat(at("join.json"))).mode & 0o777, 0o600)
        })
      )
    )
  )

  it.live("replaces the old fleet as a whole, and nothing of the user's own", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        yield* inOldFleet(engine)
        yield* engine.fs.writeFileString(engine.home.localConfig, '{"version":2}')
        yield* joinNew
        yield* control.executeJoin
        const tree = yield* engine.tree
        assert.deepStrictEqual(Object.keys(tree), [
          "config.json",
          "state",
          "state/config-control",
          "state/config-control/seed.bak.json",
          "state/config-control/seed.json",
          "state/identity.bak.json",
          "state/identity.json",
          "state/trust.bak.json",
          "state/trust.json"
        ])
        const seed = Option.getOrThrow(yield* control.readSeed)
        assert.deepStrictEqual(JSON.parse(text(seed)), centralDocument(NEW, NEW_TOKEN))
        assert.deepStrictEqual(yield* control.readTrust, { version: 1, ca: "PEM", insecure_url: NEW })
        const { file } = yield* (yield* IdentityStore).read
        assert.notProperty(file, "last_confirmed_url")
        assert.deepStrictEqual(Object.keys(file.identities), [OLD])
        assert.deepStrictEqual(holding(tree, OLD_TOKEN), [])
        assert.deepStrictEqual(holding(tree, NEW_TOKEN), [
          "state/config-control/seed.bak.json",
          "state/config-control/seed.json"
        ])
      })
    )
  )

  it.live("that is rotten or truncated anywhere is not whole, and wipes nothing", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        yield* inOldFleet(engine)
        yield* joinNew
        const whole = yield* engine.fs.readFile(engine.at("join.json"))
        yield* engine.fs.writeFileString(engine.at("join.json"), "rotten")
        assert.isTrue(yield* control.joinIsWhole, "its copy is")
        yield* engine.fs.remove(engine.at("join.bak.json"))
        const contents = [
          ...Array.from({ length: whole.length }, (_, length) => text(whole.slice(0, length))),
          "[]",
          "{}",
          JSON.stringify({ version: 2, document: centralDocument(NEW, NEW_TOKEN) }),
          JSON.stringify({ version: 1, document: { version: 2 } }),
          JSON.stringify({ version: 1, document: centralDocument("", NEW_TOKEN) }),
          JSON.stringify({ version: 1, document: { ...centralDocument(NEW), unknown: 1 } }),
          JSON.stringify({ version: 1, ca: 7, document: centralDocument(NEW) })
        ]
        for (const content of contents) {
          yield* engine.fs.writeFileString(engine.at("join.json"), content)
          assert.isFalse(yield* control.joinIsWhole, content)
        }
        const before = yield* engine.tree
        yield* control.executeJoin
        assert.deepStrictEqual(yield* engine.tree, before)
      })
    )
  )

  it.live(
    "that could be written once, and not twice, is none: what was told to have failed does not happen later",
    () =>
      withEngine((engine) =>
        Effect.gen(function* () {
          const control = yield* ControlFiles
          engine.recording.fault = (call) =>
            call === "write state/config-control/join.bak.json.tmp" ? "ENOSPC" : undefined
          const written = yield* Effect.exit(joinNew)
          assert.isTrue(Exit.isFailure(written))
          assert.isTrue(Option.isNone(yield* control.readJoin))
        })
      )
  )

  it.live("for a central that the machine knows keeps what waits for that one", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        yield* inOldFleet(engine)
        yield* control.writeJoin({ document: bytes(centralDocument(OLD, NEW_TOKEN)) })
        yield* control.executeJoin
        assert.property(yield* engine.tree, "state/ingest/runs/000001-s.ndjson")
      })
    )
  )

  it.live("ends in the same state when it is cut after any operation and repeated", () => everyCut("join"))
})

describe("a leaving intent", () => {
  it.live("is found, and removes everything of the fleet, also what interrupted operations left behind", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        yield* inOldFleet(engine)
        yield* engine.fs.writeFileString(engine.home.localConfig, '{"version":2}')
        yield* joinNew
        for (const name of ["seed.json.tmp", "join.json.tmp", "state.json.unreadable"]) {
          yield* engine.fs.writeFileString(engine.at(name), OLD_TOKEN)
        }
        yield* engine.fs.writeFileString(`${engine.home.state}/identity.json.tmp`, JWT)
        yield* engine.fs.makeDirectory(engine.at("b.old"))
        yield* engine.fs.writeFileString(engine.at("b.old", "document.json"), OLD_TOKEN)
        yield* engine.fs.symlink("a", engine.at("active.new"))
        assert.isFalse(yield* control.leaveFound)
        yield* control.writeLeave
        assert.isTrue(yield* control.leaveFound)
        yield* control.executeLeave
        assert.deepStrictEqual(Object.keys(yield* engine.tree), ["config.json", "state", "state/config-control"])
      })
    )
  )

  it.live("is nothing to be afraid of on a machine that never joined", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* (yield* ControlFiles).executeLeave
        assert.deepStrictEqual(Object.keys(yield* engine.tree), ["state", "state/config-control"])
      })
    )
  )

  it.live("ends in the same state when it is cut after any operation and repeated", () => everyCut("leave"))
})

/** Cuts the power at each change that the intent makes, starts again, and compares with what an uncut run leaves. */
const everyCut = (intent: "join" | "leave") =>
  Effect.gen(function* () {
    const execute = ControlFiles.use((control) => (intent === "join" ? control.executeJoin : control.executeLeave))
    const prepare = Effect.fnUntraced(function* (engine: Engine) {
      yield* inOldFleet(engine)
      yield* joinNew
      if (intent === "leave") yield* ControlFiles.use((control) => control.writeLeave)
      engine.recording.calls.length = 0
    })
    const uncut = yield* withEngine((engine) =>
      Effect.gen(function* () {
        yield* prepare(engine)
        yield* execute
        return { changes: engine.recording.calls.filter(isChange).length, tree: yield* engine.tree }
      })
    )
    assert.isAbove(uncut.changes, 10)
    for (let n = 0; n < uncut.changes; n++) {
      yield* withEngine((engine) =>
        Effect.gen(function* () {
          yield* prepare(engine)
          cutAt(engine.recording, n)
          yield* Effect.flip(execute)
          mend(engine.recording)
          const cut = yield* engine.tree
          // The intent is there until everything is done: whoever starts next can go on.
          const control = yield* ControlFiles
          const there = intent === "join" ? yield* control.joinIsWhole : yield* control.leaveFound
          const done = JSON.stringify(cut) === JSON.stringify(uncut.tree)
          assert.isTrue(there || done, `after ${n} changes`)
          const mayHold = /config-control\/(join|seed)(\.bak)?\.json(\.tmp)?$/
          for (const name of holding(cut, NEW_TOKEN)) assert.match(name, mayHold, `after ${n} changes`)
          yield* execute
          assert.deepStrictEqual(yield* engine.tree, uncut.tree, `after ${n} changes`)
        })
      )
    }
  })

describe("the seed", () => {
  it.live("is read as it is, and retired for good", () =>
    withEngine(({ at, fs, recording }) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        assert.isTrue(Option.isNone(yield* control.readSeed))
        yield* (yield* DurableFiles).makeDirectory(at())
        const seed = `${JSON.stringify(centralDocument(NEW, NEW_TOKEN))}\n`
        yield* fs.writeFileString(at("seed.json"), seed)
        assert.strictEqual(text(Option.getOrThrow(yield* control.readSeed)), seed)
        recording.calls.length = 0
        yield* control.retireSeed
        assert.deepStrictEqual(recording.calls, [
          "remove state/config-control/seed.bak.json",
          "remove state/config-control/seed.json",
          "fsync state/config-control"
        ])
        assert.isTrue(Option.isNone(yield* control.readSeed))
        yield* control.retireSeed
      })
    )
  )
})

describe("trust.json", () => {
  it.live("that rotted is read from its copy, and written anew from it", () =>
    withEngine(({ fs, home }) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        yield* joinNew
        yield* control.executeJoin
        const [main, copy] = [`${home.state}/trust.json`, `${home.state}/trust.bak.json`]
        const whole = yield* fs.readFileString(main)
        for (const [rotten, other] of [
          [main, copy],
          [copy, main]
        ] as const) {
          yield* fs.writeFileString(rotten, whole.replace("PEM", "PEN"))
          assert.deepStrictEqual(yield* control.readTrust, { version: 1, ca: "PEM", insecure_url: NEW })
          yield* control.mend
          assert.strictEqual(yield* fs.readFileString(rotten), whole)
          assert.strictEqual(yield* fs.readFileString(other), whole)
        }
        assert.deepStrictEqual(yield* control.losses(true), [])
        yield* fs.remove(main)
        yield* fs.remove(copy)
        assert.deepStrictEqual(yield* control.losses(true), ["trust.json"])
        assert.deepStrictEqual(yield* control.losses(false), [])
      })
    )
  )

  it.live("that is absent or rotten vouches for nothing", () =>
    withEngine(({ fs, home }) =>
      Effect.gen(function* () {
        const control = yield* ControlFiles
        assert.deepStrictEqual(yield* control.readTrust, { version: 1 })
        yield* fs.makeDirectory(home.state, { recursive: true })
        for (const content of ["", "{}", '{"version":1,"insecure_url":true}', '{"version":2,"ca":"x"}']) {
          yield* fs.writeFileString(`${home.state}/trust.json`, content)
          assert.deepStrictEqual(yield* control.readTrust, { version: 1 }, content)
        }
      })
    )
  )
})
