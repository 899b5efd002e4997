import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { DAEMON_CHECKS } from "./DaemonChecks.ts"
import { CHARTS } from "./World.ts"

describe("one process, from its lock to its exit code", () => {
  it.each(Object.values(DAEMON_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options())).toBeNull()
  })
})
