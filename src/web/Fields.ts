/** Reads values of which nothing is known. Pure. */

export type Fields = Readonly<Record<string, unknown>>

/** An object, or null for what is none. */
export const fieldsOf = (value: unknown): Fields | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null

/** A text that says something, or null. */
export const textOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null)

/** A finite number, or null. */
export const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null

/** A list, empty for what is none. */
export const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** The one of `all` that it is, or null. */
export const oneOf = <A extends string>(all: ReadonlyArray<A>, value: unknown): A | null =>
  all.find((one) => one === value) ?? null

export const present = <A>(value: A | null): value is A => value !== null
