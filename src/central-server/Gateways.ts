/** The machines that joined: who they are, when they were seen, what they run and ran, what they last reported. */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { isoTime, StatusReport, type Tenure } from "../domain/index.ts"
import { Database, KEPT_TENURES } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import type { KnownGateway } from "./Identities.ts"
import { AdminRefused } from "./Refused.ts"
import { isoOrNull } from "./Tokens.ts"

/** A gateway as stored. Times in Unix milliseconds. */
export const Gateway = Schema.Struct({
  id: Schema.String,
  config: Schema.String,
  token_id: Schema.String,
  joined_at: Schema.Int,
  revoked_at: Schema.NullOr(Schema.Int),
  /** Its last poll. */
  polled_at: Schema.NullOr(Schema.Int),
  reported_at: Schema.NullOr(Schema.Int),
  /** Null where it cannot be read: one row must not hide the fleet. */
  status: Schema.NullOr(Schema.fromJsonString(StatusReport)).pipe(Schema.catchDecoding(() => Effect.succeedSome(null))),
  /** What it runs, by its last word (null on its seed), and since when it said so; null when it never did. */
  running_etag: Schema.NullOr(Schema.String),
  running_since: Schema.NullOr(Schema.Int)
})
export type Gateway = typeof Gateway.Type

/** One poll: who, when (Unix milliseconds), running what (null on its seed). */
export interface Sighting {
  readonly gatewayId: string
  readonly at: number
  readonly runningEtag: string | null
}

/** One report: who, when (Unix milliseconds), what. */
export interface Reported {
  readonly gatewayId: string
  readonly at: number
  readonly status: StatusReport
}

/** What a poll must know about its gateway. */
export interface Admission {
  readonly gateway: KnownGateway
  readonly revoked: boolean
}

/** The gateways of a central. */
export class Gateways extends Context.Service<
  Gateways,
  {
    /** A new gateway that joined by a token. */
    readonly join: (token: {
      readonly id: string
      readonly config: string
    }) => Effect.Effect<KnownGateway, DatabaseError>
    /**
     * Puts back a gateway that is not known any more, if its identity was issued (Unix milliseconds) in a time that was
     * lost when a backup was put back. Whether it was.
     */
    readonly adopt: (gateway: KnownGateway, issuedAt: number) => Effect.Effect<boolean, DatabaseError>
    /** Says that there is no such gateway only of a table that is sound: the gateway would drop its identity. */
    readonly admission: (id: string) => Effect.Effect<Option.Option<Admission>, DatabaseError>
    /** Stores polls, and after them reports, each in the order in which they came, in one transaction. */
    readonly record: (
      words: { readonly sightings: ReadonlyArray<Sighting>; readonly reports: ReadonlyArray<Reported> },
      options?: { readonly patient: boolean }
    ) => Effect.Effect<void, DatabaseError>
    readonly list: Effect.Effect<ReadonlyArray<Gateway>, DatabaseError>
    readonly find: (id: string) => Effect.Effect<Gateway, AdminRefused | DatabaseError>
    /** What a gateway ran, the newest first. */
    readonly tenures: (id: string) => Effect.Effect<ReadonlyArray<Tenure>, DatabaseError>
    /** What was lost in the last week by putting backups back, in words. */
    readonly losses: (now: number) => Effect.Effect<ReadonlyArray<string>, DatabaseError>
    /** Ends a gateway's identity for good; it may join again as a new one. */
    readonly revoke: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
  }
>()("holdfast/central-server/Gateways") {
  static readonly layer = Layer.effect(
    Gateways,
    Effect.gen(function* () {
      const database = yield* Database
      const random = yield* SecureRandom.SecureRandom
      const find = Effect.fn("Gateways.find")(function* (id: string) {
        const [found] = yield* database.query(Gateway, `${LIST} WHERE gateways.id = ?`, id)
        return found ?? (yield* unknown)
      })
      return Gateways.of({
        join: Effect.fn("Gateways.join")(function* (token) {
          const id = `gw_${Base64Url.encode(yield* random.randomBytes(12))}`
          yield* database.execute(INSERT, id, token.config, token.id, yield* Clock.currentTimeMillis)
          return { id, config: token.config, tokenId: token.id }
        }),
        adopt: Effect.fn("Gateways.adopt")(function* ({ config, id, tokenId }, issuedAt) {
          const lost = yield* database.query(Loss, LOST, issuedAt)
          if (lost.length === 0) return false
          yield* database.execute(INSERT_LOST_TOKEN, tokenId, `lost:${tokenId}`, config, issuedAt, issuedAt)
          yield* database.execute(`${INSERT} ON CONFLICT DO NOTHING`, id, config, tokenId, issuedAt)
          return true
        }),
        admission: (id) =>
          database.query(AdmissionRow, ADMISSION, id).pipe(
            Effect.tap((rows) => (rows.length === 0 ? database.sound("gateways") : Effect.void)),
            Effect.map((rows) =>
              Option.map(Option.fromUndefinedOr(rows[0]), ({ config, revoked_at, token_id }) => ({
                gateway: { id, config, tokenId: token_id },
                revoked: revoked_at !== null
              }))
            )
          ),
        record: Effect.fn("Gateways.record")(({ reports, sightings }, options) => {
          const said = reports.flatMap(({ at, gatewayId, status: { remote_config } }) =>
            remote_config === null ? [] : [{ at, gatewayId, runningEtag: remote_config.running_etag }]
          )
          const steps = [
            {
              sql: "UPDATE gateways SET polled_at = ? WHERE id = ?",
              rows: sightings.map(({ at, gatewayId }) => [at, gatewayId])
            },
            wordsOf(sightings),
            {
              sql: "UPDATE gateways SET reported_at = ?, status = ? WHERE id = ?",
              rows: reports.map(({ at, gatewayId, status }) => [at, JSON.stringify(status), gatewayId])
            },
            wordsOf(said)
          ].filter(({ rows }) => rows.length > 0)
          return steps.length === 0 ? Effect.void : database.writeQuietly(steps, options)
        }),
        list: database.query(Gateway, `${LIST} ORDER BY joined_at, gateways.id`),
        find,
        tenures: Effect.fn("Gateways.tenures")((id) =>
          Effect.map(database.query(TenureRow, TENURES, id), (rows) =>
            rows.map(({ etag, since, until }) => ({ etag, since: isoTime(since), until: isoOrNull(until) }))
          )
        ),
        losses: Effect.fn("Gateways.losses")((now) =>
          Effect.map(database.query(Loss, LOSSES, now), (rows) =>
            rows.map(
              ({ backed_up_at, restored_at }) =>
                `A backup of ${isoTime(backed_up_at)} was put back at ${isoTime(restored_at)}: what was saved and ended in ` +
                "between is not known here. Save it again, and revoke again what was revoked."
            )
          )
        ),
        revoke: Effect.fn("Gateways.revoke")(function* (id) {
          const now = yield* Clock.currentTimeMillis
          const changed = yield* database.execute(
            "UPDATE gateways SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?",
            now,
            id
          )
          if (changed === 0) return yield* unknown
        })
      })
    })
  )
}

const INSERT = "INSERT INTO gateways (id, config, token_id, joined_at) VALUES (?, ?, ?, ?)"

/**
 * So much longer than it was, a lost time counts at both ends, in milliseconds. An identity is issued after its gateway is
 * stored and says whole seconds; the clock of central may be set in between, or be another one, where the backup is put
 * back on another machine. What is let in wrongly is a gateway of this very central whose row somebody has removed.
 */
const LOST_MARGIN_MS = 300_000

const LOST = `
SELECT * FROM restorations
WHERE ? BETWEEN backed_up_at - ${LOST_MARGIN_MS} AND restored_at + ${LOST_MARGIN_MS} LIMIT 1`

const LOSSES = "SELECT * FROM restorations WHERE restored_at > ? - 7 * 86400000 ORDER BY restored_at"
const Loss = Schema.Struct({ backed_up_at: Schema.Int, restored_at: Schema.Int })

// A token that was made in the lost time: its secret is lost with it, so it admits nobody.
const INSERT_LOST_TOKEN = `
INSERT INTO tokens (id, hash, config, created_at, revoked_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

const ADMISSION = "SELECT config, token_id, revoked_at FROM gateways WHERE id = ?"
const AdmissionRow = Schema.Struct({
  config: Schema.String,
  token_id: Schema.String,
  revoked_at: Schema.NullOr(Schema.Int)
})

const LIST = `
SELECT gateways.*, tenures.etag AS running_etag, tenures.since AS running_since
FROM gateways LEFT JOIN tenures ON tenures.gateway_id = gateways.id AND tenures.until IS NULL`

const TENURES = `SELECT etag, since, until FROM tenures WHERE gateway_id = ? ORDER BY id DESC LIMIT ${KEPT_TENURES}`
const TenureRow = Schema.Struct({
  etag: Schema.NullOr(Schema.String),
  since: Schema.Int,
  until: Schema.NullOr(Schema.Int)
})

/**
 * What gateways say that they run: writes only where it is something else than before. The order in which words come is
 * what counts, not their times: a clock that is set back must not make an old word the last one.
 */
const wordsOf = (words: ReadonlyArray<Sighting>) => ({
  sql: BEGIN_TENURE,
  rows: words.map(({ at, gatewayId, runningEtag }) => {
    // A proxy may have weakened it.
    const etag = runningEtag === null ? null : runningEtag.replace(/^W\//, "")
    return [at, etag, gatewayId, etag]
  })
})

// What lasted until then is ended by a trigger.
const BEGIN_TENURE = `
INSERT INTO tenures (gateway_id, since, etag) SELECT id, ?, ? FROM gateways WHERE id = ?
  AND NOT EXISTS (SELECT 1 FROM tenures WHERE gateway_id = gateways.id AND until IS NULL AND etag IS ?)`

const unknown = Effect.fail(
  new AdminRefused({ reason: "not_found", message: "There is no gateway with this id: `central gateways` shows them." })
)
