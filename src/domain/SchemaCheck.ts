/** A value against a JSON Schema that somebody else wrote: settings of a plugin, arguments of an agent. */
import { type Schema, type SchemaDraft, Validator } from "@cfworker/json-schema"
import { JsonPointer, Result } from "effect"
import { distinct, nearest, pointerOf, type Problem } from "./Problem.ts"

type Finding = ReturnType<Validator["validate"]>["errors"][number]

/** How messages call what is checked. */
export interface SchemaWords {
  /** What is wrong with a key that the schema does not know: "is not a setting that the plugin knows". */
  readonly unknownKey: string
  /** The schema: "the plugin's config_schema". */
  readonly schema: string
  /** What to do about a schema that cannot be used. */
  readonly remedy: string
}

/**
 * Every problem of `value`, which lies at `path`. A schema that cannot be used is a problem at `path`. Messages name what
 * the schema asks for, never the value that was found.
 */
export const checkSchema = (
  schema: Readonly<Record<string, unknown>>,
  value: unknown,
  path: ReadonlyArray<string>,
  words: SchemaWords
): ReadonlyArray<Problem> => {
  const findings = Result.try({
    // A copy, for the validator writes its bookkeeping into the schema.
    try: () => new Validator(structuredClone(schema) as Schema, draftOf(schema), false).validate(value).errors,
    catch: (error) => (error instanceof Error ? error.message : "unknown reason")
  })
  if (Result.isFailure(findings)) {
    const message = `cannot be checked, for ${words.schema} is unusable (${findings.failure}): ${words.remedy}`
    return [{ pointer: pointerOf(path), message }]
  }
  const known =
    typeof schema.properties === "object" && schema.properties !== null ? Object.keys(schema.properties) : []
  return distinct(essential(findings.success).map((finding) => problemOf(finding, path, known, words)))
}

const draftOf = ({ $schema }: Readonly<Record<string, unknown>>): SchemaDraft => {
  const named = typeof $schema === "string" ? $schema : ""
  if (/draft-0?4\b/.test(named)) return "4"
  if (/draft-0?[67]\b/.test(named)) return "7"
  return named.includes("2019-09") ? "2019-09" : "2020-12"
}

/** Findings that only say that something below them was found. */
const WRAPPERS = new Set([
  "$ref",
  "$recursiveRef",
  "additionalItems",
  "additionalProperties",
  "allOf",
  "dependentSchemas",
  "if",
  "items",
  "patternProperties",
  "prefixItems",
  "properties",
  "unevaluatedItems",
  "unevaluatedProperties"
])

/** Findings that speak for all below them: a list of what each alternative would have wanted helps nobody. */
const CHOICES = new Set(["anyOf", "contains", "maxContains", "minContains", "not", "oneOf", "propertyNames"])

const essential = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> => {
  // A `false` schema gives no place of its own: it is the one of the finding before it, which led there.
  const placed = findings.map((finding, index) =>
    finding.keyword === "false"
      ? { ...finding, keywordLocation: `${findings[index - 1]?.keywordLocation ?? "#"}/false` }
      : finding
  )
  const choices = placed.filter(({ keyword }) => CHOICES.has(keyword)).map(({ keywordLocation }) => keywordLocation)
  return placed.filter(
    ({ keyword, keywordLocation }) =>
      !WRAPPERS.has(keyword) && !choices.some((choice) => keywordLocation.startsWith(`${choice}/`))
  )
}

const problemOf = (
  finding: Finding,
  path: ReadonlyArray<string>,
  known: ReadonlyArray<string>,
  { schema, unknownKey }: SchemaWords
): Problem => {
  const inside = JsonPointer.parseUriFragment(finding.instanceLocation) ?? []
  const place = [...path, ...inside]
  const quoted = [...finding.error.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => text)
  switch (finding.keyword) {
    case "required":
      return { pointer: pointerOf([...place, quoted[0] ?? ""]), message: "is required" }
    case "type":
      return { pointer: pointerOf(place), message: `must be of type ${quoted.slice(1).join(" or ")}, not ${quoted[0]}` }
    case "enum":
    case "const":
      return {
        pointer: pointerOf(place),
        message: finding.error.replace(/^Instance does not match/, "must be").replace(/\.$/, "")
      }
    case "false": {
      const meant = inside.length === 1 ? nearest(inside[0] ?? "", known) : undefined
      const advice =
        meant !== undefined
          ? `did you mean \`${meant}\`?`
          : inside.length === 1 && known.length > 0
            ? `known: ${known.join(", ")}`
            : "remove it"
      return { pointer: pointerOf(place), message: `${unknownKey} (${advice})` }
    }
    default:
      // Only the findings about numbers begin with the value itself.
      return {
        pointer: pointerOf(place),
        message: `is refused by ${schema}: ${finding.error.replace(/^-?\d\S* is/, "it is").replace(/\.$/, "")}`
      }
  }
}
