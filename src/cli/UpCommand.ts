/** `holdfast up`. */
import { Effect, Layer, Option, References } from "effect"
import { Command, Flag } from "effect/cli"
import { terminalLogsLayer } from "../telemetry/index.ts"
import { Port } from "./CentralData.ts"
import { OrderlyEnd } from "./OrderlyEnd.ts"

/** The story is told on stdout; of what central logs only trouble is shown. */
const quiet = Layer.merge(terminalLogsLayer, Layer.succeed(References.MinimumLogLevel, "Warn"))

/** A central and one gateway on this machine, until Ctrl-C. */
export const upCommand = Command.make(
  "up",
  {
    home: Flag.String("home").pipe(
      Flag.withMetavar("<dir>"),
      Flag.withDescription("Where everything is kept; else HOLDFAST_HOME, else ./.holdfast-demo"),
      Flag.optional
    ),
    port: Flag.Int("port").pipe(
      Flag.withSchema(Port),
      Flag.withDescription("Port of the gateway's own API; else a free one, picked once"),
      Flag.optional
    ),
    fresh: Flag.Boolean("fresh").pipe(
      Flag.withDescription("Throw away what an earlier run left in that folder"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ fresh, home, port }) {
    const { up } = yield* Effect.promise(() => import("../up/index.ts"))
    yield* (yield* OrderlyEnd).expected
    return yield* up({ home: Option.getOrUndefined(home), port: Option.getOrUndefined(port), fresh })
  }, Effect.provide(quiet))
).pipe(
  Command.withDescription(
    "Run a central and one gateway on this machine, and watch a revision roll out. Ctrl-C ends it."
  ),
  Command.withShortDescription("The whole thing on this machine, to look at"),
  Command.withExamples([
    { command: "holdfast up" },
    { command: "holdfast up --fresh", description: "From the beginning" }
  ])
)
