/** V8 is asked to mind memory before speed. */
import { Effect } from "effect"

/**
 * A burst of output is garbage as soon as it is delivered. Left to itself V8 keeps 100 MB for such garbage, and not 20: so
 * it collects more often, which costs the tailer a few percent at most. This is a policy that V8 looks up each time
 * it decides, so that it may be given to a process that runs, and a start does not wait for it.
 *
 * @ref LLP 0017#memory [implements]: what a burst leaves resident
 */
export const keepHeapSmall = Effect.sync(() =>
  globalThis.process.getBuiltinModule("node:v8").setFlagsFromString("--optimize-for-size")
)
