/** The one place where the daemon's layers are put together. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { wiring } from "../../machines/index.ts"
import { CentralHttp, Identity, PullLoop } from "../central/index.ts"
import { ApplyEngine, ControlFiles, Inspection, Offers, RunningConfig } from "../config/index.ts"
import { Home, Version } from "../domain/index.ts"
import { pluginCatalogueLayer, pinInstallerLayer, pluginHostLayer } from "../plugins/index.ts"
import { Journal, Switchboard, Uptime } from "../statechart/index.ts"
import { DaemonLock, DurableFiles, IdentityStore, Slots } from "../storage/index.ts"
import { configControlLayer } from "./Control.ts"
import { Fleet } from "./Fleet.ts"
import { timeScale } from "./Settings.ts"

const uptimeLayer = Layer.unwrap(Effect.map(timeScale, Uptime.layerScaled))

const world = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, FetchHttpClient.layer)

const base = Layer.mergeAll(Home.layer, Version.layer, uptimeLayer, Journal.layer, Switchboard.layer(wiring)).pipe(
  Layer.provideMerge(world)
)

const storage = Layer.mergeAll(Slots.layer, DaemonLock.layer, IdentityStore.layer).pipe(
  Layer.provideMerge(DurableFiles.layer),
  Layer.provideMerge(base)
)

const plugins = Layer.mergeAll(pinInstallerLayer, pluginHostLayer).pipe(
  Layer.provideMerge(pluginCatalogueLayer),
  Layer.provideMerge(storage)
)

const config = ApplyEngine.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(RunningConfig.layer, Offers.layer)),
  Layer.provideMerge(Inspection.layer),
  Layer.provideMerge(ControlFiles.layer),
  Layer.provideMerge(plugins)
)

/** Everything that the daemon's root uses. */
export const daemonLayer = PullLoop.layer.pipe(
  Layer.provideMerge(Identity.layer),
  Layer.provideMerge(Layer.mergeAll(CentralHttp.layer, configControlLayer.pipe(Layer.provideMerge(Fleet.layer)))),
  Layer.provideMerge(config)
)
