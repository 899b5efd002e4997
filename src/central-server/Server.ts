/** Running a central. */
import { Effect, type FileSystem, Layer, type Path, Result, type Scope } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpRouter, HttpServer } from "effect/http"
import { type CentralUrlInvalid, normaliseUrl, parseBaseUrl } from "../domain/index.ts"
import { jsonErrors, listen, type ListenFailed, urlHost } from "../http/index.ts"
import { ConfigStore } from "./ConfigStore.ts"
import { Database, type DatabaseError } from "./Database.ts"
import { Gateways } from "./Gateways.ts"
import { DEFAULT_IDENTITY_POLICY, Identities, type IdentityPolicy, type SigningKeyUnusable } from "./Identities.ts"
import { Polls } from "./Polls.ts"
import { GatewayRoutes } from "./Routes.ts"
import { Settings } from "./Settings.ts"
import { Tokens } from "./Tokens.ts"

/** What a central is started with. */
export interface ServeOptions {
  /** Its directory; created with mode 0700. */
  readonly data: string
  readonly host: string
  /** 0 is any free port. */
  readonly port: number
  /** The base URL by which gateways reach it; without it the one that it listens on. */
  readonly externalUrl?: string | undefined
  readonly identity?: Partial<IdentityPolicy> | undefined
}

/** A central that listens. */
export interface Listening {
  /** What it listens on, such as `http://127.0.0.1:4711`. */
  readonly url: string
  readonly externalUrl: string
}

/** Everything that central stores, over one database. */
export const storesLayer = (data: string) =>
  Layer.mergeAll(Tokens.layer, ConfigStore.layer, Gateways.layer, Settings.layer).pipe(
    Layer.provide(SecureRandom.layerWebCrypto),
    Layer.provideMerge(Database.layer(data))
  )

/** The services behind the routes. */
export const servicesLayer = (data: string, policy: IdentityPolicy) =>
  Polls.layer.pipe(Layer.provideMerge(Identities.layer(policy)), Layer.provideMerge(storesLayer(data)))

/**
 * Starts a central until the scope closes, and gives its address as soon as it answers. The external URL is stored in the
 * directory, where the save pipeline finds it.
 */
export const serve = Effect.fn("central.serve")(
  function* (
    options: ServeOptions
  ): Effect.fn.Return<
    Listening,
    CentralUrlInvalid | DatabaseError | ListenFailed | SigningKeyUnusable,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  > {
    const wanted = options.externalUrl === undefined ? undefined : yield* externalUrlOf(options.externalUrl)
    const services = yield* Layer.build(
      servicesLayer(options.data, { ...DEFAULT_IDENTITY_POLICY, ...options.identity })
    )
    return yield* Effect.gen(function* () {
      const app = yield* HttpRouter.toHttpEffect(GatewayRoutes)
      const { port, server } = yield* listen(options)
      yield* HttpServer.serveEffect(jsonErrors(app)).pipe(Effect.provideService(HttpServer.HttpServer, server))
      const url = `http://${urlHost(options.host)}:${port}`
      const externalUrl = wanted ?? url
      yield* (yield* Settings).set("external_url", externalUrl)
      return { url, externalUrl }
    }).pipe(Effect.provide(services))
  },
  // Layers are shared by identity: without a memo map of its own, a second central in one process would get the services
  // of the first.
  Effect.provideServiceEffect(Layer.CurrentMemoMap, Layer.makeMemoMap)
)

const externalUrlOf = (url: string): Effect.Effect<string, CentralUrlInvalid> =>
  Effect.fromResult(Result.map(parseBaseUrl(url), ({ href }) => normaliseUrl(href)))
