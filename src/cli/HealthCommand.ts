/** `holdfast health`. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { Version } from "../domain/index.ts"
import { Unsuccessful } from "./Failures.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { printPretty } from "./Output.ts"

/** Prints the daemon's health as JSON; exit code 1 unless it is ok. */
export const healthCommand = Command.make(
  "health",
  {},
  Effect.fnUntraced(function* () {
    const health = yield* askHealth
    yield* printPretty(health)
    if (health["status"] === "degraded" || health["status"] === "stopped") {
      return yield* new Unsuccessful({ message: "the daemon is not healthy" })
    }
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Print the daemon's health as JSON. Exit code 1 when it is degraded or does not run."),
  Command.withShortDescription("The daemon's health as JSON, and as exit code"),
  Command.withExamples([{ command: "holdfast health", description: "The long form of GET /health" }])
)

const askHealth = Effect.gen(function* () {
  const stopped: Record<string, unknown> = { status: "stopped", version: yield* Version }
  const daemon = yield* findDaemon
  if (Option.isNone(daemon)) return stopped
  const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
  return yield* DaemonClient.use((client) => client.health(daemon.value)).pipe(
    Effect.catchTag("DaemonGone", () => Effect.succeed(stopped)),
    Effect.provide(DaemonClient.layer)
  )
})
