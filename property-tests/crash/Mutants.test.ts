import { afterAll, describe, expect, it } from "vitest"
import { removeMutants } from "../Mutants.ts"
import { CRASH_MUTANTS } from "./CrashMutants.ts"
import { PLUGIN_MUTANTS } from "./PluginMutants.ts"
import { type Fate, fateOf } from "./Hunt.ts"

const fates: Array<Fate> = []

afterAll(async () => {
  console.log(
    fates
      .map(({ crashPoints, isKilled, mutant, violation }) =>
        [
          isKilled ? "killed" : "ALIVE ",
          (violation?.sentence ?? "").padEnd(24),
          String(crashPoints).padStart(6),
          mutant
        ].join(" ")
      )
      .join("\n")
  )
  await removeMutants()
})

describe("a wrong change to engine or storage is seen by a named sentence", () => {
  it.each([...CRASH_MUTANTS, ...PLUGIN_MUTANTS].map((mutant) => [mutant.name, mutant] as const))(
    "%s",
    async (_, mutant) => {
      const fate = await fateOf(mutant)
      fates.push(fate)
      expect(fate).toMatchObject({ isKilled: true })
    },
    180_000
  )
})
