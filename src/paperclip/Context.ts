/** What the host says of a wake, looked into with care: nothing of it has a type. */
import { Predicate } from "effect"
import { textOf } from "./Forms.ts"

type Fields = Readonly<Record<string, unknown>>

/** An object, or an empty one. */
export const fieldsOf = (value: unknown): Fields =>
  Predicate.isObject(value) && !Array.isArray(value) ? { ...value } : {}

/** The first of several names that says something. */
export const oneOf = (fields: Fields, ...names: ReadonlyArray<string>): string | undefined =>
  names.map((name) => textOf(fields[name])).find((text) => text !== undefined)

/** The texts of a list. */
export const textsOf = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value)
    ? value.flatMap((each) => {
        const text = textOf(each)
        return text === undefined ? [] : [text]
      })
    : []
