/** `kill -9` of the real daemon, on the real disk, through everything that it does with a configuration. */
import { describe, expect, it } from "vitest"
import { seed } from "../../property-tests/Options.ts"
import { playCampaign } from "./KillsCampaign.ts"
import type { Phase } from "./KillsDisk.ts"
import { describePlan } from "./KillsPlan.ts"
import { hits, table } from "./KillsTable.ts"

const ROUNDS = 60

/** Steps of a commit that take a millisecond or two each: one campaign need not hit every one, but most of them. */
const SHORT: ReadonlyArray<Phase> = [
  "slot half written",
  "slot written, no marker",
  "marker half written",
  "marker written, not flipped",
  "flipped, not yet exited",
  "promotion half written",
  "promoted, marker still there",
  "identity half stored"
]

describe("a daemon that is killed at any moment", () => {
  it("comes back, polls, and loses neither what it knows nor the next revision", async () => {
    const results = await playCampaign({ rounds: ROUNDS, perHome: 10, lanes: 3, seed })
    const kills = results.flatMap((result) => result.kills)
    console.log(`${results.length} rounds, ${kills.length} kills, seed ${seed}\n${table(results)}`)
    const broken = results.flatMap(({ outcome, plan, violations }) =>
      violations.map(({ detail, sentence }) => `${sentence}: ${detail} (${describePlan(plan)}: ${outcome})`)
    )
    expect(broken, `seed ${seed}`).toEqual([])
    expect(results).toHaveLength(ROUNDS)
    expect(kills.length).toBeGreaterThanOrEqual(ROUNDS)
    const hit = hits(results)
    expect(SHORT.filter((phase) => (hit.get(phase) ?? 0) > 0).length).toBeGreaterThanOrEqual(3)
  }, 300_000)
})
