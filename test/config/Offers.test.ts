import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Offers } from "../../src/config/index.ts"

describe("Offers", () => {
  it.effect("hands out the very bytes behind a handle", () =>
    Offers.use((offers) =>
      Effect.gen(function* () {
        const bytes = new Uint8Array([1, 2, 3])
        const handle = yield* offers.keep({ etag: '"1"', bytes })
        const other = yield* offers.keep({ etag: '"1"', bytes: new Uint8Array() })
        assert.notStrictEqual(handle, other)
        const kept = yield* offers.get(handle)
        assert.strictEqual(kept.bytes, bytes)
        assert.strictEqual(kept.etag, '"1"')
      })
    ).pipe(Effect.provide(Offers.layer))
  )

  it.effect("keeps the one in work however often polls offer it again meanwhile", () =>
    Offers.use((offers) =>
      Effect.gen(function* () {
        const offer = () => ({ etag: '"1"', bytes: new Uint8Array([1, 2, 3]) })
        const handle = yield* offers.keep(offer())
        const again = yield* Effect.forEach(Array.from({ length: 20 }), () => offers.keep(offer()))
        assert.deepStrictEqual(new Set(again), new Set([handle]))
        for (const newer of ['"2"', '"3"', '"4"']) yield* offers.keep({ etag: newer, bytes: new Uint8Array() })
        assert.strictEqual((yield* offers.get(handle)).etag, '"1"')
        yield* offers.keep({ etag: '"5"', bytes: new Uint8Array() })
        assert.strictEqual((yield* Effect.flip(offers.get(handle)))._tag, "OfferGone")
      })
    ).pipe(Effect.provide(Offers.layer))
  )

  it.effect("remembers what its pins stand for, also when a poll offers it again before it is written", () =>
    Offers.use((offers) =>
      Effect.gen(function* () {
        const offer = () => ({ etag: '"1"', bytes: new Uint8Array([1, 2, 3]) })
        const handle = yield* offers.keep(offer())
        yield* offers.resolve(handle, { weather: "a".repeat(64) })
        yield* offers.keep(offer())
        assert.deepStrictEqual((yield* offers.get(handle)).trees, { weather: "a".repeat(64) })
        const other = yield* offers.keep({ etag: '"2"', bytes: new Uint8Array() })
        assert.isUndefined((yield* offers.get(other)).trees)
      })
    ).pipe(Effect.provide(Offers.layer))
  )

  it.effect("keeps the last four and lets the oldest go, however many come", () =>
    Offers.use((offers) =>
      Effect.gen(function* () {
        const handles = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, n) => n),
          (n) => offers.keep({ etag: `"${n}"`, bytes: new Uint8Array([n]) })
        )
        for (const handle of handles.slice(0, -4)) {
          assert.strictEqual((yield* Effect.flip(offers.get(handle)))._tag, "OfferGone")
        }
        assert.deepStrictEqual(
          yield* Effect.forEach(handles.slice(-4), (handle) => Effect.map(offers.get(handle), ({ etag }) => etag)),
          ['"46"', '"47"', '"48"', '"49"']
        )
        assert.match((yield* Effect.flip(offers.get(0))).message, /a newer revision took the place/)
      })
    ).pipe(Effect.provide(Offers.layer))
  )
})
