/** What the doctor says of one thing that it looked at. */
import { Schema } from "effect"

/** One thing that was looked at. */
export const Finding = Schema.Struct({
  /** Such as `home` or `central`. */
  check: Schema.String,
  /** `doubtful` works now and may not later; `skipped` could not or need not be looked at. */
  verdict: Schema.Literals(["fine", "doubtful", "wrong", "skipped"]),
  /** What was found. */
  found: Schema.String,
  /** What to do about it, step by step; empty when there is nothing to do. */
  repair: Schema.Array(Schema.String)
})
export type Finding = typeof Finding.Type

export const fine = (check: string, found: string): Finding => ({ check, verdict: "fine", found, repair: [] })

export const skipped = (check: string, found: string): Finding => ({ check, verdict: "skipped", found, repair: [] })

export const doubtful = (check: string, found: string, ...repair: ReadonlyArray<string>): Finding => ({
  check,
  verdict: "doubtful",
  found,
  repair
})

export const wrong = (check: string, found: string, ...repair: ReadonlyArray<string>): Finding => ({
  check,
  verdict: "wrong",
  found,
  repair
})
