/** The effective configuration: what central serves, and the user's own `config.json` on top of it, additive only. */
import {
  CENTRAL_PLUGIN,
  type ConfigDocument,
  formatProblem,
  type KnownPlugin,
  type PluginEntry,
  pointerOf,
  type Problem,
  type SinkEntry
} from "../domain/index.ts"
import { validateFully } from "./Validation.ts"

/** An entry of the local layer that is not used. */
export interface DroppedEntry {
  /** Its JSON pointer in the user's own file. */
  readonly entry: string
  /** Why, and what to do about it. */
  readonly reason: string
}

/** What runs, and what of the local layer does not. */
export interface MergedLayers {
  readonly document: ConfigDocument
  readonly dropped: ReadonlyArray<DroppedEntry>
}

/**
 * Both layers as one document. Nothing that central serves is lost or changed, except `query`, which only the user's own
 * layer has. A local entry that collides with a central one, or that would introduce a problem of full validation, is
 * dropped alone. In safe start the local layer gives its central sink, and that only where the central layer has none.
 */
export const mergeLayers = (
  central: ConfigDocument | null,
  local: ConfigDocument | null,
  known: ReadonlyArray<KnownPlugin>,
  { safeStart }: { readonly safeStart: boolean }
): MergedLayers => {
  const base = withoutQuery(central ?? EMPTY)
  if (local === null) return { document: base, dropped: [] }
  const collisions = new Map<string, string>()
  const offered = entriesOf(local).filter((entry) => {
    const reason = collision(base, entry) ?? (safeStart && !isCentralSink(entry) ? SAFE_START : undefined)
    if (reason !== undefined) collisions.set(entry.pointer, reason)
    return reason === undefined
  })
  const before = new Set(validateFully(base, known).map(identify))
  const invalid = findInvalid(base, offered, (document) =>
    validateFully(document, known).filter((problem) => !before.has(identify(problem)))
  )
  const reasons = new Map([...collisions, ...invalid])
  return {
    document: combine(
      base,
      offered.filter(({ pointer }) => !invalid.has(pointer))
    ),
    dropped: entriesOf(local).flatMap(({ pointer }) => {
      const reason = reasons.get(pointer)
      return reason === undefined ? [] : [{ entry: pointer, reason }]
    })
  }
}

type LocalEntry =
  | { readonly kind: "plugin"; readonly pointer: string; readonly value: PluginEntry }
  | { readonly kind: "sink"; readonly pointer: string; readonly instance: string; readonly value: SinkEntry }
  | { readonly kind: "query" | "disambiguate"; readonly pointer: string; readonly value: unknown }

const EMPTY: ConfigDocument = { version: 2 }

const SAFE_START =
  "left out in safe start: a new revision, or `holdfast daemon restart --normal`, ends safe start and brings it back"

const withoutQuery = ({ query: _, ...rest }: ConfigDocument): ConfigDocument => rest

const entriesOf = (local: ConfigDocument): ReadonlyArray<LocalEntry> => [
  ...(local.plugins ?? []).map((value, index) => ({
    kind: "plugin" as const,
    pointer: pointerOf(["plugins", index]),
    value
  })),
  ...Object.entries(local.sinks ?? {}).map(([instance, value]) => ({
    kind: "sink" as const,
    pointer: pointerOf(["sinks", instance]),
    instance,
    value
  })),
  ...(["disambiguate", "query"] as const).flatMap((kind) =>
    local[kind] === undefined ? [] : [{ kind, pointer: pointerOf([kind]), value: local[kind] }]
  )
]

const isCentralSink = (entry: LocalEntry): boolean => entry.kind === "sink" && entry.value.plugin === CENTRAL_PLUGIN

const collision = (
  { disambiguate, plugins = [], sinks = {} }: ConfigDocument,
  entry: LocalEntry
): string | undefined => {
  switch (entry.kind) {
    case "plugin":
      // A sink of central's is part of what it configures: this entry could switch it off.
      return [...plugins.map(({ name }) => name), ...Object.values(sinks).map(({ plugin }) => plugin)].includes(
        entry.value.name
      )
        ? `central configures the plugin \`${entry.value.name}\`, and what it serves counts: remove this entry`
        : undefined
    case "sink":
      if (Object.hasOwn(sinks, entry.instance)) {
        return `central configures a sink \`${entry.instance}\`, and what it serves counts: give this one another name`
      }
      return isCentralSink(entry) && Object.values(sinks).some(({ plugin }) => plugin === CENTRAL_PLUGIN)
        ? "central serves the line to central itself: this one is used only while it does not"
        : undefined
    case "disambiguate":
      return disambiguate === undefined ? undefined : "central serves `disambiguate`, and what it serves counts"
    case "query":
      return undefined
  }
}

/** Entries after those of the base, so that pointers into the base stay what they are. */
const combine = (base: ConfigDocument, entries: ReadonlyArray<LocalEntry>): ConfigDocument => {
  const plugins = entries.flatMap((entry) => (entry.kind === "plugin" ? [entry.value] : []))
  const sinks = entries.flatMap((entry) => (entry.kind === "sink" ? [[entry.instance, entry.value] as const] : []))
  const others = entries.flatMap((entry) =>
    entry.kind === "query" || entry.kind === "disambiguate" ? [[entry.kind, entry.value] as const] : []
  )
  return {
    ...base,
    ...(plugins.length > 0 && { plugins: [...(base.plugins ?? []), ...plugins] }),
    ...(sinks.length > 0 && { sinks: { ...base.sinks, ...Object.fromEntries(sinks) } }),
    ...Object.fromEntries(others)
  }
}

/**
 * The entries that bring a problem, by pointer. Without them others may turn out wrong (a sink whose plugin has just been
 * dropped), so it looks again until nothing new is found.
 */
const findInvalid = (
  base: ConfigDocument,
  offered: ReadonlyArray<LocalEntry>,
  newProblems: (document: ConfigDocument) => ReadonlyArray<Problem>
): ReadonlyMap<string, string> => {
  const invalid = new Map<string, string>()
  while (true) {
    const entries = offered.filter(({ pointer }) => !invalid.has(pointer))
    const problems = new Map<string, string>()
    for (const { message, pointer } of newProblems(combine(base, entries)).toReversed()) {
      const entry = entryOf(pointer)
      problems.set(entry, formatProblem({ pointer: pointer.slice(entry.length), message }))
    }
    let index = base.plugins?.length ?? 0
    const found = entries.flatMap((entry) => {
      const message = problems.get(entry.kind === "plugin" ? pointerOf(["plugins", index++]) : entry.pointer)
      return message === undefined ? [] : [[entry.pointer, message] as const]
    })
    if (found.length === 0) return invalid
    for (const [pointer, message] of found) invalid.set(pointer, message)
  }
}

const identify = ({ message, pointer }: Problem): string => `${pointer}\n${message}`

/** The pointer of the entry that a pointer leads into: its first two steps. */
const entryOf = (pointer: string): string => pointer.split("/").slice(0, 3).join("/")
