/** The login's services on a real directory and real sockets, with a configuration that a test sets. */
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, FileSystem, Layer, Option, Path, Redacted, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import {
  ConfigControl,
  type ConfigDocument,
  Home,
  type HomePaths,
  type TokenRecord,
  Version
} from "../../src/domain/index.ts"
import { LoginStore, LoginTasks, Provider, ProviderSettings } from "../../src/login/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"
import { layerRecording, makeRecording, type Recording } from "../storage/RecordingFileSystem.ts"
import { StandInProvider } from "./StandInProvider.ts"

export interface LoginDesk {
  readonly standIn: StandInProvider
  readonly provider: Provider["Service"]
  readonly store: LoginStore["Service"]
  readonly settings: ProviderSettings["Service"]
  readonly tasks: LoginTasks["Service"]["tasks"]
  readonly home: HomePaths
  readonly disk: Recording
  /** The id of the stand-in as a token's provider. */
  readonly id: string
  /** A token that the stand-in gave, under its handle. */
  readonly tokenFor: (account: string) => Effect.Effect<number>
}

export interface DeskOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly document?: ConfigDocument
  readonly unusedPlugins?: ReadonlyArray<string> | "all"
  readonly hasCentral?: boolean
  /** The home of a desk before this one: its process was started again. */
  readonly root?: string
  readonly standIn?: StandInProvider
}

const startStandIn = Effect.acquireRelease(
  Effect.promise(() => StandInProvider.start({ interval: 0.001 })),
  (standIn) => Effect.promise(() => standIn.close())
)

/** Runs a test with the services of a process that has just started. */
export const atLoginDesk = <A, E>(
  use: (desk: LoginDesk) => Effect.Effect<A, E, NodeServices.NodeServices | Scope.Scope>,
  options: DeskOptions = {}
): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = options.root ?? path.join(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-login-" }), "home")
    const standIn = options.standIn ?? (yield* startStandIn)
    const disk = makeRecording()
    const control = Layer.succeed(
      ConfigControl,
      ConfigControl.of({
        runningEtag: Effect.succeed(null),
        document: Effect.succeed(options.document ?? { version: 2 }),
        unusedPlugins: Effect.succeed(options.unusedPlugins ?? []),
        central: Effect.succeed(
          options.hasCentral === true
            ? Option.some({ instance: "c", plugin: "p", url: "http://x", token: Option.none(), pollSeconds: 300 })
            : Option.none()
        ),
        policyToken: () => Effect.succeedNone,
        keepOffer: () => Effect.succeed(0),
        remoteConfig: Effect.succeed(null)
      })
    )
    const layer = LoginTasks.layer.pipe(
      Layer.provideMerge(Provider.layer),
      Layer.provideMerge(Layer.mergeAll(ProviderSettings.layer, LoginStore.layer)),
      Layer.provide(Layer.mergeAll(control, Version.layerOf("1.2.3"), FetchHttpClient.layer)),
      Layer.provide(DurableFiles.layer),
      Layer.provideMerge(Home.layerOf(root)),
      Layer.provide(layerRecording(disk, root)),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ ...standIn.environment, ...options.env }))),
      Layer.provideMerge(NodeServices.layer)
    )
    return yield* Effect.gen(function* () {
      const provider = yield* Provider
      const store = yield* LoginStore
      const tokenFor = Effect.fnUntraced(function* (account: string) {
        const flow = `flow-${standIn.codes.length}`
        yield* provider.requestCode({ flow })
        standIn.enter(standIn.codes.at(-1) ?? "", account)
        const answer = yield* provider.pollToken({ flow })
        if (answer.kind !== "token") return yield* Effect.die(new Error(`the stand-in said ${answer.kind}`))
        return answer.token.handle
      })
      return yield* use({
        standIn,
        provider,
        store,
        settings: yield* ProviderSettings,
        tasks: (yield* LoginTasks).tasks,
        home: yield* Home,
        disk,
        id: `${standIn.url} ${standIn.url}`,
        tokenFor
      })
    }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** A record as a provider gives it. */
export const record = (provider: string, access: string, refresh?: string): TokenRecord => ({
  provider,
  access_token: Redacted.make(access),
  ...(refresh === undefined ? {} : { refresh_token: Redacted.make(refresh) }),
  obtained_at: 1_000
})
