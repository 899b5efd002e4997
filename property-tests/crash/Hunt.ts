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

const searchesOf = ({ pluginLives, search }: CrashMutant): ReadonlyArray<(engine: Engine) => Explored> => {
  const once = { ...SEARCH, cuts: 1 }
  if (pluginLives !== undefined) {
    return pluginLives.map((name) => (engine) => explorePlugins(engine, PLUGIN_LIVES[name], once))
  }
  const bounds = search?.afterKill === true ? { ...SEARCH, cuts: 2, first: "kill" as const } : once
  const lives = search?.lives ?? (Object.keys(LIVES) as ReadonlyArray<keyof typeof LIVES>)
  return lives.map((name) => (engine) => explore(engine, LIVES[name], bounds))
}
