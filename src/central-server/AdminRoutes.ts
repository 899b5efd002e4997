/**
 * Central's API for admins: what its page and programs read and change.
 *
 * @ref LLP 0028#routes [implements]: paths, shapes and refusals
 */
import { Effect, Redacted, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { documentSchema, MAX_DOCUMENT_BYTES, RollbackBody, TokenBody, Version } from "../domain/index.ts"
import { eventResponse, HttpFailure, namesTag, readJson, readJsonBytes, Shown } from "../http/index.ts"
import { EXPOSITION_TYPE } from "../telemetry/index.ts"
import { Admin } from "./Admin.ts"
import { adminAnswer } from "./Answers.ts"
import { CentralMetrics } from "./CentralMetrics.ts"
import { FleetLook } from "./FleetLook.ts"

const json = HttpServerResponse.jsonUnsafe

const param = (name: string) => Effect.map(HttpRouter.params, (params) => params[name] ?? "")

const query = Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) => new URL(url, "http://central").searchParams)

/** A number of a path or a query; of anything else, one that no revision has. */
const numberOf = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : -1)

const fleet = Effect.gen(function* () {
  const { etag, view } = yield* (yield* FleetLook).look
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const all = { etag, "cache-control": "private, no-cache" }
  if (namesTag(headers["if-none-match"], etag)) return HttpServerResponse.empty({ status: 304, headers: all })
  return json(yield* view, { headers: all })
})

const fleetEvents = (closing: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const metrics = yield* CentralMetrics
    const { changes } = yield* FleetLook
    const hello = Stream.make({ event: "hello", data: { version: yield* Version } })
    const changed = Stream.map(changes, () => ({ event: "changed", data: {} }))
    const counted = Effect.acquireRelease(
      Effect.sync(() => metrics.streams(1)),
      () => Effect.sync(() => metrics.streams(-1))
    )
    return eventResponse(Stream.unwrap(Effect.as(counted, Stream.concat(hello, changed))), closing)
  })

const gateway = Effect.gen(function* () {
  return json(yield* (yield* Admin).gatewayDetail(yield* param("id")))
})

const revokeGateway = Effect.gen(function* () {
  yield* (yield* Admin).revokeGateway(yield* param("id"))
  return HttpServerResponse.empty({ status: 204 })
})

const revisions = Effect.gen(function* () {
  const before = (yield* query).get("before")
  const from = before === null ? {} : { before: numberOf(before) }
  return json({ revisions: yield* (yield* Admin).history(yield* param("name"), from) })
})

const revision = Effect.gen(function* () {
  const seq = numberOf(yield* param("seq"))
  const { bytes, etag } = yield* (yield* Admin).revision(yield* param("name"), seq)
  return HttpServerResponse.uint8Array(bytes, { contentType: "application/json", headers: { etag } })
})

/** Who saves, whether against objections, and what he has seen as the newest revision. */
const saveOptions = Effect.gen(function* () {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const savedBy = (yield* Shown) === "session" ? ("page" as const) : ("api" as const)
  const force = (yield* query).get("force") === "true"
  const seen = headers["if-match"]?.trim()
  if (seen !== undefined && seen !== "*") return { savedBy, force, expect: seen }
  if (headers["if-none-match"]?.trim() === "*") return { savedBy, force, expect: "none" as const }
  return yield* new HttpFailure({
    status: 428,
    error: "revision_missing",
    detail:
      "Say which revision you have seen as the newest: `If-Match: <its etag>`, or `If-None-Match: *` for a new config. " +
      "Of two admins who save at once, one would undo the other's work otherwise."
  })
})

// More than a document may have, so that the save pipeline refuses it in its own words.
const document = readJsonBytes({ maxBytes: 2 * MAX_DOCUMENT_BYTES })

const save = Effect.gen(function* () {
  const options = yield* saveOptions
  return json(yield* (yield* Admin).putConfig(yield* param("name"), yield* document, options))
})

const check = Effect.gen(function* () {
  return json(yield* (yield* Admin).check(yield* param("name"), yield* document))
})

const rollback = Effect.gen(function* () {
  const { force, ...options } = yield* saveOptions
  const body = yield* readJson(RollbackBody, { maxBytes: SMALL })
  const whole = { ...options, seq: body.seq, force: force || body.force === true }
  return json(yield* (yield* Admin).rollback(yield* param("name"), whole))
})

const tokens = Effect.gen(function* () {
  return json({ tokens: yield* (yield* Admin).listTokens })
})

const newToken = Effect.gen(function* () {
  const { config, expires_in_seconds } = yield* readJson(TokenBody, { maxBytes: SMALL })
  const { id, token } = yield* (yield* Admin).createToken({ config, expiresInSeconds: expires_in_seconds })
  return json({ id, token: Redacted.value(token) }, { status: 201 })
})

const revokeToken = Effect.gen(function* () {
  yield* (yield* Admin).revokeToken(yield* param("id"))
  return HttpServerResponse.empty({ status: 204 })
})

const metrics = (data: string) =>
  Effect.gen(function* () {
    const { view } = yield* (yield* FleetLook).look
    const text = yield* (yield* CentralMetrics).text({ fleet: yield* view, data })
    return HttpServerResponse.text(text, { contentType: EXPOSITION_TYPE })
  })

const SMALL = 4_096

/** What the routes need of the server that they are part of. */
export interface AdminRouteOptions {
  /** Directory of the database. */
  readonly data: string
  /** Completes when the server closes: a stream would hold the process until its client leaves. */
  readonly closing: Effect.Effect<unknown>
}

/** All of them, for behind the doors. */
export const adminRoutes = ({ closing, data }: AdminRouteOptions) =>
  [
    HttpRouter.route("GET", "/fleet", adminAnswer(fleet)),
    HttpRouter.route("GET", "/fleet/events", fleetEvents(closing)),
    HttpRouter.route("GET", "/gateways/:id", adminAnswer(gateway)),
    HttpRouter.route("POST", "/gateways/:id/revoke", adminAnswer(revokeGateway)),
    HttpRouter.route("GET", "/configs/:name/revisions", adminAnswer(revisions)),
    HttpRouter.route("GET", "/configs/:name/revisions/:seq", adminAnswer(revision)),
    HttpRouter.route("PUT", "/configs/:name", adminAnswer(save)),
    HttpRouter.route("POST", "/configs/:name/check", adminAnswer(check)),
    HttpRouter.route("POST", "/configs/:name/rollback", adminAnswer(rollback)),
    HttpRouter.route("GET", "/tokens", adminAnswer(tokens)),
    HttpRouter.route("POST", "/tokens", adminAnswer(newToken)),
    HttpRouter.route("POST", "/tokens/:id/revoke", adminAnswer(revokeToken)),
    HttpRouter.route(
      "GET",
      "/schema.json",
      Effect.sync(() => HttpServerResponse.text(JSON.stringify(documentSchema()), { contentType: SCHEMA_TYPE }))
    ),
    HttpRouter.route("GET", "/metrics", adminAnswer(metrics(data)))
  ] as const

const SCHEMA_TYPE = "application/schema+json"
