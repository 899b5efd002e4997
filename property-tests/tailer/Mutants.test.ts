import { afterAll, describe, expect, it } from "vitest"
import { removeMutants } from "../Mutants.ts"
import { mutantOf } from "./TailMutant.ts"
import { TAIL_MUTANTS } from "./TailMutants.ts"
import { SENTENCES } from "./TailSentences.ts"

afterAll(removeMutants)

/** Judged with the same cases on every run, until the first that sees it. */
const SAMPLE = { numRuns: 400, seed: 20_261_121, endOnFailure: true }

describe("wrong versions of the tailer", () => {
  it.each(TAIL_MUTANTS)("$killedBy sees: $name", async ({ killedBy, module, replacement, search }) => {
    expect(await SENTENCES[killedBy].find(await mutantOf(module, search, replacement), SAMPLE)).not.toBeNull()
  })

  it("has one for every sentence", () => {
    const seen = new Set<string>(TAIL_MUTANTS.map(({ killedBy }) => killedBy))
    expect(Object.keys(SENTENCES).filter((name) => !seen.has(name))).toEqual([])
  })
})
