/** What a poll needs, remembered: an unchanged answer costs no document read, no signature check and no write. */
import { Clock, Context, Deferred, Effect, Exit, Latch, Layer, Option, Redacted } from "effect"
import type { StatusReport } from "../domain/index.ts"
import { namesTag } from "../http/index.ts"
import { ConfigStore } from "./ConfigStore.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { type Admission, Gateways, type Reported, type Sighting } from "./Gateways.ts"
import { Identities, type KnownGateway, type VerifiedIdentity } from "./Identities.ts"
import { CredentialRefused } from "./Refused.ts"

/** The memory of the server's polls. Valid while nothing was written, by whichever process. */
export class Polls extends Context.Service<
  Polls,
  {
    /** The gateway of an identity that is authentic, not expired and not revoked. */
    readonly authenticate: (
      jwt: Redacted.Redacted<string>
    ) => Effect.Effect<KnownGateway, CredentialRefused | DatabaseError>
    /**
     * Whether the gateway of an authentic identity is (still) welcome. One that was lost with what a restored backup did
     * not have is put back.
     */
    readonly admit: (identity: VerifiedIdentity) => Effect.Effect<KnownGateway, CredentialRefused | DatabaseError>
    /** The newest etag of a config name. */
    readonly etag: (config: string) => Effect.Effect<Option.Option<string>, DatabaseError>
    /** Notes a poll; it is stored within two seconds, and at the end of the scope. */
    readonly sight: (sighting: Sighting) => Effect.Effect<void>
    /**
     * The etag that a poll with these headers is answered 304 with, when all that it takes is remembered; the poll is noted
     * then. Undefined says nothing: ask the others. No effect, for one would cost more than the answer.
     */
    readonly unchanged: (authorization: string | undefined, ifNoneMatch: string | undefined) => string | undefined
    /** Stores a report, after the poll of the same gateway that is noted. */
    readonly report: (gatewayId: string, status: StatusReport) => Effect.Effect<void, DatabaseError>
  }
>()("holdfast/central-server/Polls") {
  static readonly layer = Layer.effect(
    Polls,
    Effect.gen(function* () {
      const database = yield* Database
      const store = yield* ConfigStore
      const gateways = yield* Gateways
      const identities = yield* Identities

      const clock = yield* Clock.Clock
      const context = yield* Effect.context<never>()
      const { hash } = globalThis.process.getBuiltinModule("node:crypto")
      // What is remembered of an identity: enough to know it, not enough to use it.
      const keyOf = (jwt: string): string => hash("sha256", jwt, "base64")

      const verified = new Map<string, VerifiedIdentity>()
      const admissions = new Map<string, Option.Option<Admission>>()
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
          admissions.clear()
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
        const key = keyOf(Redacted.value(jwt))
        const known = verified.get(key)
        if (known !== undefined && known.exp * 1000 > (yield* Clock.currentTimeMillis)) return known
        const identity = yield* identities.verify(jwt, { forRefresh: false })
        remember(verified, key, identity)
        return identity
      })

      const admit = Effect.fn("Polls.admit")(function* ({ gateway, gatewayId, iat }: VerifiedIdentity) {
        const admission = yield* recall(admissions, gatewayId, gateways.admission)
        if (Option.isSome(admission)) {
          return admission.value.revoked ? yield* gatewayRevoked : admission.value.gateway
        }
        if (Option.isNone(gateway) || !(yield* gateways.adopt(gateway.value, iat * 1000))) return yield* gatewayUnknown
        yield* Effect.logInfo("a gateway of the lost time is known again").pipe(
          Effect.annotateLogs({ gateway: gatewayId })
        )
        return gateway.value
      })

      const authenticate = Effect.fn("Polls.authenticate")((jwt: Redacted.Redacted<string>) =>
        Effect.flatMap(verify(jwt), admit)
      )

      const etag = Effect.fn("Polls.etag")((config: string) => recall(etags, config, store.etag))

      // Asked once for all the polls that one turn of the event loop brings: whoever learnt of a change before he polled
      // comes in a later one.
      let isAsked = false
      let isValid = false
      const isCurrent = (): boolean => {
        if (isAsked) return isValid
        isAsked = true
        globalThis.setImmediate(() => {
          isAsked = false
        })
        isValid = Exit.match(Effect.runSyncExitWith(context)(database.version), {
          onFailure: () => false,
          onSuccess: (version) => version === validFor
        })
        return isValid
      }

      const sightings = new Map<string, Sighting>()
      const someSeen = yield* Latch.make()
      const sight = (sighting: Sighting): void => {
        sightings.set(sighting.gatewayId, sighting)
        someSeen.openUnsafe()
      }
      // What could not be stored is stored with the next one, unless the gateway has polled since.
      const record = (
        seen: ReadonlyArray<Sighting>,
        reports: ReadonlyArray<Reported>,
        options: { readonly patient: boolean }
      ) =>
        Effect.tapError(gateways.record({ sightings: seen, reports }, options), () =>
          Effect.sync(() => {
            for (const each of seen) if (!sightings.has(each.gatewayId)) sightings.set(each.gatewayId, each)
          })
        )
      const flush = Effect.suspend(() => {
        const seen = [...sightings.values()]
        sightings.clear()
        // Waiting for another process, it might come after what is reported meanwhile.
        return record(seen, [], { patient: false })
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

      // A fleet that gets a revision reports at one moment: what comes in one turn of the event loop, and so while another
      // transaction was written, is one transaction, with the noted polls of the same gateways before it. Each is answered
      // when it is on the disk.
      const waiting: Array<Reported & { readonly stored: Deferred.Deferred<void, DatabaseError> }> = []
      const someReported = yield* Latch.make()
      const storeReports = Effect.suspend(() => {
        const reports = waiting.splice(0, REPORTS_AT_ONCE)
        const seen = reports.flatMap(({ gatewayId }) => sightings.get(gatewayId) ?? [])
        for (const { gatewayId } of seen) sightings.delete(gatewayId)
        return Effect.flatMap(Effect.exit(record([...new Set(seen)], reports, { patient: true })), (exit) =>
          Effect.forEach(reports, ({ stored }) => Deferred.done(stored, exit), { discard: true })
        )
      })
      yield* someReported.await.pipe(
        Effect.andThen(nextTurn),
        Effect.andThen(someReported.close),
        Effect.andThen(Effect.whileLoop({ while: () => waiting.length > 0, body: () => storeReports, step: () => {} })),
        Effect.forever,
        Effect.forkScoped
      )

      return Polls.of({
        authenticate,
        admit,
        etag,
        sight: (sighting) => Effect.sync(() => sight(sighting)),
        unchanged: (authorization, ifNoneMatch) => {
          if (ifNoneMatch === undefined || authorization?.startsWith(BEARER) !== true || !isCurrent()) return undefined
          const identity = verified.get(keyOf(authorization.slice(BEARER.length)))
          const at = clock.currentTimeMillisUnsafe()
          if (identity === undefined || identity.exp * 1000 <= at) return undefined
          const admission = Option.getOrUndefined(admissions.get(identity.gatewayId) ?? Option.none())
          if (admission === undefined || admission.revoked) return undefined
          const etag = Option.getOrUndefined(etags.get(admission.gateway.config) ?? Option.none())
          if (etag === undefined || !namesTag(ifNoneMatch, etag)) return undefined
          sight({ gatewayId: identity.gatewayId, at, runningEtag: ifNoneMatch.slice(0, MAX_ETAG_LENGTH) })
          return etag
        },
        report: Effect.fn("Polls.report")(function* (gatewayId, status) {
          const stored = yield* Deferred.make<void, DatabaseError>()
          waiting.push({ gatewayId, at: yield* Clock.currentTimeMillis, status, stored })
          yield* someReported.open
          yield* Deferred.await(stored)
        })
      })
    })
  )
}

/** What is kept of the etag that a gateway says it runs, in characters. */
export const MAX_ETAG_LENGTH = 256

const BEARER = "Bearer "

/** When what has arrived by now has been looked at. */
const nextTurn = Effect.callback<void>((resume) => {
  globalThis.setImmediate(() => resume(Effect.void))
})

/** So many reports in one transaction, at most: nothing else happens meanwhile. */
const REPORTS_AT_ONCE = 256

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
