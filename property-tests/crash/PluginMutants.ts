/** Small wrong changes to what installs, keeps and collects plugins, and the sentences that must see them. */
import { changedEngine, type CrashMutant, type MODULES } from "./CrashMutants.ts"
import type { PluginLifeName } from "./Lives.ts"
import { WEATHER } from "./Plugins.ts"
import { HOME, REAL } from "./Services.ts"
import { loadStore, type StoreChange } from "./StoreCode.ts"
import type { Sentence } from "./Witness.ts"

const FIRST = "promotes a first revision that pins a plugin"
const ROLLED_BACK = "rolls back from another version of a plugin"
const REFUSED = "refuses a revision that installed another version"
const OPERATOR = "keeps what an operator installed beside its revisions"

/** Where the name of an artifact is made durable. */
const SYNC_NAME = `yield* files.syncDirectory(path.dirname(placeOf(manifest.name, hash))).pipe(Effect.mapError(notWritten))`

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
  pluginLife: life,
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
  pluginLife: life,
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
  store("store", "the name of an installed tree is not synced", ["treesThere", "lockTruthful"], FIRST, SYNC_NAME, ""),
  {
    ...store(
      "store",
      "the name of a tree that a killed process left is not synced",
      ["treesThere", "lockTruthful"],
      FIRST,
      `(yield* answered(order)) ?? (yield* brought(order))
        const { manifest } = known
        const hash = known.artifact?.hash ?? ""
        // Also what was there: a process that was killed after its rename has left this to the next one.
        ${SYNC_NAME}`,
      `(yield* answered(order)) ??
          (yield* Effect.tap(brought(order), ({ known }) => files.syncDirectory(path.dirname(known.artifact?.directory))))
        const { manifest } = known
        const hash = known.artifact?.hash ?? ""`
    ),
    killedBefore: `fsync ${HOME}/state/plugins/${WEATHER}`
  },
  store(
    "store",
    "the lock names a tree before it is in its place",
    ["lockTruthful"],
    OPERATOR,
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
  ),
  store(
    "store",
    "an artifact that is there makes room for itself",
    ["treesThere", "lockTruthful"],
    OPERATOR,
    `if ((yield* condition(manifest.name, hash)) !== "intact") {`,
    "{"
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
    REFUSED,
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
