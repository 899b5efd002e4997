/** A plugin's settings against the JSON Schema of its manifest. */
import { checkSchema, type Problem, type SchemaWords } from "../domain/index.ts"

const WORDS: SchemaWords = {
  unknownKey: "is not a setting that the plugin knows",
  schema: "the plugin's config_schema",
  remedy: "use another version of the plugin"
}

/** Every problem of `settings`, which lie at `path` of the document. */
export const checkSettings = (
  schema: Readonly<Record<string, unknown>>,
  settings: unknown,
  path: ReadonlyArray<string>
): ReadonlyArray<Problem> => checkSchema(schema, settings, path, WORDS)
