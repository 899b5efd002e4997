/**
 * Asks a model through an OpenAI-compatible `/chat/completions`, with the account of this machine.
 *
 * @ref LLP 0025#the-client [implements]: what is tried again, what is bounded, and when an answer is whole
 */
import { Clock, Context, Effect, Layer, Redacted, Ref, Schema, Stream } from "effect"
import { Sse } from "effect/encoding"
import { HttpClient } from "effect/http"
import {
  type AgentTool,
  ModelAccount,
  type ModelCredential,
  type NoModelAccess,
  NotSignedIn,
  parseRetryAfter,
  type ProviderUnavailable,
  Version
} from "../domain/index.ts"
import { type Download, makeStreaming, printable } from "../http/index.ts"
import { makeJoiner, type ModelAnswer } from "./ModelAnswer.ts"
import { decodeChunk, errorWords, type ModelMessage, type ServerWords, wordsOf } from "./ModelWire.ts"

const MAX_ANSWER_BYTES = 8 * 1_048_576
const MAX_EVENT_CHARS = 1_048_576
const MAX_REFUSAL_BYTES = 65_536
const MAX_QUOTE_CHARS = 300

export const MODEL_FAILURES = [
  /** 429: later it may. */
  "model_rate_limited",
  /** The provider has no model of that name. */
  "model_unknown",
  /** The provider does not let this account do this: a matter of the account, never of the model. */
  "model_forbidden",
  /** The provider does not take this request. */
  "model_refused",
  /** The provider is in trouble, or cannot be reached. */
  "model_unavailable",
  /** The answer ended before its end. */
  "model_answer_cut",
  "model_answer_invalid",
  "model_answer_too_large",
  /** The model said nothing. */
  "model_answer_empty"
] as const

/** There is no answer of the model. */
export class ModelFailed extends Schema.TaggedError<ModelFailed>()("ModelFailed", {
  code: Schema.Literals(MODEL_FAILURES),
  /** What happened, and what to do. */
  message: Schema.String,
  /** How long the provider wants to be left alone, s. */
  retryAfterSeconds: Schema.NullOr(Schema.Finite)
}) {}

/** What a model is asked. */
export interface ModelRequest {
  /** Null leaves the choice to the provider. */
  readonly model: string | null
  readonly messages: ReadonlyArray<ModelMessage>
  /** What the model may call. */
  readonly tools: ReadonlyArray<AgentTool>
  /** Whether the answer is to come as it is made. */
  readonly stream: boolean
}

/** How long one request may take, ms. */
export interface ModelBounds {
  readonly stallMs: number
  readonly deadlineMs: number
}

/** Why there is no answer: what the account says, and what became of the request. */
export type AskFailure = ModelFailed | NotSignedIn | NoModelAccess | ProviderUnavailable

export class ModelClient extends Context.Service<
  ModelClient,
  {
    /**
     * One request and its whole answer, never a part of one. Text is told as it comes; a failure after that takes it back.
     * An interruption closes the connection.
     */
    readonly ask: (
      request: ModelRequest,
      onText: (text: string) => Effect.Effect<unknown>
    ) => Effect.Effect<ModelAnswer, AskFailure>
  }
>()("holdfast/agents/ModelClient") {
  static readonly layerOf = (
    bounds: ModelBounds
  ): Layer.Layer<ModelClient, never, HttpClient.HttpClient | ModelAccount | Version> =>
    Layer.suspend(() => Layer.effect(ModelClient, make(bounds)))

  /** Two minutes without a byte, ten minutes in all. */
  static readonly layer = ModelClient.layerOf({ stallMs: 120_000, deadlineMs: 600_000 })
}

/** An answer that is none: what the server said instead. */
interface Refusal {
  readonly status: number
  readonly words: ServerWords
  readonly retryAfterSeconds: number | null
}

const make = Effect.fnUntraced(function* (bounds: ModelBounds) {
  const account = yield* ModelAccount
  const agent = `holdfast/${yield* Version}`
  const send = yield* makeStreaming({
    peer: "the model provider",
    remedy: "The token stays here: correct the provider's address.",
    ...bounds
  }).pipe(Effect.provideService(HttpClient.HttpClient, yield* HttpClient.HttpClient))

  const attempt = Effect.fnUntraced(function* (
    request: ModelRequest,
    onText: (text: string) => Effect.Effect<unknown>
  ) {
    const credential = yield* account.credential
    const outcome = yield* send(
      {
        method: "POST",
        url: chatUrl(credential),
        headers: {
          ...credential.headers,
          "user-agent": agent,
          accept: request.stream ? "text/event-stream, application/json" : "application/json"
        },
        json: bodyOf(request),
        ...(credential.authorization === null ? {} : { authorization: credential.authorization })
      },
      (answer): Effect.Effect<ModelAnswer | Refusal, ModelFailed> =>
        answer.status === 200 ? read(answer, request, onText) : refusal(answer)
    ).pipe(Effect.catchTag("Unreachable", ({ message }) => Effect.fail(failed("model_unavailable", message))))
    return { credential, outcome }
  })

  const ask = Effect.fn("ModelClient.ask")(function* (
    request: ModelRequest,
    onText: (text: string) => Effect.Effect<unknown>
  ) {
    const first = yield* attempt(request, onText)
    // The session may have been ended before its time, or the subscription: a new exchange says which.
    const { credential, outcome } =
      "status" in first.outcome && (first.outcome.status === 401 || first.outcome.status === 403)
        ? yield* Effect.andThen(account.refused, attempt(request, onText))
        : first
    if (!("status" in outcome)) return outcome
    if (outcome.status === 401) return yield* new NotSignedIn({ message: NOT_TAKEN })
    return yield* failureOf(outcome, request, credential)
  })

  return ModelClient.of({ ask })
})

const NOT_TAKEN =
  "The model provider does not take this account's token: sign in again (holdfast login), or correct the provider's `api_key`."

const bodyOf = ({ messages, model, stream, tools }: ModelRequest) => ({
  ...(model === null ? {} : { model }),
  messages,
  stream,
  ...(tools.length === 0
    ? {}
    : {
        tools: tools.map(({ description, name, parameters }) => ({
          type: "function",
          function: { name, description, parameters }
        })),
        // That family refuses the parameter itself.
        ...(model !== null && /(^|\/)o1(-|$)/.test(model) ? {} : { tool_choice: "auto" })
      })
})

/** An answer of status 200: a stream, whether one was asked for or not, or a whole one. */
const read = Effect.fnUntraced(function* (
  answer: Download,
  request: ModelRequest,
  onText: (text: string) => Effect.Effect<unknown>
) {
  const isStream = /^text\/event-stream\b/i.test(answer.headers["content-type"] ?? "")
  const joiner = makeJoiner(`call_${request.messages.length}_`, isStream)
  const take = Effect.fnUntraced(function* (json: string) {
    const chunk = decodeChunk(json)
    if (chunk._tag === "None") {
      return yield* failed(
        "model_answer_invalid",
        "The model provider's answer cannot be understood: check its address, and what stands between (a proxy, a sign-in page)."
      )
    }
    const { error } = chunk.value
    if (error !== undefined && error !== null) {
      const { message } = errorWords(error)
      return yield* failed("model_unavailable", `The model provider broke its answer off${quoted(message)}. Try again.`)
    }
    const text = joiner.add(chunk.value)
    if (text !== "") yield* onText(text)
  })
  if (!isStream) {
    yield* Effect.flatMap(textOf(answer, MAX_ANSWER_BYTES), take)
    return joiner.answer()
  }
  const isOver = yield* readEvents(answer, take).pipe(
    // What was said to its end was said, however the connection ended then.
    Effect.catchIf(
      ({ code }) => code === "model_answer_cut" && joiner.answer().finish !== null,
      () => Effect.succeed(true)
    )
  )
  const whole = joiner.answer()
  return isOver || whole.finish !== null ? whole : yield* cutOff()
})

/** Reads events until the one that ends them, which gives true, or the end of the connection. */
const readEvents = Effect.fnUntraced(function* <E>(
  answer: Download,
  take: (json: string) => Effect.Effect<unknown, E>
) {
  let events: Array<string> = []
  const parser = Sse.makeParser(
    (event) => {
      if (event._tag === "Event") events.push(event.data)
    },
    { maxEventSize: MAX_EVENT_CHARS }
  )
  const isOver = yield* Ref.make(false)
  yield* boundedText(answer, MAX_ANSWER_BYTES).pipe(
    Stream.runForEachWhile(
      Effect.fnUntraced(function* (text) {
        if (parser.feed(text) !== undefined) return yield* tooLarge(MAX_EVENT_CHARS)
        const found = events
        events = []
        for (const data of found) {
          if (data.trim() === "[DONE]") {
            yield* Ref.set(isOver, true)
            return false
          }
          yield* take(data)
        }
        return true
      })
    )
  )
  return yield* Ref.get(isOver)
})

/** The body as text; counted as it comes. */
const boundedText = ({ body }: Download, maxBytes: number): Stream.Stream<string, ModelFailed> => {
  let size = 0
  return body.pipe(
    Stream.tapError(({ message }) => Effect.logWarning(`the connection of a model's answer broke: ${message}`)),
    Stream.mapError(cutOff),
    Stream.mapEffect((chunk) => {
      size += chunk.length
      return size > maxBytes ? Effect.fail(tooLarge(maxBytes)) : Effect.succeed(chunk)
    }),
    Stream.decodeText
  )
}

const textOf = (answer: Download, maxBytes: number) => Stream.mkString(boundedText(answer, maxBytes))

const refusal = Effect.fnUntraced(function* (answer: Download): Effect.fn.Return<Refusal> {
  // What cannot be read to its end says nothing: the status does.
  const body = yield* Effect.orElseSucceed(textOf(answer, MAX_REFUSAL_BYTES), () => "")
  const now = yield* Clock.currentTimeMillis
  return {
    status: answer.status,
    words: wordsOf(body),
    retryAfterSeconds: parseRetryAfter(answer.headers["retry-after"], now) ?? null
  }
})

const failureOf = (
  { retryAfterSeconds, status, words }: Refusal,
  { model }: ModelRequest,
  credential: ModelCredential
): ModelFailed => {
  const said = quoted(withoutSecret(words.message, credential))
  if (status === 429) {
    const when = retryAfterSeconds === null ? "in a minute" : `in ${retryAfterSeconds} s`
    return failed(
      "model_rate_limited",
      `The model provider asks for a pause (429)${said}. Try again ${when}.`,
      retryAfterSeconds
    )
  }
  if (status >= 500) {
    return failed(
      "model_unavailable",
      `The model provider is in trouble (${status})${said}. Try again later.`,
      retryAfterSeconds
    )
  }
  if (status === 402 || status === 403) {
    return failed(
      "model_forbidden",
      `The model provider does not let this account ask (${status})${said}. Check the account's plan and the rules of its organisation.`
    )
  }
  const isOfModel = namesModel(status, words)
  if (model !== null && isOfModel) {
    return failed("model_unknown", `The model provider has no model ${model}${said}. GET /models lists those it has.`)
  }
  if (!isOfModel && NOTHING_THERE.has(status)) {
    return failed(
      "model_refused",
      `The model provider has nothing at ${withoutSecret(shownUrl(chatUrl(credential)), credential)} (${status})${said}. ` +
        "Correct its address (`base_url`): most end in /v1."
    )
  }
  return failed("model_refused", `The model provider does not take the request (${status})${said}.`)
}

/** What servers answer for a path that they do not serve. */
const NOTHING_THERE: ReadonlySet<number> = new Set([204, 404, 405])

const chatUrl = ({ baseUrl }: ModelCredential): string => `${baseUrl}/chat/completions`

/** Without whatever may be secret in it. */
const shownUrl = (url: string): string => {
  const parsed = URL.parse(url)
  return parsed === null ? "its address" : shortened(`${parsed.origin}${parsed.pathname}`)
}

const namesModel = (status: number, { code, message, param }: ServerWords): boolean =>
  param === "model" || /^(unknown_)?model(_|$)/.test(code) || (status === 404 && /model/i.test(message))

const withoutSecret = (text: string, { authorization }: ModelCredential): string => {
  const secret = authorization === null ? "" : (Redacted.value(authorization).split(" ").at(-1) ?? "")
  return secret === "" ? text : text.replaceAll(secret, "…")
}

const quoted = (message: string): string => {
  const text = printable(message).replace(/[.\s]+$/, "")
  return text === "" ? "" : `: ${shortened(text)}`
}

const shortened = (text: string): string =>
  text.length > MAX_QUOTE_CHARS ? `${text.slice(0, MAX_QUOTE_CHARS)}…` : text

/** In words for whoever chats; the log says what became of the connection. */
const cutOff = (): ModelFailed =>
  failed(
    "model_answer_cut",
    "The answer broke off: the connection to the model's provider ended, or went silent, before it was whole. Ask again; " +
      "if that happens each time, ask for less at once, or pick another model."
  )

const tooLarge = (max: number): ModelFailed =>
  failed(
    "model_answer_too_large",
    `The model's answer is larger than ${max / 1_048_576} MiB and was not read to its end: ask for less at once.`
  )

const failed = (code: ModelFailed["code"], message: string, retryAfterSeconds: number | null = null): ModelFailed =>
  new ModelFailed({ code, message, retryAfterSeconds })
