/** The routes that gateways speak to. */
import { Clock, Effect, Option, Redacted } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { BootstrapRequest, StatusReport } from "../domain/index.ts"
import { bearerToken, HttpFailure, mountRoutes, readJson } from "../http/index.ts"
import { ConfigStore } from "./ConfigStore.ts"
import type { DatabaseError } from "./Database.ts"
import { Gateways } from "./Gateways.ts"
import { Identities } from "./Identities.ts"
import { Polls } from "./Polls.ts"
import { CredentialRefused } from "./Refused.ts"
import { Tokens } from "./Tokens.ts"

const bootstrap = Effect.gen(function* () {
  const { bootstrap_token } = yield* readJson(BootstrapRequest, { maxBytes: 65_536 })
  const token = yield* (yield* Tokens).admit(Redacted.make(bootstrap_token))
  const gatewayId = yield* (yield* Gateways).join(token)
  yield* Effect.logInfo("a gateway joined", { gateway: gatewayId, config: token.config })
  return secretAnswer(yield* (yield* Identities).issue(gatewayId))
})

const refresh = Effect.gen(function* () {
  const identities = yield* Identities
  const { gatewayId } = yield* identities.verify(yield* credential, { forRefresh: true })
  const gateway = yield* (yield* Polls).admit(gatewayId)
  return secretAnswer(yield* identities.issue(gateway.id))
})

const config = Effect.gen(function* () {
  const polls = yield* Polls
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const gateway = yield* polls.authenticate(yield* credential)
  const condition = headers["if-none-match"]
  const at = yield* Clock.currentTimeMillis
  yield* polls.sight({ gatewayId: gateway.id, at, runningEtag: condition?.slice(0, MAX_ETAG_LENGTH) ?? null })
  const etag = yield* polls.etag(gateway.config)
  if (condition !== undefined && Option.isSome(etag) && matches(condition, etag.value)) {
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
  const gateway = yield* (yield* Polls).authenticate(yield* credential)
  const report = yield* readJson(StatusReport, { maxBytes: 1_048_576 })
  yield* (yield* Gateways).report(gateway.id, report)
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
    DatabaseError: (error) => Effect.andThen(Effect.logError(error.message), Effect.fail(unavailable))
  })

type HttpServerRequestFailure = Effect.Error<ReturnType<typeof readJson>>

/** Bootstrap, refresh, config and status, under `/v1/`. */
export const GatewayRoutes = mountRoutes([
  HttpRouter.route("POST", "/v1/identity/bootstrap", answered(bootstrap)),
  HttpRouter.route("POST", "/v1/identity/refresh", answered(refresh)),
  HttpRouter.route("GET", "/v1/config", answered(config)),
  HttpRouter.route("POST", "/v1/gateway/status", answered(status))
])

const MAX_ETAG_LENGTH = 256

const REVALIDATE = { "cache-control": "private, no-cache" }

// `W/` and lists come from proxies; our clients send the one etag as they got it.
const matches = (condition: string, etag: string): boolean =>
  condition.split(",").some((candidate) => [etag, "*"].includes(candidate.trim().replace(/^W\//, "")))

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

// 503 and not 500: a gateway on probation takes it as contact, so that a full disk here does not roll back a fleet.
const unavailable = new HttpFailure({
  status: 503,
  error: "storage_unavailable",
  detail: "Central's database cannot be used right now; its log says why."
})
