/** `holdfast config`: looking at documents, and giving a remembered revision another try. */
import { Command } from "effect/cli"
import { retryCommand } from "./ConfigRetryCommand.ts"
import { validateCommand } from "./ConfigValidateCommand.ts"

/** The parent of `config validate` and `config retry`. */
export const configCommand = Command.make("config").pipe(
  Command.withDescription("Check documents, and try a remembered revision again."),
  Command.withShortDescription("Check documents; retry a revision"),
  Command.withSubcommands([validateCommand, retryCommand]),
  Command.withExamples([
    { command: "holdfast config validate fleet.json" },
    { command: "holdfast config retry 5f2a…", description: "The etag, with or without its quotes" }
  ])
)
