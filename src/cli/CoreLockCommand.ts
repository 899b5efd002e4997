/** `holdfast core-lock`: what plugins may not replace. */
import { Command } from "effect/cli"
import { checkCommand } from "./CoreLockCheckCommand.ts"
import { execCommand } from "./CoreLockExecCommand.ts"
import { generateCommand } from "./CoreLockGenerateCommand.ts"
import { installCommand } from "./CoreLockInstallCommand.ts"

/** The parent of `core-lock generate`, `check`, `exec` and `install`. */
export const coreLockCommand = Command.make("core-lock").pipe(
  Command.withDescription("Keep plugins from replacing or shadowing the packages that a host runs on."),
  Command.withShortDescription("What plugins may not replace"),
  Command.withSubcommands([generateCommand, checkCommand, execCommand, installCommand]),
  Command.withExamples([
    { command: "holdfast core-lock generate --python /opt/backend/bin/python3 --output core-lock.json" },
    { command: "holdfast core-lock check --lock core-lock.json plugins/weather" },
    { command: "holdfast core-lock exec --lock core-lock.json -- /opt/backend/run" }
  ])
)
