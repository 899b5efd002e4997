/** What differs between two documents, line by line. Pure. */

/** A line of either, or of both; numbers count from 1. */
export interface DiffLine {
  readonly kind: "same" | "gone" | "come"
  readonly text: string
  readonly left: number | null
  readonly right: number | null
}

/** Lines of interest, or how many equal ones are left out. */
export type DiffPart =
  | { readonly type: "lines"; readonly lines: ReadonlyArray<DiffLine> }
  | { readonly type: "fold"; readonly lines: ReadonlyArray<DiffLine> }

/** Beyond so many differences the rest counts as replaced: reckoning on would take seconds. */
const EDITS_MAX = 1_200
/** Equal lines that are shown around a difference. */
const CONTEXT = 3

/** All lines of both, in order, with as few differences as there are. */
export const diffLines = (before: string, after: string): ReadonlyArray<DiffLine> => {
  const a = before.split("\n")
  const b = after.split("\n")
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1
  const middle = edits(a.slice(head, a.length - tail), b.slice(head, b.length - tail))
  const kinds = [...repeat("same", head), ...middle, ...repeat("same", tail)]
  let left = 0
  let right = 0
  return kinds.map((kind) => {
    if (kind !== "come") left += 1
    if (kind !== "gone") right += 1
    const text = (kind === "come" ? b[right - 1] : a[left - 1]) ?? ""
    return { kind, text, left: kind === "come" ? null : left, right: kind === "gone" ? null : right }
  })
}

type Kind = DiffLine["kind"]
const repeat = (kind: Kind, times: number): ReadonlyArray<Kind> => Array.from({ length: times }, () => kind)

/** Myers: the furthest way on each diagonal, with one difference more in each round. */
const edits = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<Kind> => {
  const most = Math.min(a.length + b.length, EDITS_MAX)
  const rounds: Array<Int32Array> = []
  const furthest = new Int32Array(2 * most + 3)
  const middle = most + 1
  for (let round = 0; round <= most; round += 1) {
    rounds.push(furthest.slice(middle - round - 1, middle + round + 2))
    for (let k = -round; k <= round; k += 2) {
      const isDown = k === -round || (k !== round && at(furthest, middle + k - 1) < at(furthest, middle + k + 1))
      let x = isDown ? at(furthest, middle + k + 1) : at(furthest, middle + k - 1) + 1
      let y = x - k
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x += 1
        y += 1
      }
      furthest[middle + k] = x
      if (x >= a.length && y >= b.length) return way(rounds, a.length, b.length)
    }
  }
  return [...repeat("gone", a.length), ...repeat("come", b.length)]
}

const at = (values: Int32Array, index: number): number => values[index] ?? 0

/** Back from the end to the beginning, by what was furthest in each round. */
const way = (rounds: ReadonlyArray<Int32Array>, width: number, height: number): ReadonlyArray<Kind> => {
  const kinds: Array<Kind> = []
  let x = width
  let y = height
  for (let round = rounds.length - 1; round >= 0; round -= 1) {
    const before = rounds[round] ?? new Int32Array()
    const value = (k: number): number => at(before, k + round + 1)
    const k = x - y
    const isDown = k === -round || (k !== round && value(k - 1) < value(k + 1))
    const from = isDown ? k + 1 : k - 1
    const startX = value(from)
    const startY = startX - from
    while (x > startX && y > startY) {
      kinds.push("same")
      x -= 1
      y -= 1
    }
    if (round > 0) kinds.push(isDown ? "come" : "gone")
    x = startX
    y = startY
  }
  return kinds.reverse()
}

/** Differences with some lines around them; what is equal and further away is folded. */
export const partsOf = (lines: ReadonlyArray<DiffLine>): ReadonlyArray<DiffPart> => {
  const near = new Uint8Array(lines.length)
  for (const [index, { kind }] of lines.entries()) {
    if (kind !== "same") near.fill(1, Math.max(0, index - CONTEXT), Math.min(lines.length, index + CONTEXT + 1))
  }
  const parts: Array<{ type: "lines" | "fold"; lines: Array<DiffLine> }> = []
  for (const [index, one] of lines.entries()) {
    const type = near[index] === 1 ? "lines" : "fold"
    const last = parts.at(-1)
    if (last?.type === type) last.lines.push(one)
    else parts.push({ type, lines: [one] })
  }
  // A fold of one line would take the room of that line.
  return parts.map((part) => (part.lines.length === 1 ? { ...part, type: "lines" as const } : part))
}

/** A row of two columns. */
export interface DiffPair {
  readonly left: DiffLine | null
  readonly right: DiffLine | null
}

/** Beside each other what stands in the same place: equal lines, and what went with what came instead. */
export const pairsOf = (lines: ReadonlyArray<DiffLine>): ReadonlyArray<DiffPair> => {
  const pairs: Array<DiffPair> = []
  let gone: Array<DiffLine> = []
  let come: Array<DiffLine> = []
  const flush = (): void => {
    for (let index = 0; index < Math.max(gone.length, come.length); index += 1) {
      pairs.push({ left: gone[index] ?? null, right: come[index] ?? null })
    }
    gone = []
    come = []
  }
  for (const one of lines) {
    if (one.kind === "gone") gone.push(one)
    else if (one.kind === "come") come.push(one)
    else {
      flush()
      pairs.push({ left: one, right: one })
    }
  }
  flush()
  return pairs
}

/** `3 lines added, 1 removed`; what a screen reader needs to know before it goes through them. */
export const diffWords = (lines: ReadonlyArray<DiffLine>): string => {
  const come = lines.filter(({ kind }) => kind === "come").length
  const gone = lines.filter(({ kind }) => kind === "gone").length
  if (come === 0 && gone === 0) return "No line differs."
  return `${come} ${come === 1 ? "line" : "lines"} added, ${gone} removed.`
}
