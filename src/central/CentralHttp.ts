/** Requests to central, with this machine's credential. */
import { Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import type { HttpClient } from "effect/http"
import { ErrorBody, MAX_DOCUMENT_BYTES } from "../domain/index.ts"
import { makeOutgoing, type OutgoingAnswer, type OutgoingRequest, printable } from "../http/index.ts"

/** One request and its whole body, ms. */
export const REQUEST_DEADLINE_MS = 30_000

/** Central could not be asked, or its answer could not be read to its end. */
export class CentralUnreachable extends Schema.TaggedError<CentralUnreachable>()("CentralUnreachable", {
  message: Schema.String
}) {}

/** A body of more than 1 MiB is null: no document is larger. */
export type CentralAnswer = OutgoingAnswer

export interface CentralRequest extends Pick<OutgoingRequest, "method" | "url" | "headers" | "json" | "bytes"> {
  readonly bearer?: Redacted.Redacted<string>
}

export class CentralHttp extends Context.Service<
  CentralHttp,
  {
    readonly request: (request: CentralRequest) => Effect.Effect<CentralAnswer, CentralUnreachable>
  }
>()("holdfast/central/CentralHttp") {
  static readonly layer: Layer.Layer<CentralHttp, never, HttpClient.HttpClient> = Layer.effect(
    CentralHttp,
    Effect.map(
      makeOutgoing({
        peer: "central",
        remedy: "The credential stays here: join with the right URL.",
        maxBytes: MAX_DOCUMENT_BYTES,
        deadlineMs: REQUEST_DEADLINE_MS
      }),
      (send) =>
        CentralHttp.of({
          request: ({ bearer, ...request }) =>
            send(
              bearer === undefined
                ? request
                : { ...request, authorization: Redacted.make(`Bearer ${Redacted.value(bearer)}`) }
            ).pipe(Effect.mapError(({ message }) => new CentralUnreachable({ message })))
        })
    )
  )
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
