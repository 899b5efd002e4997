/** The machines that joined: who they are, when they were seen, what they last reported. */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { StatusReport } from "../domain/index.ts"
import { Database, type DatabaseError } from "./Database.ts"
import { AdminRefused } from "./Refused.ts"

/** A gateway as stored. Times in Unix milliseconds. */
export const Gateway = Schema.Struct({
  id: Schema.String,
  config: Schema.String,
  token_id: Schema.String,
  joined_at: Schema.Int,
  revoked_at: Schema.NullOr(Schema.Int),
  /** Its last poll, and the revision that it said it runs then (null on its seed). */
  polled_at: Schema.NullOr(Schema.Int),
  polled_etag: Schema.NullOr(Schema.String),
  reported_at: Schema.NullOr(Schema.Int),
  status: Schema.NullOr(Schema.fromJsonString(StatusReport))
})
export type Gateway = typeof Gateway.Type

/** One poll: who, when (Unix milliseconds), running what. */
export interface Sighting {
  readonly gatewayId: string
  readonly at: number
  readonly runningEtag: string | null
}

/** What a poll must know about its gateway. */
export interface Standing {
  readonly config: string
  readonly revoked: boolean
}

/** The gateways of a central. */
export class Gateways extends Context.Service<
  Gateways,
  {
    /** A new gateway that joined by a token; its id. */
    readonly join: (token: { readonly id: string; readonly config: string }) => Effect.Effect<string, DatabaseError>
    readonly standing: (id: string) => Effect.Effect<Option.Option<Standing>, DatabaseError>
    /** Stores polls, many at a time: a poll itself writes nothing. */
    readonly recordSightings: (sightings: ReadonlyArray<Sighting>) => Effect.Effect<void, DatabaseError>
    readonly report: (id: string, status: StatusReport) => Effect.Effect<void, DatabaseError>
    readonly list: Effect.Effect<ReadonlyArray<Gateway>, DatabaseError>
    /** Ends a gateway's identity for good; it may join again as a new one. */
    readonly revoke: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
  }
>()("holdfast/central-server/Gateways") {
  static readonly layer = Layer.effect(
    Gateways,
    Effect.gen(function* () {
      const database = yield* Database
      const random = yield* SecureRandom.SecureRandom
      return Gateways.of({
        join: Effect.fn("Gateways.join")(function* (token) {
          const id = `gw_${Base64Url.encode(yield* random.randomBytes(12))}`
          yield* database.execute(
            "INSERT INTO gateways (id, config, token_id, joined_at) VALUES (?, ?, ?, ?)",
            id,
            token.config,
            token.id,
            yield* Clock.currentTimeMillis
          )
          return id
        }),
        standing: (id) =>
          Effect.map(database.query(StandingRow, "SELECT config, revoked_at FROM gateways WHERE id = ?", id), (rows) =>
            Option.map(Option.fromUndefinedOr(rows[0]), ({ config, revoked_at }) => ({
              config,
              revoked: revoked_at !== null
            }))
          ),
        recordSightings: Effect.fn("Gateways.recordSightings")((sightings) =>
          sightings.length === 0
            ? Effect.void
            : database.executeQuietly(
                "UPDATE gateways SET polled_at = ?, polled_etag = ? WHERE id = ?",
                sightings.map(({ at, gatewayId, runningEtag }) => [at, runningEtag, gatewayId])
              )
        ),
        report: Effect.fn("Gateways.report")(function* (id, status) {
          const now = yield* Clock.currentTimeMillis
          yield* database.executeQuietly("UPDATE gateways SET reported_at = ?, status = ? WHERE id = ?", [
            [now, JSON.stringify(status), id]
          ])
        }),
        list: database.query(Gateway, "SELECT * FROM gateways ORDER BY joined_at, id"),
        revoke: Effect.fn("Gateways.revoke")(function* (id) {
          const now = yield* Clock.currentTimeMillis
          const changed = yield* database.execute(
            "UPDATE gateways SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?",
            now,
            id
          )
          if (changed === 0) {
            return yield* new AdminRefused({ message: "There is no gateway with this id: `gateways` shows them." })
          }
        })
      })
    })
  )
}

const StandingRow = Schema.Struct({ config: Schema.String, revoked_at: Schema.NullOr(Schema.Int) })
