/** What is wrong with the plugins of a document on every machine alike: a machine and central find it by the same functions. */
import { Result, Schema } from "effect"
import { bundledSettings, isBundled } from "./Bundled.ts"
import type { ConfigDocument, PluginEntry, SinkEntry } from "./Document.ts"
import { INSTALL_FAILURES, type PinRefusal, PluginName, PluginNotInstalled, TreeHash } from "./Plugins.ts"
import { parseSource } from "./PluginSource.ts"
import { pointerOf, type Problem } from "./Problem.ts"
import { checkSchema, type SchemaWords } from "./SchemaCheck.ts"

/** A problem, and the verdict of every machine that gets the document. */
export interface PluginProblem extends Problem {
  readonly verdict: PinRefusal["verdict"]
}

/** The problems of entries whose plugin is listed before them, by index. */
export const listedTwice = (plugins: ReadonlyArray<PluginEntry>): ReadonlyMap<number, Problem> => {
  const first = new Map<string, number>()
  const twice = new Map<number, Problem>()
  for (const [index, { name }] of plugins.entries()) {
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, index)
    else {
      const message = `\`${name}\` is listed already at /plugins/${earlier}: keep one of the two`
      twice.set(index, { pointer: pointerOf(["plugins", index, "name"]), message })
    }
  }
  return twice
}

const WORDS: SchemaWords = {
  unknownKey: "is not a setting that the plugin knows",
  schema: "the plugin's config_schema",
  remedy: "use another version of the plugin"
}

/** Every problem of `settings`, which lie at `path` of the document, against the JSON Schema of a plugin's manifest. */
export const checkSettings = (
  schema: Readonly<Record<string, unknown>>,
  settings: unknown,
  path: ReadonlyArray<string>
): ReadonlyArray<Problem> => checkSchema(schema, settings, path, WORDS)

/** The settings of a plugin that serves sinks are given there; beside its name they may be left out. */
export const settingsProblems = (
  schema: Readonly<Record<string, unknown>> | undefined,
  { config, name }: PluginEntry,
  index: number,
  sinks: ReadonlyArray<SinkEntry>
): ReadonlyArray<Problem> =>
  schema === undefined || (config === undefined && sinks.some(({ plugin }) => plugin === name))
    ? []
    : checkSettings(schema, config ?? {}, ["plugins", String(index), "config"])

/** What is wrong with the pins of an entry that is not bundled, whatever is installed. */
export const wrongPin = ({ artifact_hash, name, source, version }: PluginEntry): PluginNotInstalled | undefined => {
  if (!isName(name)) {
    return new PluginNotInstalled({
      reason: "manifest_invalid",
      message: `no plugin can be called \`${name}\`: a name has lower-case letters, digits, - . and _`
    })
  }
  if (artifact_hash !== undefined && !isHash(artifact_hash)) {
    return new PluginNotInstalled({
      reason: "artifact_hash_mismatch",
      message: `no artifact of ${name} has the hash \`${artifact_hash}\`: pin 64 lower-case hex digits, without a prefix`
    })
  }
  if (source === undefined) return undefined
  const parsed = parseSource(source, { version: version ?? null, mayBeLocal: false })
  return Result.isFailure(parsed) ? parsed.failure : undefined
}

const isName = Schema.is(PluginName)
const isHash = Schema.is(TreeHash)

/** The detail names the reason: several have the same verdict. */
export const pinRefusal = ({ message, reason }: PluginNotInstalled): PinRefusal => ({
  ...INSTALL_FAILURES[reason],
  detail: reason === INSTALL_FAILURES[reason].verdict ? message : `${reason}: ${message}`
})

/** What every machine refuses about the plugins of a document, as far as its bytes alone say it. */
export const pluginProblems = ({ plugins = [], sinks = {} }: ConfigDocument): ReadonlyArray<PluginProblem> => {
  const twice = listedTwice(plugins)
  return plugins.flatMap((entry, index): ReadonlyArray<PluginProblem> => {
    const double = twice.get(index)
    if (double !== undefined) return [{ ...double, verdict: "config_invalid" }]
    if (entry.enabled === false) return []
    if (isBundled(entry.name)) {
      const schema = bundledSettings(entry.name)
      return settingsProblems(schema, entry, index, Object.values(sinks)).map((problem) => ({
        ...problem,
        verdict: "config_invalid"
      }))
    }
    // Without a source it is what the machine has, or objected to already.
    const wrong = entry.source === undefined ? undefined : wrongPin(entry)
    if (wrong === undefined) return []
    const { detail, verdict } = pinRefusal(wrong)
    return [{ pointer: pointerOf(["plugins", index]), message: detail, verdict }]
  })
}
