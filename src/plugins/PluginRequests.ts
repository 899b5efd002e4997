/** What an operator asks for: of a live daemon over its API, or of a stopped one's files. */
import { Effect, FileSystem, Result } from "effect"
import { type LockedPlugin, parseSource, type PluginRequest, type VerifiedPlugin } from "../domain/index.ts"
import { PluginStore } from "./PluginStore.ts"

/** Every installed plugin, by name. */
export const listPlugins = Effect.gen(function* () {
  return Object.values(yield* (yield* PluginStore).lock)
})

/** Installs from a source, fetched anew unless its hash is pinned; folders must be absolute. */
export const installPlugin = Effect.fn("plugins.install")(function* (request: PluginRequest) {
  const version = request.version ?? null
  const parsed = parseSource(request.source, { version, mayBeLocal: true })
  const source = yield* Effect.fromResult(parsed)
  const store = yield* PluginStore
  return yield* store.install({
    name: request.name ?? null,
    source,
    version,
    hash: request.artifact_hash ?? null,
    by: "operator"
  })
})

/** Hashes the trees of all, or of one; `repair` installs what is not intact from its own source, by its own hash. */
export const verifyPlugins = Effect.fn("plugins.verify")(function* (request: {
  readonly name?: string
  readonly repair?: boolean
}) {
  const store = yield* PluginStore
  const plugins = yield* listPlugins
  const asked = request.name === undefined ? plugins : plugins.filter(({ name }) => name === request.name)
  return yield* Effect.forEach(asked, (plugin) =>
    Effect.gen(function* () {
      const condition = yield* store.condition(plugin.name, plugin.content_hash)
      if (condition === "intact" || request.repair !== true) return { ...plugin, condition, repaired: false }
      const repaired = yield* Effect.result(reinstall(plugin))
      const verified: VerifiedPlugin = Result.isSuccess(repaired)
        ? { ...plugin, condition: "intact", repaired: true }
        : { ...plugin, condition, repaired: false, problem: repaired.failure.message }
      return verified
    })
  )
})

const reinstall = Effect.fnUntraced(function* ({ content_hash, installed_by, name, source, version }: LockedPlugin) {
  const store = yield* PluginStore
  const from = yield* Effect.fromResult(parseSource(source, { version: null, mayBeLocal: true }))
  return yield* store.install({ name, source: from, version, hash: content_hash, by: installed_by })
})

/** Forgets a plugin; one that a slot runs keeps its files. */
export const removePlugin = Effect.fn("plugins.remove")(function* (name: string) {
  const store = yield* PluginStore
  return { name, known: yield* store.remove(name) }
})

/** The artifact that an absolute folder would be, for its author to pin. */
export const hashFolder = Effect.fn("plugins.hash")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const { readArtifact } = yield* Effect.promise(() => import("./Artifact.ts"))
  const { folderMissing } = yield* Effect.promise(() => import("./ArtifactRules.ts"))
  const isThere = yield* Effect.orElseSucceed(fs.exists(folder), () => false)
  return isThere ? yield* readArtifact(folder) : yield* folderMissing(folder)
})
