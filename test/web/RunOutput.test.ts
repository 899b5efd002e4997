import { describe, expect, it } from "vitest"
import { CHARACTERS_MAX, type OutputRow, ROWS_MAX, RunOutput } from "../../src/web/RunOutput.ts"
import type { LogEvent, LogLine } from "../../src/web/RunWire.ts"

const whole = (text: string): LogLine => ({ text, part: null })
const part = (text: string, index: number, last = false): LogLine => ({ text, part: { index, last } })
const batch = (to: number, ...lines: ReadonlyArray<LogLine>): LogEvent => ({ type: "lines", to, lines })

const textOf = (row: OutputRow): string =>
  row.kind === "line" ? `${row.raw.text}${row.raw.more > 0 ? `+${row.raw.more}` : ""}` : row.kind
const texts = (output: RunOutput) => output.rows.map(textOf)

const reading = (from: number, ...events: ReadonlyArray<LogEvent>): RunOutput => {
  const output = new RunOutput(from)
  for (const event of events) output.take(event)
  return output
}

describe("the output that a page holds", () => {
  it("is every line in order, and goes on behind the last", () => {
    const output = reading(0, batch(8, whole("one"), whole("two")), batch(14, whole("three")))
    expect(texts(output)).toEqual(["one", "two", "three"])
    expect(output.at).toBe(14)
    expect(output.leftOut).toEqual({ bytes: 0, lines: 0 })
  })

  it("marks the line in whose middle reading began", () => {
    const output = reading(5_000, batch(5_010, whole("est"), whole("next")))
    expect(texts(output)).toEqual(["…est", "next"])
    expect(output.leftOut).toEqual({ bytes: 5_000, lines: 0 })
    const within = reading(9, batch(20, part("x", 3)), batch(30, part("y", 4, true)), batch(40, whole("z")))
    expect(texts(within)).toEqual(["…x+1", "z"])
  })

  it("keeps the beginning of a line that comes in parts, over a new connection too", () => {
    const long = "x".repeat(5_000)
    const output = reading(
      0,
      batch(5_000, part(long, 0)),
      batch(10_000, part(long, 1)),
      batch(10_001, part("", 2, true))
    )
    output.take(batch(10_006, whole("next")))
    expect(texts(output)).toEqual([`${"x".repeat(4_000)}+6000`, "next"])
  })

  it("begins at the first byte again after a gap of unknown length, and shows it in its place", () => {
    const gap = { from: 8, to: null, reason: "replaced" } as const
    const output = reading(0, batch(8, whole("one")), { type: "gap", gap })
    expect(output.at).toBe(0)
    output.take(batch(6, whole("anew")))
    output.take({ type: "end", end: { end: "corrupt", message: "differs" } })
    expect(texts(output)).toEqual(["one", "gap", "anew", "end"])
  })

  it("has a bound of rows, and counts what had to go", () => {
    const output = new RunOutput(0)
    for (let first = 0; first < 100_000; first += 500) {
      output.take(batch(first, ...Array.from({ length: 500 }, (_, index) => whole(String(first + index)))))
    }
    expect(output.rows).toHaveLength(ROWS_MAX)
    expect(texts(output).at(-1)).toBe("99999")
    expect(output.leftOut).toEqual({ bytes: 0, lines: 100_000 - ROWS_MAX })
    expect(output.newest).toBe(100_000)
  })

  it("has a bound of characters, whatever the lines are", () => {
    const output = new RunOutput(0)
    for (let at = 0; at < 1_000; at += 1) output.take(batch(at, whole("y".repeat(50_000))))
    const held = output.rows.map((row) => (row.kind === "line" ? row.raw.text.length * 2 : 0))
    expect(held.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(CHARACTERS_MAX)
    expect(output.rows.length + output.leftOut.lines).toBe(1_000)
  })
})
