/**
 * The route by which gateways tell what happened.
 *
 * @ref LLP 0029#the-wire [implements]: what is taken, and what is refused in which words
 */
import { ByteSize, Effect, type Redacted, Result, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import {
  BATCH_ID_DIGITS,
  BATCH_ID_HEADER,
  BATCH_MAX_BYTES,
  BATCH_MAX_ROWS,
  batchPreimage,
  IngestSignal,
  NDJSON,
  POSITION_HEADER,
  STREAM_HEADER
} from "../domain/index.ts"
import { HttpFailure } from "../http/index.ts"
import { sha256Hex } from "../storage/index.ts"
import { type Batch, IngestLedger, type SentRow } from "./IngestLedger.ts"
import { Polls } from "./Polls.ts"

/** Takes a batch of the gateway whose credential it is: 202 once it is stored, also when it was before. */
export const ingest = Effect.fnUntraced(function* <E, R>(credential: Effect.Effect<Redacted.Redacted<string>, E, R>) {
  const gateway = yield* (yield* Polls).authenticate(yield* credential)
  const { signal = "" } = yield* HttpRouter.params
  if (!isSignal(signal)) {
    return yield* refused(404, "signal_unknown", "This central takes the signals `events` and `runs`.")
  }
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  if (headers["content-type"] !== undefined && headers["content-type"].split(";")[0]?.trim().toLowerCase() !== NDJSON) {
    return yield* refused(415, "body_not_ndjson", `Send one JSON value per line, as ${NDJSON}.`)
  }
  const batchId = headers[BATCH_ID_HEADER] ?? ""
  if (!IS_BATCH_ID.test(batchId)) {
    return yield* refused(400, "batch_id_invalid", `${BATCH_ID_HEADER} is ${BATCH_ID_DIGITS} lower-case hex digits.`)
  }
  const body = yield* readBody
  const place = yield* placeOf(headers[STREAM_HEADER], headers[POSITION_HEADER])
  if (place !== null) {
    const digest = yield* sha256Hex(batchPreimage({ signal, ...place }, body))
    if (digest.slice(0, BATCH_ID_DIGITS) !== batchId) {
      return yield* refused(400, "batch_damaged", "The batch is not what its id is the digest of: send it again.")
    }
  }
  const rows = yield* rowsOf(body, batchId)
  const batch: Batch = { gatewayId: gateway.id, signal, batchId, place, rows, bytes: body.length }
  yield* (yield* IngestLedger).take(batch)
  return HttpServerResponse.empty({ status: 202 })
})

const isSignal = Schema.is(IngestSignal)
const IS_BATCH_ID = /^[0-9a-f]{32}$/
const MAX_STREAM_LENGTH = 64
const MAX_ID_LENGTH = 256

const refused = (status: number, error: string, detail: string) =>
  Effect.fail(new HttpFailure({ status, error, detail }))

const tooLarge = refused(413, "body_too_large", `A batch has at most ${BATCH_MAX_BYTES} bytes.`)

const readBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (Number(request.headers["content-length"] ?? 0) > BATCH_MAX_BYTES) return yield* tooLarge
  const bytes = yield* Effect.provideService(
    request.arrayBuffer,
    HttpServerRequest.MaxBodySize,
    ByteSize.bytes(BATCH_MAX_BYTES)
  )
  return new Uint8Array(bytes)
})

const placeOf = Effect.fnUntraced(function* (stream: string | undefined, position: string | undefined) {
  if (stream === undefined && position === undefined) return null
  const number = Number(position)
  const isSound = stream !== undefined && stream !== "" && stream.length <= MAX_STREAM_LENGTH
  if (isSound && /^\d{1,15}$/.test(position ?? "")) return { stream, position: number }
  return yield* refused(
    400,
    "batch_place_invalid",
    `${STREAM_HEADER} and ${POSITION_HEADER} come together: a name and a whole number.`
  )
})

/** The lines of a batch; every one must be a JSON value, and one that is not refuses them all. */
const rowsOf = Effect.fnUntraced(function* (body: Uint8Array, batchId: string) {
  const rows: Array<SentRow> = []
  for (let start = 0, line = 1; start < body.length; line++) {
    const newline = body.indexOf(NEWLINE, start)
    const end = newline === -1 ? body.length : newline
    if (line > BATCH_MAX_ROWS) {
      return yield* refused(413, "batch_too_long", `A batch has at most ${BATCH_MAX_ROWS} rows.`)
    }
    const row = readRow(body.subarray(start, end), `${batchId}:${line}`)
    if (Result.isFailure(row)) return yield* refused(422, "row_invalid", `Line ${line} ${row.failure}`)
    rows.push(row.success)
    start = end + 1
  }
  return rows
})

const NEWLINE = 0x0a

const readRow = (bytes: Uint8Array, fallback: string): Result.Result<SentRow, string> => {
  const parsed = Result.try(() => {
    const body = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return { body, value: JSON.parse(body) as unknown }
  })
  if (Result.isFailure(parsed)) return Result.fail("is not a JSON value. Nothing of this batch was stored.")
  const { body, value } = parsed.success
  const { at, id } = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
  if (typeof id === "string" && id.length > MAX_ID_LENGTH) {
    return Result.fail(`has an id of more than ${MAX_ID_LENGTH} characters. Nothing of this batch was stored.`)
  }
  const time = typeof at === "string" && ISO_TIME.test(at) ? Date.parse(at) : Number.NaN
  return Result.succeed({
    key: typeof id === "string" && id !== "" ? id : fallback,
    at: Number.isFinite(time) ? time : null,
    body
  })
}

const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/
