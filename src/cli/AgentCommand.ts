/** `holdfast agent`. */
import { Command } from "effect/cli"
import { installCommand } from "./AgentInstallCommand.ts"
import { listCommand } from "./AgentListCommand.ts"
import { newCommand } from "./AgentNewCommand.ts"
import { removeCommand } from "./AgentRemoveCommand.ts"
import { testCommand } from "./AgentTestCommand.ts"
import { updateCommand } from "./AgentUpdateCommand.ts"
import { verifyCommand } from "./AgentVerifyCommand.ts"

/** The parent of `agent new`, `install`, `list`, `verify`, `update`, `remove` and `test`. */
export const agentCommand = Command.make("agent").pipe(
  Command.withDescription("Agents of this machine: files of one folder that a model may call. Needs no daemon."),
  Command.withShortDescription("Agents of this machine"),
  Command.withSubcommands([
    newCommand,
    installCommand,
    listCommand,
    verifyCommand,
    updateCommand,
    removeCommand,
    testCommand
  ]),
  Command.withExamples([
    { command: "holdfast agent new weather", description: "Begin one" },
    { command: "holdfast agent install github.com/example/agents@v1.2.0" }
  ])
)
