import { afterAll, describe, expect, it } from "vitest"
import { removeMutants } from "../Mutants.ts"
import { runs } from "../Options.ts"
import { type Bounds, explore, type Explored } from "./Explorer.ts"
import { explorePlugins, LIVES, PLUGIN_LIVES, type PluginLifeName } from "./Lives.ts"
import { ENUMERATED } from "./PowerCut.ts"
import { REAL } from "./Services.ts"
import { loadStore } from "./StoreCode.ts"

/** A soak cuts every moment after a first cut, where the suite cuts one in so many. */
const isSoak = runs > 200
const BOUNDS: Bounds = { cuts: 2, disks: [ENUMERATED, 8], stride: isSoak ? 1 : 66 }

/** With plugins only a soak cuts twice. */
const PLUGIN_BOUNDS: Bounds = isSoak ? BOUNDS : { cuts: 1, disks: [16], stride: 1 }

const found: Array<readonly [life: string, explored: Explored]> = []

afterAll(removeMutants)

describe("whatever moment the power fails or the process is killed at, and whatever is left of the disk", () => {
  it.each(Object.keys(LIVES) as ReadonlyArray<keyof typeof LIVES>)(
    "a machine that %s keeps every promise",
    (life) => {
      const explored = explore(REAL, LIVES[life], BOUNDS)
      found.push([life, explored])
      expect(explored.violation).toBeNull()
    },
    isSoak ? 3_600_000 : 180_000
  )

  it.each(Object.keys(PLUGIN_LIVES) as ReadonlyArray<PluginLifeName>)(
    "a machine that %s keeps every promise",
    async (life) => {
      const explored = explorePlugins({ ...REAL, pluginStore: await loadStore() }, PLUGIN_LIVES[life], PLUGIN_BOUNDS)
      found.push([life, explored])
      expect(explored.violation).toBeNull()
    },
    isSoak ? 3_600_000 : 180_000
  )

  it("is looked at in more than ten thousand places", () => {
    const rows = found.map(([life, { byCuts, moments, sampledMoments }]) => ({
      life,
      moments,
      "one cut": byCuts[1],
      "two cuts": byCuts[2],
      "of which sampled": sampledMoments
    }))
    const total = found.reduce((sum, [, { crashPoints }]) => sum + crashPoints, 0)
    console.table(rows)
    console.log(
      `${total} distinct crash points, ${found.filter(([, { violation }]) => violation !== null).length} violations. ` +
        `First cuts at every moment, all of up to ${ENUMERATED} disks each; second cuts at one moment in ${BOUNDS.stride}, ` +
        `all of up to ${BOUNDS.disks[1]} disks; beyond that, sampled. ` +
        `With plugins: cut ${PLUGIN_BOUNDS.cuts === 1 ? "once" : "twice"}, all of up to ${PLUGIN_BOUNDS.disks[0]} disks.`
    )
    if (found.length === Object.keys(LIVES).length + Object.keys(PLUGIN_LIVES).length)
      expect(total).toBeGreaterThan(10_000)
  })
})
