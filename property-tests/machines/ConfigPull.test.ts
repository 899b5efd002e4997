import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { PULL_CHECKS } from "./PullChecks.ts"
import { CHARTS } from "./World.ts"

describe("the poll loop, under any sequence of answers", () => {
  it.each(Object.values(PULL_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })
})
