import type { ConfigDocument, KnownPlugin, PluginManifest, SinkEntry } from "../../src/domain/index.ts"

/** A plugin of a catalogue. */
export const plugin = (
  name: string,
  more: Partial<PluginManifest> = {},
  origin: KnownPlugin["origin"] = "test"
): KnownPlugin => ({
  manifest: {
    schema_version: 1,
    name,
    version: "1.0.0",
    holdfast_api: "^1.0.0",
    runtime: "node",
    entrypoint: "index.js",
    ...more
  },
  entry: origin === "bundled" ? null : `/plugins/${name}/index.js`,
  origin
})

const sinkCapability = { provides: { capabilities: ["sink"] } }

/** The line to central, a plugin, a plugin for sinks, and one of each that wants settings. */
export const known: ReadonlyArray<KnownPlugin> = [
  plugin("@holdfast/central", sinkCapability, "bundled"),
  plugin("plain"),
  plugin("tap", sinkCapability),
  plugin("strict", {
    config_schema: {
      type: "object",
      properties: { path: { type: "string", minLength: 1 }, level: { enum: ["low", "high"] }, size: { minimum: 5 } },
      required: ["path"],
      additionalProperties: false
    }
  }),
  plugin("strict-tap", {
    ...sinkCapability,
    config_schema: { type: "object", properties: { to: { type: "string" } }, required: ["to"] }
  })
]

export const central = (url = "http://127.0.0.1:1"): SinkEntry => ({
  plugin: "@holdfast/central",
  config: { url, identity: {} }
})

export const documentOf = (
  plugins: NonNullable<ConfigDocument["plugins"]>,
  sinks: NonNullable<ConfigDocument["sinks"]> = {}
): ConfigDocument => ({ version: 2, plugins, sinks })
