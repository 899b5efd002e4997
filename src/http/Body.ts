/** Reading a request's body without trusting it. */
import { ByteSize, Effect, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpFailure } from "./HttpFailure.ts"

/** Largest body that any route reads, in bytes; counted while it arrives. */
export const MAX_BODY_BYTES = 16 * 1_048_576

/**
 * The request's JSON body, decoded. Fails with 415 when it is labelled as something else, 413 when it grows over
 * `maxBytes` (whatever its `Content-Length` says), 400 when it is not JSON, and 422 when it has the wrong shape.
 */
export const readJson = Effect.fn("http.readJson")(function* <A, RD>(
  schema: Schema.ConstraintDecoder<A, RD>,
  options: { readonly maxBytes: number } = { maxBytes: MAX_BODY_BYTES }
) {
  yield* checkHead(options.maxBytes)
  return yield* HttpServerRequest.schemaBodyJson(schema).pipe(
    Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.bytes(options.maxBytes)),
    Effect.catchTag("SchemaError", ({ message }) =>
      Effect.fail(new HttpFailure({ status: 422, error: "body_invalid", detail: message }))
    )
  )
})

/** The bytes of a JSON body as they are, whatever they hold. Fails as {@link readJson} with 415 and 413. */
export const readJsonBytes = Effect.fn("http.readJsonBytes")(function* (options: { readonly maxBytes: number }) {
  yield* checkHead(options.maxBytes)
  const { arrayBuffer } = yield* HttpServerRequest.HttpServerRequest
  const limit = ByteSize.bytes(options.maxBytes)
  return new Uint8Array(yield* Effect.provideService(arrayBuffer, HttpServerRequest.MaxBodySize, limit))
})

/** What can be refused before the body is read. */
const checkHead = Effect.fnUntraced(function* (maxBytes: number) {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const type = headers["content-type"]
  if (type !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    return yield* new HttpFailure({ status: 415, error: "body_not_json", detail: "Send the body as application/json." })
  }
  if (Number(headers["content-length"] ?? 0) > maxBytes) {
    return yield* new HttpFailure({
      status: 413,
      error: "body_too_large",
      detail: `The body is larger than the ${maxBytes} bytes that this route takes.`
    })
  }
})

/** As {@link readJson}; a request without a body means `{}`, whatever it is labelled as. */
export const readOptionalJson = Effect.fn("http.readOptionalJson")(function* <A, RD>(
  schema: Schema.ConstraintDecoder<A, RD>
) {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const isEmpty = headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0
  if (!isEmpty) return yield* readJson(schema)
  return yield* Effect.orDie(Schema.decodeUnknownEffect(schema)({}))
})
