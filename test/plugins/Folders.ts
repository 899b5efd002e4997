import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, FileSystem, Layer, Logger, Path } from "effect"
import { fileURLToPath } from "node:url"
import { PinInstaller, PluginCatalogue, PluginHost, Version } from "../../src/domain/index.ts"
import { pinInstallerLayer, pluginCatalogueLayer, pluginHostLayer } from "../../src/plugins/index.ts"

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

/** Everything of the area, with `root` as HOLDFAST_TEST_PLUGINS, in version 0.9.0; log lines go to `lines`. */
export const withPlugins = <A, E, R>(
  root: string | undefined,
  body: Effect.Effect<A, E, R>,
  lines: Array<string> = []
) => {
  const env = root === undefined ? {} : { HOLDFAST_TEST_PLUGINS: root }
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    lines.push(`${logLevel}: ${[message].flat().map(String).join(" ")}`)
  })
  return body.pipe(
    Effect.provide(
      Layer.merge(pinInstallerLayer, pluginHostLayer).pipe(
        Layer.provideMerge(pluginCatalogueLayer),
        Layer.provide(Version.layerOf("0.9.0")),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Layer.provideMerge(Layer.merge(NodeServices.layer, Logger.layer([logger])))
      )
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
export const services = Effect.all({ catalogue: PluginCatalogue, host: PluginHost, pins: PinInstaller })
