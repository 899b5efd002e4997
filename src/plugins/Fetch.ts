/** The kinds of sources. */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import { Effect, FileSystem } from "effect"
import { folderMissing } from "./ArtifactRules.ts"
import { fetchGit } from "./Git.ts"
import type { FetchedPlugin } from "./PluginFetcher.ts"
import type { PluginSource } from "../domain/index.ts"
import { fetchTarball } from "./Tarball.ts"

/** See `PluginFetcher`. */
export const fetchPlugin = Effect.fnUntraced(function* (source: PluginSource, into: string, marker?: string | null) {
  const fetched = (directory: string, resolvedRef: string | null): FetchedPlugin => ({ directory, resolvedRef })
  switch (source.kind) {
    case "folder": {
      const fs = yield* FileSystem.FileSystem
      const isThere = yield* Effect.orElseSucceed(fs.exists(source.path), () => false)
      return isThere ? fetched(source.path, null) : yield* folderMissing(source.path)
    }
    case "tarball":
      return fetched(yield* fetchTarball(source.url, into, marker), null)
    case "git": {
      const { commit, directory } = yield* fetchGit(source, into).pipe(Effect.provide(NodeChildProcessSpawner.layer))
      return fetched(directory, commit)
    }
  }
})
