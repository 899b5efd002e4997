/** The token of this machine's own API: `state/api-token`. */
import { Effect } from "effect"
import { Home } from "../domain/index.ts"
import { ownToken } from "../http/index.ts"

/** Reads it, or makes it. */
export const apiToken = Effect.flatMap(Home, ({ state }) => ownToken(state, "api-token"))
