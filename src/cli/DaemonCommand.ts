/** `holdfast daemon` and `holdfast daemon restart`. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Refused } from "./Failures.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { print } from "./Output.ts"

const restartCommand = Command.make(
  "restart",
  {
    normal: Flag.Boolean("normal").pipe(
      Flag.withDescription("End safe start: the next start runs every plugin and the local layer again"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ normal }) {
    const daemon = yield* findDaemon
    if (Option.isNone(daemon)) return yield* notRunning
    const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
    yield* DaemonClient.use((client) =>
      client.restart(daemon.value, { reason: "operator", ...(normal ? { normal } : {}) })
    ).pipe(
      Effect.catchTag("DaemonGone", () => notRunning),
      Effect.provide(DaemonClient.layer)
    )
    yield* print(
      `The daemon (pid ${daemon.value.pid}) ends in order with exit code 75; whatever supervises it starts it again` +
        `${normal ? ", and safe start is over" : ""}.`
    )
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Ask the live daemon for a planned restart."),
  Command.withExamples([
    { command: "holdfast daemon restart" },
    { command: "holdfast daemon restart --normal", description: "Leave safe start" }
  ])
)

/** Runs the daemon in the foreground. */
export const daemonCommand = Command.make(
  "daemon",
  {},
  Effect.fnUntraced(function* () {
    const { daemonMain } = yield* Effect.promise(() => import("../daemon/index.ts"))
    // It handles signals and sets the exit code of the process itself.
    yield* Effect.sync(daemonMain)
  })
).pipe(
  Command.withDescription(
    "Run the gateway daemon in the foreground. Exit codes: 0 stopped, 75 start it again, 1 it cannot run here."
  ),
  Command.withShortDescription("Run the gateway daemon in the foreground"),
  Command.withSubcommands([restartCommand]),
  Command.withExamples([
    { command: "holdfast daemon" },
    { command: "HOLDFAST_PORT=0 holdfast daemon", description: "Its API on any free port" }
  ])
)

const notRunning = new Refused({ message: "No daemon runs for this home. Start it: holdfast daemon" })
