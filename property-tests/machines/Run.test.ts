import { describe, expect, it } from "vitest"
import { Run } from "../../machines/index.ts"
import { options } from "../Options.ts"
import { RUN_CHECKS, runViolated } from "./RunChecks.ts"
import { CANCEL_ENDS_MS, heldOpen, type Tally } from "./RunEnds.ts"
import { RUN_INVARIANTS, type RunInvariant } from "./RunWatch.ts"
import { CHARTS } from "./World.ts"

const NAMES = Object.keys(RUN_INVARIANTS) as ReadonlyArray<RunInvariant>
const OTHERS = Object.entries(RUN_CHECKS).filter(([name]) => !(name in RUN_INVARIANTS) && name !== "runEnds")

/** One search serves all invariants; only when it finds something is each of them searched for by itself. */
let common: string | null | undefined
const first = (): string | null => (common === undefined ? (common = runViolated(CHARTS, NAMES, options(5))) : common)

describe("a run, whatever backend, agent, people, disk and time do", () => {
  it.each(NAMES.map((name) => [RUN_INVARIANTS[name], name] as const))("%s", (_, name) => {
    expect(first() === null ? null : RUN_CHECKS[name].find(CHARTS, options())).toBeNull()
  })

  it.each(OTHERS.map(([, check]) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })

  it(RUN_CHECKS.runEnds.title, () => {
    const tally: Tally = { states: 0, plays: 0, longestMs: 0 }
    expect(heldOpen(Run, tally)).toBeNull()
    console.log(
      `run: ${tally.states} states, ${tally.plays} times the worst; a cancel ends it within ${CANCEL_ENDS_MS / 1_000} s, ` +
        `the longest end took ${tally.longestMs / 1_000} s`
    )
    expect(tally.states).toBeGreaterThan(300)
  })
})
