/** The files of a spool: their names, and what is in them. Pure. */
import { Option, Schema } from "effect"
import type { GapRow } from "../domain/index.ts"

/** A file of rows, one JSON value a line. Once it is sealed its bytes never change: it is a batch. */
export interface Segment {
  readonly number: number
  /** Who made it: one life of the daemon. */
  readonly stream: string
  readonly isOpen: boolean
}

/** `000000000007-6f1c….open` while it is written, `….ndjson` as soon as it is sealed. */
export const segmentName = ({ isOpen, number, stream }: Segment): string =>
  `${String(number).padStart(NUMBER_DIGITS, "0")}-${stream}.${isOpen ? "open" : "ndjson"}`

export const readSegmentName = (name: string): Segment | undefined => {
  const [, number, stream = "", kind] = NAME.exec(name) ?? []
  return number === undefined ? undefined : { number: Number(number), stream, isOpen: kind === "open" }
}

const NUMBER_DIGITS = 12
const NAME = /^(\d{12})-([0-9a-f]{16})\.(open|ndjson)$/

/** A sealed file, as it is sent. */
export interface SealedBatch {
  readonly name: string
  readonly stream: string
  readonly position: number
  readonly bytes: Uint8Array
}

/** Rows that were lost, as one number, and of which times. */
export interface Loss {
  readonly rows: number
  readonly from: string
  readonly to: string
}

/** Two losses as one. */
export const together = (one: Loss | null, other: Loss | null): Loss | null => {
  if (one === null || other === null) return one ?? other
  return {
    rows: one.rows + other.rows,
    from: one.from < other.from ? one.from : other.from,
    to: one.to > other.to ? one.to : other.to
  }
}

/** The row that tells of a loss. */
export const gapRow = (id: string, at: string, loss: Loss): GapRow => ({ id, at, type: "gap", ...loss })

const Line = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.String,
    at: Schema.String,
    type: Schema.optionalKey(Schema.String),
    rows: Schema.optionalKey(Schema.Int),
    from: Schema.optionalKey(Schema.String),
    to: Schema.optionalKey(Schema.String)
  })
)
const decodeLine = Schema.decodeUnknownOption(Line)
const NEWLINE = 0x0a

/** What a file holds: the lines that are rows, and how many are not. A last line without its end counts as neither. */
export const readLines = (bytes: Uint8Array): { readonly lines: ReadonlyArray<string>; readonly damaged: number } => {
  const whole = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1)
  const lines = whole.length === 0 ? [] : new TextDecoder().decode(whole).slice(0, -1).split("\n")
  const rows = lines.filter((line) => Option.isSome(decodeLine(line)))
  return { lines: rows, damaged: lines.length - rows.length }
}

/** What is lost with a file, the rows that its gaps told of included; what cannot be read counts as one row each. */
export const lossOf = (bytes: Uint8Array, now: string): Loss | null => {
  const { damaged, lines } = readLines(bytes)
  const unread = damaged === 0 ? null : { rows: damaged, from: now, to: now }
  return lines.reduce<Loss | null>((sum, line) => {
    const row = Option.getOrUndefined(decodeLine(line))
    if (row === undefined) return sum
    const { at, from = at, rows = 1, to = at, type } = row
    return together(sum, type === "gap" ? { rows, from, to } : { rows: 1, from: at, to: at })
  }, unread)
}

/** Bytes of so many lines, each with its end, at most: a unit of a string has up to three. */
export const sizeOf = (lines: ReadonlyArray<string>): number =>
  lines.reduce((sum, line) => sum + line.length * 3 + 1, 0)

/** The lines in parts that are no larger than one file. */
export const inParts = (lines: ReadonlyArray<string>, bytes: number): ReadonlyArray<ReadonlyArray<string>> => {
  const parts: Array<Array<string>> = []
  let room = 0
  for (const line of lines) {
    const size = sizeOf([line])
    if (size > room) {
      parts.push([])
      room = bytes
    }
    parts.at(-1)?.push(line)
    room -= size
  }
  return parts
}
