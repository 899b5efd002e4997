/** `holdfast central open`. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { dataFlag, jsonFlag } from "./CentralData.ts"
import { note, print, printJson } from "./Output.ts"

/** Prints a link that signs one browser in to central's page. Opens nothing by itself, and asks no server. */
export const centralOpenCommand = Command.make(
  "open",
  { data: dataFlag, json: jsonFlag },
  Effect.fnUntraced(function* ({ data, json }) {
    const { adminLink } = yield* Effect.promise(() =>
      import("../central-server/index.ts").then(({ adminLink }) => ({ adminLink }))
    )
    const link = yield* adminLink(data)
    if (json) return yield* printJson(link)
    yield* print(link.url)
    yield* note(
      `Open it in a browser within ${link.expires_in_seconds} seconds, while central runs. It works once, and signs that ` +
        "browser in for 30 days; keep it to yourself."
    )
  })
).pipe(
  Command.withDescription("Print a one-time link to central's page: the fleet, its configs, and its tokens."),
  Command.withShortDescription("A one-time link to central's page"),
  Command.withExamples([
    { command: "holdfast central open --data /var/lib/holdfast-central" },
    {
      command: "ssh central.example.com holdfast central open --data /var/lib/holdfast-central",
      description: "From elsewhere"
    }
  ])
)
