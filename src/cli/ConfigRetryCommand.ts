/** `holdfast config retry`. */
import { Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { retryAllowed } from "../../machines/ConfigStage.ts"
import { Home } from "../domain/index.ts"
import { DaemonLock } from "../storage/index.ts"
import { Refused } from "./Failures.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { homeLayer, loadControl } from "./LocalServices.ts"
import { plain, print } from "./Output.ts"

/** Forgets that a revision is bad, so that the next poll may apply it. */
export const retryCommand = Command.make(
  "retry",
  { etag: Argument.String("etag").pipe(Argument.withDescription("The revision, with or without its quotes")) },
  Effect.fnUntraced(function* ({ etag }) {
    const daemon = yield* findDaemon
    const answer = Option.isNone(daemon)
      ? yield* retryHere(etag)
      : yield* Effect.gen(function* () {
          const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
          return yield* DaemonClient.use((client) => client.retry(daemon.value, etag)).pipe(
            Effect.catchTag("DaemonGone", () => retryHere(etag)),
            Effect.provide(DaemonClient.layer)
          )
        })
    if (!answer.known) {
      return yield* new Refused({
        message:
          `Nothing is remembered of revision ${plain(answer.etag)}, so there is nothing to forget. ` +
          "holdfast status names the revisions that are."
      })
    }
    yield* print(`Revision ${plain(answer.etag)} may be applied again: by the next poll that offers it.`)
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Forget that a revision is bad: the next poll that offers it applies it."),
  Command.withExamples([
    { command: "holdfast config retry 5f2a…", description: "The etag, with or without its quotes" }
  ])
)

/** An ETag is kept with its quotes; people may leave them out. */
const withQuotes = (etag: string): string => (etag.startsWith('"') || etag.startsWith("W/") ? etag : `"${etag}"`)

/** No daemon runs: whoever takes its lock may write in its place. */
const retryHere = Effect.fnUntraced(function* (etag: string) {
  const layer = yield* loadControl
  const { ControlFiles } = yield* Effect.promise(() => import("../config/index.ts"))
  return yield* Effect.gen(function* () {
    const home = yield* Home
    const control = yield* ControlFiles
    const wanted = withQuotes(etag)
    if ((yield* control.readState) === "absent") return { etag: wanted, known: false }
    yield* (yield* DaemonLock).acquire(home.root)
    const state = yield* control.readState
    if (state === "unreadable") {
      return yield* new Refused({
        message: "state.json cannot be read. Start the daemon: it sets the file aside and begins a new one."
      })
    }
    if (state === "absent") return { etag: wanted, known: false }
    const known = state.quarantine.some((entry) => entry.etag === wanted) || state.last_attempt?.etag === wanted
    if (known) yield* control.writeState(retryAllowed(state, wanted))
    return { etag: wanted, known }
  }).pipe(Effect.scoped, Effect.provide(layer))
})
