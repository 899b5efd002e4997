/** Looks for a life in which a mutant shows. */
import { type CrashMutant } from "./CrashMutants.ts"
import { explore, type Explored } from "./Explorer.ts"
import { LIVES } from "./Lives.ts"

/** What became of a mutant. */
export interface Fate {
  readonly mutant: string
  /** The sentence that it broke, and where; null: it is alive. */
  readonly violation: Explored["violation"]
  /** One of the sentences that must see it did. */
  readonly isKilled: boolean
  readonly crashPoints: number
}

const SEARCH = { disks: [16, 4], stride: 1 } as const

export const fateOf = async (mutant: CrashMutant): Promise<Fate> => {
  const engine = await mutant.engine()
  let crashPoints = 0
  for (const name of mutant.search?.lives ?? (Object.keys(LIVES) as ReadonlyArray<keyof typeof LIVES>)) {
    const bounds =
      mutant.search?.afterKill === true ? { ...SEARCH, cuts: 2, first: "kill" as const } : { ...SEARCH, cuts: 1 }
    const explored = explore(engine, LIVES[name], bounds)
    crashPoints += explored.crashPoints
    const { violation } = explored
    if (violation !== null) {
      const isKilled = mutant.killedBy.some((sentence) => sentence === violation.sentence)
      return { mutant: mutant.name, violation, isKilled, crashPoints }
    }
  }
  return { mutant: mutant.name, violation: null, isKilled: false, crashPoints }
}
