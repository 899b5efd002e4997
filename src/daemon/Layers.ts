/** The one place where the daemon's layers are put together. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Effect, Layer, Metric } from "effect"
import { FetchHttpClient } from "effect/http"
import { AgentStore } from "../agents/index.ts"
import { CentralHttp, Identity, PullLoop, Uplink } from "../central/index.ts"
import { ApplyEngine, ControlFiles, Inspection, Offers, RunningConfig } from "../config/index.ts"
import { Home, Version } from "../domain/index.ts"
import { LoginStore, LoginTasks, Provider, ProviderSettings } from "../login/index.ts"
import { pluginCatalogueLayer, pinInstallerLayer, pluginHostLayer, pluginStoreLayer } from "../plugins/index.ts"
import { Uptime } from "../statechart/index.ts"
import { DaemonLock, DurableFiles, IdentityStore, Slots } from "../storage/index.ts"
import { modelAccountLayer } from "./Account.ts"
import { configControlLayer } from "./Control.ts"
import { CoreLockWatch } from "./CoreLockWatch.ts"
import { Fleet } from "./Fleet.ts"
import { LazyAgents } from "./LazyAgents.ts"
import { lazyCoreLock } from "./LazyCoreLock.ts"
import { LazyRuns } from "./LazyRuns.ts"
import { measuredJournal, measuredSwitchboard, Measures } from "./Measures.ts"
import { timeScale } from "./Settings.ts"
import { workloadLayer } from "./WorkloadLayer.ts"
import { tellingJournal, tellingSwitchboard, Tidings } from "./Tidings.ts"

const uptimeLayer = Layer.unwrap(Effect.map(timeScale, Uptime.layerScaled))

const world = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, FetchHttpClient.layer)

// What one daemon counts is its own, also where several live in one process.
const registry = Layer.sync(Metric.MetricRegistry, () => new Map())

const base = Layer.mergeAll(
  Home.layer,
  uptimeLayer,
  tellingJournal.pipe(Layer.provide(measuredJournal)),
  tellingSwitchboard.pipe(Layer.provide(measuredSwitchboard))
).pipe(
  Layer.provideMerge(Tidings.layer),
  Layer.provideMerge(Measures.layer),
  Layer.provideMerge(Layer.mergeAll(Version.layer, registry)),
  Layer.provideMerge(world)
)

const storage = Layer.mergeAll(Slots.layer, DaemonLock.layer, IdentityStore.layer).pipe(
  Layer.provideMerge(DurableFiles.layer),
  Layer.provideMerge(base)
)

const plugins = Layer.mergeAll(pinInstallerLayer, pluginHostLayer).pipe(
  Layer.provideMerge(pluginCatalogueLayer),
  Layer.provideMerge(pluginStoreLayer),
  Layer.provideMerge(storage)
)

const config = ApplyEngine.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(RunningConfig.layer, Offers.layer)),
  Layer.provideMerge(Inspection.layer),
  Layer.provideMerge(ControlFiles.layer),
  Layer.provideMerge(plugins)
)

const login = Layer.mergeAll(LoginTasks.layer, modelAccountLayer).pipe(
  Layer.provideMerge(Provider.layer),
  Layer.provideMerge(Layer.mergeAll(ProviderSettings.layer, LoginStore.layer))
)

const coreLock = CoreLockWatch.layer.pipe(Layer.provideMerge(lazyCoreLock))

/** Everything that the daemon's root uses. */
export const daemonLayer = Layer.mergeAll(
  PullLoop.layer.pipe(Layer.provide(workloadLayer)),
  Uplink.layer,
  LazyRuns.layer,
  LazyAgents.layer
).pipe(
  Layer.provideMerge(AgentStore.layer),
  Layer.provideMerge(Layer.mergeAll(login, coreLock)),
  Layer.provideMerge(Identity.layer),
  Layer.provideMerge(Layer.mergeAll(CentralHttp.layer, configControlLayer.pipe(Layer.provideMerge(Fleet.layer)))),
  Layer.provideMerge(config)
)
