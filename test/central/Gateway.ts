/** The gateway's side of the protocol on a real directory: the tasks themselves, with a configuration that a test sets. */
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Logger, Option, Path, Redacted, References, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import type { AcquiredIdentity, LoadedIdentity, PollAnswer } from "../../machines/index.ts"
import { CentralHttp, Identity, PullLoop, Uplink } from "../../src/central/index.ts"
import { ConfigControl, Home, normaliseUrl, Version } from "../../src/domain/index.ts"
import { DurableFiles, IdentityStore } from "../../src/storage/index.ts"

/** What the running configuration says; a test may change it at any time. */
export interface Running {
  url: string | null
  etag: string | null
  token: string | null
}

export interface Gateway {
  readonly running: Running
  /** The state directory. */
  readonly state: string
  /** Revisions that were kept for the apply engine, by handle from 1. */
  readonly offers: ReadonlyArray<{ readonly etag: string; readonly bytes: Uint8Array }>
  readonly load: Effect.Effect<LoadedIdentity, { readonly _tag: string; readonly message: string }>
  readonly bootstrap: Effect.Effect<AcquiredIdentity, { readonly _tag: string; readonly message: string }>
  readonly refresh: Effect.Effect<AcquiredIdentity, { readonly _tag: string; readonly message: string }>
  readonly poll: Effect.Effect<PollAnswer, { readonly _tag: string; readonly message: string }>
  readonly report: Effect.Effect<{ readonly supported: boolean }, { readonly _tag: string; readonly message: string }>
  readonly identity: Identity["Service"]
  readonly store: IdentityStore["Service"]
  readonly uplink: Uplink["Service"]
  readonly http: CentralHttp["Service"]
  /** Everything that was logged, at every level, as JSON lines. */
  readonly log: () => string
}

export interface GatewayOptions {
  readonly running?: Partial<Running>
  /** The home to use, so that a second gateway finds what the first one left. */
  readonly root?: string
  /** Stands between storage and the real disk. */
  readonly disk?: Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem>
}

/** Runs a test with a gateway that has just started. */
export const withGateway = <A, E>(
  options: GatewayOptions,
  use: (gateway: Gateway) => Effect.Effect<A, E, NodeServices.NodeServices | Scope.Scope>
): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const root = options.root ?? (yield* scratchHome)
    const running: Running = { url: null, etag: null, token: null, ...options.running }
    const offers: Array<{ readonly etag: string; readonly bytes: Uint8Array }> = []
    const lines: Array<string> = []
    const control = Layer.succeed(
      ConfigControl,
      ConfigControl.of({
        runningEtag: Effect.sync(() => running.etag),
        document: Effect.succeed({ version: 2 as const }),
        unusedPlugins: Effect.succeed([]),
        central: Effect.sync(() =>
          Option.map(Option.fromNullishOr(running.url), (url) => ({
            instance: "central",
            plugin: "@holdfast/central",
            url,
            token: Option.none(),
            pollSeconds: 300
          }))
        ),
        policyToken: (url) =>
          Effect.sync(() =>
            running.token !== null && running.url !== null && normaliseUrl(running.url) === url
              ? Option.some(Redacted.make(running.token))
              : Option.none()
          ),
        keepOffer: (etag, bytes) => Effect.sync(() => offers.push({ etag, bytes })),
        remoteConfig: Effect.succeed(null)
      })
    )
    const layer = Layer.mergeAll(PullLoop.layer, Uplink.layer).pipe(
      Layer.provideMerge(Identity.layer),
      Layer.provideMerge(Layer.mergeAll(CentralHttp.layer, IdentityStore.layer, control, Version.layerOf("1.2.3"))),
      Layer.provide(DurableFiles.layer),
      Layer.provideMerge(Home.layerOf(root)),
      Layer.provide(options.disk ?? Layer.empty),
      Layer.provide(FetchHttpClient.layer),
      Layer.provideMerge(NodeServices.layer),
      Layer.provideMerge(logTo(lines))
    )
    return yield* Effect.gen(function* () {
      const identity = yield* Identity
      const pulls = yield* PullLoop
      return yield* use({
        running,
        state: (yield* Home).state,
        offers,
        load: identity.tasks.loadIdentity(undefined),
        bootstrap: identity.tasks.bootstrap(undefined),
        refresh: identity.tasks.refresh(undefined),
        poll: pulls.tasks.poll(undefined),
        report: pulls.tasks.sendReport(undefined),
        identity,
        store: yield* IdentityStore,
        uplink: yield* Uplink,
        http: yield* CentralHttp,
        log: () => lines.join("\n")
      })
    }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** A home that lasts as long as the scope. */
export const scratchHome = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return path.join(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-central-" }), "home")
})

const logTo = (lines: Array<string>) =>
  Layer.merge(
    Logger.layer([Logger.make((entry) => void lines.push(Logger.formatJson.log(entry)))]),
    Layer.succeed(References.MinimumLogLevel, "All")
  )

/** A JWT with this payload; nobody on the gateway's side can verify its signature. */
export const jwtOf = (payload: unknown): string =>
  ["header", JSON.stringify(payload), "signature"].map((part) => Buffer.from(part).toString("base64url")).join(".")

/** 2026-01-01T00:00:00Z, in seconds. */
export const NOW = 1_767_225_600
export const HOUR = 3_600
export const DAY = 24 * HOUR
