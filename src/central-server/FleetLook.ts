/** The fleet as admins look at it: made once for all of them, and again when something has changed. */
import { Clock, Context, DateTime, Effect, Layer, Semaphore, Stream } from "effect"
import { type FleetView, isoTime, Version } from "../domain/index.ts"
import { sha256Hex } from "../storage/index.ts"
import { Admin } from "./Admin.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"

/** What the server knows of itself, besides its stores. */
export interface ServerFacts {
  readonly externalUrl: string
  /** When the certificate that is served ends, Unix milliseconds; null without TLS of its own. */
  readonly certificateExpires: Effect.Effect<number | null>
  readonly warnings: Effect.Effect<ReadonlyArray<string>>
}

/** How a look at the fleet is answered. */
export interface Look {
  /** Changes whenever anything but the time of day did. */
  readonly etag: string
  /** The FleetView; costs nothing when nothing has changed. */
  readonly view: Effect.Effect<FleetView, DatabaseError>
}

/** How often a stream looks whether something has changed: it tells of it no more often. */
const LOOK = "1 second"

/** What is to be seen of the fleet. */
export class FleetLook extends Context.Service<
  FleetLook,
  {
    readonly look: Effect.Effect<Look, DatabaseError>
    /**
     * An element for each time that something has changed, one a second at most, whoever changed it. While nobody reads
     * it nothing is asked of the database.
     */
    readonly changes: Stream.Stream<void>
  }
>()("holdfast/central-server/FleetLook") {
  static readonly layer = (facts: ServerFacts) =>
    Layer.effect(
      FleetLook,
      Effect.gen(function* () {
        const admin = yield* Admin
        const database = yield* Database
        const version = yield* Version
        const startedAt = isoTime(yield* Clock.currentTimeMillis)
        const one = yield* Semaphore.make(1)
        let seen: { readonly activity: string; readonly fleet: Effect.Success<typeof admin.fleet> } | undefined

        const fleetAt = (activity: string) =>
          Effect.gen(function* () {
            if (seen?.activity === activity) return seen.fleet
            const fleet = yield* admin.fleet
            seen = { activity, fleet }
            return fleet
          }).pipe(one.withPermits(1))

        const look = Effect.gen(function* () {
          const activity = yield* database.activity
          const expires = yield* facts.certificateExpires
          const own = yield* facts.warnings
          const said = JSON.stringify([startedAt, activity, expires, own])
          const view = Effect.gen(function* () {
            const { configs, gateways, warnings } = yield* fleetAt(activity)
            const result: FleetView = {
              now: DateTime.formatIso(yield* DateTime.now),
              central: {
                version,
                started_at: startedAt,
                external_url: facts.externalUrl,
                certificate_expires_at: expires === null ? null : isoTime(expires),
                warnings: [...own, ...warnings]
              },
              configs,
              gateways
            }
            return result
          })
          return { etag: `W/"${(yield* sha256Hex(new TextEncoder().encode(said))).slice(0, 32)}"`, view }
        })

        const nextChange = Effect.fnUntraced(function* (from: string) {
          for (;;) {
            yield* Effect.sleep(LOOK)
            const now = yield* Effect.orElseSucceed(database.activity, () => from)
            if (now !== from) return [undefined, now] as const
          }
        })

        return FleetLook.of({
          look,
          changes: Stream.unwrap(
            Effect.map(
              Effect.orElseSucceed(database.activity, () => ""),
              (from) => Stream.unfold(from, nextChange)
            )
          )
        })
      })
    )
}
