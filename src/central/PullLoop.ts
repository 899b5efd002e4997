/**
 * Asks central for the configuration and tells it what runs: the tasks of `ConfigPull`.
 *
 * @ref LLP 0003#answers [implements]: how an answer of HTTP becomes one of the table
 */
import { Clock, Context, Effect, Layer, Option, Random, type Redacted, Result, Schema } from "effect"
import type { ConfigPull, PollAnswer, PollAnswerKind } from "../../machines/index.ts"
import { ConfigControl, MAX_DOCUMENT_BYTES, parseRetryAfter, routeUrl, Version, Workload } from "../domain/index.ts"
import type { Handlers } from "../statechart/index.ts"
import { type CentralAnswer, CentralHttp, describeAnswer } from "./CentralHttp.ts"
import { Identity } from "./Identity.ts"

/** Central did not take a status report. */
export class ReportFailed extends Schema.TaggedError<ReportFailed>()("ReportFailed", { message: Schema.String }) {}

export class PullLoop extends Context.Service<
  PullLoop,
  { readonly tasks: Handlers<typeof ConfigPull, never>["tasks"] }
>()("holdfast/central/PullLoop") {
  static readonly layer = Layer.effect(
    PullLoop,
    Effect.gen(function* () {
      const http = yield* CentralHttp
      const identity = yield* Identity
      const config = yield* ConfigControl
      const version = yield* Version
      const counts = yield* Workload

      const answered = Effect.fnUntraced(function* (
        kind: PollAnswerKind,
        message: string,
        more: Partial<PollAnswer> = {}
      ) {
        const answer: PollAnswer = {
          kind,
          etag: "",
          offer: 0,
          retryAfterSeconds: 0,
          message,
          wall: yield* Clock.currentTimeMillis,
          jitter: (yield* Random.next) * 2 - 1,
          ...more
        }
        return answer
      })

      const read = Effect.fnUntraced(function* (
        answer: CentralAnswer,
        sent: { readonly etag: string | null; readonly jwt: Redacted.Redacted<string> }
      ) {
        const said = () => describeAnswer(answer, [sent.jwt])
        switch (answer.status) {
          case 200:
            return yield* readDocument(answer)
          case 304:
            return sent.etag === null
              ? yield* answered("http_error", "central answered 304 although nothing was asked to compare with")
              : yield* answered("unchanged", "")
          case 401:
            return yield* answered("unauthorized", said())
          case 404:
            return yield* answered("not_found", `${said()}. No configuration is registered for this machine.`)
          case 429:
          case 503: {
            const seconds = parseRetryAfter(answer.headers["retry-after"], yield* Clock.currentTimeMillis)
            return yield* answered("throttled", said(), { retryAfterSeconds: seconds ?? 0 })
          }
          default:
            return yield* answered("http_error", said())
        }
      })

      const readDocument = Effect.fnUntraced(function* ({ body, headers }: CentralAnswer) {
        if (body === null) {
          return yield* answered(
            "document_too_large",
            `central serves a document of more than ${MAX_DOCUMENT_BYTES} bytes. Make it smaller.`
          )
        }
        const etag = headers["etag"] ?? ""
        if (etag === "") return yield* answered("missing_etag", "central serves a document without an ETag")
        if (!isJson(body)) return yield* answered("invalid_json", "central serves a document that is not JSON")
        return yield* answered("good", "", { etag, offer: yield* config.keepOffer(etag, body) })
      })

      const poll = Effect.fn("PullLoop.poll")(function* () {
        yield* identity.storeAgain
        const sink = yield* config.central
        const known = yield* identity.current
        if (Option.isNone(sink) || Option.isNone(known)) {
          return yield* answered("network_error", "there is no central, or no identity for it")
        }
        const etag = yield* config.runningEtag
        return yield* http
          .request({
            method: "GET",
            url: routeUrl(sink.value.url, "/v1/config"),
            bearer: known.value.jwt,
            headers: etag === null ? {} : { "if-none-match": etag }
          })
          .pipe(
            Effect.flatMap((answer) => read(answer, { etag, jwt: known.value.jwt })),
            Effect.catchTag("CentralUnreachable", (error) => answered("network_error", error.message))
          )
      })

      const sendReport = Effect.fn("PullLoop.report")(
        function* () {
          const sink = yield* config.central
          const known = yield* identity.current
          if (Option.isNone(sink) || Option.isNone(known)) return { supported: true }
          const answer = yield* http.request({
            method: "POST",
            url: routeUrl(sink.value.url, "/v1/gateway/status"),
            bearer: known.value.jwt,
            json: {
              remote_config: yield* config.remoteConfig,
              version,
              platform: `${globalThis.process.platform}-${globalThis.process.arch}`,
              ...(yield* counts)
            }
          })
          if (answer.status === 404 || answer.status === 405) return { supported: false }
          if (answer.status < 200 || answer.status > 299) {
            return yield* new ReportFailed({ message: describeAnswer(answer, [known.value.jwt]) })
          }
          if (isStrange(answer)) {
            return yield* new ReportFailed({
              message:
                "what answered is not central: it sent a web page, or more than 1 MiB. Sign in to this network, if it asks for that."
            })
          }
          return { supported: true }
        },
        Effect.tapError(({ message }) =>
          Effect.logWarning("status_report_failed").pipe(Effect.annotateLogs({ detail: message }))
        )
      )

      return PullLoop.of({ tasks: { poll, sendReport } })
    })
  )
}

/** A captive portal answers everything with 200: central never got the report. */
const isStrange = ({ body, headers }: CentralAnswer): boolean =>
  body === null || headers["content-type"]?.toLowerCase().startsWith("text/html") === true

const isJson = (body: Uint8Array): boolean =>
  Result.isSuccess(Result.try(() => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))))
