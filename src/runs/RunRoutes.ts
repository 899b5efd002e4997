/** The runs' part of the daemon's API. */
import { type Cause, Effect, FileSystem, Option, Path, Queue, Schedule, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import type { TailOutcome } from "../domain/index.ts"
import { eventResponse, HttpFailure, readJson, type ServerEvent } from "../http/index.ts"
import type { OutputPlace } from "./Backend.ts"
import type { RunRefused } from "./RunRefused.ts"
import type { Runs } from "./Runs.ts"
import type { TailBatch } from "./Tail.ts"
import type { Tails } from "./Tails.ts"

const Anything = Schema.Unknown

/** States before there is any output to look for. */
const COMING: ReadonlySet<string> = new Set(["deciding", "queued", "preparing", "starting"])

/** What the routes need of the API that they are part of. */
export interface RunRouteOptions<E, R> {
  /** Completes when the API closes: a stream would hold the process until its client leaves. */
  readonly closing: Effect.Effect<unknown>
  /** To a person's browser the page, to a program these data. */
  readonly orPage: (
    data: Effect.Effect<HttpServerResponse.HttpServerResponse, HttpFailure>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E | HttpFailure, R>
}

export const runRoutes = <E, R>(
  runs: Runs["Service"],
  tails: Tails["Service"],
  { closing, orPage }: RunRouteOptions<E, R>
) =>
  [
    HttpRouter.route(
      "GET",
      "/runs",
      orPage(Effect.map(Effect.mapError(runs.list, refusal), (all) => HttpServerResponse.jsonUnsafe({ runs: all })))
    ),
    HttpRouter.route(
      "POST",
      "/runs",
      Effect.gen(function* () {
        const view = yield* Effect.mapError(runs.submit(yield* readJson(Anything)), refusal)
        return HttpServerResponse.jsonUnsafe(view, { status: 201 })
      })
    ),
    HttpRouter.route(
      "GET",
      "/runs/:id",
      Effect.gen(function* () {
        const view = yield* Effect.mapError(runs.get(yield* runId), refusal)
        return HttpServerResponse.jsonUnsafe(view)
      })
    ),
    HttpRouter.route(
      "POST",
      "/runs/:id/cancel",
      Effect.gen(function* () {
        const view = yield* Effect.mapError(runs.cancel(yield* runId), refusal)
        return HttpServerResponse.jsonUnsafe(view, { status: 202 })
      })
    ),
    HttpRouter.route(
      "GET",
      "/runs/:id/log",
      Effect.gen(function* () {
        const id = yield* runId
        const { headers, url } = yield* HttpServerRequest.HttpServerRequest
        const from = Number(URL.parse(url, "http://127.0.0.1")?.searchParams.get("from") ?? 0)
        if (!Number.isSafeInteger(from) || from < 0) return yield* Effect.fail(badOffset())
        return /\btext\/event-stream\b/i.test(headers.accept ?? "")
          ? eventResponse(yield* followed(runs, tails, id, from), closing)
          : yield* stored(runs, id, from, headers["range"])
      })
    )
  ] as const

const runId = Effect.map(HttpRouter.params, ({ id }) => id ?? "")

/** The bytes that are there now, from an offset. */
const stored = Effect.fnUntraced(function* (
  runs: Runs["Service"],
  id: string,
  from: number,
  range: string | undefined
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { directory, logName } = yield* Effect.mapError(runs.place(id), refusal)
  const file = path.join(directory, logName)
  // Held from the first look on: a run that is tidied away meanwhile is still told whole.
  const opened = yield* Effect.option(fs.open(file))
  if (Option.isNone(opened)) return yield* Effect.fail(noLog())
  const size = Number((yield* opened.value.stat).size)
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? "")
  const begin = asked === null ? from : Number(asked[1])
  const end = asked === null || asked[2] === "" ? size : Math.min(size, Number(asked[2]) + 1)
  if (begin > size || end < begin) {
    return yield* Effect.fail(
      new HttpFailure({
        status: 416,
        error: "range_not_satisfiable",
        detail: `The output has ${size} bytes.`,
        headers: { "content-range": `bytes */${size}` }
      })
    )
  }
  return HttpServerResponse.stream(bytesOf(opened.value, begin, end), {
    status: asked === null ? 200 : 206,
    contentType: "application/x-ndjson",
    contentLength: end - begin,
    headers: asked === null ? {} : { "content-range": `bytes ${begin}-${Math.max(begin, end - 1)}/${size}` }
  })
})

const CHUNK = 65_536

/** The bytes between two offsets, as far as they are there. */
const bytesOf = (file: FileSystem.File, begin: number, end: number) =>
  Stream.paginate(begin, (at) =>
    Effect.map(file.readAlloc(Math.min(CHUNK, end - at), { position: BigInt(at) }), (bytes) => {
      const next =
        at +
        Option.getOrElse(
          Option.map(bytes, ({ length }) => length),
          () => end
        )
      return [Option.toArray(bytes), next < end ? Option.some(next) : Option.none()] as const
    })
  )

/**
 * What is written, as it is written: `lines` and `gap`, each with the offset to go on from, then `end` with the run. Every
 * client has a tail of its own: one that does not read holds up nobody else.
 */
const followed = Effect.fnUntraced(function* (
  runs: Runs["Service"],
  tails: Tails["Service"],
  id: string,
  from: number
) {
  const place = yield* Effect.mapError(runs.place(id), refusal)
  const checkpoint = yield* checkpointAt(place, from)
  return Stream.unwrap(
    Effect.gen(function* () {
      yield* runs.hold(id)
      yield* hasBegun(runs, id)
      const queue = yield* Queue.bounded<ServerEvent, Cause.Done>(16)
      const tail = yield* tails.open({ runId: id, ...place, from: checkpoint }, (batch) =>
        Effect.asVoid(Queue.offer(queue, eventOf(batch)))
      )
      const finish = Effect.gen(function* () {
        yield* runs.ended(id)
        yield* tail.drain({ record: null, ended: true })
      })
      yield* Effect.forkScoped(Effect.ignore(finish))
      yield* Effect.forkScoped(
        Effect.gen(function* () {
          const outcome = yield* tail.settled
          yield* Queue.offer(queue, endOf(outcome, yield* Effect.option(runs.ended(id))))
          yield* Queue.end(queue)
        })
      )
      return Stream.fromQueue(queue)
    })
  )
})

/** A tail gives a file that does not appear up; a run may wait for its turn much longer than that. */
const hasBegun = (runs: Runs["Service"], id: string) =>
  Effect.option(runs.get(id)).pipe(
    Effect.repeat({
      while: (view) => Option.isSome(view) && COMING.has(view.value.state),
      schedule: Schedule.spaced("250 millis")
    })
  )

/** A client remembers a number of bytes; of which file, this machine knows. */
const checkpointAt = Effect.fnUntraced(function* ({ directory, logName }: OutputPlace, offset: number) {
  const fs = yield* FileSystem.FileSystem
  const path = (yield* Path.Path).join(directory, logName)
  const inode = Option.flatMap(yield* Effect.option(fs.stat(path)), ({ ino }) => ino)
  return offset === 0 || Option.isNone(inode) ? null : { path, inode: String(inode.value), offset, line: 0, gaps: [] }
})

const eventOf = (batch: TailBatch): ServerEvent =>
  batch._tag === "Gap"
    ? { event: "gap", data: { from: batch.from, to: batch.to, reason: batch.reason } }
    : { event: "lines", data: { from: batch.from, to: batch.to, lines: batch.lines } }

const endOf = (outcome: TailOutcome, view: Option.Option<unknown>): ServerEvent => ({
  event: "end",
  data: { output: outcome, run: Option.getOrNull(view) }
})

const STATUS = {
  run_invalid: 422,
  run_exists: 409,
  run_unknown: 404,
  storage_failed: 500,
  not_running: 503,
  backend_unavailable: 503
} as const satisfies Record<RunRefused["code"], number>

const refusal = ({ code, message }: RunRefused) =>
  new HttpFailure({ status: STATUS[code], error: code, detail: message })

const badOffset = () =>
  new HttpFailure({ status: 422, error: "offset_invalid", detail: "`from` is a number of bytes: 0 or more." })

const noLog = () =>
  new HttpFailure({
    status: 404,
    error: "no_log",
    detail: "There is no output: the run has not started, or has ended without `retain`."
  })
