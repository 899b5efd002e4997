import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { crowded, LOGIN_CHECKS, loginViolated, type Tally } from "./LoginChecks.ts"
import { LOGIN_INVARIANTS, type LoginInvariant } from "./LoginWatch.ts"
import { CHARTS } from "./World.ts"

const NAMES = Object.keys(LOGIN_INVARIANTS) as ReadonlyArray<LoginInvariant>
const OTHERS = Object.entries(LOGIN_CHECKS).filter(([name]) => !(name in LOGIN_INVARIANTS))

/** One search serves all invariants; only when it finds something is each of them searched for by itself. */
let common: string | null | undefined
const first = (): string | null => (common === undefined ? (common = loginViolated(CHARTS, NAMES, options(5))) : common)

describe("a login, whatever provider, people, disk and clocks do", () => {
  it.each(NAMES.map((name) => [LOGIN_INVARIANTS[name], name] as const))("%s", (_, name) => {
    expect(first() === null ? null : LOGIN_CHECKS[name].find(CHARTS, options(5))).toBeNull()
  })

  it.each(OTHERS.map(([, check]) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })

  it("polls no sooner than the interval after the answer of the last one, over 10,000 random schedules", () => {
    const tally: Tally = { schedules: 0, polls: 0 }
    expect(crowded(CHARTS, options(50), NAMES, tally)).toBeNull()
    console.log(`login: ${tally.polls} polls over ${tally.schedules} random schedules, none too soon, none too late`)
    expect(tally.schedules).toBeGreaterThanOrEqual(10_000)
  })
})
