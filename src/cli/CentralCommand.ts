/** `holdfast central`: the server of a fleet. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { terminalLogsLayer } from "../telemetry/index.ts"
import { configCommand } from "./CentralConfigCommand.ts"
import { dataFlag, Port } from "./CentralData.ts"
import { gatewaysCommand } from "./CentralGatewaysCommand.ts"
import { tokenCommand } from "./CentralTokenCommand.ts"
import { OrderlyEnd } from "./OrderlyEnd.ts"
import { note, print, printJson } from "./Output.ts"

/** Runs a central until it is stopped. */
export const centralCommand = Command.make(
  "central",
  {
    data: dataFlag,
    host: Flag.String("host").pipe(Flag.withDescription("Address to listen on"), Flag.withDefault("127.0.0.1")),
    port: Flag.Int("port").pipe(
      Flag.withSchema(Port),
      Flag.withDescription("Port to listen on; 0 is any free port"),
      Flag.withDefault(0)
    ),
    externalUrl: Flag.String("external-url").pipe(
      Flag.withDescription("Base URL by which gateways reach this server; else what it listens on"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription('First line of output: {"listening":"http://…"}'),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(
    function* ({ data, externalUrl, host, json, port }) {
      const { serve } = yield* Effect.promise(() =>
        import("../central-server/index.ts").then(({ serve }) => ({ serve }))
      )
      const central = yield* serve({ data, host, port, externalUrl: Option.getOrUndefined(externalUrl) })
      yield* (yield* OrderlyEnd).expected
      if (json) yield* printJson({ listening: central.url })
      else {
        yield* print(`Central listens on ${central.url}; gateways reach it as ${central.externalUrl}.`)
        yield* note(
          `Next: holdfast central token create --data ${data} --config NAME, and on each machine: holdfast join ${central.externalUrl}`
        )
      }
      return yield* Effect.never
    },
    (effect) => effect.pipe(Effect.scoped, Effect.provide(terminalLogsLayer))
  )
).pipe(
  Command.withDescription("Run the central server of a fleet on one directory, until it is stopped."),
  Command.withShortDescription("Run the central server of a fleet, and administer it"),
  Command.withSubcommands([tokenCommand, configCommand, gatewaysCommand]),
  Command.withExamples([
    { command: "holdfast central --data /var/lib/holdfast-central --port 7070" },
    { command: "holdfast central token create --data DIR --config fleet" },
    { command: "holdfast central config put fleet fleet.json --data DIR" },
    { command: "holdfast central gateways --data DIR", description: "Who runs what, and why" }
  ])
)
