import { describe, expect, it } from "vitest"
import { requestOf, type Typed } from "../../src/web/RunRequest.ts"
import { readLogEvent, readRun } from "../../src/web/RunWire.ts"
import { gapWords, isFailure, runFacts, runVerdict, sizeWords, timeWords, usageWords } from "../../src/web/RunWords.ts"
import { run } from "./Runs.ts"

const time = { now: Date.parse("2026-11-21T12:03:01.000Z"), zone: "UTC" }

describe("how a run does", () => {
  it("is its state until there is a verdict, and is never better than that", () => {
    expect(runVerdict(run())).toMatchObject({ word: "live", tone: "plain" })
    expect(runVerdict(run({ stale: true }))).toMatchObject({ word: "live, stale", tone: "wait" })
    expect(runVerdict(run({ state: "recordingAgain" })).word).toBe("recording again")
    expect(runVerdict(run(), true)).toMatchObject({ word: "live, being cancelled", tone: "wait" })
    expect(runVerdict(run({ verdict: "succeeded" }))).toMatchObject({ word: "succeeded", tone: "good" })
    expect(runVerdict(run({ verdict: "cancelled" })).tone).toBe("wait")
  })

  it.each(["failed", "timed_out", "lost", "unknown"] as const)("is a failure: %s", (verdict) => {
    const view = run({ verdict, message: "because of something" })
    expect(isFailure(view)).toBe(true)
    expect(runVerdict(view).tone).toBe("bad")
    expect(runVerdict(view).why).toContain("ecause of something.")
  })

  it.each(["lost", "unknown"] as const)("says that it is one where it may be doubted: %s", (verdict) => {
    expect(runVerdict(run({ verdict })).why).toMatch(/That is a failure\.$/)
    expect(runVerdict(run({ verdict, message: "nobody answered" })).why).toMatch(/failure\. Nobody answered\.$/)
  })

  it("is told with its times, its figures and every gap", () => {
    expect(timeWords(run(), time)).toBe("12:00, for 3 min")
    expect(timeWords(run({ ended_at: "2026-11-21T12:00:13.000Z" }), time)).toBe("12:00, took 12 s")
    expect(timeWords(run({ started_at: null }), time)).toBe("asked for 12:00, 3 min 1 s ago")
    const gaps = [
      { from: 10, to: 1_034, reason: "unreadable" },
      { from: 2_000, to: null, reason: "truncated" }
    ] as const
    const facts = runFacts(
      run({ exit_code: 143, signal: 15, output: { bytes: 9, lines: 1, end: "corrupt", gaps } }),
      time
    )
    expect(facts).toContainEqual({ name: "Exit code", value: "143", note: "as by signal 15" })
    expect(facts.filter(({ name }) => name === "Gap").map(({ value }) => value)).toEqual(gaps.map(gapWords))
    expect(facts.find(({ name }) => name === "Output")).toMatchObject({ value: "1 line, 9 bytes", tone: "bad" })
  })

  it("is counted in words that stay short", () => {
    expect([0, 1, 999, 1_000, 99_949, 999_499, 999_500, 2_688_895, 5e9].map(sizeWords)).toEqual([
      "0 bytes",
      "1 byte",
      "999 bytes",
      "1.0 kB",
      "99.9 kB",
      "999 kB",
      "1.0 MB",
      "2.7 MB",
      "5.0 GB"
    ])
    const usage = { input: 15_320, output: 20, cached: 0, cost_usd: 0.000195 }
    expect(usageWords(usage)).toBe("15,320 tokens in, 20 out, 0 cached · $0.000195")
    expect(usageWords({ ...usage, cost_usd: 1.5 })).toMatch(/\$1\.50$/)
    expect(usageWords({ ...usage, cost_usd: 0 })).toMatch(/\$0\.00$/)
  })
})

describe("what the daemon sends of runs", () => {
  it("is read as it was meant", () => {
    const views = [
      run(),
      run({ verdict: "lost", usage: { input: 1, output: 2, cached: 3, cost_usd: 0.5 }, stale: true })
    ]
    for (const view of views) expect(readRun(JSON.parse(JSON.stringify(view)))).toEqual(view)
    expect(
      readLogEvent("lines", { from: 0, to: 4, lines: [{ text: "a" }, { text: "b", part: { index: 1, last: true } }] })
    ).toEqual({
      type: "lines",
      to: 4,
      lines: [
        { text: "a", part: null },
        { text: "b", part: { index: 1, last: true } }
      ]
    })
  })

  it("is no success when it is a verdict that nobody knows", () => {
    expect(readRun({ ...run(), verdict: "splendid" })?.verdict).toBe("unknown")
    expect(readLogEvent("end", {})).toEqual({ type: "end", end: { end: "incomplete", message: null } })
  })

  it.each([null, 1, "text", [], {}, { run_id: 7 }])("is no run: %j", (value) => {
    expect(readRun(value)).toBeNull()
  })

  it.each([
    ["lines", null],
    ["lines", { lines: [] }],
    ["else", {}],
    ["end", "text"]
  ])("is no event of a log: %s %j", (event, value) => {
    expect(readLogEvent(event, value)).toBeNull()
  })
})

describe("what a person types", () => {
  const typed: Typed = { kind: "exec", agent: " a1 ", prompt: "p", model: "m", argv: "", limit: "", retain: true }

  it("is a program with an argument a line, which the daemon checks", () => {
    const argv = "sh\n-c\n  echo 'a b'\n\nlast\n\n"
    expect(requestOf({ ...typed, argv, limit: "30" }, "r1")).toEqual({
      companyId: "local",
      agentId: "a1",
      runId: "r1",
      prompt: "",
      command: { kind: "exec", argv: ["sh", "-c", "  echo 'a b'", "", "last"] },
      limits: { seconds: 30 },
      retain: true
    })
    expect(requestOf(typed, "r1").command).toEqual({ kind: "exec", argv: [""] })
  })

  it("is a prompt for OpenCode, with a model if there is one", () => {
    const request = requestOf({ ...typed, kind: "opencode", retain: false }, "r1")
    expect(request).toMatchObject({ prompt: "p", command: { kind: "opencode" }, model: "m", retain: false })
    expect(requestOf({ ...typed, kind: "opencode", model: " " }, "r1")).not.toHaveProperty("model")
  })
})
