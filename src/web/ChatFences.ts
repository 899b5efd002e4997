/** Cuts an answer into paragraphs and blocks of code while it comes, however it is cut into pieces. Pure but for what it holds back. */

/** What to show next: a text, in a block of its own where `begins`. */
export interface Piece {
  readonly kind: "text" | "code"
  readonly text: string
  readonly begins: boolean
}

/** Up to three spaces and three backticks or more; a language may follow, and nothing else that has a backtick. */
const OPENING = /^ {0,3}(`{3,})[^`]*$/
/** The start of a line that may still become one that opens or closes a block. */
const MAYBE = /^ {0,3}(`{0,2}|`{3,}[^`]*)$/

/**
 * Only the start of a line that may become a fence is held back, and empty lines until something follows them: two of them
 * part paragraphs, and at the ends of a block they say nothing.
 */
export class FenceCutter {
  /** The number of backticks that opened the block that is being read; 0 outside of one. */
  #fence = 0
  /** The line so far where it is not decided what it is; null once it is. */
  #line: string | null = ""
  #breaks = 0
  #isBegun = false

  push(text: string): ReadonlyArray<Piece> {
    const pieces: Array<Piece> = []
    for (const [index, part] of text.replace(/\r/g, "").split("\n").entries()) {
      if (index > 0) this.#endLine(pieces)
      this.#take(pieces, part)
    }
    return joined(pieces)
  }

  /** Nothing comes any more: what was held back is what it looks like. */
  end(): ReadonlyArray<Piece> {
    const pieces: Array<Piece> = []
    const line = this.#line ?? ""
    if (!this.#isFence(line)) this.#emit(pieces, line)
    this.#line = ""
    return pieces
  }

  #take(pieces: Array<Piece>, part: string): void {
    if (this.#line === null) return this.#emit(pieces, part)
    this.#line += part
    if (MAYBE.test(this.#line)) return
    const line = this.#line
    this.#line = null
    this.#emit(pieces, line)
  }

  #endLine(pieces: Array<Piece>): void {
    const line = this.#line
    this.#line = ""
    if (line === null) {
      this.#breaks += 1
    } else if (this.#isFence(line)) {
      this.#fence = this.#fence === 0 ? (OPENING.exec(line)?.[1]?.length ?? 0) : 0
      this.#isBegun = false
      this.#breaks = 0
    } else {
      // Spaces alone are an empty line, but in code they are what they are.
      if (this.#fence > 0 || line.trim() !== "") this.#emit(pieces, line)
      this.#breaks += 1
    }
  }

  #isFence(line: string): boolean {
    const [, ticks = ""] = OPENING.exec(line) ?? []
    if (ticks === "") return false
    return this.#fence === 0 || (ticks.length >= this.#fence && line.trim() === ticks)
  }

  #emit(pieces: Array<Piece>, text: string): void {
    if (text === "") return
    const kind = this.#fence > 0 ? "code" : "text"
    const begins = !this.#isBegun || (kind === "text" && this.#breaks > 1)
    // Lines of code before the first one that has something are left out, and so are those before a text.
    pieces.push({ kind, text: begins ? text : "\n".repeat(this.#breaks) + text, begins })
    this.#isBegun = true
    this.#breaks = 0
  }
}

const joined = (pieces: ReadonlyArray<Piece>): ReadonlyArray<Piece> => {
  const all: Array<Piece> = []
  for (const piece of pieces) {
    const last = all.at(-1)
    if (last === undefined || piece.begins) all.push(piece)
    else all[all.length - 1] = { ...last, text: last.text + piece.text }
  }
  return all
}
