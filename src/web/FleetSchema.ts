/** What a document is against its JSON Schema, before central is asked. Pure. */
import { type Schema, Validator } from "@cfworker/json-schema"
import type { Fields } from "./Fields.ts"

/** A finding at a JSON Pointer. */
export interface Finding {
  readonly pointer: string
  readonly message: string
}

/** Findings that only say that something below them was found. */
const WRAPPERS: ReadonlySet<string> = new Set(["$ref", "additionalProperties", "allOf", "if", "items", "properties"])
/** Findings that speak for all below them. */
const CHOICES: ReadonlySet<string> = new Set(["anyOf", "oneOf", "not"])
/** What a schema says a hundred times, nobody reads. */
const FINDINGS_MAX = 50

/** What a value is against a schema; nothing where the schema cannot be used, for central checks the document all the same. */
export const judgeOf = (schema: Fields) => {
  // A copy, for the validator writes its bookkeeping into the schema.
  const own = structuredClone(schema) as Schema
  return (value: unknown): ReadonlyArray<Finding> => {
    try {
      return findingsOf(new Validator(own, "2020-12", false).validate(value).errors)
    } catch {
      return []
    }
  }
}

type Errors = ReturnType<Validator["validate"]>["errors"]

const findingsOf = (found: Errors): ReadonlyArray<Finding> => {
  const errors = found.map((error, index) => ({
    ...error,
    // A `false` schema gives no place of its own: it is the one of the finding before it, which led there.
    keywordLocation:
      error.keyword === "false" ? `${found[index - 1]?.keywordLocation ?? "#"}/false` : error.keywordLocation
  }))
  const choices = errors.filter(({ keyword }) => CHOICES.has(keyword)).map(({ keywordLocation }) => keywordLocation)
  const told = errors
    .filter(
      ({ keyword, keywordLocation }) =>
        !WRAPPERS.has(keyword) && !choices.some((choice) => keywordLocation.startsWith(`${choice}/`))
    )
    .map(({ error, instanceLocation, keyword }) => ({
      pointer: decodeURIComponent(instanceLocation.replace(/^#/, "")),
      message: wordsOf(keyword, error)
    }))
  return [...new Map(told.map((one) => [`${one.pointer} ${one.message}`, one])).values()].slice(0, FINDINGS_MAX)
}

const wordsOf = (keyword: string, error: string): string => {
  const quoted = [...error.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => text)
  switch (keyword) {
    case "false":
      return "is a key that the schema does not know"
    case "required":
      return `lacks "${quoted[0] ?? ""}"`
    case "type":
      return `must be of type ${quoted.slice(1).join(" or ")}, not ${quoted[0] ?? ""}`
    case "enum":
    case "const":
      return error.replace(/^Instance does not match/, "must be").replace(/\.$/, "")
    default:
      return error.replace(/\.$/, "")
  }
}
