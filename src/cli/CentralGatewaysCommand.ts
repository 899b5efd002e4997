/** `holdfast central gateways`. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { administerExisting, dataFlag, jsonFlag } from "./CentralData.ts"
import { note, plain, print, printJson, table } from "./Output.ts"

const idArgument = Argument.String("id").pipe(Argument.withDescription("The gateway's id"))

const showCommand = Command.make(
  "show",
  { id: idArgument, data: dataFlag, json: jsonFlag },
  Effect.fnUntraced(function* ({ data, id, json }) {
    const detail = yield* administerExisting(data, (admin) => admin.gatewayDetail(id))
    if (json) return yield* printJson(detail)
    const { events, gateway, runs, tenures } = detail
    yield* print(`${plain(gateway.id)} of ${plain(gateway.config)}: ${plain(gateway.why)}.`)
    yield* print(`joined ${gateway.joined_at}, last seen ${gateway.last_seen ?? "never"}`)
    if (gateway.reported_at !== null) {
      const program = [gateway.version ?? "an unknown version", gateway.platform ?? "an unknown platform"].map(plain)
      yield* print(`reported ${gateway.reported_at}: Holdfast ${program.join(" on ")}`)
    }
    if (tenures.length > 0) {
      yield* print("")
      yield* print(
        table([
          ["RAN", "SINCE", "UNTIL"],
          ...tenures.map(({ etag, since, until }) => [
            etag === null ? "no revision" : shortened(plain(etag)),
            since,
            until ?? "now"
          ])
        ])
      )
    }
    const sent = events.length + runs.length
    if (sent > 0)
      yield* note(`What it has sent (${sent}): holdfast central events --gateway ${plain(id)} --data ${data}`)
  })
).pipe(
  Command.withDescription("Show one machine: what it runs and ran, and what it has sent."),
  Command.withExamples([{ command: "holdfast central gateways show gw_… --data DIR" }])
)

const revokeCommand = Command.make(
  "revoke",
  { id: idArgument, data: dataFlag },
  Effect.fnUntraced(function* ({ data, id }) {
    yield* administerExisting(data, (admin) => admin.revokeGateway(id))
    yield* print(`${plain(id)} is not served any more. It keeps what it runs; to come back, it joins anew.`)
  })
).pipe(
  Command.withDescription("End a machine's identity for good."),
  Command.withExamples([{ command: "holdfast central gateways revoke gw_… --data DIR" }])
)

/** Who runs what, and why. */
export const gatewaysCommand = Command.make(
  "gateways",
  { data: dataFlag, json: jsonFlag },
  Effect.fnUntraced(function* ({ data, json }) {
    const gateways = yield* administerExisting(data, (admin) => admin.listGateways)
    if (json) return yield* printJson(gateways)
    if (gateways.length === 0) return yield* note("No machine has joined yet: holdfast join URL, on each of them.")
    yield* print(
      table([
        ["GATEWAY", "CONFIG", "LAST SEEN", "RUNS", "STANDS", "WHY"],
        ...gateways.map(({ config, id, last_seen, running_etag, running_forced, running_revision, standing, why }) => [
          plain(id),
          plain(config),
          last_seen ?? "never",
          running_etag === null
            ? "no revision"
            : `${shortened(plain(running_etag))}${running_revision === null ? "" : ` · r${running_revision}`}${running_forced ? " (forced)" : ""}`,
          standing.replace("_", " "),
          plain(why)
        ])
      ])
    )
  })
).pipe(
  Command.withDescription("List the machines of the fleet: what each runs, and why."),
  Command.withSubcommands([showCommand, revokeCommand]),
  Command.withExamples([{ command: "holdfast central gateways --data DIR" }])
)

/** Enough of an etag to tell revisions apart in a table; `--json` has all of it. */
const shortened = (etag: string): string => (etag.length > 16 ? `${etag.slice(0, 13)}…"` : etag)
