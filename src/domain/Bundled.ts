/** Names of the plugins that ship inside Holdfast: inside the trust boundary, never fetched. */
export const BUNDLED_PLUGINS = [
  "@holdfast/central",
  "@holdfast/runs",
  "@holdfast/agents",
  "@holdfast/file-sink"
] as const

/** A plugin that ships inside Holdfast. */
export type BundledPlugin = (typeof BUNDLED_PLUGINS)[number]

/** The bundled plugin that is the line to central. */
export const CENTRAL_PLUGIN = "@holdfast/central" satisfies BundledPlugin

/** The bundled plugin whose settings name the model provider. */
export const AGENTS_PLUGIN = "@holdfast/agents" satisfies BundledPlugin

/** The bundled plugin whose settings say where runs run. */
export const RUNS_PLUGIN = "@holdfast/runs" satisfies BundledPlugin

/** Whether `name` is a bundled plugin, compared byte for byte. */
export const isBundled = (name: string): name is BundledPlugin => BUNDLED_PLUGINS.some((known) => known === name)

/** Whether `name` is `<scope>/central`: the line to central of this or of a foreign client. */
export const isCentralPlugin = (name: string): boolean => /^[^/]+\/central$/.test(name)
