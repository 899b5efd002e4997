/** What the groups of the daemon's API have in common: refusals, words, and the token. */
import { Context, Schema } from "effect"
import { HttpApiMiddleware, HttpApiSchema, HttpApiSecurity, OpenApi } from "effect/http-api"
import { ErrorBody } from "./CentralProtocol.ts"

export const failed = (status: number, when: string) =>
  ErrorBody.annotate({ description: when }).pipe(HttpApiSchema.status(status))

const bearer: HttpApiSecurity.Http = HttpApiSecurity.annotate(
  HttpApiSecurity.bearer,
  OpenApi.Description,
  "The content of state/api-token. A browser has a session cookie instead, from the link of `holdfast open`."
)

/** The API token, or the session of a browser that came through `holdfast open`. */
export class Token extends HttpApiMiddleware.Service<Token>()("holdfast/domain/DaemonApi/Token", {
  security: { bearer },
  error: failed(401, "Neither the token nor a session was shown.")
}) {}

export const words = (summary: string, description: string) =>
  Context.make(OpenApi.Summary, summary).pipe(Context.add(OpenApi.Description, description))

export const text = (contentType: string) => Schema.String.pipe(HttpApiSchema.asText({ contentType }))

export const nobody = failed(401, "`not_signed_in`: nobody is signed in; or no token was shown.")
export const tokenOnly = failed(403, "A session is not enough: the token itself is needed.")
