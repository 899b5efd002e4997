/** Which plugins this machine could run. */
import { Config, Effect, FileSystem, Layer, Option, Path, Ref } from "effect"
import {
  AGENTS_PLUGIN,
  AGENTS_SETTINGS,
  CENTRAL_PLUGIN,
  type KnownPlugin,
  PluginCatalogue,
  type PluginTrees,
  RUNS_PLUGIN,
  RUNS_SETTINGS,
  Version
} from "../domain/index.ts"
import { PLUGIN_API_VERSION, readPluginFolder } from "./Manifest.ts"
import { PluginStore } from "./PluginStore.ts"

/**
 * The plugins that this version contains, those that are installed, and those of `HOLDFAST_TEST_PLUGINS`: a folder whose
 * sub-folders are plugins, which come before installed ones of the same name. One that cannot be used is left out, with
 * one warning per process and cause.
 */
export const pluginCatalogueLayer = Layer.effect(
  PluginCatalogue,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const version = yield* Version
    const store = yield* PluginStore
    const testFolder = yield* Config.option(Config.NonEmptyString("HOLDFAST_TEST_PLUGINS"))
    const warned = yield* Ref.make<ReadonlySet<string>>(new Set())

    const warnOnce = Effect.fnUntraced(function* (message: string) {
      const isNew = yield* Ref.modify(warned, (before) => [!before.has(message), new Set([...before, message])])
      if (isNew) yield* Effect.logWarning(message)
    })

    const leftOut = (message: string) => Effect.as(warnOnce(`A test plugin is left out: ${message}`), [])

    const readTestPlugin = (folder: string) =>
      readPluginFolder(folder).pipe(
        Effect.map(({ entry, manifest }): ReadonlyArray<KnownPlugin> => [{ manifest, entry, origin: "test" }]),
        Effect.catchTag("PluginNotInstalled", ({ message }) => leftOut(message))
      )

    const readTestPlugins = Effect.fnUntraced(function* (folder: string) {
      const names = (yield* fs.readDirectory(folder)).toSorted()
      const folders: Array<string> = []
      for (const name of names) {
        const child = path.resolve(folder, name)
        if ((yield* fs.stat(child)).type === "Directory") folders.push(child)
      }
      const found = (yield* Effect.forEach(folders, readTestPlugin)).flat()
      const byName = new Map<string, KnownPlugin>()
      for (const plugin of found) {
        const { name } = plugin.manifest
        if (byName.has(name))
          yield* leftOut(`${plugin.entry} is a second plugin named \`${name}\`: rename one of the two`)
        else byName.set(name, plugin)
      }
      return [...byName.values()]
    })

    const testPlugins = Option.match(testFolder, {
      onNone: () => Effect.succeed<ReadonlyArray<KnownPlugin>>([]),
      onSome: (folder) =>
        readTestPlugins(folder).pipe(
          Effect.catchTag("PlatformError", ({ message }) =>
            Effect.as(
              warnOnce(`HOLDFAST_TEST_PLUGINS=${folder} cannot be read, so there are no test plugins: ${message}`),
              []
            )
          ),
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.provideService(Path.Path, path)
        )
    })

    const readInstalled = ([name, hash]: readonly [string, string]) =>
      store.find(name, hash).pipe(
        Effect.map((plugin): ReadonlyArray<KnownPlugin> => [plugin]),
        Effect.catch(({ message }) =>
          Effect.as(warnOnce(`An installed plugin is left out: ${message} holdfast plugin verify says more.`), [])
        )
      )

    const known = Effect.fnUntraced(function* (trees: PluginTrees) {
      const tests = yield* testPlugins
      const chosen = Object.entries(yield* store.lock).map(([name, { content_hash }]) => [name, content_hash] as const)
      const installed = [...new Map([...chosen, ...Object.entries(trees)])].filter(
        ([name]) => !tests.some(({ manifest }) => manifest.name === name)
      )
      const found = yield* Effect.forEach(installed, readInstalled)
      return [...bundled(version), ...tests, ...found.flat()]
    })

    const environment = Effect.gen(function* () {
      const tests = (yield* testPlugins).map(({ manifest }) => `${manifest.name}@${manifest.version}`)
      const chosen = Object.values(yield* store.lock).flatMap(({ content_hash, installed_by, name, version }) =>
        installed_by === "operator" ? [`${name}@${version}#${content_hash.slice(0, 12)}`] : []
      )
      const ours = bundled(version).map(({ manifest }) => `${manifest.name}@${manifest.version}`)
      return [`holdfast/${version}`, ...[...ours, ...tests, ...chosen].toSorted()].join(" ")
    })

    return PluginCatalogue.of({ known, environment })
  })
)

/** Part of the daemon, at the daemon's version. The settings of a line to central are the shape check's matter. */
const bundled = (version: string): ReadonlyArray<KnownPlugin> => [
  {
    manifest: {
      schema_version: 1,
      name: CENTRAL_PLUGIN,
      version,
      holdfast_api: `^${PLUGIN_API_VERSION}`,
      runtime: "node",
      entrypoint: "(part of the daemon)",
      provides: { capabilities: ["sink"] }
    },
    entry: null,
    origin: "bundled"
  },
  {
    manifest: {
      schema_version: 1,
      name: AGENTS_PLUGIN,
      version,
      holdfast_api: `^${PLUGIN_API_VERSION}`,
      runtime: "node",
      entrypoint: "(part of the daemon)",
      config_schema: AGENTS_SETTINGS
    },
    entry: null,
    origin: "bundled"
  },
  {
    manifest: {
      schema_version: 1,
      name: RUNS_PLUGIN,
      version,
      holdfast_api: `^${PLUGIN_API_VERSION}`,
      runtime: "node",
      entrypoint: "(part of the daemon)",
      config_schema: RUNS_SETTINGS
    },
    entry: null,
    origin: "bundled"
  }
]
