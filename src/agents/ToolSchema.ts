/** Whether what an agent declares of its arguments is a JSON Schema that a model can be given. */
import { Predicate, Result } from "effect"
import { pointerOf, type Problem } from "../domain/index.ts"

const TYPES: ReadonlyArray<unknown> = ["array", "boolean", "integer", "null", "number", "object", "string"]

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = [
  "additionalItems",
  "additionalProperties",
  "contains",
  "else",
  "if",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties"
]
const SEVERAL = ["allOf", "anyOf", "oneOf", "prefixItems"]
const NAMED = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"]

const TEXTS = ["$ref", "description", "format", "pattern", "title"]
const NUMBERS = ["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"]
const COUNTS = ["maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"]

/** Nobody writes schemas that are nested deeper, and no model understands them. */
const DEEPEST = 32

type Keywords = Readonly<Record<string, unknown>>

const isSchema = (value: unknown): value is Keywords => Predicate.isObject(value) && !Array.isArray(value)

/** Every problem of a schema of arguments, which must be of type object. */
export const checkToolSchema = (schema: unknown): ReadonlyArray<Problem> => {
  if (!isSchema(schema)) return [{ pointer: "", message: "must be a JSON Schema, which is an object" }]
  if (schema["type"] !== "object") return [{ pointer: "/type", message: 'must be "object"' }]
  return problemsOf(schema, [])
}

const problemsOf = (schema: unknown, path: ReadonlyArray<string>): ReadonlyArray<Problem> => {
  const wrong = (message: string, ...more: ReadonlyArray<string>): Problem => ({
    pointer: pointerOf([...path, ...more]),
    message
  })
  if (typeof schema === "boolean") return []
  if (!isSchema(schema)) return [wrong("must be a schema: an object, true or false")]
  if (path.length > DEEPEST * 2) return [wrong("is nested too deeply")]
  const inner = (keyword: string, value: unknown): ReadonlyArray<Problem> => {
    if (ONE.includes(keyword)) return problemsOf(value, [...path, keyword])
    if (keyword === "items") {
      return Array.isArray(value) ? listed(keyword, value) : problemsOf(value, [...path, keyword])
    }
    if (SEVERAL.includes(keyword)) {
      return Array.isArray(value) && value.length > 0
        ? listed(keyword, value)
        : [wrong("must be a list of schemas", keyword)]
    }
    if (NAMED.includes(keyword)) {
      return isSchema(value)
        ? Object.entries(value).flatMap(([name, one]) => problemsOf(one, [...path, keyword, name]))
        : [wrong("must be an object that holds schemas", keyword)]
    }
    const problem = plainProblem(keyword, value)
    return problem === null ? [] : [wrong(problem, keyword)]
  }
  const listed = (keyword: string, values: ReadonlyArray<unknown>) =>
    values.flatMap((one, index) => problemsOf(one, [...path, keyword, String(index)]))
  return Object.entries(schema).flatMap(([keyword, value]) => inner(keyword, value))
}

const plainProblem = (keyword: string, value: unknown): string | null => {
  if (keyword === "type") {
    const types: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
    return types.length > 0 && types.every((type) => TYPES.includes(type))
      ? null
      : `must be one of ${TYPES.join(", ")}, or a list of them`
  }
  if (keyword === "required") return isNames(value) ? null : "must be a list of names"
  if (keyword === "enum") return Array.isArray(value) && value.length > 0 ? null : "must be a list of values"
  if (keyword === "pattern" && Predicate.isString(value) && !isPattern(value)) return "must be a regular expression"
  if (TEXTS.includes(keyword)) return Predicate.isString(value) ? null : "must be a text"
  if (NUMBERS.includes(keyword)) return Predicate.isNumber(value) ? null : "must be a number"
  if (COUNTS.includes(keyword)) {
    return Number.isInteger(value) && Number(value) >= 0 ? null : "must be a whole number from 0 on"
  }
  return null
}

const isNames = (value: unknown): boolean => Array.isArray(value) && value.every(Predicate.isString)

const isPattern = (text: string): boolean => Result.isSuccess(Result.try(() => new RegExp(text, "u")))
