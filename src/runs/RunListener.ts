/** Who hears what runs write, where somebody embeds the service and passes their output on. */
import { Context, Effect } from "effect"
import type { RunIds } from "./Backend.ts"
import type { TailBatch } from "./Tail.ts"

export interface RunListener {
  /** Takes a batch before it is acknowledged: as long as it does not answer, this run's output waits, and no other's. */
  readonly take: (run: RunIds, batch: TailBatch) => Effect.Effect<void>
  /** What the work wrote to standard error, once its output is over. */
  readonly takeErrors: (run: RunIds, text: string) => Effect.Effect<void>
}

/** Nobody, unless somebody says so. */
export const RunListener = Context.Reference<RunListener>("holdfast/runs/RunListener", {
  defaultValue: () => ({ take: () => Effect.void, takeErrors: () => Effect.void })
})
