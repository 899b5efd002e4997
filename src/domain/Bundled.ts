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

const text = { type: "string", minLength: 1 }
const url = { type: "string", pattern: "^https?://" }

/** The settings of agents and chat, as JSON Schema. */
export const AGENTS_SETTINGS = {
  type: "object",
  additionalProperties: false,
  properties: {
    model: text,
    fallback_models: { type: "array", items: text },
    agents_path: text,
    auto_install: { enum: ["listed", "ask", "off"] },
    call_timeout_seconds: { type: "number", exclusiveMinimum: 0, maximum: 3600 },
    memory_mib: { type: "integer", minimum: 64, maximum: 65536 },
    provider: {
      type: "object",
      additionalProperties: false,
      properties: {
        kind: { enum: ["github", "openai-compatible"] },
        github_url: url,
        github_api_url: url,
        client_id: text,
        base_url: url,
        api_key: text
      },
      if: { not: { properties: { kind: { const: "openai-compatible" } }, required: ["kind"] } },
      else: { required: ["base_url"] }
    }
  }
}

/** Those of runs. What of the cluster's can be used, the backend itself says: it knows their forms. */
export const RUNS_SETTINGS = {
  type: "object",
  additionalProperties: false,
  properties: {
    backend: { enum: ["local", "kubernetes"] },
    kubernetes: { type: "object", required: ["image"] },
    concurrency: { type: "integer", minimum: 1 }
  }
}

/** The JSON Schema of a bundled plugin's settings. Those of a line to central are the shape check's matter. */
export const bundledSettings = (name: BundledPlugin): Readonly<Record<string, unknown>> | undefined => {
  switch (name) {
    case AGENTS_PLUGIN:
      return AGENTS_SETTINGS
    case RUNS_PLUGIN:
      return RUNS_SETTINGS
    default:
      return undefined
  }
}
