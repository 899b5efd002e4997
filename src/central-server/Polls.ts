/** What a poll needs, remembered: an unchanged answer costs no document read, no signature check and no write. */
import { Clock, Context, Effect, Latch, Layer, Option, Redacted } from "effect"
import { sha256Hex } from "../storage/index.ts"
import { ConfigStore } from "./ConfigStore.ts"
import { Database, type DatabaseError } from "./Database.ts"
import { Gateways, type Sighting, type Standing } from "./Gateways.ts"
import { Identities, type VerifiedIdentity } from "./Identities.ts"
import { CredentialRefused } from "./Refused.ts"

/** A gateway whose credential was accepted. */
export interface KnownGateway {
  readonly id: string
  readonly config: string
}

/** The memory of the server's polls. Valid while nothing was written, by whichever process. */
export class Polls extends Context.Service<
  Polls,
  {
    /** The gateway of an identity that is authentic, not expired and not revoked. */
    readonly authenticate: (
      jwt: Redacted.Redacted<string>
    ) => Effect.Effect<KnownGateway, CredentialRefused | DatabaseError>
    /** Whether a gateway is (still) welcome. */
    readonly admit: (gatewayId: string) => Effect.Effect<KnownGateway, CredentialRefused | DatabaseError>
    /** The newest etag of a config name. */
    readonly etag: (config: string) => Effect.Effect<Option.Option<string>, DatabaseError>
    /** Notes a poll; it is stored within two seconds, and at the end of the scope. */
    readonly sight: (sighting: Sighting) => Effect.Effect<void>
  }
>()("holdfast/central-server/Polls") {
  static readonly layer = Layer.effect(
    Polls,
    Effect.gen(function* () {
      const database = yield* Database
      const store = yield* ConfigStore
      const gateways = yield* Gateways
      const identities = yield* Identities

      const verified = new Map<string, VerifiedIdentity>()
      const standings = new Map<string, Option.Option<Standing>>()
      const etags = new Map<string, Option.Option<string>>()
      let validFor = ""

      // Remembers only what was read under the version that still holds: a slower reader must not bring back old news.
      const recall = Effect.fnUntraced(function* <A>(
        memory: Map<string, A>,
        key: string,
        read: (key: string) => Effect.Effect<A, DatabaseError>
      ) {
        const version = yield* database.version
        if (version !== validFor) {
          standings.clear()
          etags.clear()
          validFor = version
        }
        const known = memory.get(key)
        if (known !== undefined) return known
        const found = yield* read(key)
        if (version === validFor) remember(memory, key, found)
        return found
      })

      const verify = Effect.fnUntraced(function* (jwt: Redacted.Redacted<string>) {
        const key = yield* sha256Hex(new TextEncoder().encode(Redacted.value(jwt)))
        const known = verified.get(key)
        if (known !== undefined && known.exp * 1000 > (yield* Clock.currentTimeMillis)) return known
        const identity = yield* identities.verify(jwt, { forRefresh: false })
        remember(verified, key, identity)
        return identity
      })

      const admit = Effect.fn("Polls.admit")(function* (id: string) {
        const standing = yield* recall(standings, id, gateways.standing)
        if (Option.isNone(standing)) return yield* gatewayUnknown
        if (standing.value.revoked) return yield* gatewayRevoked
        return { id, config: standing.value.config }
      })

      const authenticate = Effect.fn("Polls.authenticate")((jwt: Redacted.Redacted<string>) =>
        Effect.flatMap(verify(jwt), ({ gatewayId }) => admit(gatewayId))
      )

      const etag = Effect.fn("Polls.etag")((config: string) => recall(etags, config, store.etag))

      const sightings = new Map<string, Sighting>()
      const someSeen = yield* Latch.make()
      const flush = Effect.suspend(() => {
        const seen = [...sightings.values()]
        sightings.clear()
        return gateways.recordSightings(seen)
      }).pipe(Effect.catch((error) => Effect.logWarning(`polls were not recorded: ${error.message}`)))
      yield* Effect.addFinalizer(() => flush)
      // A latch and not a schedule: a central that nobody polls sleeps.
      yield* someSeen.await.pipe(
        Effect.andThen(Effect.sleep("2 seconds")),
        Effect.andThen(someSeen.close),
        Effect.andThen(flush),
        Effect.forever,
        Effect.forkScoped
      )

      return Polls.of({
        authenticate,
        admit,
        etag,
        sight: (sighting) =>
          Effect.suspend(() => {
            sightings.set(sighting.gatewayId, sighting)
            return Effect.asVoid(someSeen.open)
          })
      })
    })
  )
}

/** Entries of each memory; the oldest is forgotten first, and only costs its next poll a little more. */
const CAPACITY = 100_000

const remember = <A>(memory: Map<string, A>, key: string, value: A): void => {
  memory.delete(key)
  memory.set(key, value)
  const oldest = memory.keys().next()
  if (memory.size > CAPACITY && oldest.done !== true) memory.delete(oldest.value)
}

const gatewayUnknown = new CredentialRefused({
  error: "gateway_unknown",
  message: "This central does not know the gateway: join again."
})

const gatewayRevoked = new CredentialRefused({
  error: "gateway_revoked",
  message: "The gateway was revoked: join again with a new policy token."
})
