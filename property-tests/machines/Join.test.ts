import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { JOIN_CHECKS } from "./JoinChecks.ts"
import { CHARTS } from "./World.ts"

describe("a machine and its fleet", () => {
  it.each(Object.values(JOIN_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })
})
