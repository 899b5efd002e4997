/** `holdfast plugin`. */
import { Effect, Layer, Logger, Option, Path, References } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import { Home, type LockedPlugin, type PluginRequest, type VerifiedPlugin } from "../domain/index.ts"
import { DaemonLock } from "../storage/index.ts"
import type { DaemonClient } from "./DaemonClient.ts"
import { Refused, Unsuccessful } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, plain, print, printJson, table } from "./Output.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
const optional = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const loadPlugins = Effect.promise(() => import("../plugins/index.ts"))
type Plugins = Effect.Success<typeof loadPlugins>

/** The live daemon does it, for it alone writes what is its own; with none alive, whoever takes its lock. */
const ask = Effect.fnUntraced(function* <A, E, F, R>(
  ofDaemon: (daemon: LiveDaemon, client: DaemonClient["Service"]) => Effect.Effect<A, E>,
  here: (plugins: Plugins) => Effect.Effect<A, F, R>,
  { writes = true }: { readonly writes?: boolean } = {}
) {
  const withoutDaemon = Effect.gen(function* () {
    const plugins = yield* loadPlugins
    const { root } = yield* Home
    if (writes) yield* (yield* DaemonLock).acquire(root)
    return yield* here(plugins).pipe(
      Effect.provide(plugins.pluginStoreLayer.pipe(Layer.provide(FetchHttpClient.layer))),
      Effect.provideService(Logger.LogToStderr, true),
      Effect.provideService(References.MinimumLogLevel, "Warn")
    )
  }).pipe(Effect.scoped)
  const daemon = yield* findDaemon
  if (Option.isNone(daemon)) return yield* withoutDaemon
  const { DaemonClient, DaemonGone } = yield* Effect.promise(() => import("./DaemonClient.ts"))
  return yield* DaemonClient.use((client) => ofDaemon(daemon.value, client)).pipe(
    Effect.catchIf(
      (error) => error instanceof DaemonGone,
      () => withoutDaemon
    ),
    Effect.provide(DaemonClient.layer)
  )
})

const install = Command.make(
  "install",
  {
    source: Argument.String("source").pipe(
      Argument.withDescription("git+https://HOST/PATH#REF, https://HOST/PATH.tgz, or a folder of this machine")
    ),
    name: optional("name", "<name>", "Refuse a plugin of another name"),
    version: optional("version", "<version>", "Refuse another version; of a repository, take the tag v<version>"),
    hash: optional("hash", "<sha256>", "Refuse another artifact"),
    json
  },
  Effect.fnUntraced(function* (options) {
    const path = yield* Path.Path
    const request: PluginRequest = {
      source: isPath(options.source) ? path.resolve(options.source) : options.source,
      ...present("name", options.name),
      ...present("version", options.version),
      ...present("artifact_hash", options.hash)
    }
    const installed = yield* ask(
      (daemon, client) => client.installPlugin(daemon, request),
      ({ installPlugin }) => installPlugin(request)
    )
    if (options.json) return yield* printJson(installed)
    yield* print(`${installed.name} ${installed.version} is installed.`)
    yield* print(`Artifact hash: ${installed.content_hash}`)
    if (installed.resolved_ref !== undefined) yield* print(`Commit:        ${installed.resolved_ref}`)
    yield* print(`To run it, name it in a document, or in config.json and restart the daemon:`)
    yield* print(`  ${JSON.stringify(entryOf(installed))}`)
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Install a plugin on this machine. No code of it runs before a document names it."),
  Command.withExamples([
    { command: "holdfast plugin install git+https://example.com/weather.git --version 1.2.0" },
    { command: "holdfast plugin install ./weather", description: "A folder of this machine, while you develop it" }
  ])
)

const list = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* (options) {
    const plugins = yield* ask(
      (daemon, client) => Effect.map(client.plugins(daemon), (answer) => answer.plugins),
      ({ listPlugins }) => listPlugins,
      { writes: false }
    )
    if (options.json) return yield* printJson({ plugins })
    if (plugins.length === 0)
      return yield* print("No plugins are installed. The ones that ship with Holdfast need not be.")
    yield* print(
      table([
        ["NAME", "VERSION", "ARTIFACT", "BY", "SOURCE"],
        ...plugins.map((plugin) => [
          plugin.name,
          plain(plugin.version),
          plugin.content_hash.slice(0, 12),
          plugin.installed_by,
          plain(plugin.source)
        ])
      ])
    )
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("The plugins that are installed, by an operator or by a revision."),
  Command.withExamples([{ command: "holdfast plugin list" }])
)

const verify = Command.make(
  "verify",
  {
    name: Argument.String("name").pipe(Argument.withDescription("Of one plugin only"), Argument.optional),
    repair: Flag.Boolean("repair").pipe(
      Flag.withDescription("Install what was changed or is gone again, from its own source and by its own hash"),
      Flag.withDefault(false)
    ),
    json
  },
  Effect.fnUntraced(function* (options) {
    const request = { ...present("name", options.name), repair: options.repair }
    const plugins = yield* ask(
      (daemon, client) => Effect.map(client.verifyPlugins(daemon, request), (answer) => answer.plugins),
      ({ verifyPlugins }) => verifyPlugins(request),
      { writes: options.repair }
    )
    if (Option.isSome(options.name) && plugins.length === 0) return yield* unknown(options.name.value)
    if (options.json) yield* printJson({ plugins })
    else for (const plugin of plugins) yield* print(verdictOf(plugin))
    if (!options.json && plugins.length === 0) yield* print("No plugins are installed.")
    if (plugins.some(({ repaired }) => repaired)) yield* note("To run what was repaired: holdfast daemon restart")
    const bad = plugins.filter(({ condition }) => condition !== "intact").length
    if (bad > 0) return yield* new Unsuccessful({ message: `${bad} not intact` })
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Hash the files of installed plugins again, and name those that were changed or are gone."),
  Command.withExamples([{ command: "holdfast plugin verify" }, { command: "holdfast plugin verify --repair weather" }])
)

const remove = Command.make(
  "remove",
  { name: Argument.String("name").pipe(Argument.withDescription("As `plugin list` shows it")) },
  Effect.fnUntraced(function* ({ name }) {
    const { known } = yield* ask(
      (daemon, client) => client.removePlugin(daemon, name),
      ({ removePlugin }) => removePlugin(name)
    )
    if (!known) return yield* unknown(name)
    yield* print(
      `${plain(name)} is not installed any more. Its files go at the daemon's next start, unless a slot still names them.`
    )
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Remove a plugin from this machine. A revision that pins it brings it back."),
  Command.withExamples([{ command: "holdfast plugin remove weather" }])
)

const hash = Command.make(
  "hash",
  {
    folder: Argument.String("folder").pipe(Argument.withDescription("The plugin's folder, as it is published")),
    json
  },
  Effect.fnUntraced(function* (options) {
    const path = yield* Path.Path
    const { hashFolder } = yield* loadPlugins
    const { bytes, files, hash } = yield* hashFolder(path.resolve(options.folder))
    if (options.json) return yield* printJson({ artifact_hash: hash, files: files.length, bytes })
    yield* print(hash)
    yield* note(`${files.length} files, ${bytes} bytes`)
  })
).pipe(
  Command.withDescription("The artifact hash of a folder, to be pinned. Installs nothing."),
  Command.withExamples([{ command: "holdfast plugin hash ./weather" }])
)

/** The parent of `plugin install`, `list`, `verify`, `remove` and `hash`. */
export const pluginCommand = Command.make("plugin").pipe(
  Command.withDescription("Plugins of this machine: exactly what was pinned, and nothing that was not named."),
  Command.withShortDescription("Plugins of this machine"),
  Command.withExamples([
    { command: "holdfast plugin list" },
    { command: "holdfast plugin install ./weather", description: "From a folder of this machine" }
  ]),
  Command.withSubcommands([install, list, verify, remove, hash])
)

/** As a shell completes it; a bare word is no path, so that nobody installs a folder by a typing error. */
const isPath = (text: string): boolean => /^(\.{0,2}\/|\.{1,2}$)/.test(text)

const present = <K extends string>(key: K, value: Option.Option<string>): { readonly [P in K]?: string } =>
  Option.match(value, { onNone: () => ({}), onSome: (text) => ({ [key]: text }) as { readonly [P in K]: string } })

/** What a document says to have exactly this artifact; a folder can be named by no document. */
const entryOf = ({ content_hash, name, source, version }: LockedPlugin) => ({
  name,
  version,
  artifact_hash: content_hash,
  ...(source.startsWith("/") ? {} : { source: source.startsWith("git+") ? source.replace(/#.*$/, "") : source })
})

const verdictOf = ({ condition, name, problem, repaired, version }: VerifiedPlugin): string => {
  const which = `${name} ${plain(version)}`
  if (repaired) return `${which}: installed again`
  if (problem !== undefined) return `${which}: ${condition}, and could not be repaired: ${plain(problem)}`
  return `${which}: ${condition}`
}

const unknown = (name: string) =>
  Effect.fail(new Refused({ message: `${plain(name)} is not installed. holdfast plugin list names what is.` }))
