/** What people write into the forms of the host: text for numbers, lines for tables, dots for nesting. */
import { Predicate, Result } from "effect"
import { Yaml } from "effect/encoding"

type Fields = Readonly<Record<string, unknown>>

/** A value, or why it is none: to be read after the field's name. */
export type Read<A> = Result.Result<A, string>

/** Text that says something. */
export const textOf = (value: unknown): string | undefined => {
  const text = Predicate.isString(value) ? value.trim() : Predicate.isNumber(value) ? String(value) : ""
  return text === "" ? undefined : text
}

/** A number of at least 0. */
export const numberOf = (value: unknown): Read<number | undefined> => {
  const text = textOf(value)
  if (text === undefined) return Result.succeed(undefined)
  const number = Number(text)
  return Number.isFinite(number) && number >= 0
    ? Result.succeed(number)
    : Result.fail(`is ${JSON.stringify(text)}: give a number of 0 or more`)
}

/** A switch, also as the text of one. */
export const flagOf = (value: unknown, otherwise: boolean): boolean => {
  if (Predicate.isBoolean(value)) return value
  const text = textOf(value)?.toLowerCase()
  if (text === undefined) return otherwise
  return !["false", "no", "off", "0"].includes(text)
}

const parsed = (text: string): Read<unknown> =>
  Result.try({ try: () => Yaml.parse(text), catch: () => "is neither JSON nor YAML" })

/** `KEY=value`, one a line; nothing for text that is not written so. */
const lineTable = (text: string): Readonly<Record<string, string>> | undefined => {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
  if (!lines.every((line) => /^[^\s=:{["']+\s*=/.test(line))) return undefined
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=")
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    })
  )
}

/** An object, or the same as JSON, as YAML or in lines of `KEY=value`. */
export const tableOf = (value: unknown): Read<Fields | undefined> => {
  if (Predicate.isObject(value) && !Array.isArray(value)) return Result.succeed({ ...value })
  const text = textOf(value)
  if (text === undefined) return Result.succeed(undefined)
  const lines = lineTable(text)
  if (lines !== undefined) return Result.succeed(lines)
  const read = parsed(text)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  return Predicate.isObject(read.success) && !Array.isArray(read.success)
    ? Result.succeed({ ...read.success })
    : Result.fail("is no table: give an object, JSON, YAML, or lines of KEY=value")
}

/** A list, or the same as JSON, as YAML, or as words between commas or line ends. */
export const listOf = (value: unknown): Read<ReadonlyArray<unknown> | undefined> => {
  if (Array.isArray(value)) return Result.succeed(value)
  const text = textOf(value)
  if (text === undefined) return Result.succeed(undefined)
  if (!/^(\[|- )/.test(text)) {
    return Result.succeed(text.split(/[,\n]/).flatMap((word) => (word.trim() === "" ? [] : [word.trim()])))
  }
  const read = parsed(text)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  return Array.isArray(read.success) ? Result.succeed(read.success) : Result.fail("is no list")
}

/** A table whose entries may also stand beside it as `name.key`, which then count. */
export const nestedOf = (fields: Fields, name: string): Read<Fields | undefined> => {
  const dotted = Object.entries(fields).flatMap(([key, value]) =>
    key.startsWith(`${name}.`) && textOf(value) !== undefined ? [[key.slice(name.length + 1), value] as const] : []
  )
  return Result.map(tableOf(fields[name]), (table) =>
    table === undefined && dotted.length === 0 ? undefined : { ...table, ...Object.fromEntries(dotted) }
  )
}
