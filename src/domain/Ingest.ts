/**
 * What a gateway tells its central: things that happened to it, and runs that ended.
 *
 * @ref LLP 0029#the-wire [constrained-by]: signals, rows and batches
 */
import { Schema } from "effect"
import { RUN_VERDICTS } from "../../machines/Vocabulary.ts"

/** What there is to tell, each with an order of its own. */
export const INGEST_SIGNALS = ["events", "runs"] as const
export const IngestSignal = Schema.Literals(INGEST_SIGNALS)
export type IngestSignal = typeof IngestSignal.Type

/** A batch has at most so many rows, and so many bytes. */
export const BATCH_MAX_ROWS = 5_000
export const BATCH_MAX_BYTES = 4 * 1_048_576

/** Of a request that brings a batch. */
export const BATCH_ID_HEADER = "x-holdfast-batch-id"
/** Of our own clients: with these two the server checks that the batch is whole. */
export const STREAM_HEADER = "x-holdfast-stream"
export const POSITION_HEADER = "x-holdfast-position"
export const NDJSON = "application/x-ndjson"

/** Where a batch belongs: streams are made up, positions in one go up. */
export interface BatchPlace {
  readonly signal: string
  readonly stream: string
  readonly position: number
}

/** Hex digits of a batch id: so many of the SHA-256 of {@link batchPreimage}. */
export const BATCH_ID_DIGITS = 32

/** What a batch id is the digest of: a line each of signal, stream and position, then the bytes of the body. */
export const batchPreimage = ({ position, signal, stream }: BatchPlace, body: Uint8Array): Uint8Array => {
  const place = new TextEncoder().encode(`${signal}\n${stream}\n${position}\n`)
  const all = new Uint8Array(place.length + body.length)
  all.set(place)
  all.set(body, place.length)
  return all
}

/** What happened on a gateway. `gap` is in both signals: rows that will never arrive. */
export const GATEWAY_EVENTS = [
  "daemon_started",
  "daemon_stopping",
  "config_applied",
  "config_refused",
  "config_failed",
  "config_rolled_back",
  "config_promoted",
  "safe_start_entered",
  "safe_start_left",
  "identity_acquired",
  "identity_dead",
  "plugin_failed",
  "login_ok",
  "login_expired",
  "login_signed_out"
] as const
export type GatewayEvent = (typeof GATEWAY_EVENTS)[number]

/** A row of `events`. No text of a user's, of a provider's or of an account's is in it. */
export const EventRow = Schema.Struct({
  id: Schema.String,
  /** ISO 8601, by the gateway's clock. */
  at: Schema.String,
  type: Schema.Literals(GATEWAY_EVENTS),
  etag: Schema.optionalKey(Schema.String),
  /** A word of the vocabulary of machines: a verdict, why it rolled back, why it stops, how it started. */
  reason: Schema.optionalKey(Schema.String),
  plugin: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String)
})
export type EventRow = typeof EventRow.Type

/** What there is to say of an event, before it has a time and a name. */
export type EventNews = Omit<EventRow, "id" | "at">

/** A row of `runs`, one a run: how it ended, without what it was asked and what it said. */
export const RunRow = Schema.Struct({
  /** The run's. */
  id: Schema.String,
  /** When it ended, ISO 8601. */
  at: Schema.String,
  company_id: Schema.String,
  agent_id: Schema.String,
  backend: Schema.Literals(["local", "kubernetes"]),
  verdict: Schema.Literals(RUN_VERDICTS),
  exit_code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.Int),
  created_at: Schema.String,
  started_at: Schema.NullOr(Schema.String),
  ended_at: Schema.NullOr(Schema.String),
  output_bytes: Schema.Int,
  usage: Schema.NullOr(
    Schema.Struct({ input: Schema.Int, output: Schema.Int, cached: Schema.Int, cost_usd: Schema.Finite })
  )
})
export type RunRow = typeof RunRow.Type

/** Rows that were lost on the gateway: so many, of these times. */
export const GapRow = Schema.Struct({
  id: Schema.String,
  at: Schema.String,
  type: Schema.Literal("gap"),
  rows: Schema.Int,
  from: Schema.String,
  to: Schema.String
})
export type GapRow = typeof GapRow.Type
