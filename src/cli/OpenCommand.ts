/** `holdfast open`. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Home } from "../domain/index.ts"
import { Refused } from "./Failures.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { note, print, printJson } from "./Output.ts"

/** Prints a link that signs one browser in to the daemon's page. Opens nothing by itself. */
export const openCommand = Command.make(
  "open",
  {
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ json }) {
    const daemon = yield* findDaemon
    if (Option.isNone(daemon)) return yield* notRunning
    const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
    const link = yield* DaemonClient.use((client) => client.open(daemon.value)).pipe(
      Effect.catchTag("DaemonGone", () => notRunning),
      Effect.provide(DaemonClient.layer)
    )
    if (json) return yield* printJson(link)
    yield* print(link.url)
    yield* note(
      `Open it in a browser on this machine within ${link.expires_in_seconds} seconds. It works once, and signs that ` +
        "browser in for 30 days; keep it to yourself."
    )
  }, Effect.provide(Home.layer))
).pipe(
  Command.withDescription(
    "Print a one-time link to this machine's page: what it runs and why, and its statecharts live."
  ),
  Command.withShortDescription("A one-time link to this machine's page"),
  Command.withExamples([
    { command: "holdfast open", description: "The link on stdout, how long it lives on stderr" },
    { command: "xdg-open $(holdfast open)", description: "Straight into the browser; on macOS: open $(holdfast open)" },
    { command: "holdfast open --json", description: "For programs" }
  ])
)

const notRunning = Effect.gen(function* () {
  const { root } = yield* Home
  return yield* new Refused({
    message:
      `No daemon runs for ${root}, so there is no page to open. Start it (holdfast daemon), or name the home of the one ` +
      "that runs: HOLDFAST_HOME=DIR holdfast open"
  })
})
