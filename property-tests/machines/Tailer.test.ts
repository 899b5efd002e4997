import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { TAILER_CHECKS } from "./TailerChecks.ts"
import { CHARTS } from "./World.ts"

describe("a tail, whatever becomes of its file", () => {
  it.each(Object.values(TAILER_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })
})
