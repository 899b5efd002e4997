/** Doing something that only a running daemon can do. */
import { Effect, Option } from "effect"
import { Home } from "../domain/index.ts"
import type { DaemonClient } from "./DaemonClient.ts"
import { Refused } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"

/** Uses the live daemon of this home; without one, `because` says why it is needed. */
export const withLiveDaemon = (because: string) => {
  const notRunning = Effect.gen(function* () {
    const { root } = yield* Home
    return yield* new Refused({
      message: `No daemon runs for ${root}, and ${because}. Start it (holdfast daemon), then try again.`
    })
  })
  return Effect.fnUntraced(function* <A, E, R>(
    use: (daemon: LiveDaemon, client: DaemonClient["Service"]) => Effect.Effect<A, E, R>
  ) {
    const daemon = yield* findDaemon
    if (Option.isNone(daemon)) return yield* notRunning
    const client = yield* Effect.promise(() => import("./DaemonClient.ts"))
    return yield* client.DaemonClient.use((service) => use(daemon.value, service)).pipe(
      Effect.catchIf(
        (error) => typeof error === "object" && error !== null && "_tag" in error && error._tag === "DaemonGone",
        () => notRunning
      ),
      Effect.provide(client.DaemonClient.layer)
    )
  })
}
