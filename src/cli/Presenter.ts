/** Help on stdout when it was asked for; a wrong command line explained on stderr in a few lines. */
import { Console, Effect } from "effect"
import { CliOutput } from "effect/cli"
import { plain } from "./Output.ts"

/** How help, versions and usage errors look. */
export const presenterLayer = CliOutput.layerPresenter({
  present: Effect.fnUntraced(function* (event) {
    const formatter = yield* CliOutput.Formatter
    switch (event._tag) {
      case "Help": {
        const text = formatter.formatHelpDoc(event.helpDoc)
        return yield* event.reason === "Requested" ? Console.log(text) : Console.error(text)
      }
      case "InvalidInvocation": {
        const command = event.commandPath.join(" ")
        for (const error of event.errors) yield* Console.error(`${command}: ${plain(error.message)}`)
        return yield* Console.error(`Usage: ${event.helpDoc.usage}\nExamples and every flag: ${command} --help`)
      }
      case "Version":
        return yield* Console.log(event.version)
    }
  })
})
