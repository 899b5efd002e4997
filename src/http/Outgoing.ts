/** Requests to another server: bounded in size and time, and never carrying a credential to another origin. */
import { Duration, Effect, Predicate, Redacted, Schema, type Scope, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { adviceFor } from "./NetworkAdvice.ts"

const REDIRECTS_MAX = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** The other server could not be asked, or its answer could not be read to its end. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { message: Schema.String }) {}

/** What the other server answered. */
export interface OutgoingAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The body; null when it is larger than allowed and was not read to its end. */
  readonly body: Uint8Array | null
}

export interface OutgoingRequest {
  readonly method: "GET" | "POST"
  readonly url: string
  /** The whole of an `Authorization` header, if there is to be one. */
  readonly authorization?: Redacted.Redacted<string>
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  /** Sent as a form, instead of JSON. */
  readonly form?: Readonly<Record<string, string>>
  /** Sent as they are, instead of JSON. */
  readonly bytes?: { readonly content: Uint8Array; readonly type: string }
}

/** Who is asked, and how far a request may go. */
interface Bounds {
  /** How messages call the other server. */
  readonly peer: string
  /** What to do when it sends the request elsewhere: a sentence. */
  readonly remedy: string
  /** One request and its whole body, ms. */
  readonly deadlineMs: number
  /** Where a redirect may lead; left out: within the origin, for the credential stays there. */
  readonly mayFollow?: (from: URL, to: URL) => boolean
}

export interface OutgoingOptions extends Bounds {
  /** The largest body that is read, in bytes. */
  readonly maxBytes: number
}

export interface DownloadOptions extends Bounds {
  /** How long the other server may send nothing, ms. */
  readonly stallMs: number
}

/** An answer whose body is still to come. */
export interface Download extends Omit<OutgoingAnswer, "body"> {
  /** To be read once. It ends when the server says so, and fails when the connection ends before. */
  readonly body: Stream.Stream<Uint8Array, Unreachable>
}

const withinOrigin = (from: URL, to: URL): boolean => from.origin === to.origin

/** A function that sends one request and reads its whole answer. Redirects are followed five times at most. */
export const makeOutgoing = Effect.fnUntraced(function* ({ maxBytes, ...bounds }: OutgoingOptions) {
  const { open, unreachable, within } = yield* makeExchange(bounds)

  const request = Effect.fn("Outgoing.request")(function* (spec: OutgoingRequest) {
    const response = yield* open(spec)
    const body = yield* Effect.mapError(readBody(response, maxBytes), unreachable(spec.url))
    const answer: OutgoingAnswer = { status: response.status, headers: response.headers, body }
    return answer
  }, Effect.scoped)

  return (spec: OutgoingRequest): Effect.Effect<OutgoingAnswer, Unreachable> =>
    request(spec).pipe(within(spec.url, bounds.deadlineMs, "did not answer within"))
})

/**
 * A function that sends one request and hands its answer to `use` while it arrives. The deadline includes `use`; the
 * connection ends with it. Redirects are followed five times at most.
 */
export const makeStreaming = Effect.fnUntraced(function* ({ stallMs, ...bounds }: DownloadOptions) {
  const { late, open, unreachable, within } = yield* makeExchange(bounds)

  return <A, E, R>(
    spec: OutgoingRequest,
    use: (answer: Download) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Unreachable, R> =>
    open(spec).pipe(
      within(spec.url, stallMs, "did not answer within"),
      Effect.flatMap((response) =>
        use({
          status: response.status,
          headers: response.headers,
          body: response.stream.pipe(
            Stream.mapError(unreachable(spec.url)),
            Stream.timeoutOrElse({
              duration: Duration.millis(stallMs),
              orElse: () => Stream.fail(late(spec.url, stallMs, "sent nothing more for"))
            })
          )
        })
      ),
      within(spec.url, bounds.deadlineMs, "did not send it all within"),
      Effect.scoped
    )
})

/** A function that asks for a file, without a credential, and hands it to `use` while it arrives: {@link makeStreaming}. */
export const makeDownload = (options: DownloadOptions) =>
  Effect.map(
    makeStreaming(options),
    (send) =>
      <A, E, R>(url: string, use: (download: Download) => Effect.Effect<A, E, R>) =>
        send({ method: "GET", url, headers: AS_IT_IS }, use)
  )

/** A server that packs what is packed already would hide how large it is. */
const AS_IT_IS = { accept: "*/*", "accept-encoding": "identity" }

const makeExchange = Effect.fnUntraced(function* ({ mayFollow = withinOrigin, peer, remedy }: Bounds) {
  // A body that is not read to its end, of a document too large or of a redirect, is cancelled with the scope.
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)

  const unreachable =
    (url: string) =>
    (error: unknown): Unreachable => {
      const cause = causeOf(error)
      return new Unreachable({
        message: `${peer} at ${originOf(url)} cannot be reached (${cause}). ${adviceFor(cause)}`
      })
    }

  const send = (spec: OutgoingRequest, url: string) =>
    HttpClientRequest.make(spec.method)(url).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.setHeaders(spec.headers ?? {}),
      spec.authorization === undefined
        ? (same) => same
        : HttpClientRequest.setHeader("authorization", Redacted.value(spec.authorization)),
      spec.json === undefined ? (same) => same : HttpClientRequest.bodyJsonUnsafe(spec.json),
      spec.form === undefined ? (same) => same : HttpClientRequest.bodyUrlParams(spec.form),
      spec.bytes === undefined ? (same) => same : HttpClientRequest.bodyUint8Array(spec.bytes.content, spec.bytes.type),
      client.execute,
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual", cache: "no-store" })
    )

  const follow = (
    spec: OutgoingRequest,
    url: string,
    left: number
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, Unreachable, Scope.Scope> =>
    Effect.flatMap(Effect.mapError(send(spec, url), unreachable(url)), (response) => {
      const location = response.headers["location"]
      if (!REDIRECTS.has(response.status) || location === undefined) return Effect.succeed(response)
      const next = URL.parse(location, url)
      if (next === null || !mayFollow(new URL(url), next)) {
        return Effect.fail(
          new Unreachable({
            message: `${peer} at ${originOf(url)} redirects to another place (${next?.origin ?? "unreadable"}), which is refused. ${remedy}`
          })
        )
      }
      return left === 0
        ? Effect.fail(new Unreachable({ message: `${peer} at ${originOf(url)} redirects in circles` }))
        : follow(spec, next.href, left - 1)
    })

  const open = (spec: OutgoingRequest) => follow(spec, spec.url, REDIRECTS_MAX)

  const late = (url: string, ms: number, what: string): Unreachable =>
    new Unreachable({
      message: `${peer} at ${originOf(url)} ${what} ${ms / 1_000} s. Check the network and the server.`
    })

  const within =
    (url: string, ms: number, what: string) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Unreachable, R> =>
      Effect.timeoutOrElse(effect, { duration: Duration.millis(ms), orElse: () => Effect.fail(late(url, ms, what)) })

  return { late, open, unreachable, within }
})

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

/** Counts while it reads: whatever the server says or sends, no more than the cap is held. */
const readBody = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse, maxBytes: number) {
  const announced = Number(response.headers["content-length"] ?? "0")
  if (announced > maxBytes) return null
  if (response.status === 304 || response.status === 204) return new Uint8Array(0)
  const body = makeBody(maxBytes)
  yield* response.stream.pipe(Stream.runForEachWhile((chunk) => Effect.sync(() => body.add(chunk))))
  return body.whole()
})

/** One buffer that doubles as it must: a body that drips in costs no more than one that comes at once. */
const makeBody = (maxBytes: number) => {
  let held = new Uint8Array(16_384)
  let size = 0
  return {
    /** False once the body is larger than the cap. */
    add: (chunk: Uint8Array): boolean => {
      const total = size + chunk.length
      if (total <= maxBytes) {
        if (total > held.length) {
          const wider = new Uint8Array(Math.max(total, held.length * 2))
          wider.set(held.subarray(0, size))
          held = wider
        }
        held.set(chunk, size)
      }
      size = total
      return size <= maxBytes
    },
    /** The body; null when it is larger than the cap. */
    whole: (): Uint8Array | null => (size > maxBytes ? null : held.slice(0, size))
  }
}

/** Server-authored text without control characters. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\s]+/gu, " ").trim()
