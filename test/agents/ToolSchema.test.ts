import { describe, expect, it } from "vitest"
import { checkToolSchema } from "../../src/agents/ToolSchema.ts"

const parameter = (schema: unknown) => ({ type: "object", properties: { a: schema } })
const problemsOf = (schema: unknown) => checkToolSchema(schema).map(({ message, pointer }) => `${pointer}: ${message}`)

describe("the schema of a tool's arguments", () => {
  it.each([
    [{ type: "object" }],
    [parameter({ type: ["string", "null"], enum: ["x", null] })],
    [parameter({ type: "array", items: { $ref: "#/$defs/b" } })],
    [parameter(true)],
    [{ ...parameter({ oneOf: [{ const: 1 }, { pattern: "^a+$" }] }), additionalProperties: false, required: ["a"] }],
    [parameter({ "x-of-somebody": { type: "nonsense" } })]
  ])("may be %j", (schema) => {
    expect(problemsOf(schema)).toEqual([])
  })

  it.each([
    [null, ": must be a JSON Schema, which is an object"],
    [[], ": must be a JSON Schema, which is an object"],
    [{}, '/type: must be "object"'],
    [{ type: "string" }, '/type: must be "object"'],
    [{ type: "object", properties: [] }, "/properties: must be an object that holds schemas"],
    [{ type: "object", required: "a" }, "/required: must be a list of names"],
    [parameter("string"), "/properties/a: must be a schema: an object, true or false"],
    [
      parameter({ type: "text" }),
      "/properties/a/type: must be one of array, boolean, integer, null, number, object, string, or a list of them"
    ],
    [parameter({ enum: [] }), "/properties/a/enum: must be a list of values"],
    [parameter({ pattern: "(" }), "/properties/a/pattern: must be a regular expression"],
    [parameter({ anyOf: [] }), "/properties/a/anyOf: must be a list of schemas"],
    [parameter({ items: [{ minLength: -1 }] }), "/properties/a/items/0/minLength: must be a whole number from 0 on"],
    [parameter({ items: 3 }), "/properties/a/items: must be a schema: an object, true or false"],
    [parameter({ maximum: "3" }), "/properties/a/maximum: must be a number"],
    [parameter({ description: 3 }), "/properties/a/description: must be a text"]
  ])("may not be %j", (schema, problem) => {
    expect(problemsOf(schema)).toEqual([problem])
  })

  it("may not be nested without end", () => {
    let schema: unknown = { type: "string" }
    for (let depth = 0; depth < 10_000; depth++) schema = { not: schema }
    expect(problemsOf(parameter(schema))).toHaveLength(1)
  })
})
