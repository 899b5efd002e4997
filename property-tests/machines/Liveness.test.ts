import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { CHECKS } from "./Checks.ts"
import { enumerated } from "./Graph.ts"
import { CHARTS, stateIn } from "./World.ts"

describe("from every state the next good revision is received and promoted", () => {
  it("after arbitrary histories", () => {
    expect(CHECKS.recovers.find(CHARTS, options())).toBeNull()
  })

  it("on the whole graph of one mishap anywhere, and one change of what central serves", () => {
    const { isWhole, states, stuck } = enumerated(CHARTS, { mishaps: 1, changes: 1, states: 60_000 })
    expect(stuck.map((world) => [stateIn(world, "daemon"), stateIn(world, "configApply"), world.disk])).toEqual([])
    expect(isWhole).toBe(true)
    expect(states).toBeGreaterThan(5_000)
  })
})
