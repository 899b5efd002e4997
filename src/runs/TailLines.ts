/**
 * Cuts bytes into batches of whole lines. Bytes are the truth: split on 0x0A and decoded afterwards, so that no
 * character is ever split.
 */
import type { TailLine } from "./Tail.ts"

/** Read at once, and the longest line that is delivered whole, newline included. */
export const CHUNK_BYTES = 1_048_576
/** The most that lines of one batch have together, newlines included. */
export const BATCH_BYTES = 8_192

const NEWLINE = 0x0a

/** What is delivered next: bytes `at` to `end` of the chunk, and what is known afterwards. */
export interface Cut {
  readonly end: number
  /** Which part of a line over 1 MiB these bytes are; null of whole lines. */
  readonly part: { readonly index: number; readonly last: boolean } | null
}

/**
 * The next batch of `chunk` from `at` on, of at most `most` bytes if it is of more than one line; null when the line at
 * `at` is not there to its end. `part` is the number of parts of it that were delivered before; `isEnd` says that
 * nothing follows, so that a line without a newline is one.
 */
export const cut = (chunk: Buffer, at: number, part: number, isEnd: boolean, most: number): Cut | null => {
  if (at >= chunk.length) return null
  if (part > 0) return cutPart(chunk, at, part, isEnd)
  if (chunk.length - at <= most && (isEnd || chunk[chunk.length - 1] === NEWLINE)) return whole(chunk.length)
  const last = chunk.lastIndexOf(NEWLINE, at + most - 1)
  if (last >= at) return whole(last + 1)
  const newline = chunk.indexOf(NEWLINE, at)
  if (newline >= 0) return whole(newline + 1)
  return cutPart(chunk, at, part, isEnd)
}

/** The line at `at` of which there is no end in sight, or of which parts were delivered. */
const cutPart = (chunk: Buffer, at: number, part: number, isEnd: boolean): Cut | null => {
  const newline = part > 0 ? chunk.indexOf(NEWLINE, at) : -1
  if (newline >= 0) return { end: newline + 1, part: { index: part, last: true } }
  if (at === 0 && chunk.length === CHUNK_BYTES) {
    return { end: charactersEnd(chunk), part: { index: part, last: false } }
  }
  if (!isEnd) return null
  return { end: chunk.length, part: part > 0 ? { index: part, last: true } : null }
}

const whole = (end: number): Cut => ({ end, part: null })

/** The end of the last whole character of a full chunk; of what is no UTF-8, its own. */
const charactersEnd = (chunk: Buffer): number => {
  let lead = chunk.length - 1
  while (lead > chunk.length - 4 && isContinuation(chunk[lead])) lead--
  const width = widthOf(chunk[lead])
  return lead + width > chunk.length ? lead : chunk.length
}

const isContinuation = (byte = 0): boolean => byte >> 6 === 0b10

const widthOf = (lead = 0): number => {
  if (lead >= 0xf0) return 4
  if (lead >= 0xe0) return 3
  return lead >= 0xc0 ? 2 : 1
}

/** The lines of a cut, decoded. */
export const linesOf = (chunk: Buffer, at: number, { end, part }: Cut): ReadonlyArray<TailLine> => {
  const text = chunk.toString("utf8", at, chunk[end - 1] === NEWLINE ? end - 1 : end)
  if (part !== null) return [{ text, part }]
  const texts = text.split("\n")
  const lines: Array<TailLine> = []
  for (const one of texts) lines.push({ text: one })
  return lines
}

/** How many lines end in a cut. */
export const countLines = (chunk: Buffer, at: number, { end, part }: Cut): number => {
  if (part !== null) return part.last ? 1 : 0
  let count = chunk[end - 1] === NEWLINE ? 0 : 1
  for (let next = chunk.indexOf(NEWLINE, at); next >= 0 && next < end; next = chunk.indexOf(NEWLINE, next + 1)) count++
  return count
}

/**
 * How many parts were delivered of a line of which the first `bytes` bytes were: each is 1 MiB, or up to three bytes
 * less. A line that was delivered unfinished, at the end of a file that was then continued, has none.
 */
export const partsBefore = (bytes: number): number => {
  const parts = Math.ceil(bytes / CHUNK_BYTES)
  return bytes >= parts * (CHUNK_BYTES - 3) ? parts : 0
}
