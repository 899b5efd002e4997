import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { mergeLayers } from "../../src/config/Layers.ts"
import { validateFully } from "../../src/config/Validation.ts"
import type { ConfigDocument, KnownPlugin, PluginEntry, SinkEntry } from "../../src/domain/index.ts"
import { hunt, options } from "../Options.ts"

const CENTRAL = "@holdfast/central"
const names = fc.constantFrom(CENTRAL, "@holdfast/runs", "plain", "tap", "strict", "gone")

const known: ReadonlyArray<KnownPlugin> = [CENTRAL, "plain", "tap", "strict"].map((name) => ({
  manifest: {
    schema_version: 1,
    name,
    version: "1.0.0",
    holdfast_api: "*",
    runtime: "node",
    entrypoint: "index.js",
    ...(name !== "plain" && { provides: { capabilities: ["sink"] } }),
    ...(name === "strict" && { config_schema: { required: ["a"], additionalProperties: false, properties: { a: {} } } })
  },
  entry: name === CENTRAL ? null : `/${name}/index.js`,
  origin: name === CENTRAL ? "bundled" : "test"
}))

const settings = fc.option(fc.constantFrom({}, { a: 1 }, { b: 1 }), { nil: undefined })
const given = <T extends object>(value: T) =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined))

const pluginEntry = fc
  .record({ name: names, enabled: fc.constantFrom(undefined, true, false), config: settings })
  .map((entry) => given(entry) as PluginEntry)
const sinkEntry = fc.oneof(
  fc.constant<SinkEntry>({ writer: "w", destination: "d" }),
  fc.record({ plugin: names, config: settings }).map((entry) => given(entry) as SinkEntry)
)
const documents: fc.Arbitrary<ConfigDocument> = fc
  .record({
    plugins: fc.option(fc.array(pluginEntry, { maxLength: 5 }), { nil: undefined }),
    sinks: fc.option(fc.dictionary(fc.constantFrom("a", "b", "1", "__proto__", "x/y"), sinkEntry), { nil: undefined }),
    query: fc.constantFrom(undefined, null, 1),
    disambiguate: fc.constantFrom(undefined, null, 2)
  })
  .map((parts) => ({ version: 2, ...given(parts) }))

const layers = [fc.option(documents), fc.option(documents), fc.boolean()] as const

type Merge = typeof mergeLayers

/** Each property is `true` of the merge of any two layers. */
const properties: Readonly<
  Record<
    string,
    (merge: Merge, served: ConfigDocument | null, local: ConfigDocument | null, safeStart: boolean) => boolean
  >
> = {
  "never loses or changes an entry that central serves": (merge, served, local, safeStart) => {
    const { document } = merge(served, local, known, { safeStart })
    const { plugins = [], sinks = {} } = served ?? {}
    return (
      same(document.plugins?.slice(0, plugins.length) ?? [], plugins) &&
      Object.entries(sinks).every(
        ([instance, sink]) => Object.hasOwn(document.sinks ?? {}, instance) && same(document.sinks?.[instance], sink)
      ) &&
      (served?.disambiguate === undefined || same(document.disambiguate, served.disambiguate))
    )
  },
  "has no problem that the served document does not have": (merge, served, local, safeStart) => {
    const before = new Set(validateFully(served ?? { version: 2 }, known).map((problem) => JSON.stringify(problem)))
    const after = validateFully(merge(served, local, known, { safeStart }).document, known)
    return after.every((problem) => before.has(JSON.stringify(problem)))
  },
  "uses or names every entry of the user's own": (merge, served, local, safeStart) => {
    const { document, dropped } = merge(served, local, known, { safeStart })
    const count = (layer: ConfigDocument | null) =>
      (layer?.plugins?.length ?? 0) + Object.keys(layer?.sinks ?? {}).length
    const named = dropped.filter(({ entry }) => /^\/(plugins|sinks)\//.test(entry))
    return (
      count(document) === count(served) + count(local) - named.length &&
      new Set(dropped.map(({ entry }) => entry)).size === dropped.length &&
      dropped.every(({ reason }) => reason !== "")
    )
  },
  "runs in safe start at most the user's line to central, and only where none is served": (merge, served, local) => {
    const { plugins, sinks = {} } = merge(served, local, known, { safeStart: true }).document
    const central = (layer: ConfigDocument | null) =>
      Object.values(layer?.sinks ?? {}).some(({ plugin }) => plugin === CENTRAL)
    const added = Object.keys(sinks).filter((instance) => !Object.hasOwn(served?.sinks ?? {}, instance))
    return (
      (plugins?.length ?? 0) === (served?.plugins?.length ?? 0) &&
      (central(served) ? added.length === 0 : added.every((instance) => sinks[instance]?.plugin === CENTRAL))
    )
  }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Small wrong merges, each with a property that it breaks. */
const mutants: Readonly<Record<string, readonly [property: string, merge: Merge]>> = {
  "the user's sinks over the served ones": [
    "never loses or changes an entry that central serves",
    (served, local, catalogue, how) => {
      const { document, dropped } = mergeLayers(served, local, catalogue, how)
      return { document: { ...document, sinks: { ...document.sinks, ...local?.sinks } }, dropped }
    }
  ],
  "the user's plugins first": [
    "never loses or changes an entry that central serves",
    (served, local, catalogue, how) => {
      const { document, dropped } = mergeLayers(served, local, catalogue, how)
      return { document: { ...document, plugins: (document.plugins ?? []).toReversed() }, dropped }
    }
  ],
  "no look at what the user's entries bring": [
    "has no problem that the served document does not have",
    (served, local, _, how) => mergeLayers(served, local, LENIENT, how)
  ],
  "entries dropped without a word": [
    "uses or names every entry of the user's own",
    (served, local, catalogue, how) => ({ ...mergeLayers(served, local, catalogue, how), dropped: [] })
  ],
  "safe start without an effect": [
    "runs in safe start at most the user's line to central, and only where none is served",
    (served, local, catalogue) => mergeLayers(served, local, catalogue, { safeStart: false })
  ]
}

/** A catalogue in which everything is well. */
const LENIENT: ReadonlyArray<KnownPlugin> = [CENTRAL, "@holdfast/runs", "plain", "tap", "strict", "gone"].flatMap(
  (name) =>
    known.slice(0, 1).map((plugin) => ({
      ...plugin,
      manifest: { ...plugin.manifest, name }
    }))
)

const holds = (property: string, merge: Merge) =>
  fc.property(...layers, (served, local, safeStart) => properties[property]?.(merge, served, local, safeStart) ?? false)

describe("merging the layers of a configuration", () => {
  it.each(Object.keys(properties))("%s", (property) => {
    fc.assert(holds(property, mergeLayers), options())
  })

  it.each(Object.entries(mutants).map(([mutant, [property, merge]]) => [mutant, property, merge] as const))(
    "would be caught with %s",
    (_, property, merge) => {
      expect(fc.check(holds(property, merge), hunt).failed).toBe(true)
    }
  )
})
