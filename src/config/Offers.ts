/** The bytes of offered revisions: a machine sees only their handle, for they carry secrets. */
import { Context, Effect, Layer, Ref, Schema } from "effect"

/** The bytes behind a handle are gone: a newer offer took their place. */
export class OfferGone extends Schema.TaggedError<OfferGone>()("OfferGone", { message: Schema.String }) {}

/** Enough for the one in work, the one that waits, and the one that just came. */
const KEPT = 4

export interface OfferedRevision {
  readonly etag: string
  readonly bytes: Uint8Array
}

export class Offers extends Context.Service<
  Offers,
  {
    /** Keeps an offer and answers its handle; the oldest ones are let go. */
    readonly keep: (offer: OfferedRevision) => Effect.Effect<number>
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
          Ref.modify(kept, ({ next, offers }) => [
            next,
            { next: next + 1, offers: new Map([...offers].slice(1 - KEPT).concat([[next, offer]])) }
          ]),
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
