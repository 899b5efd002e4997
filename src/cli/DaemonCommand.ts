/** `holdfast daemon`. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { installCommand } from "./DaemonInstallCommand.ts"
import { logsCommand } from "./DaemonLogsCommand.ts"
import { restartCommand } from "./DaemonRestartCommand.ts"
import { startCommand } from "./DaemonStartCommand.ts"
import { stopCommand } from "./DaemonStopCommand.ts"
import { uninstallCommand } from "./DaemonUninstallCommand.ts"

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
  Command.withSubcommands([installCommand, uninstallCommand, startCommand, stopCommand, restartCommand, logsCommand]),
  Command.withExamples([
    { command: "holdfast daemon" },
    { command: "holdfast daemon install", description: "As a service of this user" },
    { command: "HOLDFAST_PORT=0 holdfast daemon", description: "Its API on any free port" }
  ])
)
