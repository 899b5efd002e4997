import { afterAll, describe, expect, it } from "vitest"
import { removeMutants } from "../Mutants.ts"
import { runs } from "../Options.ts"
import { REAL } from "../crash/Services.ts"
import { type Base, makeBases } from "./Bases.ts"
import { MUTANTS } from "./Mutants.ts"
import { type Failure, sweep } from "./Sweep.ts"
import { renderPairs, renderSingles } from "./Table.ts"

const bases = makeBases()

/** Pairs of these in the suite; of all in the soak, and more of each. */
const PAIRED: ReadonlySet<string> = new Set([
  "asked to join",
  "enrolled, no revision yet",
  "first revision on probation",
  "second revision on probation"
])
const isSoak = runs > 200
const PATIENCE = isSoak ? 1_800_000 : 180_000

const told = (failures: ReadonlyArray<Failure>): ReadonlyArray<string> =>
  failures.slice(0, 20).map(({ base, damages, verdict }) => `${base}: ${damages.join(", ")}: ${verdict}`)

const named = (name: string): ReadonlyArray<Base> => bases.filter((base) => base.name === name)

describe("a machine with one damaged file", () => {
  it(
    "boots, polls, says what it lost and gets its next revision, whichever byte of whichever file it is",
    () => {
      const swept = sweep({ engine: REAL, bases, singles: true, pairs: null })
      console.log(renderSingles(swept))
      expect(told(swept.failures)).toEqual([])
    },
    PATIENCE
  )
})

describe("a machine with two damaged files", () => {
  it(
    "does so too, unless no credential and no token is left, and then names the command that helps",
    () => {
      const some = isSoak ? bases : bases.filter(({ name }) => PAIRED.has(name))
      const swept = sweep({ engine: REAL, bases: some, singles: false, pairs: isSoak ? "all" : "few" })
      console.log(renderPairs(swept))
      expect(told(swept.failures)).toEqual([])
    },
    PATIENCE
  )
})

describe("a mutant", () => {
  afterAll(removeMutants)

  for (const { base, engine, files, name } of MUTANTS) {
    it(
      `is noticed: ${name}`,
      async () => {
        const mutant = await engine()
        const { failures } = sweep({ engine: mutant, bases: named(base), singles: true, pairs: null, hunting: files })
        console.log(`${name}: ${told(failures).join() || "ALIVE"}`)
        expect(failures).not.toEqual([])
      },
      PATIENCE
    )
  }
})
