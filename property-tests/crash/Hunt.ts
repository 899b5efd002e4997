/** Looks for a life in which a mutant shows. */
import { type CrashMutant } from "./CrashMutants.ts"
import { explore, type Explored } from "./Explorer.ts"
import { explorePlugins, LIVES, PLUGIN_LIVES } from "./Lives.ts"
import type { Engine } from "./Services.ts"

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
  for (const look of searchesOf(mutant)) {
    const explored = look(engine)
    crashPoints += explored.crashPoints
    const { violation } = explored
    if (violation !== null) {
      const isKilled = mutant.killedBy.some((sentence) => sentence === violation.sentence)
      return { mutant: mutant.name, violation, isKilled, crashPoints }
    }
  }
  return { mutant: mutant.name, violation: null, isKilled: false, crashPoints }
}

const searchesOf = (mutant: CrashMutant): ReadonlyArray<(engine: Engine) => Explored> => {
  const { killedBefore, pluginLife, search } = mutant
  const once = { ...SEARCH, cuts: 1 }
  const afterKill = { ...SEARCH, cuts: 2, first: "kill" as const }
  if (pluginLife !== undefined) {
    const life = PLUGIN_LIVES[pluginLife]
    return killedBefore === undefined
      ? [(engine) => explorePlugins(engine, life, once)]
      : // What a killed process left unsynced stays so: any later moment shows it.
        [(engine) => explorePlugins(engine, { ...life, only: killedBefore }, { ...afterKill, stride: 20 })]
  }
  const lives = search?.lives ?? (Object.keys(LIVES) as ReadonlyArray<keyof typeof LIVES>)
  return lives.map((name) => (engine) => explore(engine, LIVES[name], search?.afterKill === true ? afterKill : once))
}
