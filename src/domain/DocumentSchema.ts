/** The JSON Schema (draft 2020-12) of a configuration document, for editors: what the shape check takes, it takes. */
import { Predicate, Schema } from "effect"
import { CENTRAL_PLUGIN } from "./Bundled.ts"
import { CentralSettings, ConfigDocument, PluginEntry, SinkEntry } from "./Document.ts"

type JsonSchema = Readonly<Record<string, unknown>>

/**
 * Made of the Schemas that the shape check uses, and of what it asks of sinks besides. It says less than that check where
 * JSON Schema cannot: keys that come twice, depth, and what exactly is a URL.
 */
export const documentSchema = (): JsonSchema => {
  const { properties, ...document } = strict(ConfigDocument)
  const sink = {
    ...withHelp(strict(SinkEntry), SINK_HELP),
    allOf: [
      when({ required: ["plugin"] }, not("writer", "destination"), { required: ["writer", "destination"] }),
      when(plugin({ const: CENTRAL_PLUGIN }), central(strict(CentralSettings))),
      when(plugin({ pattern: "^[^/]+/central$", not: { const: CENTRAL_PLUGIN } }, "url", "identity"), central(lenient))
    ]
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A Holdfast configuration document, version 2",
    ...withHelp(
      {
        ...document,
        properties: {
          ...recordOf(properties),
          version: { const: 2 },
          plugins: { type: "array", items: withHelp(strict(PluginEntry), PLUGIN_HELP) },
          sinks: { type: "object", propertyNames: { minLength: 1 }, additionalProperties: sink }
        }
      },
      DOCUMENT_HELP
    )
  }
}

const strict = (schema: Schema.Constraint): JsonSchema =>
  Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" }).schema

const recordOf = (value: unknown): Record<string, unknown> =>
  Predicate.isObject(value) ? Object.fromEntries(Object.entries(value)) : {}

/** Of a foreign client, which may know more settings. */
const lenient: JsonSchema = {
  type: "object",
  required: ["url", "identity"],
  properties: {
    ...recordOf(Schema.toJsonSchemaDocument(CentralSettings).schema.properties)
  }
}

const when = (condition: JsonSchema, then: JsonSchema, otherwise?: JsonSchema): JsonSchema => ({
  if: condition,
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then,
  ...(otherwise === undefined ? {} : { else: otherwise })
})

const not = (...keys: ReadonlyArray<string>): JsonSchema => ({
  properties: Object.fromEntries(keys.map((key) => [key, false]))
})

/** A sink of such a plugin, with such settings. */
const plugin = (name: JsonSchema, ...settings: ReadonlyArray<string>): JsonSchema => ({
  required: ["plugin", ...(settings.length === 0 ? [] : ["config"])],
  properties: { plugin: { type: "string", ...name }, config: { type: "object", required: settings } }
})

const central = (settings: JsonSchema): JsonSchema => ({
  required: ["config"],
  properties: {
    config: {
      ...settings,
      properties: {
        ...recordOf(settings.properties),
        url: {
          type: "string",
          pattern: "^[Hh][Tt][Tt][Pp][Ss]?://[^?#]+$",
          description: "Base URL of this fleet's central"
        }
      }
    }
  }
})

const withHelp = (schema: JsonSchema, help: Readonly<Record<string, string>>): JsonSchema => ({
  ...schema,
  properties: Object.fromEntries(
    Object.entries(recordOf(schema.properties)).map(([key, value]) => [
      key,
      { ...recordOf(value), ...(help[key] === undefined ? {} : { description: help[key] }) }
    ])
  )
})

const DOCUMENT_HELP = {
  version: "The version of this format",
  plugins: "Plugins that machines load; those that are not bundled with their pins",
  sinks: "Where machines send to, by a name of your choice; exactly one is the line to central",
  disambiguate: "Kept as it is",
  query: "Kept as it is"
}

const PLUGIN_HELP = {
  name: "The plugin's package name",
  enabled: "false: it is not loaded",
  config: "Settings of the plugin, by its own schema",
  version: "Pin: the exact version",
  artifact_hash: "Pin: the digest of what is installed",
  source: "Where it is fetched from"
}

const SINK_HELP = {
  plugin: `The plugin that takes what is sent; ${CENTRAL_PLUGIN} is the line to central`,
  writer: "Of foreign documents, with `destination`",
  destination: "Of foreign documents, with `writer`",
  config: "Settings of the plugin"
}
