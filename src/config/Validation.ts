/** Full validation: whether this machine could run a document, decided on manifests alone. No plugin code is loaded. */
import {
  BUNDLED_PLUGINS,
  CENTRAL_PLUGIN,
  checkSettings,
  type ConfigDocument,
  type Diagnostic,
  type FullValidation,
  isBundled,
  type KnownPlugin,
  listedTwice,
  nearest,
  pointerOf,
  type Problem,
  settingsProblems
} from "../domain/index.ts"

/** The capability that a plugin must provide to be named by a sink. */
export const SINK_CAPABILITY = "sink"

/**
 * Every problem of a document that has passed the shape check, in its order; empty when there is none. Pins are not its
 * matter: they are checked when plugins are installed, and never at boot.
 *
 * A problem always points into the entry that brings it, and where two entries do not go together into the later one.
 */
export const validateFully: FullValidation = (document, known) => {
  const catalogue: Catalogue = new Map(known.map((plugin) => [plugin.manifest.name, plugin]))
  return [...pluginProblems(document, catalogue), ...sinkProblems(document, catalogue)]
}

/** One warning for the keys that documents of other clients may have and that mean nothing to this version. */
export const ignoredKeys = (document: ConfigDocument): ReadonlyArray<Diagnostic> => {
  const keys = (["query", "disambiguate"] as const).filter((key) => document[key] !== undefined)
  if (keys.length === 0) return []
  const named = keys.map((key) => `\`${key}\``).join(" and ")
  return [
    {
      severity: "warning",
      kind: "config_keys_ignored",
      message: `The configuration contains ${named}, which this version of Holdfast ignores.`,
      repair: [`Remove ${named} from the document, or leave it for clients that use it.`]
    }
  ]
}

type Catalogue = ReadonlyMap<string, KnownPlugin>

const pluginProblems = ({ plugins = [], sinks = {} }: ConfigDocument, catalogue: Catalogue): ReadonlyArray<Problem> => {
  const twice = listedTwice(plugins)
  return plugins.flatMap((entry, index): ReadonlyArray<Problem> => {
    const double = twice.get(index)
    if (double !== undefined) return [double]
    if (entry.enabled === false) return []
    const plugin = catalogue.get(entry.name)
    return plugin === undefined
      ? [unknownPlugin(entry.name, ["plugins", String(index), "name"], catalogue)]
      : settingsProblems(plugin.manifest.config_schema, entry, index, Object.values(sinks))
  })
}

const sinkProblems = ({ plugins = [], sinks = {} }: ConfigDocument, catalogue: Catalogue): ReadonlyArray<Problem> => {
  // The first entry of a name counts; a second one is a problem of its own.
  const listed = new Map(plugins.toReversed().map(({ enabled, name }) => [name, enabled !== false]))
  let centralAt: string | undefined
  return Object.entries(sinks).flatMap(([instance, { config, plugin: name }]): ReadonlyArray<Problem> => {
    const path = ["sinks", instance]
    if (name === undefined) return [{ pointer: pointerOf(path), message: WRITER_SINK }]
    if (name === CENTRAL_PLUGIN) {
      if (centralAt !== undefined) {
        const message = `is a second central sink beside \`${centralAt}\`: a machine has one line to central, remove one of the two`
        return [{ pointer: pointerOf(path), message }]
      }
      centralAt = instance
    } else if (listed.get(name) === false) {
      // Switched off with its plugin.
      return []
    }
    const plugin = catalogue.get(name)
    if (plugin === undefined) return [unknownPlugin(name, [...path, "plugin"], catalogue)]
    if (!(plugin.manifest.provides?.capabilities ?? []).includes(SINK_CAPABILITY)) {
      const message = `\`${name}\` is no sink: name a plugin that provides the capability \`${SINK_CAPABILITY}\``
      return [{ pointer: pointerOf([...path, "plugin"]), message }]
    }
    if (plugin.entry !== null && !listed.has(name)) {
      const message = `\`${name}\` is not listed under \`plugins\`: add it there, for it is no part of the daemon`
      return [{ pointer: pointerOf([...path, "plugin"]), message }]
    }
    const schema = plugin.manifest.config_schema
    return schema === undefined ? [] : checkSettings(schema, config ?? {}, [...path, "config"])
  })
}

const WRITER_SINK =
  "has a `writer`, a kind of sink that this version does not run (sink_kind_unsupported): use a sink with `plugin`, or remove it"

const unknownPlugin = (name: string, path: ReadonlyArray<string>, catalogue: Catalogue): Problem => {
  const pointer = pointerOf(path)
  if (isBundled(name)) {
    const message = `this version does not contain \`${name}\`: remove it, or use a version of Holdfast that does`
    return { pointer, message }
  }
  const meant = nearest(name, [...new Set([...BUNDLED_PLUGINS, ...catalogue.keys()])])
  const advice = meant === undefined ? "check the name, or remove it" : `did you mean \`${meant}\`?`
  return { pointer, message: `\`${name}\` is not installed on this machine: ${advice}` }
}
