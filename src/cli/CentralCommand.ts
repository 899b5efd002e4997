/** `holdfast central`: the server of a fleet. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { terminalLogsLayer } from "../telemetry/index.ts"
import { backupCommand, restoreCommand } from "./CentralBackupCommand.ts"
import { configCommand } from "./CentralConfigCommand.ts"
import { dataFlag, Port } from "./CentralData.ts"
import { eventsCommand } from "./CentralEventsCommand.ts"
import { exposureFlags, exposureOf } from "./CentralExposure.ts"
import { gatewaysCommand } from "./CentralGatewaysCommand.ts"
import { centralOpenCommand } from "./CentralOpenCommand.ts"
import { tokenCommand } from "./CentralTokenCommand.ts"
import { OrderlyEnd } from "./OrderlyEnd.ts"
import { note, print, printJson } from "./Output.ts"

/** Runs a central until it is stopped. */
export const centralCommand = Command.make(
  "central",
  {
    data: dataFlag,
    ...exposureFlags,
    port: Flag.Int("port").pipe(
      Flag.withSchema(Port),
      Flag.withDescription("Port to listen on; 0 is any free port"),
      Flag.withDefault(0)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription('First line of output: {"listening":"http://…"}'),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(
    function* ({ data, json, port, ...flags }) {
      const exposure = yield* exposureOf(flags)
      const { serve } = yield* Effect.promise(() =>
        import("../central-server/index.ts").then(({ serve }) => ({ serve }))
      )
      const central = yield* serve({ data, port, ...exposure })
      const end = yield* OrderlyEnd
      if (exposure.tls !== undefined) yield* end.onHangup(central.renewCertificate)
      yield* end.expected
      if (json) yield* printJson({ listening: central.url })
      else {
        yield* print(`Central listens on ${central.url}; gateways reach it as ${central.externalUrl}.`)
        yield* note(
          `Next: holdfast central token create --data ${data} --config NAME, and on each machine: holdfast join ${central.externalUrl}`
        )
        yield* note(`The fleet in a browser, by a link that works once: holdfast central open --data ${data}`)
      }
      return yield* Effect.never
    },
    (effect) => effect.pipe(Effect.scoped, Effect.provide(terminalLogsLayer))
  )
).pipe(
  Command.withDescription("Run the central server of a fleet on one directory, until it is stopped."),
  Command.withShortDescription("Run the central server of a fleet, and administer it"),
  Command.withSubcommands([
    tokenCommand,
    configCommand,
    gatewaysCommand,
    eventsCommand,
    backupCommand,
    restoreCommand,
    centralOpenCommand
  ]),
  Command.withExamples([
    { command: "holdfast central --data /var/lib/holdfast-central --port 7070" },
    { command: "holdfast central --data DIR --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem" },
    { command: "holdfast central open --data DIR", description: "The fleet in a browser" },
    { command: "holdfast central token create --data DIR --config fleet" },
    { command: "holdfast central config put fleet fleet.json --data DIR" },
    { command: "holdfast central gateways --data DIR", description: "Who runs what, and why" }
  ])
)
