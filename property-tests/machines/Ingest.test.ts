import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { INGEST_CHECKS } from "./IngestChecks.ts"
import { CHARTS } from "./World.ts"

describe("what a gateway tells, whatever its disk, central, its process and time do", () => {
  it.each(Object.values(INGEST_CHECKS).map((check) => [check.title, check] as const))("%s", (_, check) => {
    expect(check.find(CHARTS, options(5))).toBeNull()
  })
})
