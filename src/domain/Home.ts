/** Where everything of one machine lives. */
import { Config, Context, Effect, Layer, Option, Path } from "effect"

/** The paths below `HOLDFAST_HOME` (default `~/.holdfast`), all absolute. */
export interface HomePaths {
  readonly root: string
  /** The user's own local layer; never written by us. */
  readonly localConfig: string
  readonly agents: string
  readonly logs: string
  /** Everything the daemon owns. */
  readonly state: string
  /** What is true only while a daemon runs: lock, pid, status. */
  readonly run: string
  /** The slots, `active`, `state.json` and the intents (d in the design). */
  readonly control: string
  readonly apiToken: string
  /** Installed plugins, a directory per artifact: `NAME/HASH`. */
  readonly plugins: string
  /** Which plugins are installed; see `PluginLockFile`. */
  readonly pluginLock: string
  /** What plugins keep, a directory per name. */
  readonly pluginData: string
  /** Python packages that agents need, a directory per agent; see `CoreLock`. */
  readonly packages: string
  /** Account, session and flow of the login; see `LoginFile`. */
  readonly login: string
  /** The model that was picked. */
  readonly model: string
  readonly statusFile: string
}

/** The home that this process works on. */
export class Home extends Context.Service<Home, HomePaths>()("holdfast/domain/Home") {
  static readonly layerOf = (root: string): Layer.Layer<Home, never, Path.Path> =>
    Layer.effect(
      Home,
      Effect.map(Path.Path, (path) => homePaths(path, path.resolve(root)))
    )

  /** From `HOLDFAST_HOME`, else `~/.holdfast`. */
  static readonly layer = Layer.unwrap(
    Effect.gen(function* () {
      const root = yield* Config.option(Config.NonEmptyString("HOLDFAST_HOME"))
      const user = yield* Config.withDefault(Config.NonEmptyString("HOME"), ".")
      const path = yield* Path.Path
      return Home.layerOf(Option.getOrElse(root, () => path.join(user, ".holdfast")))
    })
  )
}

const homePaths = (path: Path.Path, root: string): HomePaths => {
  const state = path.join(root, "state")
  const run = path.join(state, "run")
  return {
    root,
    localConfig: path.join(root, "config.json"),
    agents: path.join(root, "agents"),
    logs: path.join(root, "logs"),
    state,
    run,
    control: path.join(state, "config-control"),
    apiToken: path.join(state, "api-token"),
    plugins: path.join(state, "plugins"),
    pluginLock: path.join(state, "plugin-lock.json"),
    pluginData: path.join(state, "plugin-data"),
    packages: path.join(state, "packages"),
    login: path.join(state, "login.json"),
    model: path.join(state, "model.json"),
    statusFile: path.join(run, "status.json")
  }
}
