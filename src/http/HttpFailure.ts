/** The one shape in which a request is refused. */
import { Schema } from "effect"
import { HttpServerResponse } from "effect/http"

/** A request that is refused: becomes `{ "error": error, "detail": detail }` with this status. */
export class HttpFailure extends Schema.TaggedError<HttpFailure>()("HttpFailure", {
  status: Schema.Int,
  /** For programs, in snake_case. */
  error: Schema.String,
  /** For people: what happened, why, what to do. Never holds a secret. */
  detail: Schema.optionalKey(Schema.String),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}) {
  override get message(): string {
    return this.detail === undefined ? this.error : `${this.error}: ${this.detail}`
  }
}

/** The answer that a failure becomes. */
export const failureResponse = ({ detail, error, headers = {}, status }: HttpFailure) =>
  HttpServerResponse.jsonUnsafe(detail === undefined ? { error } : { error, detail }, {
    status,
    headers: { ...headers, "cache-control": "no-store" }
  })
