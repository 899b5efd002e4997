import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import {
  nextSession,
  OPEN_CODE_NOTHING,
  type OpenCodeResult,
  readOpenCodeErrors,
  readOpenCodeLine
} from "../../src/runs/OpenCode.ts"

const folder = join(import.meta.dirname, "..", "fixtures", "opencode")
const captured = (name: string): string => readFileSync(join(folder, name), "utf8")
const reading = (text: string): OpenCodeResult => text.split("\n").reduce(readOpenCodeLine, OPEN_CODE_NOTHING)

describe("what the real program printed", () => {
  it("is read as words, usage and session", () => {
    expect(reading(captured("text.stdout.jsonl"))).toEqual({
      session: "ses_e02d35ab4ffestB6nedHyQvQcg",
      summary: "Hello wörld 漢字 😀",
      usage: { input: 150, output: 20, cached: 50, costUsd: 0.000195 },
      error: null,
      unknownSession: false,
      stepLimit: false
    })
  })

  it("does not fail for a tool that did", () => {
    expect(reading(captured("tool.stdout.jsonl")).error).toBeNull()
    expect(reading(captured("toolerror.stdout.jsonl")).error).toBeNull()
    expect(reading(captured("toolerror.stdout.jsonl")).summary).not.toBe("")
  })

  it.each(["apierror", "badmodel", "badprovider"])("says why it failed: %s", (name) => {
    expect(reading(captured(`${name}.stdout.jsonl`)).error).toMatch(/\w{3}/)
  })

  it("knows an unknown session by its standard error", () => {
    const result = readOpenCodeErrors(OPEN_CODE_NOTHING, captured("unknownsession.stderr.txt"))
    expect(result.unknownSession).toBe(true)
    expect(nextSession({ ...result, session: "ses_1" })).toBeNull()
  })

  it("goes on with a session that was resumed", () => {
    expect(nextSession(reading(captured("resume.stdout.jsonl")))).toMatch(/^ses_/)
  })
})

describe("a line", () => {
  it("that is no event passes through", () => {
    for (const line of ["", "plain words", "{", '{"type":7}', "[1]", "null", '"text"']) {
      expect(readOpenCodeLine(OPEN_CODE_NOTHING, line)).toBe(OPEN_CODE_NOTHING)
    }
  })

  it("in which the agent talks of a session that is not found proves nothing", () => {
    const event = { type: "text", part: { text: "Session not found" } }
    expect(readOpenCodeLine(OPEN_CODE_NOTHING, JSON.stringify(event)).unknownSession).toBe(false)
  })

  it("of an error event may prove it", () => {
    const event = { type: "error", error: { name: "NotFound", data: { message: "Session not found: ses_1" } } }
    const result = readOpenCodeLine(OPEN_CODE_NOTHING, JSON.stringify(event))
    expect(result).toMatchObject({ unknownSession: true, error: "Session not found: ses_1" })
  })

  it.each(["max_turns", "max_steps", "step_limit"])("of a step that ends with %s ends the session", (reason) => {
    const lines = [
      { type: "step_start", sessionID: "ses_1" },
      { type: "step_finish", sessionID: "", part: { reason, tokens: { input: null, cache: {} } } }
    ]
    const result = lines.map((event) => JSON.stringify(event)).reduce(readOpenCodeLine, OPEN_CODE_NOTHING)
    expect(result).toMatchObject({ session: "ses_1", stepLimit: true })
    expect(nextSession(result)).toBeNull()
  })

  it.each([
    [{ message: "m", name: "n" }, "m"],
    [{ name: "n", code: "c" }, "n"],
    [{ code: 7 }, "7"],
    ["words", "words"],
    [{}, "OpenCode reported an error without words"]
  ])("of the error %j says %s", (error, words) => {
    expect(readOpenCodeLine(OPEN_CODE_NOTHING, JSON.stringify({ type: "error", error })).error).toBe(words)
  })
})
