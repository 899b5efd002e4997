/** Runs plugins inside this process, each in its own Scope: what one does wrong costs that one alone. */
import { Effect, Exit, FileSystem, Layer, Path, Ref, Scope } from "effect"
import {
  type ConfigDocument,
  Home,
  type KnownPlugin,
  PluginCatalogue,
  type PluginEntry,
  PluginHost,
  type PluginState,
  type PluginTrees
} from "../domain/index.ts"
import { PluginFailed, startPlugin } from "./PluginStart.ts"
import { PluginStore } from "./PluginStore.ts"

/**
 * Plugins start side by side and close in reverse order of the document. What ends the process or blocks it is beyond
 * this host: that start is unexplained, and probation or safe start answers it.
 */
export const pluginHostLayer = Layer.effect(
  PluginHost,
  Effect.gen(function* () {
    const catalogue = yield* PluginCatalogue
    const store = yield* PluginStore
    const home = yield* Home
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const host = yield* Effect.scope
    const states = yield* Ref.make<ReadonlyArray<PluginState>>([])
    const open = yield* Ref.make<ReadonlyArray<Scope.Closeable>>([])

    const close = Effect.gen(function* () {
      const scopes = yield* Ref.getAndSet(open, [])
      yield* Effect.forEach(scopes.toReversed(), (scope) => Scope.close(scope, Exit.void), { discard: true })
    }).pipe(Effect.withSpan("PluginHost.close"))

    /** What runs is what was pinned, also when the disk has changed since. */
    const checkArtifact = Effect.fnUntraced(function* (
      { artifact, manifest: { name, version } }: KnownPlugin,
      pins: PluginEntry
    ) {
      if (artifact === undefined) return
      const failed = (what: string) => new PluginFailed({ plugin: name, message: `Plugin ${name} ${version} ${what}` })
      if ((pins.version ?? version) !== version || (pins.artifact_hash ?? artifact.hash) !== artifact.hash) {
        return yield* failed("is not the one that the document pins. It is left out; install the pinned one.")
      }
      const condition = yield* store.condition(name, artifact.hash).pipe(
        Effect.timeoutOrElse({
          duration: HASH_DEADLINE,
          orElse: () =>
            Effect.fail(failed(`could not be read within ${HASH_DEADLINE}. It is left out; look at the disk.`))
        })
      )
      if (condition === "intact") return
      return yield* failed(
        `is left out: its files in ${artifact.directory} are ${condition === "missing" ? "gone" : "not the ones that were installed"}. ` +
          `holdfast plugin verify --repair ${name} installs it again; then: holdfast daemon restart.`
      )
    })

    const start = Effect.fnUntraced(function* (plugin: KnownPlugin, entry: PluginEntry, scope: Scope.Closeable) {
      const { name, version } = plugin.manifest
      const data = path.join(home.pluginData, ...name.split("/"))
      return yield* checkArtifact(plugin, entry).pipe(
        Effect.andThen(startPlugin(plugin, { config: entry.config ?? {}, data }, host)),
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.matchEffect({
          onSuccess: () =>
            Effect.as(Effect.logInfo(`Plugin ${name} ${version} is active`), stateOf(name, version, "active")),
          onFailure: ({ message }) => Effect.as(Effect.logWarning(message), stateOf(name, version, "failed", message))
        }),
        Effect.provideService(Path.Path, path),
        Effect.provideService(FileSystem.FileSystem, fs)
      )
    })

    const load = Effect.fn("PluginHost.load")(function* (
      document: ConfigDocument,
      { bundledOnly, trees }: { readonly bundledOnly: boolean; readonly trees: PluginTrees }
    ) {
      yield* close
      const known = new Map((yield* catalogue.known(trees)).map((plugin) => [plugin.manifest.name, plugin]))
      const starts: Array<Effect.Effect<PluginState>> = []
      for (const entry of namedPlugins(document)) {
        const plugin = known.get(entry.name)
        const version = plugin?.manifest.version ?? entry.version ?? "unknown"
        if (plugin?.entry === null) {
          starts.push(Effect.succeed(stateOf(entry.name, version, "active")))
        } else if (bundledOnly) {
          starts.push(Effect.succeed(stateOf(entry.name, version, "left out", LEFT_OUT)))
        } else if (plugin === undefined) {
          const message = `Plugin ${entry.name} is not on this machine: remove it from the document, or install it.`
          starts.push(Effect.as(Effect.logWarning(message), stateOf(entry.name, version, "failed", message)))
        } else {
          // In the list before anything runs, so that `close` finds whatever an interrupted load has begun.
          const scope = yield* Scope.fork(host)
          yield* Ref.update(open, (scopes) => [...scopes, scope])
          starts.push(start(plugin, entry, scope))
        }
      }
      const outcome = yield* Effect.all(starts, { concurrency: "unbounded" })
      yield* Ref.set(states, outcome)
      return outcome
    })

    return PluginHost.of({ load, close, states: Ref.get(states) })
  })
)

/** A disk that does not answer must not keep a revision from being confirmed. */
const HASH_DEADLINE = "30 seconds"

const LEFT_OUT = "Only plugins that are part of the daemon run in this start."

const stateOf = (name: string, version: string, state: PluginState["state"], message?: string): PluginState => ({
  name,
  version,
  state,
  ...(message !== undefined && { message })
})

/** The enabled plugins of a document, each once, and after them those that only a sink names. */
const namedPlugins = ({ plugins = [], sinks = {} }: ConfigDocument): ReadonlyArray<PluginEntry> => {
  const byName = new Map<string, PluginEntry>()
  for (const entry of plugins) if (!byName.has(entry.name)) byName.set(entry.name, entry)
  for (const { plugin } of Object.values(sinks)) {
    if (plugin !== undefined && !byName.has(plugin)) byName.set(plugin, { name: plugin })
  }
  return [...byName.values()].filter(({ enabled }) => enabled !== false)
}
