/** Small wrong changes to what installs, keeps and collects plugins, and the sentences that must see them. */
import { changedEngine, type CrashMutant, MODULES } from "./CrashMutants.ts"
import type { PluginLifeName } from "./Lives.ts"
import { REAL } from "./Services.ts"
import { loadStore, type StoreChange } from "./StoreCode.ts"
import type { Sentence } from "./Witness.ts"

const FIRST = "promotes a first revision that pins a plugin"
const ROLLED_BACK = "rolls back from another version of a plugin"
const COLLECTED = "collects a plugin that was dropped, and needs it again"
const REFUSED = "refuses a revision that installed another version"
const OPERATOR = "keeps what an operator installed beside its revisions"

const store = (
  part: StoreChange["part"],
  name: string,
  killedBy: ReadonlyArray<Sentence>,
  life: PluginLifeName,
  find: string,
  replacement: string
): CrashMutant => ({
  name,
  killedBy,
  pluginLives: [life],
  engine: async () => ({ ...REAL, pluginStore: await loadStore({ part, find, replacement }) })
})

const config = (
  part: keyof typeof MODULES,
  name: string,
  killedBy: ReadonlyArray<Sentence>,
  life: PluginLifeName,
  find: string,
  replacement: string
): CrashMutant => ({
  name,
  killedBy,
  pluginLives: [life],
  engine: async () => ({ ...(await changedEngine(part, find, replacement)), pluginStore: await loadStore() })
})

const FSYNCS: ReadonlyArray<CrashMutant> = [
  store(
    "artifact",
    "a file of a plugin is not synced",
    ["treesThere", "lockTruthful"],
    FIRST,
    `        yield* sync
        return file`,
    `        return file`
  ),
  store(
    "artifact",
    "the directories of a plugin are not synced",
    ["treesThere", "lockTruthful"],
    FIRST,
    `for (const directory of directories) yield* Effect.mapError(syncDirectory(directory), diskFailure)`,
    ""
  ),
  store(
    "store",
    "the name of an installed tree is not synced",
    ["treesThere", "lockTruthful"],
    FIRST,
    `yield* files.syncDirectory(parent)`,
    ""
  ),
  store(
    "store",
    "the lock names a tree before it is in its place",
    ["lockTruthful"],
    FIRST,
    `yield* moveIn(tree, manifest.name, hash)`,
    `yield* locked.write({
            ...(yield* locked.read),
            [manifest.name]: {
              name: manifest.name,
              version: manifest.version,
              source: showSource(order.source),
              install_dir: path.relative(home.state, placeOf(manifest.name, hash)),
              content_hash: hash,
              manifest_hash: hash,
              installed_at: isoTime(yield* Clock.currentTimeMillis),
              installed_by: order.by
            }
          })
          yield* moveIn(tree, manifest.name, hash)`
  )
]

const GARBAGE: ReadonlyArray<CrashMutant> = [
  store(
    "store",
    "garbage collection forgets the slot to go back to",
    ["neededSpared", "treesThere"],
    ROLLED_BACK,
    `...use.kept.flatMap((trees)`,
    `...[use.running].flatMap((trees)`
  ),
  store(
    "store",
    "garbage collection during an apply takes what was just installed",
    ["neededSpared"],
    ROLLED_BACK,
    `yield* Ref.get(held)`,
    `yield* Effect.succeed([])`
  ),
  store(
    "store",
    "garbage collection takes what an operator installed",
    ["neededSpared", "choiceKept"],
    OPERATOR,
    `installed_by === "revision" &&
            !named.has`,
    `!named.has`
  ),
  store(
    "store",
    "garbage collection leaves the lock as it was",
    ["lockTruthful"],
    COLLECTED,
    `if (JSON.stringify(after) !== JSON.stringify(before)) yield* locked.write(after)`,
    ""
  ),
  store(
    "store",
    "garbage collection leaves what is half installed",
    ["garbageGoes"],
    FIRST,
    `yield* files.remove(staging)
          const gone`,
    `const gone`
  ),
  store(
    "store",
    "garbage is never collected",
    ["garbageGoes"],
    REFUSED,
    `for (const [name, hash] of yield* installedTrees)`,
    `for (const [name, hash] of [])`
  )
]

const RECORDS: ReadonlyArray<CrashMutant> = [
  config(
    "applyEngine",
    "a slot's record names no artifacts",
    ["runsItsOwn"],
    ROLLED_BACK,
    `record: Object.keys(trees).length === 0 ? record : { ...record, plugins: trees }`,
    `record`
  ),
  config(
    "offers",
    "a revision that is offered again while it is applied loses its artifacts",
    ["runsItsOwn"],
    ROLLED_BACK,
    `[handle, same]])`,
    `[handle, offer]])`
  ),
  config(
    "runningConfig",
    "a boot takes the artifacts of the lock",
    ["runsItsOwn"],
    OPERATOR,
    `trees: documents.trees[running.slot] }`,
    `trees: {} }`
  )
]

export const PLUGIN_MUTANTS: ReadonlyArray<CrashMutant> = [...FSYNCS, ...GARBAGE, ...RECORDS]
