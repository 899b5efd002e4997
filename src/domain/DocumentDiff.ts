/** What changed between two documents. Pure, and bounded in time however much they differ. */
import { Predicate, Result } from "effect"
import { pointerOf } from "./Problem.ts"
import { parseStrictJson } from "./StrictJson.ts"

/** One value that is not the same. `pointer` is a JSON Pointer, "" the whole. Values as JSON, where they are short. */
export interface DocumentChange {
  readonly pointer: string
  readonly kind: "added" | "removed" | "changed"
  readonly before: string | null
  readonly after: string | null
}

/** How two documents differ. */
export interface DocumentDiff {
  /** None for documents that differ in spelling only, or are no JSON. */
  readonly changes: ReadonlyArray<DocumentChange>
  /** A unified diff with hunks; of the pretty-printed documents where both are JSON, else of their text. */
  readonly lines: ReadonlyArray<string>
}

/** Compares two documents, whatever their bytes are. */
export const diffDocuments = (before: Uint8Array, after: Uint8Array): DocumentDiff => {
  const [left, right] = [parseStrictJson(before), parseStrictJson(after)]
  if (Result.isFailure(left) || Result.isFailure(right)) {
    return { changes: [], lines: unified(textOf(before).split("\n"), textOf(after).split("\n")) }
  }
  const changes: Array<DocumentChange> = []
  compare(left.success, right.success, [], changes)
  return { changes, lines: unified(pretty(left.success), pretty(right.success)) }
}

/** Longest JSON of a value that a change shows. */
const SHORT = 60
/** Lines around a change. */
const CONTEXT = 3
/** Edits that are looked for one by one; what differs more is shown as replaced. */
const MAX_EDITS = 1_000

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const pretty = (value: unknown): ReadonlyArray<string> => JSON.stringify(value, null, 2).split("\n")

const compare = (
  before: unknown,
  after: unknown,
  path: ReadonlyArray<string>,
  changes: Array<DocumentChange>
): void => {
  if (Predicate.isObjectOrArray(before) && Predicate.isObjectOrArray(after) && sameKind(before, after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const place = [...path, key]
      if (!Object.hasOwn(before, key)) changes.push(change(place, "added", undefined, Reflect.get(after, key)))
      else if (!Object.hasOwn(after, key)) changes.push(change(place, "removed", Reflect.get(before, key), undefined))
      else compare(Reflect.get(before, key), Reflect.get(after, key), place, changes)
    }
  } else if (!Object.is(before, after)) changes.push(change(path, "changed", before, after))
}

const sameKind = (a: object, b: object): boolean => Array.isArray(a) === Array.isArray(b)

const change = (
  path: ReadonlyArray<string>,
  kind: DocumentChange["kind"],
  before: unknown,
  after: unknown
): DocumentChange => ({ pointer: pointerOf(path), kind, before: short(before), after: short(after) })

const short = (value: unknown): string | null => {
  const text = value === undefined ? undefined : JSON.stringify(value)
  return text === undefined || text.length > SHORT ? null : text
}

type Edit = readonly [mark: " " | "-" | "+", line: string]

const unified = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<string> => {
  const edits = editsOf(before, after)
  const changed = edits.flatMap(([mark], index) => (mark === " " ? [] : [index]))
  const lines: Array<string> = []
  let [left, right, next] = [1, 1, 0]
  for (let at = 0; at < changed.length;) {
    const begin = Math.max(next, (changed[at] ?? 0) - CONTEXT)
    let last = changed[at] ?? 0
    for (; at < changed.length && (changed[at] ?? 0) <= last + 2 * CONTEXT; at++) last = changed[at] ?? 0
    const hunk = edits.slice(begin, last + CONTEXT + 1)
    // Between hunks lies only what is the same.
    left += begin - next
    right += begin - next
    const [removed, added] = [
      hunk.filter(([mark]) => mark !== "+").length,
      hunk.filter(([mark]) => mark !== "-").length
    ]
    lines.push(`@@ -${left},${removed} +${right},${added} @@`, ...hunk.map(([mark, line]) => `${mark}${line}`))
    left += removed
    right += added
    next = begin + hunk.length
  }
  return lines
}

const editsOf = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Edit> => {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  while (
    tail < Math.min(before.length, after.length) - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail++
  }
  const [left, right] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)]
  return [
    ...marked(" ", before.slice(0, head)),
    ...(shortest(left, right) ?? [...marked("-", left), ...marked("+", right)]),
    ...marked(" ", before.slice(before.length - tail))
  ]
}

const marked = (mark: Edit[0], lines: ReadonlyArray<string>): ReadonlyArray<Edit> =>
  lines.map((line) => [mark, line] as const)

/** The fewest edits (Myers' greedy algorithm); undefined when there are too many. */
const shortest = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Edit> | undefined => {
  // By diagonal (x - y): how far into `before` so many edits reach. Each step keeps what the one before it had found.
  const steps: Array<ReadonlyMap<number, number>> = []
  const reach = new Map([[1, 0]])
  const at = (map: ReadonlyMap<number, number>, diagonal: number) => map.get(diagonal) ?? -1
  const isDown = (map: ReadonlyMap<number, number>, diagonal: number, edits: number) =>
    diagonal === -edits || (diagonal !== edits && at(map, diagonal - 1) < at(map, diagonal + 1))
  for (let edits = 0; edits <= MAX_EDITS; edits++) {
    steps.push(new Map(reach))
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = isDown(reach, diagonal, edits) ? at(reach, diagonal + 1) : at(reach, diagonal - 1) + 1
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x++
      reach.set(diagonal, x)
      if (x >= before.length && x - diagonal >= after.length) return walkBack(edits)
    }
  }
  return undefined

  function walkBack(edits: number): ReadonlyArray<Edit> {
    const found: Array<Edit> = []
    let [x, y] = [before.length, after.length]
    for (let left = edits; left >= 0; left--) {
      const map = steps[left] ?? reach
      const diagonal = x - y
      const down = isDown(map, diagonal, left)
      const fromX = left === 0 ? 0 : at(map, down ? diagonal + 1 : diagonal - 1)
      const fromY = left === 0 ? 0 : fromX - (down ? diagonal + 1 : diagonal - 1)
      while (x > fromX && y > fromY) {
        found.push([" ", before[--x] ?? ""])
        y--
      }
      if (left === 0) break
      found.push(down ? ["+", after[--y] ?? ""] : ["-", before[--x] ?? ""])
    }
    return found.reverse()
  }
}
