import { describe, expect, it } from "vitest"
import { BATCH_BYTES, CHUNK_BYTES, countLines, cut, linesOf, partsBefore } from "../../src/runs/TailLines.ts"

const batches = (text: string | Buffer, isEnd = false): ReadonlyArray<ReadonlyArray<string>> => {
  const chunk = Buffer.from(text)
  const found: Array<ReadonlyArray<string>> = []
  let at = 0
  for (let next = cut(chunk, at, 0, isEnd, BATCH_BYTES); next !== null; next = cut(chunk, at, 0, isEnd, BATCH_BYTES)) {
    const lines = linesOf(chunk, at, next)
    expect(countLines(chunk, at, next)).toBe(lines.length)
    found.push(lines.map((line) => line.text))
    at = next.end
  }
  return found
}

describe("bytes become batches of lines", () => {
  it("with their newlines gone and empty lines kept", () => {
    expect(batches("a\n\nb\n")).toEqual([["a", "", "b"]])
  })

  it("that leave an unfinished line where it is", () => {
    expect(batches("a\nunfin")).toEqual([["a"]])
    expect(batches("unfin")).toEqual([])
  })

  it("that end with an unfinished line when nothing follows", () => {
    expect(batches("a\nunfin", true)).toEqual([["a", "unfin"]])
    expect(batches("a\n", true)).toEqual([["a"]])
  })

  it("of at most 8 KiB, newlines included, or of one longer line", () => {
    const line = "x".repeat(4_095)
    expect(batches(`${line}\n${line}\n${line}\n`)).toEqual([[line, line], [line]])
    expect(batches(`a\n${line}y\n${line}\nb\n`)).toEqual([
      ["a", `${line}y`],
      [line, "b"]
    ])
    const longer = "y".repeat(BATCH_BYTES)
    expect(batches(`a\n${longer}\nb\n`)).toEqual([["a"], [longer], ["b"]])
  })

  it("without a character being split, and without bytes that are none being lost", () => {
    expect(batches("ä€😀\n")).toEqual([["ä€😀"]])
    expect(batches(Buffer.from([0xff, 0x0a, 0x61, 0x0a]))).toEqual([["\uFFFD", "a"]])
  })

  it("that keep a carriage return, which belongs to the line", () => {
    expect(batches("a\r\n")).toEqual([["a\r"]])
  })
})

describe("a line over 1 MiB", () => {
  it("comes in parts that end with a character", () => {
    const chunk = Buffer.from("€".repeat(CHUNK_BYTES)).subarray(0, CHUNK_BYTES)
    const first = cut(chunk, 0, 0, false, BATCH_BYTES)
    expect(first?.part).toEqual({ index: 0, last: false })
    expect((first?.end ?? 0) % 3).toBe(0)
    expect(CHUNK_BYTES - (first?.end ?? 0)).toBeLessThan(3)
  })

  it("is cut anywhere when it is no text", () => {
    const chunk = Buffer.alloc(CHUNK_BYTES, 0x80)
    expect(cut(chunk, 0, 0, false, BATCH_BYTES)?.end).toBe(CHUNK_BYTES)
  })

  it("ends with the part that has the newline, be it empty", () => {
    expect(cut(Buffer.from("\nnext\n"), 0, 1, false, BATCH_BYTES)).toEqual({ end: 1, part: { index: 1, last: true } })
  })

  it("tells by its length how many parts of it there were", () => {
    expect([0, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES - 9, CHUNK_BYTES - 3].map(partsBefore)).toEqual([0, 3, 3, 1])
    expect(partsBefore(17)).toBe(0)
  })
})
