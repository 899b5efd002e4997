/** `holdfast config schema`. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { documentSchema } from "../domain/index.ts"
import { printPretty } from "./Output.ts"

/** The JSON Schema of a document, for editors. */
export const schemaCommand = Command.make(
  "schema",
  {},
  Effect.fnUntraced(function* () {
    yield* printPretty(documentSchema())
  })
).pipe(
  Command.withDescription("Print the JSON Schema of a document: with it, editors complete and check as you type."),
  Command.withExamples([{ command: "holdfast config schema > fleet.schema.json" }])
)
