import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { cut, harmless, rawLine, readLine, TEXT_MAX } from "../../src/web/RunLine.ts"

const folder = join(import.meta.dirname, "..", "fixtures", "opencode")
const captured = readdirSync(folder).filter((name) => name.endsWith(".stdout.jsonl"))
const linesOf = (name: string) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n")

const plain = (text: string) => ({ kind: "plain", line: { text, more: 0 } })
const event = (fields: object) => JSON.stringify({ sessionID: "ses_1", ...fields })

describe("a line of output", () => {
  it("of the real OpenCode is an event, every one", () => {
    const all = captured.flatMap(linesOf)
    expect(all.length).toBeGreaterThan(15)
    expect(all.filter((line) => readLine(line, true).kind !== "event")).toEqual([])
  })

  it("that only looks like an event is a line", () => {
    const texts = ["", "plain words", "{", '{"type":7}', '{"type":"text"}', "[1]", '{"type":"else","sessionID":"s"}']
    for (const text of texts) expect(readLine(text, true)).toEqual(plain(text))
    const whole = event({ type: "step_start" })
    expect(readLine(whole, true).kind).toBe("event")
    expect(readLine(whole, false)).toEqual(plain(whole))
  })

  it("of an event without its parts does no harm", () => {
    for (const type of ["text", "tool_use", "step_finish", "error", "step_start", "reasoning"]) {
      for (const part of [undefined, null, 7, "x", [], {}, { state: 7, tokens: [], cost: "much", text: 1 }]) {
        expect(readLine(event({ type, part, error: part, timestamp: "now" }), true)).toMatchObject({ at: null })
      }
    }
  })

  it("tells a tool that failed from a run that failed", () => {
    const [shown] = linesOf("toolerror.stdout.jsonl")
      .map((line) => readLine(line, true))
      .filter((one) => one.kind === "event" && one.what === "read")
    expect(shown).toMatchObject({ tone: "wait", body: { text: "File not found: /nonexistent/file.txt" } })
    const [failed] = linesOf("apierror.stdout.jsonl").map((line) => readLine(line, true))
    expect(failed).toMatchObject({ what: "error", tone: "bad", title: { text: "bad thing happened", more: 0 } })
  })

  it("shows what is unseen or turns text round, but no colours of a terminal", () => {
    expect(readLine("\u001b[1;31mred\u001b[0m\u001b]0;title\u0007 end\r", true)).toEqual(plain("red end"))
    expect(rawLine("\u001b[31mred")).toEqual({ text: "\u241b[31mred", more: 0 })
    expect(harmless("a\u0000\u007f\u009b\u202e\u2066\ufeff\tb")).toBe(
      "a\u2400\u2421[U+009B][U+202E][U+2066][U+FEFF]\tb"
    )
  })

  it("is cut where it is too long, never in the middle of a character", () => {
    expect(cut("abc", 3)).toEqual({ text: "abc", more: 0 })
    expect(cut("ab😀", 3)).toEqual({ text: "ab", more: 2 })
    const shown = readLine("x".repeat(TEXT_MAX + 5), true)
    expect(shown).toEqual({ kind: "plain", line: { text: "x".repeat(TEXT_MAX), more: 5 } })
  })
})
