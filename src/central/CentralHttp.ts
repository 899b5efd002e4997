/** Requests to central: bounded in size and time, and never carrying a credential to another origin. */
import { Context, Duration, Effect, Layer, Option, Predicate, Redacted, Schema, type Scope, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { ErrorBody, MAX_DOCUMENT_BYTES } from "../domain/index.ts"
import { adviceFor } from "./NetworkAdvice.ts"

/** One request and its whole body, ms. */
export const REQUEST_DEADLINE_MS = 30_000
const REDIRECTS_MAX = 5

/** Central could not be asked, or its answer could not be read to its end. */
export class CentralUnreachable extends Schema.TaggedError<CentralUnreachable>()("CentralUnreachable", {
  message: Schema.String
}) {}

export interface CentralAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The body; null when it is larger than 1 MiB and was not read to its end. */
  readonly body: Uint8Array | null
}

export interface CentralRequest {
  readonly method: "GET" | "POST"
  readonly url: string
  readonly bearer?: Redacted.Redacted<string>
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
}

export class CentralHttp extends Context.Service<
  CentralHttp,
  {
    readonly request: (request: CentralRequest) => Effect.Effect<CentralAnswer, CentralUnreachable>
  }
>()("holdfast/central/CentralHttp") {
  static readonly layer = Layer.effect(
    CentralHttp,
    Effect.gen(function* () {
      // A body that is not read to its end, of a document too large or of a redirect, is cancelled with the scope.
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)

      const send = (spec: CentralRequest, url: string) =>
        HttpClientRequest.make(spec.method)(url).pipe(
          HttpClientRequest.acceptJson,
          HttpClientRequest.setHeaders(spec.headers ?? {}),
          spec.bearer === undefined ? (same) => same : HttpClientRequest.bearerToken(spec.bearer),
          spec.json === undefined ? (same) => same : HttpClientRequest.bodyJsonUnsafe(spec.json),
          client.execute,
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual", cache: "no-store" })
        )

      const follow = (
        spec: CentralRequest,
        url: string,
        left: number
      ): Effect.Effect<HttpClientResponse.HttpClientResponse, CentralUnreachable, Scope.Scope> =>
        Effect.flatMap(Effect.mapError(send(spec, url), unreachable(url)), (response) => {
          const location = response.headers["location"]
          if (response.status < 300 || response.status >= 400 || response.status === 304 || location === undefined) {
            return Effect.succeed(response)
          }
          const next = URL.parse(location, url)
          if (next === null || next.origin !== new URL(url).origin) {
            return Effect.fail(
              new CentralUnreachable({
                message: `central at ${originOf(url)} redirects to another origin (${next?.origin ?? "unreadable"}), which is refused: the credential stays here. Join with the right URL.`
              })
            )
          }
          return left === 0
            ? Effect.fail(new CentralUnreachable({ message: `central at ${originOf(url)} redirects in circles` }))
            : follow(spec, next.href, left - 1)
        })

      const request = Effect.fn("CentralHttp.request")(function* (spec: CentralRequest) {
        const response = yield* follow(spec, spec.url, REDIRECTS_MAX)
        const body = yield* readBody(response, spec.url)
        return { status: response.status, headers: response.headers, body }
      }, Effect.scoped)

      return CentralHttp.of({
        request: (spec) =>
          request(spec).pipe(
            Effect.timeoutOrElse({
              duration: Duration.millis(REQUEST_DEADLINE_MS),
              orElse: () =>
                Effect.fail(
                  new CentralUnreachable({
                    message: `central at ${originOf(spec.url)} did not answer within ${REQUEST_DEADLINE_MS / 1_000} s. Check the network and the server.`
                  })
                )
            })
          )
      })
    })
  )
}

const originOf = (url: string): string => URL.parse(url)?.origin ?? "an unreadable URL"

const causeOf = (error: unknown): string => {
  let found = ""
  let at: unknown = error
  for (let depth = 0; depth < 6 && Predicate.isObject(at); depth++) {
    if (Predicate.hasProperty(at, "code") && Predicate.isString(at.code)) return at.code
    if (Predicate.hasProperty(at, "message") && Predicate.isString(at.message) && at.message !== "") found = at.message
    at = Predicate.hasProperty(at, "reason") && Predicate.isObject(at.reason) ? at.reason : Reflect.get(at, "cause")
  }
  return found === "" ? String(error) : found
}

const unreachable =
  (url: string) =>
  (error: unknown): CentralUnreachable => {
    const cause = causeOf(error)
    return new CentralUnreachable({
      message: `central at ${originOf(url)} cannot be reached (${cause}). ${adviceFor(cause)}`
    })
  }

/** Counts while it reads: whatever the server says or sends, no more than the cap is held. */
const readBody = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse, url: string) {
  const announced = Number(response.headers["content-length"] ?? "0")
  if (announced > MAX_DOCUMENT_BYTES) return null
  if (response.status === 304 || response.status === 204) return new Uint8Array(0)
  const body = makeBody()
  yield* response.stream.pipe(
    Stream.runForEachWhile((chunk) => Effect.sync(() => body.add(chunk))),
    Effect.mapError(unreachable(url))
  )
  return body.whole()
})

/** One buffer that doubles as it must: a body that drips in costs no more than one that comes at once. */
const makeBody = () => {
  let held = new Uint8Array(16_384)
  let size = 0
  return {
    /** False once the body is larger than the cap. */
    add: (chunk: Uint8Array): boolean => {
      const total = size + chunk.length
      if (total <= MAX_DOCUMENT_BYTES) {
        if (total > held.length) {
          const wider = new Uint8Array(Math.max(total, held.length * 2))
          wider.set(held.subarray(0, size))
          held = wider
        }
        held.set(chunk, size)
      }
      size = total
      return size <= MAX_DOCUMENT_BYTES
    },
    /** The body; null when it is larger than the cap. */
    whole: (): Uint8Array | null => (size > MAX_DOCUMENT_BYTES ? null : held.slice(0, size))
  }
}

/**
 * What a non-2xx answer says: its status and its `error`, or the first 200 characters. A server that repeats what it was
 * sent must not bring a secret of ours into messages and logs.
 */
export const describeAnswer = (
  { body, status }: CentralAnswer,
  secrets: ReadonlyArray<Redacted.Redacted<string>>
): string => {
  const text = body === null ? "" : new TextDecoder().decode(body)
  const known = Schema.decodeUnknownOption(Schema.fromJsonString(ErrorBody))(text)
  const said = secrets.reduce(
    (safe, secret) => safe.replaceAll(Redacted.value(secret), "<redacted>"),
    Option.isSome(known) ? known.value.error : text
  )
  const short = printable(said).slice(0, 200)
  return short === "" ? `central answered ${status}` : `central answered ${status}: ${short}`
}

/** Server-authored text without control characters. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\s]+/gu, " ").trim()
