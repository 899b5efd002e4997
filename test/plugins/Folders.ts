import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, FileSystem, Layer, Logger, Path } from "effect"
import { FetchHttpClient } from "effect/http"
import { fileURLToPath } from "node:url"
import { Home, PinInstaller, PluginCatalogue, PluginHost, Version } from "../../src/domain/index.ts"
import {
  PluginFetcher,
  pinInstallerLayer,
  pluginCatalogueLayer,
  pluginHostLayer,
  PluginLock,
  PluginStore
} from "../../src/plugins/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"

/** The plugins that come with the tests. */
export const fixtures = fileURLToPath(new URL("../fixtures/plugins", import.meta.url))

/** A manifest that is valid, and what differs. */
export const manifest = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
  schema_version: 1,
  name,
  version: "1.2.3",
  holdfast_api: "^1.0.0",
  runtime: "node",
  entrypoint: "index.js",
  ...more
})

/** Writes a plugin's folder below `root`; a string instead of a manifest is written as it is. */
export const writePlugin = Effect.fnUntraced(function* (
  root: string,
  folder: string,
  content: Readonly<Record<string, unknown>> | string,
  source = "export const setup = () => {}"
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.join(root, folder)
  yield* fs.makeDirectory(directory, { recursive: true })
  const text = typeof content === "string" ? content : JSON.stringify(content)
  yield* fs.writeFileString(path.join(directory, "holdfast.plugin.json"), text)
  yield* fs.writeFileString(path.join(directory, "index.js"), source)
})

/** A home of its own, which goes with the test. */
const freshHome = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Home.layerOf(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-plugin-home-" }))
  })
)

/** Everything of the area, with `root` as HOLDFAST_TEST_PLUGINS, in version 0.9.0; log lines go to `lines`. */
export const withPlugins = <A, E, R>(
  root: string | undefined,
  body: Effect.Effect<A, E, R>,
  lines: Array<string> = [],
  home: Layer.Layer<Home, never, FileSystem.FileSystem | Path.Path> = Layer.orDie(freshHome)
) => {
  const env = root === undefined ? {} : { HOLDFAST_TEST_PLUGINS: root }
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    lines.push(`${logLevel}: ${[message].flat().map(String).join(" ")}`)
  })
  return body.pipe(
    Effect.provide(
      Layer.merge(pinInstallerLayer, pluginHostLayer).pipe(
        Layer.provideMerge(pluginCatalogueLayer),
        Layer.provideMerge(PluginStore.layer),
        Layer.provideMerge(Layer.merge(PluginLock.layer, PluginFetcher.layer)),
        Layer.provideMerge(Layer.merge(DurableFiles.layer, FetchHttpClient.layer)),
        Layer.provideMerge(home),
        Layer.provide(Version.layerOf("0.9.0")),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Layer.provideMerge(Layer.merge(NodeServices.layer, Logger.layer([logger])))
      ),
      { local: true }
    )
  )
}

/** A fresh folder, given to `body`. */
export const inTemporary = <A, E, R>(body: (root: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* body(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-plugins-" }))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** Everything of the area, with a fresh folder as HOLDFAST_TEST_PLUGINS. */
export const inFolder = <A, E, R>(body: (root: string, lines: Array<string>) => Effect.Effect<A, E, R>) =>
  inTemporary((root) => {
    const lines: Array<string> = []
    return withPlugins(root, body(root, lines), lines)
  })

/** The services under test. */
export const services = Effect.all({
  catalogue: PluginCatalogue,
  home: Home,
  host: PluginHost,
  lock: PluginLock,
  pins: PinInstaller,
  store: PluginStore
})

/** The services of another process on the same home. */
export const inProcessOf = <A, E, R>(
  home: string,
  body: (fresh: Effect.Success<typeof services>) => Effect.Effect<A, E, R>
) => withPlugins(undefined, Effect.flatMap(services, body), [], Home.layerOf(home))
