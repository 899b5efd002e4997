import { describe, expect, it } from "vitest"
import { options, runs } from "../Options.ts"
import { CHECKS } from "./Checks.ts"
import { enumerated } from "./Graph.ts"
import { CHARTS, stateIn } from "./World.ts"

describe("from every state the next good revision is received and promoted", () => {
  it("after arbitrary histories", () => {
    expect(CHECKS.recovers.find(CHARTS, options())).toBeNull()
  })

  // A soak lets central change its mind twice: 61,000 states instead of 11,000.
  it("on the whole graph of one mishap anywhere, and one change of what central serves", () => {
    const { isWhole, states, stuck } = enumerated(CHARTS, { mishaps: 1, changes: runs > 200 ? 2 : 1, states: 200_000 })
    expect(stuck.map((world) => [stateIn(world, "daemon"), stateIn(world, "configApply"), world.disk])).toEqual([])
    expect(isWhole).toBe(true)
    expect(states).toBeGreaterThan(5_000)
  })
})
