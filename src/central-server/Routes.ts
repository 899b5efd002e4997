/** The routes that gateways speak to. */
import { Clock, Effect, Option, Redacted } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { BootstrapRequest, StatusReport } from "../domain/index.ts"
import { bearerToken, HttpFailure, mountRoutes, namesTag, readJson } from "../http/index.ts"
import { unavailable } from "./Answers.ts"
import { ConfigStore } from "./ConfigStore.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { Gateways } from "./Gateways.ts"
import { Identities } from "./Identities.ts"
import { ingest } from "./IngestRoutes.ts"
import { MAX_ETAG_LENGTH, Polls } from "./Polls.ts"
import { CredentialRefused } from "./Refused.ts"
import { Tokens } from "./Tokens.ts"

const bootstrap = Effect.gen(function* () {
  const { bootstrap_token } = yield* readJson(BootstrapRequest, { maxBytes: 65_536 })
  const token = yield* (yield* Tokens).admit(Redacted.make(bootstrap_token))
  const gateway = yield* (yield* Gateways).join(token)
  yield* Effect.logInfo("a gateway joined").pipe(Effect.annotateLogs({ gateway: gateway.id, config: gateway.config }))
  return secretAnswer(yield* (yield* Identities).issue(gateway))
})

const refresh = Effect.gen(function* () {
  const identities = yield* Identities
  const identity = yield* identities.verify(yield* credential, { forRefresh: true })
  return secretAnswer(yield* identities.issue(yield* (yield* Polls).admit(identity)))
})

const config = Effect.gen(function* () {
  const polls = yield* Polls
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const gateway = yield* polls.authenticate(yield* credential)
  const condition = headers["if-none-match"]
  const at = yield* Clock.currentTimeMillis
  yield* polls.sight({ gatewayId: gateway.id, at, runningEtag: condition?.slice(0, MAX_ETAG_LENGTH) ?? null })
  const etag = yield* polls.etag(gateway.config)
  if (Option.isSome(etag) && namesTag(condition, etag.value)) {
    return HttpServerResponse.empty({ status: 304, headers: { etag: etag.value, ...REVALIDATE } })
  }
  const document = yield* (yield* ConfigStore).document(gateway.config)
  if (Option.isNone(document)) return yield* noDocument
  return HttpServerResponse.uint8Array(document.value.bytes, {
    contentType: "application/json",
    headers: { etag: document.value.etag, ...REVALIDATE }
  })
})

const status = Effect.gen(function* () {
  const polls = yield* Polls
  const gateway = yield* polls.authenticate(yield* credential)
  const report = yield* readJson(StatusReport, { maxBytes: 1_048_576 })
  yield* polls.report(gateway.id, report)
  return HttpServerResponse.empty({ status: 204 })
})

const credential = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
  Effect.mapError(Effect.fromOption(bearerToken(headers.authorization)), () => identityMissing)
)

const answered = <R>(
  handler: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    CredentialRefused | DatabaseError | HttpFailure | HttpServerRequestFailure,
    R
  >
) =>
  Effect.catchTags(handler, {
    CredentialRefused: ({ error, message }) =>
      Effect.fail(new HttpFailure({ status: 401, error, detail: message, headers: { "www-authenticate": "Bearer" } })),
    DatabaseError: unavailable
  })

type HttpServerRequestFailure = Effect.Error<ReturnType<typeof readJson>>

/** Bootstrap, refresh, config, status and ingest, under `/v1/`. */
export const GatewayRoutes = mountRoutes([
  HttpRouter.route("POST", "/v1/identity/bootstrap", answered(bootstrap)),
  HttpRouter.route("POST", "/v1/identity/refresh", answered(refresh)),
  HttpRouter.route("GET", "/v1/config", answered(config)),
  HttpRouter.route("POST", "/v1/gateway/status", answered(status)),
  HttpRouter.route("POST", "/v1/ingest/:signal", answered(ingest(credential)))
])

/** How long an answer to a poll may be kept: until the next one. */
export const REVALIDATE = { "cache-control": "private, no-cache" }

const secretAnswer = (body: unknown) =>
  HttpServerResponse.jsonUnsafe(body, { headers: { "cache-control": "no-store" } })

const identityMissing = new CredentialRefused({
  error: "identity_missing",
  message: "Send the gateway's identity as `Authorization: Bearer …`."
})

const noDocument = new HttpFailure({
  status: 404,
  error: "config_not_found",
  detail: "No document is registered under this gateway's config name."
})
