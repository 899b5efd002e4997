/** What somebody beside the machine holds against it where plugins are installed; reads the disk by itself. */
import { revisionOf, versionRunBy } from "./Central.ts"
import { type Seen, type SeenPlugins, slotOf } from "./Oracle.ts"
import { HASHES, WEATHER } from "./Plugins.ts"
import { hold, type Witness } from "./Witness.ts"

const entriesOf = (plugins: SeenPlugins) => (plugins.lock === "damaged" ? [] : Object.entries(plugins.lock))

/** `name hash` of what the records of the slots name. */
const namedBySlots = (now: Seen): ReadonlyArray<string> =>
  (["a", "b"] as const).flatMap((slot) => {
    const found = slotOf(now, slot)
    return found?.intact === true ? Object.entries(found.plugins).map(([name, hash]) => `${name} ${hash}`) : []
  })

const isWhole = (plugins: SeenPlugins, tree: string): boolean => tree.endsWith(` ${plugins.trees[tree]}`)

/** A disk, whatever was cut: everything that it names is there. */
export const namesWhatIsThere = (witness: Witness, now: Seen, plugins: SeenPlugins): void => {
  const missing = namedBySlots(now).filter((tree) => !isWhole(plugins, tree))
  hold("treesThere", missing.length === 0, () => missing.join())
  hold("lockTruthful", plugins.lock !== "damaged", () => "the lock is damaged")
  const untrue = entriesOf(plugins).filter(([name, { content_hash }]) => !isWhole(plugins, `${name} ${content_hash}`))
  hold("lockTruthful", untrue.length === 0, () => untrue.map(([name]) => name).join())
  const chosen = plugins.lock === "damaged" ? undefined : plugins.lock[WEATHER]
  const choice = chosen?.installed_by === "operator" ? chosen.content_hash : null
  hold("choiceKept", witness.chosen.includes(choice), () => `${choice} instead of ${witness.chosen.join()}`)
}

/** A collection of garbage, by what it says and by the disk. */
export interface Collection {
  /** `name hash` of what it says that went. */
  readonly gone: ReadonlyArray<string>
  /** Artifacts that the process has installed, for a revision that may be in no slot yet. */
  readonly held: ReadonlyArray<string>
  readonly now: Seen
  readonly before: SeenPlugins
  readonly after: SeenPlugins
}

export const collected = ({ after, before, gone, held, now }: Collection): void => {
  const needed = new Set([
    ...namedBySlots(now),
    ...held.map((hash) => `${WEATHER} ${hash}`),
    ...entriesOf(before).flatMap(([name, { content_hash, installed_by }]) =>
      installed_by === "operator" ? [`${name} ${content_hash}`] : []
    )
  ])
  const went = new Set([...gone, ...Object.keys(before.trees).filter((tree) => !(tree in after.trees))])
  const missed = [...went].filter((tree) => needed.has(tree))
  hold("neededSpared", missed.length === 0, () => missed.join())
  const locked = entriesOf(after).map(([name, { content_hash }]) => `${name} ${content_hash}`)
  const left = [...Object.keys(after.trees), ...locked].filter((tree) => !needed.has(tree))
  hold("garbageGoes", left.length === 0 && !after.staging, () => (after.staging ? "half installed" : left.join()))
}

/** Plugins of the running revision are about to be started: `found` is the artifact that would run. */
export const started = (
  etag: string | null,
  found: { readonly hash: string; readonly condition: string } | null
): void => {
  const version = versionRunBy(etag === null ? "" : revisionOf(etag))
  if (version === undefined) return
  const isIts = found?.hash === HASHES[version] && found.condition === "intact"
  hold("runsItsOwn", isIts, () => `${etag} with ${found === null ? "none" : `${found.condition} ${found.hash}`}`)
}
