/** Who is told how output comes in: nobody, unless a root names somebody. */
import { Context } from "effect"
import type { GapReason } from "../../machines/index.ts"

/** Hears of tails that are metered; neither waits nor fails. */
export interface TailMeter {
  /** Bytes were delivered, of lines that had been there for `lagMs` at most. */
  readonly delivered: (bytes: number, lagMs: number) => void
  readonly gap: (reason: GapReason) => void
}

export const TailMeter = Context.Reference<TailMeter>("holdfast/runs/TailMeter", {
  defaultValue: () => ({ delivered: () => {}, gap: () => {} })
})
