/** The daemon's own HTTP API, behind its doors. */
import { Deferred, Effect, type Redacted, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { agentFileRoutes, AgentStore, chatRoutes, type HostHealth, isOpenToAll } from "../agents/index.ts"
import { ModelAccount, type Status, Version } from "../domain/index.ts"
import {
  apiAnswers,
  builtPages,
  listen,
  mountRoutes,
  orSignIn,
  readJson,
  sessionCookie,
  urlHost,
  withDoors
} from "../http/index.ts"
import { Login, loginRoutes, Models } from "../login/index.ts"
import { pluginRoutes, PluginStore } from "../plugins/index.ts"
import { runRoutes } from "../runs/index.ts"
import { exposition, EXPOSITION_TYPE } from "../telemetry/index.ts"
import { daemonAccount } from "./Account.ts"
import { Fleet } from "./Fleet.ts"
import { LazyAgents } from "./LazyAgents.ts"
import { LazyRuns } from "./LazyRuns.ts"
import { pageRoutes } from "./Pages.ts"
import { notices } from "./PageText.ts"

const RestartBody = Schema.Struct({
  normal: Schema.optionalKey(Schema.Boolean),
  reason: Schema.optionalKey(Schema.Literals(["operator", "joined"]))
})
const StopBody = Schema.Struct({ leave: Schema.optionalKey(Schema.Boolean) })
const RetryBody = Schema.Struct({ etag: Schema.NonEmptyString })

const accepted = HttpServerResponse.jsonUnsafe({ accepted: true }, { status: 202 })

/** An ETag is kept with its quotes; people may leave them out. */
const withQuotes = (etag: string): string => (etag.startsWith('"') || etag.startsWith("W/") ? etag : `"${etag}"`)

const ownRoutes = (status: Effect.Effect<Status>, fleet: Fleet["Service"]) =>
  [
    HttpRouter.route(
      "GET",
      "/status",
      Effect.map(status, (current) => HttpServerResponse.jsonUnsafe(current))
    ),
    HttpRouter.route(
      "GET",
      "/metrics",
      Effect.map(exposition, (text) => HttpServerResponse.text(text, { contentType: EXPOSITION_TYPE }))
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
  ] as const

/** What the daemon knows of itself, for `GET /health`. */
const healthOf = (status: Effect.Effect<Status>) =>
  Effect.gen(function* () {
    const { core_lock, diagnostics, overall, remote_config } = yield* status
    const { isMissing, shown } = yield* daemonAccount
    const found: HostHealth = {
      status: overall !== "healthy" ? "degraded" : isMissing ? "unauthenticated" : "ok",
      shown: {
        ...shown,
        remote_config,
        core_lock,
        reasons: diagnostics.map(({ kind, message }) => ({ kind, message }))
      }
    }
    return found
  })

/** Where the API listens, and who may use it. */
export interface ApiOptions {
  readonly port: number
  readonly token: Redacted.Redacted<string>
  readonly status: Effect.Effect<Status>
  /** Told the API's URL as soon as it answers. */
  readonly listening: (url: string) => Effect.Effect<void, never, Fleet>
}

/** Opens the API on both loopback addresses until the scope closes. */
export const serveApi = Effect.fnUntraced(function* ({ listening, port, status, token }: ApiOptions) {
  const fleet = yield* Fleet
  const { agents, chat } = yield* LazyAgents
  const { runs, tails } = yield* LazyRuns
  const opened = yield* Deferred.make<number>()
  const closed = yield* Deferred.make<void>()
  const pages = yield* pageRoutes({
    token,
    port: Deferred.await(opened),
    status,
    closing: Deferred.await(closed),
    folder: builtPages
  })
  const app = yield* HttpRouter.toHttpEffect(
    // In one mount: a path may have a method of the chat and one of the pages.
    mountRoutes([
      ...ownRoutes(status, fleet),
      ...chatRoutes({
        agents,
        chat,
        account: yield* ModelAccount,
        version: yield* Version,
        health: healthOf(status),
        closing: Deferred.await(closed)
      }),
      ...agentFileRoutes(yield* AgentStore),
      ...loginRoutes(yield* Login, yield* Models),
      ...pluginRoutes(yield* PluginStore),
      ...runRoutes(runs, tails, { closing: Deferred.await(closed), orPage: pages.orPage }),
      ...pages.routes
    ])
  )
  const serveOn = Effect.fnUntraced(function* (host: string, wanted: number) {
    const { port: real, server } = yield* listen({ host, port: wanted })
    const doors = withDoors({ token, knownHosts: [], isOpen, cookie: sessionCookie(real) })
    yield* HttpServer.serveEffect(guarded(doors(app))).pipe(Effect.provideService(HttpServer.HttpServer, server))
    // Added after the server's own finalizer, so that it comes before: streams end, and then nobody waits for them.
    yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))
    return real
  })
  const real = yield* serveOn("127.0.0.1", port)
  yield* Deferred.succeed(opened, real)
  yield* listening(`http://${urlHost("127.0.0.1")}:${real}`)
  // A machine without IPv6 has no ::1; one loopback address is enough, and nobody waits for the other.
  yield* serveOn("::1", real).pipe(Effect.catch((error) => Effect.logDebug(error.message)))
})

const isOpen = (method: string, path: string): boolean =>
  isOpenToAll(method, path) || ((method === "GET" || method === "HEAD") && path === "/open")

/** Errors become answers: JSON for programs, and words for a person who has no session yet. */
const guarded = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  app.pipe(orSignIn(notices), apiAnswers)
