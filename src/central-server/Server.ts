/** Running a central. */
import { Clock, Deferred, Effect, type FileSystem, Layer, type Path, Result, type Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { type CentralUrlInvalid, normaliseUrl, parseBaseUrl, Version, type VersionUnknown } from "../domain/index.ts"
import {
  apiAnswers,
  type AtOnce,
  builtPages,
  jsonErrors,
  listen,
  type ListenFailed,
  mountRoutes,
  orSignIn,
  ownToken,
  sessionCookie,
  urlHost,
  withDoors
} from "../http/index.ts"
import { DurableFiles, type LockHeld, type StorageError, takeFileLock } from "../storage/index.ts"
import { Admin } from "./Admin.ts"
import { adminRoutes } from "./AdminRoutes.ts"
import { CentralMetrics, type RequestKind } from "./CentralMetrics.ts"
import { centralPages, isOpen, notices } from "./CentralPages.ts"
import { type CertificateFiles, type CertificateUnusable, keepCertificate, readCertificate } from "./Certificate.ts"
import { ADMIN_TOKEN, LOCK } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { FleetLook } from "./FleetLook.ts"
import { DEFAULT_IDENTITY_POLICY, Identities, type IdentityPolicy, type SigningKeyUnusable } from "./Identities.ts"
import { IngestLedger } from "./IngestLedger.ts"
import { Polls } from "./Polls.ts"
import { GatewayRoutes, REVALIDATE } from "./Routes.ts"
import { Settings } from "./Settings.ts"
import { storesLayer } from "./Stores.ts"

/** What a central is started with. */
export interface ServeOptions {
  /** Its directory; created with mode 0700. */
  readonly data: string
  readonly host: string
  /** 0 is any free port. */
  readonly port: number
  /** The base URL by which gateways reach it; without it the one that it listens on. */
  readonly externalUrl?: string | undefined
  /** Serve TLS with this certificate; without it plain HTTP. */
  readonly tls?: CertificateFiles | undefined
  /** A proxy before this server speaks TLS. */
  readonly behindProxy?: boolean | undefined
  readonly identity?: Partial<IdentityPolicy> | undefined
}

/** A central that listens. */
export interface Listening {
  /** What it listens on, such as `http://127.0.0.1:4711`. */
  readonly url: string
  readonly externalUrl: string
  /** Reads the certificate again; without TLS it does nothing. */
  readonly renewCertificate: Effect.Effect<void, never, FileSystem.FileSystem>
}

/** The services behind the routes. */
export const servicesLayer = (data: string, policy: IdentityPolicy) =>
  Layer.mergeAll(Polls.layer, IngestLedger.pruning, CentralMetrics.layer).pipe(
    Layer.provideMerge(Identities.layer(policy)),
    Layer.provideMerge(storesLayer(data)),
    Layer.provideMerge(Version.layer)
  )

/**
 * Starts a central until the scope closes, and gives its address as soon as it answers. The external URL is stored in the
 * directory, where commands find it. There is one server on a directory: a second one would store another URL.
 */
export const serve = Effect.fn("central.serve")(
  function* (
    options: ServeOptions
  ): Effect.fn.Return<
    Listening,
    | CentralUrlInvalid
    | CertificateUnusable
    | DatabaseError
    | ListenFailed
    | LockHeld
    | SigningKeyUnusable
    | StorageError
    | VersionUnknown,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  > {
    const { data, host, tls } = options
    const wanted = options.externalUrl === undefined ? undefined : yield* externalUrlOf(options.externalUrl)
    const certificate = tls === undefined ? undefined : yield* readCertificate(tls)
    const services = yield* Layer.build(servicesLayer(data, { ...DEFAULT_IDENTITY_POLICY, ...options.identity }))
    yield* Effect.provide(takeFileLock(data, LOCK), DurableFiles.layer)
    const token = yield* Effect.provide(ownToken(data, ADMIN_TOKEN), DurableFiles.layer)
    return yield* Effect.gen(function* () {
      const { port, renew, server } = yield* listen({
        host,
        port: options.port,
        tls: certificate?.pair,
        atOnce: yield* unchangedPolls
      })
      const url = `${tls === undefined ? "http" : "https"}://${urlHost(host)}:${port}`
      const externalUrl = wanted ?? url
      yield* (yield* Settings).set("external_url", externalUrl)
      const kept =
        tls === undefined || certificate === undefined
          ? undefined
          : yield* keepCertificate({ files: tls, first: certificate, externalUrl, serve: renew })
      const warnings = kept?.warnings ?? Effect.succeed([])

      const closed = yield* Deferred.make<void>()
      const pages = yield* centralPages({
        token,
        port,
        secure: tls !== undefined || options.behindProxy === true,
        folder: builtPages,
        warnings
      })
      const routes = mountRoutes([...pages, ...adminRoutes({ data, closing: Deferred.await(closed) })])
      const look = yield* Layer.build(
        FleetLook.layer({ externalUrl, certificateExpires: kept?.expiresAt ?? Effect.succeed(null), warnings }).pipe(
          Layer.provideMerge(Admin.layerOver(externalUrl))
        )
      )
      const admins = Effect.provide(yield* HttpRouter.toHttpEffect(routes), look)
      const { hostname, origin } = new URL(externalUrl)
      const doors = withDoors({ token, knownHosts: [hostname, host], origin, isOpen, cookie: sessionCookie(port) })
      const gateways = jsonErrors(yield* HttpRouter.toHttpEffect(GatewayRoutes))
      const app = yield* measured(gateways, apiAnswers(orSignIn(notices)(doors(admins))))
      yield* HttpServer.serveEffect(app).pipe(Effect.provideService(HttpServer.HttpServer, server))
      // Added after the server's own finalizer, so that it comes before: streams end, and then nobody waits for them.
      yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))
      return { url, externalUrl, renewCertificate: kept?.renew ?? Effect.void }
    }).pipe(Effect.provide(services))
  },
  // Layers are shared by identity: without a memo map of its own, a second central in one process would get the services
  // of the first.
  Effect.provideServiceEffect(Layer.CurrentMemoMap, Layer.makeMemoMap)
)

const externalUrlOf = (url: string): Effect.Effect<string, CentralUrlInvalid> =>
  Effect.fromResult(Result.map(parseBaseUrl(url), ({ href }) => normaliseUrl(href)))

/**
 * Polls that nothing has changed for.
 *
 * @ref LLP 0007#a-poll-that-changes-nothing-is-cheap [implements]: answered from memory, without an effect
 */
export const unchangedPolls = Effect.gen(function* () {
  const polls = yield* Polls
  const metrics = yield* CentralMetrics
  const clock = yield* Clock.Clock
  const answer: AtOnce = (method, url, headers) => {
    if (method !== "GET" || url !== "/v1/config") return undefined
    const since = clock.monotonicTimeNanosUnsafe()
    const etag = polls.unchanged(headers.authorization, headers["if-none-match"])
    if (etag === undefined) return undefined
    metrics.answered("poll", 304, since)
    return { status: 304, headers: { etag, ...REVALIDATE } }
  }
  return answer
})

/** Gateways have no token and may call this server what they like; everybody else goes through the doors. */
const measured = <E1, R1, E2, R2>(gateways: Answering<E1, R1>, admins: Answering<E2, R2>) =>
  Effect.map(CentralMetrics, (metrics) =>
    Effect.gen(function* () {
      const { method, url } = yield* HttpServerRequest.HttpServerRequest
      const since = yield* Clock.monotonicTimeNanos
      const response = yield* url.startsWith("/v1/") ? gateways : admins
      metrics.answered(kindOf(method, url), response.status, since)
      return response
    })
  )

type Answering<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const KINDS: Readonly<Record<string, RequestKind>> = {
  "GET /v1/config": "poll",
  "POST /v1/identity/bootstrap": "bootstrap",
  "POST /v1/identity/refresh": "refresh",
  "POST /v1/gateway/status": "status"
}

const kindOf = (method: string, url: string): RequestKind =>
  url.startsWith("/v1/")
    ? (KINDS[`${method} ${url.split("?", 1)[0]}`] ?? (url.startsWith("/v1/ingest/") ? "ingest" : "other"))
    : "admin"
