/** What a status report says of the work of a machine. */
import { Context, Effect } from "effect"

/** How many agent files are here, and how many runs are under way. What nobody knows is left out. */
export interface WorkloadCounts {
  readonly agents?: number
  readonly runs?: number
}

/** Nothing is known where nobody counts. */
export const Workload = Context.Reference<Effect.Effect<WorkloadCounts>>("holdfast/domain/Workload", {
  defaultValue: () => Effect.succeed({})
})
