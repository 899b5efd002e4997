import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { PROBATION_CHECKS } from "./ProbationChecks.ts"
import { CHARTS } from "./World.ts"

describe("time, restarts and operators", () => {
  it.each(Object.values(PROBATION_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })
})
