import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted } from "effect"
import type { BootOutcome } from "../../machines/index.ts"
import { Inspection, RunningConfig } from "../../src/config/index.ts"
import { DurableFiles, IdentityStore } from "../../src/storage/index.ts"
import { bytes, centralDocument, type Engine, fillSlot, withEngine } from "./Engine.ts"

const A = "https://a.example"
const B = "https://b.example"
const TOKEN = "policy-token"

const boot = (source: BootOutcome["running"]["source"], more: Partial<BootOutcome> = {}): BootOutcome => ({
  running: {
    source,
    slot: source === "slot" ? "a" : null,
    etag: source === "slot" ? '"1"' : null,
    digest: null,
    central: source !== "none",
    intervalMs: 300_000
  },
  start: "explained",
  probation: false,
  bundledOnly: false,
  safeStart: false,
  unexplained: 0,
  ranMs: 0,
  safeHoldMs: 0,
  impaired: null,
  ...more
})

const freeze = (outcome: BootOutcome) => RunningConfig.use((running) => running.freeze(outcome))

const writeSeed = (engine: Engine, document: unknown) =>
  Effect.flatMap(DurableFiles, (files) =>
    Effect.andThen(
      files.makeDirectory(engine.home.control),
      files.write(engine.home.control, "seed.json", bytes(document))
    )
  )

const urlOf = ({ central }: { readonly central: Option.Option<{ readonly url: string }> }) =>
  Option.getOrNull(Option.map(central, ({ url }) => url))

const tokenFor = (url: string) =>
  RunningConfig.use((running) =>
    Effect.map(running.policyToken(url), (token) => Option.getOrNull(Option.map(token, Redacted.value)))
  )

describe("what runs", () => {
  it.live("is the slot that boot evaluation chose, frozen: what changes on the disk later does not matter", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const running = yield* RunningConfig
        const waiting = yield* Effect.forkChild(running.effective)
        yield* fillSlot(engine, "a", '"1"', centralDocument(A))
        const first = yield* freeze(boot("slot"))
        assert.strictEqual(urlOf(first), A)
        yield* fillSlot(engine, "a", '"2"', centralDocument(B))
        assert.strictEqual(yield* freeze(boot("seed")), first)
        assert.strictEqual(yield* running.effective, first)
        assert.strictEqual(yield* Fiber.join(waiting), first)
      })
    )
  )

  it.live("is the seed, the last URL that confirmed, or nothing", () =>
    Effect.gen(function* () {
      yield* withEngine((engine) =>
        Effect.gen(function* () {
          yield* writeSeed(engine, centralDocument(A, TOKEN))
          assert.strictEqual(urlOf(yield* freeze(boot("seed"))), A)
        })
      )
      yield* withEngine(() =>
        Effect.gen(function* () {
          yield* (yield* IdentityStore).confirm(B, "all")
          assert.strictEqual(urlOf(yield* freeze(boot("rescue"))), B)
        })
      )
      yield* withEngine(() =>
        Effect.gen(function* () {
          const effective = yield* freeze(boot("none"))
          assert.deepStrictEqual(effective.document, { version: 2 })
          assert.isTrue(Option.isNone(effective.central))
          assert.isNull(effective.problem)
        })
      )
    })
  )

  it.live("is what boot evaluation read, whatever the disk answers after it", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(A))
        yield* (yield* IdentityStore).confirm(B, "all")
        yield* (yield* Inspection).inspect({ repair: false })
        engine.recording.fault = (call) => (call.endsWith("document.json") ? "EMFILE" : undefined)
        const effective = yield* freeze(boot("slot"))
        assert.strictEqual(urlOf(effective), A)
        assert.isNull(effective.problem)
      })
    )
  )

  it.live("is the line to the last central that confirmed when nothing could be read", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(A))
        yield* (yield* IdentityStore).confirm(B, "all")
        engine.recording.fault = (call) => (call.endsWith("document.json") ? "EMFILE" : undefined)
        const effective = yield* freeze(boot("slot"))
        assert.strictEqual(urlOf(effective), B)
        assert.match(effective.problem ?? "", /too many files are open/)
      })
    )
  )

  it.live("takes the user's own layer on top, says what it dropped, and leaves it out in safe start", () =>
    Effect.gen(function* () {
      const local = { version: 2, plugins: [{ name: "plain" }], sinks: { central: { plugin: "tap" } } }
      const withLocal = (outcome: BootOutcome) =>
        withEngine((engine) =>
          Effect.gen(function* () {
            yield* fillSlot(engine, "a", '"1"', centralDocument(A))
            yield* engine.fs.writeFileString(engine.home.localConfig, JSON.stringify(local))
            return yield* freeze(outcome)
          })
        )
      const normal = yield* withLocal(boot("slot"))
      assert.deepStrictEqual(normal.document.plugins, [{ name: "plain" }])
      assert.deepStrictEqual(normal.localPlugins, ["plain"])
      assert.deepStrictEqual(
        normal.dropped.map(({ entry }) => entry),
        ["/sinks/central"]
      )
      assert.isTrue(normal.localUsed)
      const safe = yield* withLocal(boot("slot", { bundledOnly: true, safeStart: true }))
      assert.isUndefined(safe.document.plugins)
      assert.deepStrictEqual(safe.localPlugins, [])
      assert.deepStrictEqual([normal.unusedPlugins, safe.unusedPlugins], [[], ["plain"]])
      assert.isFalse(safe.localUsed)
      assert.strictEqual(urlOf(safe), A)
    })
  )

  it.live("goes without a local layer that cannot be understood, and says why", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(A))
        yield* engine.fs.writeFileString(engine.home.localConfig, '{"version":2,"sink":{}}')
        const effective = yield* freeze(boot("slot"))
        assert.strictEqual(urlOf(effective), A)
        assert.strictEqual(effective.unusedPlugins, "all")
        assert.match(effective.localProblem ?? "", /^\/sink: is not a known key: did you mean `sinks`\?$/)
      })
    )
  )
})

describe("a policy token", () => {
  it.live("comes from the running document, else from the seed, and only for its own URL", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(`${A}/`))
        yield* writeSeed(engine, centralDocument(A, TOKEN))
        yield* freeze(boot("slot"))
        assert.strictEqual(yield* tokenFor(A), TOKEN)
        assert.isNull(yield* tokenFor(B))
        yield* engine.fs.remove(engine.at("seed.json"))
        assert.isNull(yield* tokenFor(A))
      })
    )
  )

  it.live("of the running document counts before the seed's", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(A, "of the document"))
        yield* writeSeed(engine, centralDocument(A, TOKEN))
        yield* freeze(boot("slot"))
        assert.strictEqual(yield* tokenFor(A), "of the document")
      })
    )
  )
})

describe("named URLs", () => {
  it.live("are those of both slots, the seed and the user's own layer", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(`${A}/`))
        yield* fillSlot(engine, "b", '"2"', { version: 2 })
        yield* writeSeed(engine, centralDocument(B))
        yield* engine.fs.writeFileString(engine.home.localConfig, JSON.stringify(centralDocument("http://127.0.0.1:1")))
        const running = yield* RunningConfig
        assert.deepStrictEqual(yield* running.namedUrls, [A, B, "http://127.0.0.1:1"])
        engine.recording.fault = (call) => (call.endsWith("b/document.json") ? "EMFILE" : undefined)
        // An identity must not be dropped because a slot could not be read.
        assert.include((yield* Effect.flip(running.namedUrls)).message, "too many files")
      })
    )
  )
})

describe("the artifacts of plugins", () => {
  const [one, two] = ["1".repeat(64), "2".repeat(64)]

  it.live("are those that the slot was staged with, and none without a slot", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        yield* fillSlot(engine, "a", '"1"', centralDocument(A), true, { weather: one })
        yield* fillSlot(engine, "b", '"2"', centralDocument(B), true, { weather: two })
        assert.deepStrictEqual((yield* freeze(boot("slot"))).trees, { weather: one })
      })
    ).pipe(
      Effect.andThen(
        withEngine((engine) =>
          Effect.gen(function* () {
            yield* writeSeed(engine, centralDocument(A))
            assert.deepStrictEqual((yield* freeze(boot("seed"))).trees, {})
          })
        )
      )
    )
  )

  it.live("are named by both slots, and all of them are when a slot cannot tell", () =>
    withEngine((engine) =>
      Effect.gen(function* () {
        const { namedTrees } = yield* RunningConfig
        assert.deepStrictEqual(yield* namedTrees, [])
        yield* fillSlot(engine, "a", '"1"', centralDocument(A), true, { weather: one })
        yield* fillSlot(engine, "b", '"2"', centralDocument(B), false, { weather: two, rain: one })
        assert.deepStrictEqual(yield* namedTrees, [{ weather: one }, { weather: two, rain: one }])
        yield* engine.fs.writeFileString(engine.at("a", "record.json"), "{")
        assert.strictEqual(yield* namedTrees, "all")
      })
    )
  )
})
