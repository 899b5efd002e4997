/** Many rounds over many homes, a few at a time. */
import { type ShortLivedCentral, openShortLivedCentral } from "./KillsCentral.ts"
import { chanceFrom, planOf } from "./KillsPlan.ts"
import { KillsLife, type RoundResult } from "./KillsRound.ts"

export interface CampaignOptions {
  readonly rounds: number
  /** Rounds on one home, of which the first joins. */
  readonly perHome: number
  /** Homes at a time. */
  readonly lanes: number
  readonly seed: number
  /** No round begins after this wall-clock time, ms. */
  readonly until?: number
  readonly onRound?: (result: RoundResult) => void
}

/** Plays the rounds; their plans are a function of seed and number, when a kill falls exactly is not. */
export const playCampaign = async (options: CampaignOptions): Promise<ReadonlyArray<RoundResult>> => {
  const results: Array<RoundResult> = []
  const homes = Math.ceil(options.rounds / options.perHome)
  let nextHome = 0
  const over = () => options.until !== undefined && Date.now() > options.until
  const playHome = async (central: ShortLivedCentral, home: number): Promise<void> => {
    const chance = chanceFrom(options.seed + home)
    const life = new KillsLife(central, `home-${home}`)
    const first = home * options.perHome
    const watching = life.watchTheView()
    try {
      for (let round = first; round < Math.min(first + options.perHome, options.rounds) && !over(); round += 1) {
        const result = await life.play(planOf(chance, { home, nth: round - first, round }))
        results.push(result)
        options.onRound?.(result)
        if (result.violations.length > 0) return
      }
    } finally {
      await life.close()
      await watching
    }
  }
  const lane = async () => {
    const central = await openShortLivedCentral()
    try {
      while (nextHome < homes && !over()) {
        nextHome += 1
        await playHome(central, nextHome - 1)
      }
    } finally {
      await central.close()
    }
  }
  await Promise.all(Array.from({ length: options.lanes }, lane))
  return results
}
