/** The end of a run's output, as much of it as a page may hold. Pure but for what it holds. */
import type { Gap } from "../domain/index.ts"
import { type Cut, rawLine, readLine, type Shown } from "./RunLine.ts"
import type { LogEnd, LogEvent, LogLine } from "./RunWire.ts"

/** The most rows that are kept, and the most characters in them: whatever a run writes, a page stays as small. */
export const ROWS_MAX = 2_000
export const CHARACTERS_MAX = 1_000_000

/** One row; another object with the same key is what it has become. Keys grow by one. */
export type OutputRow =
  | {
      readonly kind: "line"
      readonly key: number
      readonly raw: Cut
      readonly shown: Shown
      /** Of a line that comes in parts: the last one is there. */
      readonly isWhole: boolean
    }
  | { readonly kind: "gap"; readonly key: number; readonly gap: Gap }
  | { readonly kind: "end"; readonly key: number; readonly end: LogEnd }

/** What is not shown of what was written. */
export interface LeftOut {
  /** Bytes before the place where reading began. */
  readonly bytes: number
  /** Rows that had to go since. */
  readonly lines: number
}

export class RunOutput {
  #rows: Array<OutputRow> = []
  #characters = 0
  #nextKey = 1
  #at: number
  #skipped: number
  #dropped = 0
  /** Reading began in the middle of a line, as far as is known. */
  #isWithin: boolean

  /** `from`: the byte that reading begins at. */
  constructor(from: number) {
    this.#at = from
    this.#skipped = from
    this.#isWithin = from > 0
  }

  /** Oldest first. */
  get rows(): ReadonlyArray<OutputRow> {
    return this.#rows
  }

  /** The byte at which a new stream goes on, so that each line comes once. */
  get at(): number {
    return this.#at
  }

  get leftOut(): LeftOut {
    return { bytes: this.#skipped, lines: this.#dropped }
  }

  /** The key of the newest row; 0 before there is any. */
  get newest(): number {
    return this.#nextKey - 1
  }

  take(event: LogEvent): void {
    switch (event.type) {
      case "lines":
        for (const line of event.lines) this.#takeLine(line)
        this.#at = event.to
        break
      case "gap":
        // What follows is read from the beginning of the file, unless it is known where it goes on.
        this.#at = event.gap.to ?? 0
        this.#isWithin = false
        this.#add({ kind: "gap", key: this.#nextKey++, gap: event.gap })
        break
      case "end":
        this.#add({ kind: "end", key: this.#nextKey++, end: event.end })
    }
    this.#forget()
  }

  #takeLine({ part, text }: LogLine): void {
    const last = this.#rows.at(-1)
    if (part !== null && part.index > 0 && last?.kind === "line" && !last.isWhole) {
      this.#rows[this.#rows.length - 1] = longer(last, text.length, part.last)
      return
    }
    const isRest = this.#isWithin || (part !== null && part.index > 0)
    this.#isWithin = false
    const told = isRest ? `…${text}` : text
    this.#add({
      kind: "line",
      key: this.#nextKey++,
      raw: rawLine(told),
      shown: readLine(told, part === null),
      isWhole: part === null || part.last
    })
  }

  #add(row: OutputRow): void {
    this.#rows.push(row)
    this.#characters += charactersOf(row)
  }

  #forget(): void {
    let surplus = Math.max(0, this.#rows.length - ROWS_MAX)
    let characters = this.#characters
    for (const row of this.#rows.slice(0, surplus)) characters -= charactersOf(row)
    while (characters > CHARACTERS_MAX && surplus < this.#rows.length - 1) {
      const row = this.#rows[surplus]
      if (row === undefined) break
      characters -= charactersOf(row)
      surplus += 1
    }
    if (surplus === 0) return
    this.#dropped += this.#rows.splice(0, surplus).filter(({ kind }) => kind === "line").length
    this.#characters = characters
  }
}

type Line = Extract<OutputRow, { kind: "line" }>

const longer = (row: Line, more: number, isWhole: boolean): Line => {
  const grown = (cut: Cut): Cut => ({ ...cut, more: cut.more + more })
  const { shown } = row
  return {
    ...row,
    raw: grown(row.raw),
    shown: shown.kind === "plain" ? { ...shown, line: grown(shown.line) } : shown,
    isWhole
  }
}

const charactersOf = (row: OutputRow): number => {
  if (row.kind !== "line") return 0
  const { raw, shown } = row
  return (
    raw.text.length +
    (shown.kind === "plain" ? shown.line.text.length : shown.title.text.length + shown.body.text.length)
  )
}
