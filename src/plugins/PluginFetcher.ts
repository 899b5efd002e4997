/** Brings what a source names onto this machine, unverified. */
import { Context, Effect, type FileSystem, Layer, type Path } from "effect"
import type { HttpClient } from "effect/http"
import type { PluginNotInstalled, PluginSource } from "../domain/index.ts"

export interface FetchedPlugin {
  /** Absolute path of the folder, as its source has it. */
  readonly directory: string
  /** The commit that a git source stood for. */
  readonly resolvedRef: string | null
}

export class PluginFetcher extends Context.Service<
  PluginFetcher,
  {
    /**
     * `into`: an empty directory of the caller's, who removes it. A folder is looked at where it is. `marker`: the file
     * at the root of an archive, a plugin's manifest by default; null for what has none.
     */
    readonly fetch: (
      source: PluginSource,
      into: string,
      marker?: string | null
    ) => Effect.Effect<FetchedPlugin, PluginNotInstalled>
  }
>()("holdfast/plugins/PluginFetcher") {
  /** What fetches is loaded when something is fetched: most machines never do. */
  static readonly layer = Layer.effect(
    PluginFetcher,
    Effect.gen(function* () {
      const world = yield* Effect.context<FileSystem.FileSystem | Path.Path | HttpClient.HttpClient>()
      return PluginFetcher.of({
        fetch: Effect.fn("PluginFetcher.fetch")((source: PluginSource, into: string, marker?: string | null) =>
          Effect.promise(() => import("./Fetch.ts")).pipe(
            Effect.flatMap(({ fetchPlugin }) => fetchPlugin(source, into, marker)),
            Effect.provide(world)
          )
        )
      })
    })
  )
}
