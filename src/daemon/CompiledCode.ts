/** What a start compiled is kept for the next one. */
import { Effect } from "effect"

/**
 * Node would do this as the process ends: never when it is killed, and after a long run without the code of its start,
 * which V8 has dropped by then. Costs a moment at the first start of a version, and nothing later.
 */
export const keepCompiledCode = Effect.sync(() =>
  globalThis.process.getBuiltinModule("node:module").flushCompileCache()
)
