/** The daemon's own HTTP API, behind its doors. */
import { Effect, type Redacted, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import type { Status } from "../domain/index.ts"
import { Version } from "../domain/index.ts"
import { Authenticated, jsonErrors, listen, mountRoutes, readJson, urlHost, withDoors } from "../http/index.ts"
import { Fleet } from "./Fleet.ts"

const RestartBody = Schema.Struct({
  normal: Schema.optionalKey(Schema.Boolean),
  reason: Schema.optionalKey(Schema.Literals(["operator", "joined"]))
})
const StopBody = Schema.Struct({ leave: Schema.optionalKey(Schema.Boolean) })
const RetryBody = Schema.Struct({ etag: Schema.NonEmptyString })

const accepted = HttpServerResponse.jsonUnsafe({ accepted: true }, { status: 202 })

/** An ETag is kept with its quotes; people may leave them out. */
const withQuotes = (etag: string): string => (etag.startsWith('"') || etag.startsWith("W/") ? etag : `"${etag}"`)

const routes = (status: Effect.Effect<Status>, fleet: Fleet["Service"], version: string) =>
  mountRoutes([
    HttpRouter.route("GET", "/version", Effect.succeed(HttpServerResponse.jsonUnsafe({ version }))),
    HttpRouter.route(
      "GET",
      "/health",
      Effect.gen(function* () {
        const { diagnostics, overall, remote_config } = yield* status
        const short = { status: overall === "healthy" ? "ok" : "degraded", version }
        if (!(yield* Authenticated)) return HttpServerResponse.jsonUnsafe(short)
        return HttpServerResponse.jsonUnsafe({
          ...short,
          model: null,
          agents: [],
          quarantined: [],
          remote_config,
          reasons: diagnostics.map(({ kind, message }) => ({ kind, message }))
        })
      })
    ),
    HttpRouter.route(
      "GET",
      "/status",
      Effect.map(status, (current) => HttpServerResponse.jsonUnsafe(current))
    ),
    HttpRouter.route(
      "POST",
      "/restart",
      Effect.gen(function* () {
        const { normal, reason } = yield* readJson(RestartBody)
        const { apply, daemon } = yield* fleet.machines
        yield* normal === true
          ? apply.send({ type: "NORMAL_ASKED" })
          : daemon.send({ type: "RESTART_REQUESTED", reason: reason ?? "operator" })
        return accepted
      })
    ),
    HttpRouter.route(
      "POST",
      "/stop",
      Effect.gen(function* () {
        const { leave } = yield* readJson(StopBody)
        const { daemon } = yield* fleet.machines
        yield* daemon.send({ type: "STOP_REQUESTED", leave: leave === true })
        return accepted
      })
    ),
    HttpRouter.route(
      "POST",
      "/config/retry",
      Effect.gen(function* () {
        const etag = withQuotes((yield* readJson(RetryBody)).etag)
        const { apply, pull } = yield* fleet.machines
        const { state } = (yield* apply.current).context
        const known = state.quarantine.some((entry) => entry.etag === etag) || state.last_attempt?.etag === etag
        yield* apply.send({ type: "RETRY", etag })
        yield* pull.send({ type: "POLL_NOW" })
        return HttpServerResponse.jsonUnsafe({ etag, known })
      })
    )
  ])

/** Where the API listens, and who may use it. */
export interface ApiOptions {
  readonly port: number
  readonly token: Redacted.Redacted<string>
  readonly status: Effect.Effect<Status>
  /** Told the API's URL as soon as it answers. */
  readonly listening: (url: string) => Effect.Effect<void, never, Fleet>
}

/** Opens the API on both loopback addresses until the scope closes. */
export const serveApi = Effect.fn("daemon.api")(function* ({ listening, port, status, token }: ApiOptions) {
  const fleet = yield* Fleet
  const app = yield* HttpRouter.toHttpEffect(routes(status, fleet, yield* Version))
  const doors = withDoors({
    token,
    knownHosts: [],
    isOpen: (method, path) => (method === "GET" || method === "HEAD") && (path === "/version" || path === "/health")
  })
  const serveOn = Effect.fnUntraced(function* (host: string, wanted: number) {
    const { port, server } = yield* listen({ host, port: wanted })
    yield* HttpServer.serveEffect(jsonErrors(doors(app))).pipe(Effect.provideService(HttpServer.HttpServer, server))
    return port
  })
  const real = yield* serveOn("127.0.0.1", port)
  yield* listening(`http://${urlHost("127.0.0.1")}:${real}`)
  // A machine without IPv6 has no ::1; one loopback address is enough, and nobody waits for the other.
  yield* serveOn("::1", real).pipe(Effect.catch((error) => Effect.logDebug(error.message)))
})
