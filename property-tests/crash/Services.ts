/** The real services of one process, on a mounted disk and a simulated network. What a mutant replaces is named here. */
import { NodePath } from "@effect/platform-node"
import { Clock, ConfigProvider, Context, Duration, Effect, Layer, Random, References, Scope, Stream } from "effect"
import type { Config, FileSystem, Path } from "effect"
import type { AnyStateMachine } from "xstate"
import { catalogue } from "../../machines/index.ts"
import { Identity, PullLoop } from "../../src/central/index.ts"
import { ApplyEngine, ControlFiles, Inspection, Offers, RunningConfig } from "../../src/config/index.ts"
import { ConfigControl, Home, PinInstaller, PluginCatalogue, Version } from "../../src/domain/index.ts"
import {
  pinInstallerLayer,
  pluginCatalogueLayer,
  type PluginFetcher,
  PluginLock,
  type PluginStore
} from "../../src/plugins/index.ts"
import type { Chart } from "../../src/statechart/Core.ts"
import { Uptime } from "../../src/statechart/index.ts"
import { DurableFiles, IdentityStore, Slots } from "../../src/storage/index.ts"
import { known } from "../../test/config/Documents.ts"
import { type Central, layerCentral } from "./Central.ts"
import { layerMounted, type Mounted } from "./DiskFileSystem.ts"
import { layerSimulatedFetcher } from "./Plugins.ts"

export type MachineId = (typeof catalogue)[number]["id"]

/** The code under test. A mutant is a copy with one part changed. */
export interface Engine {
  readonly charts: Readonly<Record<MachineId, Chart<AnyStateMachine>>>
  readonly durableFiles: typeof DurableFiles.layer
  readonly slots: typeof Slots.layer
  readonly identityStore: typeof IdentityStore.layer
  readonly controlFiles: typeof ControlFiles.layer
  readonly inspection: typeof Inspection.layer
  readonly applyEngine: typeof ApplyEngine.layer
  readonly runningConfig: typeof RunningConfig.layer
  readonly offers: typeof Offers.layer
  /** What installs plugins; null: nothing does, and the catalogue is a fixed list. */
  readonly pluginStore: typeof PluginStore.layer | null
}

/** What is shipped. */
export const REAL: Engine = {
  charts: Object.fromEntries(catalogue.map(({ id, machine }) => [id, { machine }])) as unknown as Engine["charts"],
  durableFiles: DurableFiles.layer,
  slots: Slots.layer,
  identityStore: IdentityStore.layer,
  controlFiles: ControlFiles.layer,
  inspection: Inspection.layer,
  applyEngine: ApplyEngine.layer,
  runningConfig: RunningConfig.layer,
  offers: Offers.layer,
  pluginStore: null
}

export const HOME = "/home"
export const CONTROL = `${HOME}/state/config-control`

/** The surroundings of processes: one machine, its disk, its clocks and its network. */
export interface Surroundings {
  readonly mounted: Mounted
  readonly central: Central
  bootId: string
  now: { uptime: number; wall: number }
}

export type Services =
  | ApplyEngine
  | ConfigControl
  | ControlFiles
  | DurableFiles
  | Home
  | Identity
  | IdentityStore
  | Inspection
  | Offers
  | PluginCatalogue
  | PullLoop
  | RunningConfig
  | Slots

/** Everything of a process that lasts longer than it: built once per machine. */
export type Base = ReturnType<typeof baseOf>
type Lasting = Base extends Context.Context<infer S> ? S : never

const clockOf = (around: Surroundings): Clock.Clock => {
  const millis = () => around.now.wall
  const nanos = () => BigInt(Math.round(around.now.uptime * 1e6))
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: () => BigInt(Math.round(millis())) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(millis())) * 1_000_000n),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) => (Duration.toMillis(duration) > 0 ? Effect.never : Effect.void)
  }
}

/** Clock, chance and silence, for everything that is run. */
export const referencesOf = (around: Surroundings): Context.Context<never> =>
  Context.empty().pipe(
    Context.add(Clock.Clock, clockOf(around)),
    Context.add(Random.Random, { nextIntUnsafe: () => 1, nextDoubleUnsafe: () => 0.5 }),
    Context.add(References.MinimumLogLevel, "None"),
    Context.add(References.TracerEnabled, false)
  ) as Context.Context<never>

/** Nothing is installed, and everything that a document may name is there. */
const noInstaller = Layer.merge(
  Layer.succeed(
    PluginCatalogue,
    PluginCatalogue.of({ known: () => Effect.succeed(known), environment: Effect.succeed("environment") })
  ),
  Layer.succeed(
    PinInstaller,
    PinInstaller.of({
      install: () => Effect.succeed({ trees: {} }),
      preview: () => Effect.succeed({ wouldInstall: [], problems: [] })
    })
  )
)

/** A store has a memory of what it installed: each process has its own. */
const installer = (store: typeof PluginStore.layer) =>
  pinInstallerLayer.pipe(
    Layer.provideMerge(pluginCatalogueLayer),
    Layer.provideMerge(store),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
  )

type Installer = Layer.Layer<
  PinInstaller | PluginCatalogue,
  Config.ConfigError,
  DurableFiles | FileSystem.FileSystem | Home | Path.Path | PluginFetcher | PluginLock | Version
>

const plugins = ({ pluginStore }: Engine): Installer => (pluginStore === null ? noInstaller : installer(pluginStore))

const baseLayer = (engine: Engine, around: Surroundings) =>
  engine.inspection.pipe(
    Layer.provideMerge(engine.controlFiles),
    Layer.provideMerge(Layer.mergeAll(engine.slots, engine.identityStore, plugins(engine))),
    Layer.provideMerge(Layer.merge(PluginLock.layer, layerSimulatedFetcher(around.mounted))),
    Layer.provideMerge(engine.durableFiles),
    Layer.provideMerge(Home.layerOf(HOME)),
    Layer.provideMerge(
      Layer.mergeAll(
        layerMounted(around.mounted, () => around.bootId),
        NodePath.layer,
        uptimeLayer(around)
      )
    ),
    Layer.provideMerge(
      Layer.mergeAll(
        layerCentral(
          () => around.central,
          () => around.now.wall
        ),
        Version.layerOf("1.0.0")
      )
    )
  )

const uptimeLayer = (around: Surroundings) =>
  Layer.succeed(
    Uptime,
    Uptime.of({
      now: Effect.sync(() => around.now.uptime),
      read: Effect.sync(() => ({ ...around.now })),
      sleepUntil: () => Effect.never,
      gaps: Stream.empty,
      timeScale: 1
    })
  )

const control = Layer.effect(
  ConfigControl,
  Effect.gen(function* () {
    const running = yield* RunningConfig
    const offers = yield* Offers
    return ConfigControl.of({
      runningEtag: Effect.map(running.effective, ({ boot }) => boot.running.etag),
      document: Effect.succeed({ version: 2 as const }),
      unusedPlugins: Effect.succeed([]),
      central: Effect.map(running.effective, ({ central }) => central),
      policyToken: running.policyToken,
      keepOffer: (etag, bytes) => offers.keep({ etag, bytes }),
      remoteConfig: Effect.succeed(null)
    })
  })
)

const build = <A, E>(layer: Layer.Layer<A, E>, references: Context.Context<never>): Context.Context<A> =>
  Effect.runSyncWith(references)(Layer.buildWithScope(layer, Scope.makeUnsafe()))

/** What a machine keeps over its processes' lives: services without memory of their own. */
export const baseOf = (engine: Engine, around: Surroundings) => build(baseLayer(engine, around), referencesOf(around))

/** The services of a new process. */
export const processServices = (
  engine: Engine,
  base: ReturnType<typeof baseOf>,
  references: Context.Context<never>
): Context.Context<Services> => {
  const lasting = Layer.succeedContext(base)
  const own: Layer.Layer<Lasting, Config.ConfigError> =
    engine.pluginStore === null ? lasting : installer(engine.pluginStore).pipe(Layer.provideMerge(lasting))
  const layer = PullLoop.layer.pipe(
    Layer.provideMerge(Identity.layer),
    Layer.provideMerge(control),
    Layer.provideMerge(engine.applyEngine),
    Layer.provideMerge(Layer.mergeAll(engine.runningConfig, engine.offers)),
    Layer.provideMerge(own)
  )
  return build(layer, references)
}
