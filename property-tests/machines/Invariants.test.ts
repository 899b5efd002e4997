import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { CHECKS, violated } from "./Checks.ts"
import { INVARIANTS, type Invariant } from "./Ghost.ts"
import { CHARTS } from "./World.ts"

const NAMES = Object.keys(INVARIANTS) as ReadonlyArray<Invariant>

/** One search serves all invariants; only when it finds something is each of them searched for by itself. */
let common: string | null | undefined
const first = (): string | null => (common === undefined ? (common = violated(CHARTS, NAMES, options())) : common)

describe("the machines together, whatever happens to process, disk and central", () => {
  it.each(NAMES.map((name) => [INVARIANTS[name], name] as const))("%s", (_, name) => {
    expect(first() === null ? null : CHECKS[name].find(CHARTS, options())).toBeNull()
  })
})
