import { afterAll, describe, expect, it } from "vitest"
import { removeMutants } from "../Mutants.ts"
import { runs, seed } from "../Options.ts"
import { REAL } from "../crash/Services.ts"
import { type Bounds, type Explored, exploreFaults } from "./FaultExplorer.ts"
import { renderFaults } from "./FaultTable.ts"
import { FAULT_MUTANTS, fateOf } from "./FaultMutants.ts"
import type { Lasting } from "./FaultKinds.ts"
import { type LifeName, LIVES } from "./Lives.ts"

const NAMES = Object.keys(LIVES) as ReadonlyArray<LifeName>
/** The life of which nearly every call meets a fault; of the others every so many. */
const DENSE: LifeName = "two revisions promoted"
const isSoak = runs > 200

/** Longer than each wait of the machine for its disk; the soak also tries what outlasts a whole probation. */
const LASTING_MS = 90_000
const LONG_MS = 600_000

const bounds = (lastings: ReadonlyArray<Lasting>, stride: number): Bounds => ({
  stride: isSoak ? 1 : stride,
  offset: seed,
  allCodes: isSoak,
  lastings,
  cuts: isSoak ? 6 : 2,
  disks: 2,
  violations: 3
})

const explored: Array<Explored> = []
const told: Array<string> = []
const ofLife = (name: LifeName, lastings: ReadonlyArray<Lasting>, stride: number) => {
  const found = exploreFaults(REAL, LIVES[name], bounds(lastings, stride))
  explored.push(found)
  return { violations: found.violations, seed: found.violations.length === 0 ? 0 : seed }
}

afterAll(async () => {
  console.log([renderFaults(explored), ...told].join("\n"))
  await removeMutants()
})

const SOUND = { violations: [], seed: 0 }

describe("a machine whose disk fails at some call of its life", () => {
  it.each(NAMES)("says nothing that is not durable, and receives the next revision: %s", (name) => {
    expect(ofLife(name, ["once"], name === DENSE ? 6 : 60)).toEqual(SOUND)
  })

  it.each(NAMES)("does so when the disk goes on failing for a while: %s", (name) => {
    expect(ofLife(name, isSoak ? [LASTING_MS, LONG_MS] : [LASTING_MS], name === DENSE ? 80 : 150)).toEqual(SOUND)
  })
})

describe("what the faults show", () => {
  it.each(FAULT_MUTANTS.map((mutant) => [mutant.name, mutant] as const))("kills: %s", async (name, mutant) => {
    const fate = await fateOf(mutant)
    told.push(`${fate === null ? "ALIVE " : "killed"} ${(fate?.sentence ?? "").padEnd(24)} ${name}`)
    expect(fate).not.toBeNull()
  })
})
