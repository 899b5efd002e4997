/** A property as a search for a counterexample, so that tests, mutants and the coverage report run the same. */
import * as fc from "fast-check"
import type { Charts } from "./World.ts"

/** How many cases, and from which seed. */
export interface Sample {
  readonly numRuns: number
  readonly seed: number
  /** The first counterexample will do; nobody reads it. */
  readonly endOnFailure?: boolean
}

export interface Check {
  /** The sentence that the property states. */
  readonly title: string
  /** A counterexample in words, or null. */
  readonly find: (charts: Charts, sample: Sample) => string | null
}

/** Runs a property; the shrunk counterexample, its error and its seed in words, or null. */
export const counterexample = <T>(property: fc.IProperty<T>, sample: Sample): string | null => {
  const details = fc.check(property, sample) as fc.RunDetails<T>
  if (!details.failed) return null
  const reason = details.errorInstance instanceof Error ? details.errorInstance.message : "it was false"
  return `${reason} — after ${fc.stringify(details.counterexample)} (seed ${details.seed}, path ${details.counterexamplePath})`
}
