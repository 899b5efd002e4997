/** What a mutant is, and how its fate is found out. */
import { CHECKS, type CheckName } from "./Checks.ts"
import { CHARTS, type Charts, type MachineId } from "./World.ts"

/** A small wrong change to one machine, and the properties that must see it. */
export interface Mutant {
  readonly name: string
  readonly machine: MachineId
  readonly killedBy: ReadonlyArray<CheckName>
  readonly apply: (charts: Charts) => Charts
}

/** What became of a mutant under one of the properties that must see it. */
export interface Fate {
  readonly machine: MachineId
  readonly mutant: string
  readonly property: CheckName
  /** What the property said; null: the mutant is alive. */
  readonly verdict: string | null
}

/** Mutants are judged with the same cases on every run, so that the table is the same everywhere. */
const SAMPLE = { numRuns: 400, seed: 20_261_121, endOnFailure: true }

/** Every mutant under every property that must see it. */
export const fatesOf = (mutants: ReadonlyArray<Mutant>): ReadonlyArray<Fate> =>
  mutants.flatMap(({ apply, killedBy, machine, name }) =>
    killedBy.map((property) => ({
      machine,
      mutant: name,
      property,
      verdict: CHECKS[property].find(apply(CHARTS), SAMPLE)
    }))
  )
