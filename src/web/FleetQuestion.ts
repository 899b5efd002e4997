/** What a page asks central for beside the fleet: when the fleet has changed, and one question at a time. */
import type { Reply } from "./FleetAsk.ts"
import type { FleetState } from "./FleetState.ts"

export interface FleetQuestion {
  /** Asks. While an answer is on its way, it is asked once more after that one: it may be of before. */
  readonly ask: () => void
  /** Asks if the fleet has changed since, the connection came back, or the last question failed. */
  readonly update: (state: FleetState) => void
  /** No answer is told any longer. */
  readonly close: () => void
}

export const fleetQuestion = <A>(
  question: () => Promise<Reply<A>>,
  answered: (reply: Reply<A>) => void
): FleetQuestion => {
  let askedOf: FleetState["fleet"] = null
  let isWanted = false
  let isAsking = false
  let isClosed = false
  const ask = async (): Promise<void> => {
    isWanted = true
    if (isAsking || isClosed) return
    isAsking = true
    while (isWanted) {
      isWanted = false
      const reply = await question()
      if (isClosed) return
      if (reply.type === "failed" || reply.type === "away") askedOf = null
      answered(reply)
    }
    isAsking = false
  }
  return {
    ask: () => void ask(),
    update: ({ connection, fleet }) => {
      if (connection !== "live" || fleet === null || fleet === askedOf) return
      askedOf = fleet
      void ask()
    },
    close: () => {
      isClosed = true
    }
  }
}
