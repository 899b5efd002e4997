import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ApplyEngine, ControlFiles, Offers, RunningConfig } from "../../src/config/index.ts"
import { formatProblem, MAX_DOCUMENT_BYTES } from "../../src/domain/index.ts"
import { DurableFiles, IdentityStore, sha256Hex, Slots } from "../../src/storage/index.ts"
import { bytes, centralDocument, type Engine, fillSlot, type Pins, text, withEngine } from "./Engine.ts"

const A = "https://a.example"
const B = "https://b.example"
const TOKEN = "policy-token"

const offered = (content: Uint8Array, etag = '"1"') => Offers.use((offers) => offers.keep({ etag, bytes: content }))

const checked = Effect.fnUntraced(function* (content: Uint8Array) {
  const { tasks } = yield* ApplyEngine
  const offer = yield* offered(content)
  return yield* tasks.checkShape({ offer })
})

const sized = (size: number): Uint8Array => {
  const head = '{"version":2,"query":"'
  return bytes(`${head}${"x".repeat(size - head.length - 2)}"}`)
}

/** Documents, and whether this machine could run them. */
const DOCUMENTS: ReadonlyArray<readonly [what: string, content: unknown, runs: boolean]> = [
  ["nothing but a version", { version: 2 }, true],
  ["a line to central", centralDocument(A), true],
  ["a line to a central on loopback over http", centralDocument("http://127.0.0.1:7070"), true],
  ["a plugin with settings", { version: 2, plugins: [{ name: "strict", config: { path: "/x" } }] }, true],
  ["no JSON", "{", false],
  ["an empty file", "", false],
  ["a list", [], false],
  ["null", "null", false],
  ["another version", { version: 3 }, false],
  ["an unknown key", { version: 2, sink: {} }, false],
  ["an unknown key inside an entry", { version: 2, plugins: [{ name: "plain", versoin: "1" }] }, false],
  ["a key twice", '{"version":2,"version":2}', false],
  ["an interval of 1e9", intervalOf(1e9), false],
  ["an interval of 4", intervalOf(4), false],
  ["an interval of 5", intervalOf(5), true],
  ["an interval of 3600", intervalOf(3600), true],
  ["an interval of 3601", intervalOf(3601), false],
  ["an interval of 5.5", intervalOf(5.5), false],
  ["an unknown plugin", { version: 2, plugins: [{ name: "palin" }] }, false],
  ["a plugin twice", { version: 2, plugins: [{ name: "plain" }, { name: "plain" }] }, false],
  ["a sink whose plugin is none", { version: 2, sinks: { a: { plugin: "plain" } } }, false],
  ["a writer sink", { version: 2, sinks: { a: { writer: "w", destination: "d" } } }, false],
  ["settings of the wrong type", { version: 2, plugins: [{ name: "strict", config: { path: 7 } }] }, false],
  ["two lines to central", twoCentrals(), false],
  ["a central that would be spoken to in the clear", centralDocument("http://central.example"), false],
  ["a central whose URL holds a password", centralDocument("https://u:p@central.example"), false]
]

function intervalOf(seconds: number) {
  const { sinks } = centralDocument(A)
  const { config, plugin } = sinks.central
  return { version: 2, sinks: { central: { plugin, config: { ...config, poll_interval_seconds: seconds } } } }
}

function twoCentrals() {
  const { central } = centralDocument(A).sinks
  return { version: 2, sinks: { one: central, two: central } }
}

describe("what a revision is found to be", () => {
  it.live("is the same for `config validate` and for a real apply, to the word", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const engine = yield* ApplyEngine
        for (const [what, content, runs] of DOCUMENTS) {
          const document = bytes(content)
          const problems = yield* engine.findings(document)
          const offer = yield* offered(document)
          const shape = yield* engine.tasks.checkShape({ offer })
          const finding = shape.verdict === "accepted" ? yield* engine.tasks.validate({ offer }) : shape
          assert.strictEqual(problems.length === 0, runs, what)
          assert.strictEqual(finding.digest, yield* sha256Hex(document), what)
          if (finding.verdict === "accepted") assert.deepStrictEqual(problems, [], what)
          else {
            assert.deepInclude(finding, { verdict: "config_invalid", transient: false }, what)
            assert.strictEqual(finding.detail, problems.map(formatProblem).join("; "), what)
          }
        }
      })
    )
  )

  it.live("carries the probation window that the document asks for", () =>
    withEngine(() =>
      Effect.gen(function* () {
        assert.deepInclude(yield* checked(bytes({ version: 2 })), { window_ms: 300_000 })
        assert.deepInclude(yield* checked(bytes(intervalOf(5))), { window_ms: 120_000 })
        assert.deepInclude(yield* checked(bytes(intervalOf(3600))), { window_ms: 10_800_000 })
      })
    )
  )

  it.live("is too large from 1,048,577 bytes on, and says what is accepted", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const engine = yield* ApplyEngine
        for (const size of [MAX_DOCUMENT_BYTES - 1, MAX_DOCUMENT_BYTES]) {
          assert.strictEqual((yield* checked(sized(size))).verdict, "accepted", String(size))
          assert.deepStrictEqual(yield* engine.findings(sized(size)), [])
        }
        const over = yield* checked(sized(MAX_DOCUMENT_BYTES + 1))
        assert.deepInclude(over, { verdict: "document_too_large", transient: false })
        assert.match("detail" in over ? over.detail : "", /1048577 bytes; at most 1048576 are accepted/)
        assert.lengthOf(yield* engine.findings(sized(MAX_DOCUMENT_BYTES + 1)), 1)
      })
    )
  )

  it.live("never quotes a secret of the document", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const engine = yield* ApplyEngine
        const wrong = { ...centralDocument("ftp://x", TOKEN), extra: TOKEN, plugins: [{ name: 7, config: TOKEN }] }
        for (const content of [
          JSON.stringify(wrong),
          JSON.stringify(wrong).slice(0, -1),
          centralDocument("http://x.example", TOKEN)
        ]) {
          const problems = yield* engine.findings(bytes(content))
          assert.isAbove(problems.length, 0)
          assert.notInclude(JSON.stringify(problems), TOKEN)
        }
      })
    )
  )

  it.live("allows plain http to the one URL that the person who joined vouched for", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const engine = yield* ApplyEngine
        const control = yield* ControlFiles
        const url = "http://central.example"
        yield* control.writeJoin({ document: bytes(centralDocument(url, TOKEN)), allowInsecureHttp: true })
        yield* control.executeJoin
        assert.deepStrictEqual(yield* engine.findings(bytes(centralDocument(`${url}/`))), [])
        assert.lengthOf(yield* engine.findings(bytes(centralDocument("http://other.example"))), 1)
      })
    )
  )

  it.live("is what pins say when they cannot be honoured", () => {
    const pins: Pins = { refusal: null }
    return withEngine(
      () =>
        Effect.gen(function* () {
          const { tasks } = yield* ApplyEngine
          const offer = yield* offered(bytes({ version: 2 }))
          assert.strictEqual((yield* tasks.installPins({ offer })).verdict, "accepted")
          pins.refusal = { verdict: "plugin_install_failed", transient: true, detail: "why" }
          assert.deepStrictEqual(yield* tasks.installPins({ offer }), {
            verdict: "plugin_install_failed",
            transient: true,
            detail: "why",
            digest: yield* sha256Hex(bytes({ version: 2 }))
          })
        }),
      pins
    )
  })

  it.live("cannot be said of bytes that a newer offer has replaced", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        for (const task of [tasks.checkShape, tasks.installPins, tasks.validate]) {
          assert.strictEqual((yield* Effect.flip(task({ offer: 99 })))._tag, "OfferGone")
        }
      })
    )
  )
})

describe("a slot", () => {
  it.live("holds the very bytes that were served, their digest and their etag", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        const content = bytes(' {"version" : 2}\n\n')
        yield* (yield* DurableFiles).makeDirectory(engine.home.control)
        yield* tasks.writeSlot({ slot: "b", offer: yield* offered(content), etag: 'W/"2"' })
        const slot = yield* (yield* Slots).readSlot(engine.home.control, "b")
        assert.strictEqual(text(slot.document!), text(content))
        assert.deepInclude(slot, { intact: true, promoted: false })
        assert.deepStrictEqual([slot.record?.etag, slot.record?.digest], ['W/"2"', yield* sha256Hex(content)])
        yield* tasks.writePromoted({ slot: "b" })
        assert.isTrue((yield* (yield* Slots).readSlot(engine.home.control, "b")).promoted)
      })
    )
  )

  it.live("says which artifacts its pins stood for when it was staged", () => {
    const weather = "a".repeat(64)
    return withEngine(
      (engine) =>
        Effect.gen(function* () {
          const { tasks } = yield* ApplyEngine
          yield* (yield* DurableFiles).makeDirectory(engine.home.control)
          const offer = yield* offered(bytes({ version: 2 }))
          yield* tasks.installPins({ offer })
          yield* tasks.writeSlot({ slot: "b", offer, etag: '"1"' })
          const { record } = yield* (yield* Slots).readSlot(engine.home.control, "b")
          assert.deepStrictEqual(record?.plugins, { weather })
        }),
      { refusal: null, trees: { weather } }
    )
  })

  it.live("that copies the seed carries no token of any central, and no etag", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        const foreign = { plugin: "@other/central", config: { url: B, identity: { bootstrap_token: TOKEN, keep: 1 } } }
        const seed = centralDocument(A, TOKEN)
        const files = yield* DurableFiles
        yield* files.makeDirectory(engine.home.control)
        yield* files.write(engine.home.control, "seed.json", bytes({ ...seed, sinks: { ...seed.sinks, foreign } }))
        yield* tasks.writeSeedCopy(undefined)
        const slot = yield* (yield* Slots).readSlot(engine.home.control, "a")
        assert.isTrue(slot.intact)
        assert.isNull(slot.record?.etag)
        const stripped = { ...foreign, config: { url: B, identity: { keep: 1 } } }
        assert.deepStrictEqual(JSON.parse(text(slot.document!)), {
          version: 2,
          sinks: { ...centralDocument(A).sinks, foreign: stripped }
        })
        for (const content of Object.values(yield* treeBelow(engine, "a"))) assert.notInclude(content, TOKEN)
        yield* tasks.retireSeed(undefined)
        for (const content of Object.values(yield* engine.tree)) assert.notInclude(content, TOKEN)
      })
    )
  )

  it.live("that stands for a machine without a seed is the bare document that runs", () =>
    Effect.gen(function* () {
      const copyOf = (source: "rescue" | "none") =>
        withEngine((engine) =>
          Effect.gen(function* () {
            const { tasks } = yield* ApplyEngine
            yield* (yield* DurableFiles).makeDirectory(engine.home.control)
            yield* (yield* IdentityStore).confirm(A, "all")
            yield* freeze(source)
            yield* tasks.writeSeedCopy(undefined)
            return JSON.parse(text((yield* (yield* Slots).readSlot(engine.home.control, "a")).document!)) as unknown
          })
        )
      assert.deepStrictEqual(yield* copyOf("rescue"), centralDocument(A))
      assert.deepStrictEqual(yield* copyOf("none"), { version: 2 })
    })
  )
})

const treeBelow = (engine: Engine, slot: string) =>
  Effect.map(engine.tree, (tree) =>
    Object.fromEntries(Object.entries(tree).filter(([name]) => name.startsWith(`state/config-control/${slot}/`)))
  )

const freeze = (source: "rescue" | "none" | "slot") =>
  RunningConfig.use((running) =>
    running.freeze({
      running: { source, slot: source === "slot" ? "a" : null, etag: null, digest: null, central: true, intervalMs: 1 },
      start: "explained",
      probation: false,
      bundledOnly: false,
      safeStart: false,
      unexplained: 0,
      ranMs: 0,
      safeHoldMs: 0,
      impaired: null
    })
  )

describe("a flip", () => {
  it.live("whose rename certainly did not happen can be undone, and any other cannot", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        yield* fillSlot(engine, "a", '"1"', { version: 2 })
        yield* fillSlot(engine, "b", '"2"', { version: 2 })
        yield* tasks.flip({ slot: "a" })
        const { recording } = engine
        const failing = Effect.fnUntraced(function* (pattern: RegExp, anyway = false) {
          recording.fault = (call) => (pattern.test(call) ? "EIO" : undefined)
          recording.happensAnyway = () => anyway
          const failure = yield* Effect.flip(tasks.flip({ slot: "b" }))
          recording.fault = () => undefined
          yield* tasks.flip({ slot: "a" })
          assert.match(failure.message, /I\/O error/)
          return failure._tag
        })
        assert.strictEqual(yield* failing(/^symlink/), "NotFlipped")
        assert.strictEqual(yield* failing(/^rename/), "NotFlipped")
        assert.strictEqual(yield* failing(/^rename/, true), "FlipError")
        assert.strictEqual(yield* failing(/^fsync/), "FlipError")
      })
    )
  )

  it.live("can be taken back altogether", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        yield* fillSlot(engine, "a", '"1"', { version: 2 })
        yield* tasks.flip({ slot: "a" })
        yield* tasks.unlinkActive(undefined)
        assert.strictEqual(yield* (yield* Slots).readActive(engine.home.control), "absent")
      })
    )
  )
})

describe("the URL that confirmed", () => {
  const identity = (jwt: string) => ({ jwt: Redacted.make(jwt), expires_at: 0, obtained_at: 0, gateway_id: "g" })

  it.live("is remembered, and only with `prune` do identities go that nothing names", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        const identities = yield* IdentityStore
        yield* fillSlot(engine, "a", '"1"', centralDocument(`${A}/`))
        yield* fillSlot(engine, "b", '"2"', centralDocument(B))
        for (const url of [A, B, "https://c.example"]) yield* identities.put(url, identity(url))
        yield* freeze("slot")
        yield* tasks.rememberUrl({ prune: false })
        assert.strictEqual((yield* identities.read).file.last_confirmed_url, A)
        assert.lengthOf(Object.keys((yield* identities.read).file.identities), 3)
        yield* tasks.rememberUrl({ prune: true })
        assert.deepStrictEqual(Object.keys((yield* identities.read).file.identities), [A, B])
      })
    )
  )

  it.live("is none on a machine without a central", () =>
    withEngine(() =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        yield* freeze("none")
        yield* tasks.rememberUrl({ prune: true })
        assert.strictEqual((yield* (yield* IdentityStore).read).source, "none")
      })
    )
  )
})

describe("a disk that fails in the middle", () => {
  it.live("fails the step with what to do, and leaves the other slot as it was", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { tasks } = yield* ApplyEngine
        yield* fillSlot(engine, "a", '"1"', centralDocument(A), true)
        const before = yield* treeBelow(engine, "a")
        const offer = yield* offered(bytes(centralDocument(B)))
        engine.recording.fault = (call) => (call.startsWith("write ") ? "ENOSPC" : undefined)
        for (const step of [
          tasks.writeSlot({ slot: "b", offer, etag: '"2"' }),
          Effect.asVoid(tasks.writeState({ state: { version: 1, quarantine: [] } }))
        ]) {
          assert.match((yield* Effect.flip(step)).message, /the disk is full\. Free space/)
        }
        assert.deepStrictEqual(yield* treeBelow(engine, "a"), before)
        assert.deepStrictEqual(yield* treeBelow(engine, "b"), {})
      })
    )
  )
})
