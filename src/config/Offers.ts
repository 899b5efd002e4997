/** The bytes of offered revisions: a machine sees only their handle, for they carry secrets. */
import { Context, Effect, Layer, Ref, Schema } from "effect"
import type { PluginTrees } from "../domain/index.ts"

/** The bytes behind a handle are gone: a newer offer took their place. */
export class OfferGone extends Schema.TaggedError<OfferGone>()("OfferGone", { message: Schema.String }) {}

/** Enough for the one in work, the one that waits, and the one that just came. */
const KEPT = 4

export interface OfferedRevision {
  readonly etag: string
  readonly bytes: Uint8Array
  /** The artifacts that its pins stand for, once they are installed. */
  readonly trees?: PluginTrees
}

export class Offers extends Context.Service<
  Offers,
  {
    /**
     * Keeps an offer and answers its handle; the oldest ones are let go. What is kept already keeps its handle and
     * becomes the newest: polls that go on offering it while it is being applied must not take its bytes away.
     */
    readonly keep: (offer: OfferedRevision) => Effect.Effect<number>
    /** Notes what its pins stand for. */
    readonly resolve: (handle: number, trees: PluginTrees) => Effect.Effect<void>
    readonly get: (handle: number) => Effect.Effect<OfferedRevision, OfferGone>
  }
>()("holdfast/config/Offers") {
  static readonly layer = Layer.effect(
    Offers,
    Effect.gen(function* () {
      const kept = yield* Ref.make<{ readonly next: number; readonly offers: ReadonlyMap<number, OfferedRevision> }>({
        next: 1,
        offers: new Map()
      })
      return Offers.of({
        keep: (offer) =>
          Ref.modify(kept, ({ next, offers }) => {
            const [handle, same] = [...offers].find(([, known]) => isSame(known, offer)) ?? [next, offer]
            const others = [...offers].filter(([known]) => known !== handle)
            return [
              handle,
              { next: Math.max(next, handle + 1), offers: new Map([...others.slice(1 - KEPT), [handle, same]]) }
            ]
          }),
        resolve: (handle, trees) =>
          Ref.update(kept, ({ next, offers }) => ({
            next,
            offers: new Map(
              [...offers].map(([known, offer]) => [known, known === handle ? { ...offer, trees } : offer])
            )
          })),
        get: (handle) =>
          Effect.flatMap(Ref.get(kept), ({ offers }) => {
            const offer = offers.get(handle)
            return offer === undefined
              ? Effect.fail(
                  new OfferGone({ message: "a newer revision took the place of this one; it is tried again" })
                )
              : Effect.succeed(offer)
          })
      })
    })
  )
}

const isSame = (one: OfferedRevision, other: OfferedRevision): boolean =>
  one.etag === other.etag &&
  one.bytes.length === other.bytes.length &&
  one.bytes.every((byte, index) => byte === other.bytes[index])
