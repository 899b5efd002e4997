/** `holdfast central gateways`. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { administerExisting, dataFlag, jsonFlag } from "./CentralData.ts"
import { note, plain, print, printJson, table } from "./Output.ts"

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
        ["GATEWAY", "CONFIG", "LAST SEEN", "RUNS", "WHY"],
        ...gateways.map(({ config, id, last_seen, running_etag, running_forced, why }) => [
          plain(id),
          plain(config),
          last_seen ?? "never",
          running_etag === null
            ? "no revision"
            : `${shortened(plain(running_etag))}${running_forced ? " (forced)" : ""}`,
          plain(why)
        ])
      ])
    )
  })
).pipe(
  Command.withDescription("List the machines of the fleet: what each runs, and why."),
  Command.withExamples([{ command: "holdfast central gateways --data DIR" }])
)

/** Enough of an etag to tell revisions apart in a table; `--json` has all of it. */
const shortened = (etag: string): string => (etag.length > 16 ? `${etag.slice(0, 13)}…"` : etag)
