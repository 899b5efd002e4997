/** `holdfast config`: looking at documents, and giving a remembered revision another try. */
import { Command } from "effect/cli"
import { diffCommand } from "./ConfigDiffCommand.ts"
import { retryCommand } from "./ConfigRetryCommand.ts"
import { schemaCommand } from "./ConfigSchemaCommand.ts"
import { validateCommand } from "./ConfigValidateCommand.ts"

/** The parent of `config validate`, `schema`, `diff` and `retry`. */
export const configCommand = Command.make("config").pipe(
  Command.withDescription("Check and compare documents, and try a remembered revision again."),
  Command.withShortDescription("Check and compare documents; retry a revision"),
  Command.withSubcommands([validateCommand, schemaCommand, diffCommand, retryCommand]),
  Command.withExamples([
    { command: "holdfast config validate fleet.json" },
    { command: "holdfast config retry 5f2a…", description: "The etag, with or without its quotes" }
  ])
)
