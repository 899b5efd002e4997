/**
 * What gateways told: their rows, and which batches brought them.
 *
 * @ref LLP 0029#central [implements]: a batch is taken once, whatever is sent how often and in which order
 */
import { Clock, Context, Effect, Latch, Layer, Schema } from "effect"
import { INGEST_SIGNALS, type IngestedRow, isoTime } from "../domain/index.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"

/** Newest rows that are kept of each gateway and signal. */
export const KEPT_ROWS = 10_000
/** Rows and entries of the ledger are kept so long, in milliseconds. */
export const KEPT_MS = 90 * 86_400_000

/** A row as it was sent. `at` in Unix milliseconds, null when the row does not say. */
export interface SentRow {
  readonly key: string
  readonly at: number | null
  readonly body: string
}

export interface Batch {
  readonly gatewayId: string
  readonly signal: string
  readonly batchId: string
  /** Of our own clients. */
  readonly place: { readonly stream: string; readonly position: number } | null
  readonly rows: ReadonlyArray<SentRow>
  readonly bytes: number
}

export class IngestLedger extends Context.Service<
  IngestLedger,
  {
    /** Stores the rows of a batch and its entry, both or none. A batch that is known already changes nothing. */
    readonly take: (batch: Batch) => Effect.Effect<"stored" | "known", DatabaseError>
    /** Rows by when they happened, the newest first. */
    readonly list: (which: {
      readonly gatewayId?: string | undefined
      readonly signal?: string | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<IngestedRow>, DatabaseError>
    /** Forgets what is too old or too much, a little at a time, after something was stored; does not end. */
    readonly prune: Effect.Effect<never>
  }
>()("holdfast/central-server/IngestLedger") {
  static readonly layer = Layer.effect(
    IngestLedger,
    Effect.gen(function* () {
      const database = yield* Database
      /** Whose rows may be too many: gateway and signal. */
      const grown = new Map<string, readonly [gatewayId: string, signal: string]>()
      const somethingStored = yield* Latch.make(true)

      const take = Effect.fn("IngestLedger.take")(function* (batch: Batch) {
        const { batchId, bytes, gatewayId, place, rows, signal } = batch
        const known = yield* database.query(Found, FIND_BATCH, gatewayId, signal, batchId)
        if (known.length > 0) return "known" as const
        const now = yield* Clock.currentTimeMillis
        yield* database.writeQuietly([
          { sql: ADD_ROW, rows: rows.map(({ at, body, key }) => [gatewayId, signal, key, at, now, body]) },
          {
            sql: ADD_BATCH,
            rows: [
              [gatewayId, signal, batchId, place?.stream ?? null, place?.position ?? null, rows.length, bytes, now]
            ]
          }
        ])
        grown.set(`${gatewayId}/${signal}`, [gatewayId, signal])
        yield* somethingStored.open
        return "stored" as const
      })

      const list: IngestLedger["Service"]["list"] = Effect.fn("IngestLedger.list")(function* (which) {
        const { gatewayId, limit, signal } = which
        const signals = signal === undefined ? INGEST_SIGNALS : [signal]
        const found = yield* gatewayId === undefined
          ? database.query(StoredRow, listOf(signals.length), ...signals, limit)
          : database.query(StoredRow, LIST_OF_GATEWAY, gatewayId, signal ?? null, signal ?? null, limit)
        return found.map(({ at, body, gateway_id, received_at, signal: of }) => ({
          gateway: gateway_id,
          signal: of,
          at: at === null ? null : isoTime(at),
          received_at: isoTime(received_at),
          row: body
        }))
      })

      /** One statement, then a pause: polls go on in between. */
      const step = (sql: string, ...params: ReadonlyArray<string | number>) =>
        database.changeQuietly(sql, ...params).pipe(Effect.tap(Effect.sleep(PAUSE)))

      const pruneOnce = Effect.gen(function* () {
        const old = (yield* Clock.currentTimeMillis) - KEPT_MS
        for (const sql of [FORGET_OLD_ROWS, FORGET_OLD_BATCHES]) {
          yield* Effect.repeat(step(sql, old), { until: (changed) => changed < STEP })
        }
        for (const [key, [gatewayId, signal]] of Array.from(grown)) {
          grown.delete(key)
          const [newest] = yield* database.query(Found, NEWEST_TOO_MANY, gatewayId, signal)
          if (newest === undefined) continue
          yield* Effect.repeat(step(FORGET_OF, gatewayId, signal, newest.id), { until: (changed) => changed < STEP })
        }
      })

      const prune = Effect.gen(function* () {
        // Asked for once a day as well: rows of gateways that are silent grow old.
        yield* Effect.timeoutOption(somethingStored.await, "1 day")
        yield* somethingStored.close
        yield* pruneOnce.pipe(Effect.catch(({ message }) => Effect.logWarning(`old rows were not removed: ${message}`)))
        yield* Effect.sleep("1 minute")
      }).pipe(Effect.forever)

      return IngestLedger.of({ take, list, prune })
    })
  )

  /** Forgets in the background, for as long as a server runs. */
  static readonly pruning = Layer.effectDiscard(Effect.forkScoped(Effect.flatMap(IngestLedger, ({ prune }) => prune)))
}

const PAUSE = "20 millis"
/** Rows that one statement removes. */
const STEP = 500

const Found = Schema.Struct({ id: Schema.Int })

const StoredRow = Schema.Struct({
  gateway_id: Schema.String,
  signal: Schema.String,
  at: Schema.NullOr(Schema.Int),
  received_at: Schema.Int,
  body: Schema.fromJsonString(Schema.Unknown)
})

const FIND_BATCH = "SELECT rowid AS id FROM ingest_batches WHERE gateway_id = ? AND signal = ? AND batch_id = ?"

const ADD_ROW = `INSERT INTO ingest_rows (gateway_id, signal, key, at, received_at, body) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING`

const ADD_BATCH = `INSERT INTO ingest_batches
  (gateway_id, signal, batch_id, stream, position, rows, bytes, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING`

const rowsWhere = (condition: string) =>
  `SELECT gateway_id, signal, at, received_at, body, coalesce(at, received_at) AS time, id
  FROM ingest_rows WHERE ${condition}`
const NEWEST_FIRST = "ORDER BY time DESC, id DESC LIMIT ?"

// Of all gateways the rows of each signal are read in the order of their index, and merged: no more than are asked for.
const listOf = (signals: number) =>
  `${Array.from({ length: signals }, () => rowsWhere("signal = ?")).join(" UNION ALL ")} ${NEWEST_FIRST}`

// One gateway has no more rows than can be sorted.
const LIST_OF_GATEWAY = `${rowsWhere("gateway_id = ? AND (? IS NULL OR signal = ?)")} ${NEWEST_FIRST}`

// What came first has the smallest id: no index on times is needed to find the oldest.
const oldest = (table: string) => `DELETE FROM ${table} WHERE received_at < ?
  AND rowid IN (SELECT rowid FROM ${table} ORDER BY rowid LIMIT ${STEP})`
const FORGET_OLD_ROWS = oldest("ingest_rows")
const FORGET_OLD_BATCHES = oldest("ingest_batches")

const NEWEST_TOO_MANY = `SELECT id FROM ingest_rows WHERE gateway_id = ? AND signal = ?
  ORDER BY id DESC LIMIT 1 OFFSET ${KEPT_ROWS}`
const FORGET_OF = `DELETE FROM ingest_rows WHERE id IN
  (SELECT id FROM ingest_rows WHERE gateway_id = ? AND signal = ? AND id <= ? LIMIT ${STEP})`
