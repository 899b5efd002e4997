/** How many cases each property tries and from which seed; `FC_RUNS` and `FC_SEED` override, a failure prints both. */
import type * as fc from "fast-check"

const numberFrom = (name: string): number | undefined => {
  const text = process.env[name]
  if (text === undefined || text === "") return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error(`${name} must be a whole number, but it is "${text}"`)
  return value
}

/** 200 in the suite; `FC_RUNS=20000 npm run test:soak`. */
export const runs = numberFrom("FC_RUNS") ?? 200

/** Fresh for every run of the suite; `FC_SEED=…` repeats one. */
export const seed = numberFrom("FC_SEED") ?? Math.floor(Math.random() * 2 ** 31)

/** The options of every property, with a smaller or larger share of the runs where a case is dear or cheap. */
export const options = (share = 1): { readonly numRuns: number; readonly seed: number } => ({
  numRuns: Math.max(1, Math.round(runs * share)),
  seed
})

/**
 * For mutants: the search ends with the first counterexample, so it may go on until there is one, and it begins at the
 * same place in every run, so that a mutant is not alive by bad luck.
 */
export const hunt = { numRuns: 20_000, seed: 20_261_121 } as const

/** The seed, the path and the counterexample of a property that failed; for tables of mutants too. */
export const describeFailure = <T>(details: fc.RunDetails<T>): string =>
  `seed ${details.seed}, path ${details.counterexamplePath ?? "-"}, after ${details.numRuns} runs: ` +
  JSON.stringify(details.counterexample)
