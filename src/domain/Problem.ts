import { JsonPointer } from "effect"

/** One thing that is wrong with a document. */
export interface Problem {
  /** JSON pointer (RFC 6901) to the place; `""` is the whole document. */
  readonly pointer: string
  /** What is wrong there and what would be right. Never holds a value of the document that could be a secret. */
  readonly message: string
}

/** The JSON pointer of a path. */
export const pointerOf = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((key) => `/${JsonPointer.escapeToken(String(key))}`).join("")

/** One line of text for people: `/sinks/a: message`. */
export const formatProblem = ({ message, pointer }: Problem): string =>
  pointer === "" ? message : `${pointer}: ${message}`

/** Without what is said already. */
export const distinct = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> => [
  ...new Map(problems.map((problem) => [formatProblem(problem), problem])).values()
]

/** The candidate that a typing mistake most likely meant: at most two edits away, and fewer than half of its length. */
export const nearest = (typed: string, candidates: ReadonlyArray<string>): string | undefined =>
  candidates
    .map((candidate) => ({ candidate, distance: editDistance(typed.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= 2 && distance * 2 < candidate.length)
    .sort((a, b) => a.distance - b.distance)[0]?.candidate

const editDistance = (a: string, b: string): number => {
  // Anything much longer than the candidate is no typing mistake, and a served key may be a megabyte long.
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
