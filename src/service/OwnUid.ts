/** Who runs this. */
import { Effect } from "effect"

/** The user of this process; 0 where there are no such numbers. */
export const ownUid = Effect.sync(() => globalThis.process.getuid?.() ?? 0)
