/** Brings what a source names onto this machine, unverified. */
import { Context, Effect, type FileSystem, Layer, type Path } from "effect"
import type { HttpClient } from "effect/http"
import type { PluginNotInstalled } from "../domain/index.ts"
import type { PluginSource } from "./Source.ts"

export interface FetchedPlugin {
  /** Absolute path of the plugin's folder, as its source has it. */
  readonly directory: string
  /** The commit that a git source stood for. */
  readonly resolvedRef: string | null
}

export class PluginFetcher extends Context.Service<
  PluginFetcher,
  {
    /** `into`: an empty directory of the caller's, who removes it. A folder is looked at where it is. */
    readonly fetch: (source: PluginSource, into: string) => Effect.Effect<FetchedPlugin, PluginNotInstalled>
  }
>()("holdfast/plugins/PluginFetcher") {
  /** What fetches is loaded when something is fetched: most machines never do. */
  static readonly layer = Layer.effect(
    PluginFetcher,
    Effect.gen(function* () {
      const world = yield* Effect.context<FileSystem.FileSystem | Path.Path | HttpClient.HttpClient>()
      return PluginFetcher.of({
        fetch: Effect.fn("PluginFetcher.fetch")((source: PluginSource, into: string) =>
          Effect.promise(() => import("./Fetch.ts")).pipe(
            Effect.flatMap(({ fetchPlugin }) => fetchPlugin(source, into)),
            Effect.provide(world)
          )
        )
      })
    })
  )
}
