/**
 * Tells central what happened here: the tasks of `Ingest`.
 *
 * @ref LLP 0029#answers [implements]: how an answer of HTTP becomes one of the table
 */
import { Clock, Context, Effect, Layer, Option, Path, Random, Ref, type Redacted } from "effect"
import type { Ingest, IngestAnswerKind, SendAnswer } from "../../machines/index.ts"
import {
  BATCH_ID_DIGITS,
  BATCH_ID_HEADER,
  batchPreimage,
  ConfigControl,
  type EventRow,
  Home,
  INGEST_SIGNALS,
  type IngestSignal,
  NDJSON,
  parseRetryAfter,
  POSITION_HEADER,
  routeUrl,
  type RunRow,
  STREAM_HEADER
} from "../domain/index.ts"
import type { Handlers } from "../statechart/index.ts"
import { DurableFiles, sha256Hex } from "../storage/index.ts"
import { type CentralAnswer, CentralHttp, describeAnswer } from "./CentralHttp.ts"
import { Identity } from "./Identity.ts"
import { makeSpool, type Spool } from "./Spool.ts"
import type { SealedBatch } from "./SpoolFiles.ts"

/** So many runs that were told are remembered: more than the daemon itself remembers. */
const RUNS_REMEMBERED = 2_000
/** A batch that arrives damaged is sent again so often before it counts as refused. */
const DAMAGED_TRIES = 3

export class Uplink extends Context.Service<
  Uplink,
  {
    /** Rows that were lost, by signal, whenever they are told of; replaced by whoever counts. */
    readonly onLost: (hear: (signal: IngestSignal, rows: number) => Effect.Effect<void>) => Effect.Effect<void>
    readonly recordEvent: (row: EventRow) => Effect.Effect<void>
    /** A run that was told before is not told again. */
    readonly recordRun: (row: RunRow) => Effect.Effect<void>
    /** Bytes that wait on the disk. */
    readonly bytes: Effect.Effect<number>
    readonly tasks: Handlers<typeof Ingest, never>["tasks"]
    /** Nobody is to be told: what waits in memory goes. */
    readonly forget: Effect.Effect<void>
  }
>()("holdfast/central/Uplink") {
  static readonly layer = Layer.effect(
    Uplink,
    Effect.gen(function* () {
      const http = yield* CentralHttp
      const identity = yield* Identity
      const config = yield* ConfigControl
      const directory = (yield* Path.Path).join((yield* Home).state, "ingest")
      const files = yield* DurableFiles
      const path = yield* Path.Path
      const heard = yield* Ref.make<(signal: IngestSignal, rows: number) => Effect.Effect<void>>(() => Effect.void)

      const spoolOf = (signal: IngestSignal, remember: number) =>
        makeSpool({
          directory: path.join(directory, signal),
          signal,
          remember,
          lost: (rows) => Effect.flatMap(Ref.get(heard), (hear) => hear(signal, rows))
        }).pipe(Effect.provideService(DurableFiles, files))
      const spools = { events: yield* spoolOf("events", 0), runs: yield* spoolOf("runs", RUNS_REMEMBERED) }
      /** Of both, whatever becomes of the first. */
      const each = Effect.fnUntraced(function* <A, E>(use: (spool: Spool) => Effect.Effect<A, E>) {
        const exits = yield* Effect.forEach(INGEST_SIGNALS, (signal) => Effect.exit(use(spools[signal])))
        return yield* Effect.forEach(exits, (exit) => exit)
      })

      /** Whose turn it is: a signal that central does not take must not keep the other from being sent. */
      const turn = yield* Ref.make(0)
      /** Of each signal the batch that arrived damaged last, and how often in a row. */
      const damaged = new Map<IngestSignal, { readonly batchId: string; readonly times: number }>()

      const next = Effect.gen(function* () {
        const first = yield* Ref.getAndUpdate(turn, (before) => (before + 1) % INGEST_SIGNALS.length)
        for (const signal of [...INGEST_SIGNALS.slice(first), ...INGEST_SIGNALS.slice(0, first)]) {
          const batch = yield* spools[signal].oldest
          if (Option.isSome(batch)) return Option.some({ signal, batch: batch.value })
        }
        return Option.none()
      })

      const answered = Effect.fnUntraced(function* (kind: IngestAnswerKind, message = "", retryAfterSeconds = 0) {
        const waiting = yield* each(({ hasBatch }) => hasBatch)
        const answer: SendAnswer = {
          kind,
          more: waiting.includes(true),
          retryAfterSeconds,
          message,
          jitter: (yield* Random.next) * 2 - 1
        }
        return answer
      })

      const wasDamaged = (signal: IngestSignal, batchId: string): number => {
        const before = damaged.get(signal)
        const times = before?.batchId === batchId ? before.times + 1 : 1
        damaged.set(signal, { batchId, times })
        return times
      }

      const read = Effect.fnUntraced(function* (
        answer: CentralAnswer,
        sent: { readonly signal: IngestSignal; readonly batchId: string; readonly jwt: Redacted.Redacted<string> }
      ) {
        const said = describeAnswer(answer, [sent.jwt])
        switch (answer.status) {
          // And no other 2xx: what signs people in to a network answers 200.
          case 202:
            return yield* answered("accepted")
          case 401:
            return yield* answered("unauthorized", said)
          case 404:
          case 405:
            return yield* answered("unsupported", said)
          case 400:
            return said.endsWith(": batch_damaged") && wasDamaged(sent.signal, sent.batchId) < DAMAGED_TRIES
              ? yield* answered("failed", said)
              : yield* answered("refused", said)
          case 413:
          case 415:
          case 422:
            return yield* answered("refused", said)
          case 429:
          case 503: {
            const seconds = parseRetryAfter(answer.headers["retry-after"], yield* Clock.currentTimeMillis)
            return yield* answered("throttled", said, seconds ?? 0)
          }
          default:
            return yield* answered("failed", said)
        }
      })

      const post = Effect.fnUntraced(function* (
        url: string,
        jwt: Redacted.Redacted<string>,
        signal: IngestSignal,
        { bytes, position, stream }: SealedBatch
      ) {
        const digest = yield* sha256Hex(batchPreimage({ signal, stream, position }, bytes))
        const batchId = digest.slice(0, BATCH_ID_DIGITS)
        return yield* http
          .request({
            method: "POST",
            url: routeUrl(url, `/v1/ingest/${signal}`),
            bearer: jwt,
            headers: {
              [BATCH_ID_HEADER]: batchId,
              [STREAM_HEADER]: stream,
              [POSITION_HEADER]: String(position)
            },
            bytes: { content: bytes, type: NDJSON }
          })
          .pipe(
            Effect.flatMap((answer) => read(answer, { signal, batchId, jwt })),
            Effect.catchTag("CentralUnreachable", ({ message }) => answered("failed", message))
          )
      })

      const send = Effect.fn("Uplink.send")(function* () {
        const sink = yield* config.central
        const held = yield* identity.current
        if (Option.isNone(sink) || Option.isNone(held)) return yield* answered("no_identity")
        const found = yield* next
        if (Option.isNone(found)) return yield* answered("nothing")
        const { batch, signal } = found.value
        const spool = spools[signal]
        const answer = yield* post(sink.value.url, held.value.jwt, signal, batch).pipe(
          Effect.onInterrupt(() => spool.letGo)
        )
        if (answer.kind === "accepted") yield* spool.remove(batch.name)
        else if (answer.kind === "refused") yield* spool.setAside(batch.name)
        else return yield* Effect.as(spool.letGo, answer)
        return { ...answer, more: (yield* each(({ hasBatch }) => hasBatch)).includes(true) }
      })

      return Uplink.of({
        onLost: (hear) => Ref.set(heard, hear),
        recordEvent: (row) => spools.events.record(row),
        recordRun: (row) => spools.runs.record(row),
        bytes: Effect.map(
          each(({ bytes }) => bytes),
          (all) => all.reduce((sum, bytes) => sum + bytes, 0)
        ),
        forget: Effect.asVoid(each(({ forget }) => forget)),
        tasks: {
          store: Effect.fn("Uplink.store")(function* () {
            return { unsent: (yield* each(({ store }) => store)).includes(true) }
          }),
          send,
          seal: Effect.fn("Uplink.seal")(function* () {
            yield* each(({ seal, store }) => Effect.andThen(store, seal))
            return undefined
          })
        }
      })
    })
  )
}
