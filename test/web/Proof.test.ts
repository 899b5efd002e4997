import { describe, expect, it } from "vitest"
import recorded from "../../llp/machines/coverage.json" with { type: "json" }
import { bySource, fatesOf, figuresOf, pathOf } from "../../src/web/Proof.ts"
import type { Coverage } from "../../src/web/Wire.ts"

const coverage: Coverage = {
  states: 3,
  transitions: { all: 4, taken: 3 },
  pairs: 1_200,
  guardOutcomes: { all: 2, heard: 2 },
  mutants: { killed: 1, alive: 1 },
  paths: { "idle · BEGIN": ["the process starts", '{"type":"BEGIN","central":true}'] },
  fates: { "one that dies": { joinClimbs: "killed", joinIsCalm: "alive" }, "one that lives": { joinClimbs: "alive" } }
}

describe("what is proved of a machine", () => {
  it("is told in figures, and what is not whole stands out", () => {
    expect(figuresOf(coverage).map(({ value, whole }) => [value, whole])).toEqual([
      ["3", null],
      ["3 of 4", false],
      ["2 of 2", true],
      ["1,200", null],
      ["1 of 2", false]
    ])
  })

  it("names the property that killed each mutant, and the living first", () => {
    expect(fatesOf(coverage)).toEqual([
      { mutant: "one that lives", killers: [] },
      { mutant: "one that dies", killers: ["joinClimbs"] }
    ])
  })

  it("shows the path that covers a transition", () => {
    expect(pathOf(coverage, "idle · BEGIN")).toEqual([
      { name: "the process starts", detail: "" },
      { name: "BEGIN", detail: "central yes" }
    ])
    expect(pathOf(coverage, "idle · END")).toBeNull()
  })

  it("lists transitions by where they start", () => {
    expect(bySource(["idle · BEGIN", "loading · END", "idle · END"])).toEqual([
      { source: "idle", ids: ["idle · BEGIN", "idle · END"] },
      { source: "loading", ids: ["loading · END"] }
    ])
  })

  it("is read from the file that the tests write", () => {
    for (const machine of Object.values<Coverage>(recorded as unknown as Record<string, Coverage>)) {
      expect(figuresOf(machine).filter(({ whole }) => whole === false)).toEqual([])
      expect(fatesOf(machine).filter(({ killers }) => killers.length === 0)).toEqual([])
      expect(Object.keys(machine.paths)).toHaveLength(machine.transitions.all)
    }
  })
})
