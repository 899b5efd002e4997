import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { AGENT_HOST_CHECKS } from "./AgentHostChecks.ts"
import { CHARTS } from "./World.ts"

describe("an agent's process, whatever it, its callers, its file and time do", () => {
  it.each(Object.values(AGENT_HOST_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options(5))).toBeNull()
  })
})
