/** `holdfast central events`: what the gateways told. */
import { Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { INGEST_SIGNALS, type IngestedRow } from "../domain/index.ts"
import { administerExisting, dataFlag, jsonFlag } from "./CentralData.ts"
import { note, plain, print, printJson, table } from "./Output.ts"

/** What happened on the gateways, the newest first. */
export const eventsCommand = Command.make(
  "events",
  {
    data: dataFlag,
    gateway: Flag.String("gateway").pipe(Flag.withDescription("Of this gateway alone"), Flag.optional),
    signal: Flag.Literals("signal", INGEST_SIGNALS).pipe(
      Flag.withDescription("What happened to gateways, or runs that ended; else both"),
      Flag.optional
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
      Flag.withDescription("So many rows at most"),
      Flag.withDefault(100)
    ),
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ data, gateway, json, limit, signal }) {
    const rows = yield* administerExisting(data, (admin) =>
      admin.listRows({ gatewayId: Option.getOrUndefined(gateway), signal: Option.getOrUndefined(signal), limit })
    )
    if (json) return yield* printJson(rows)
    if (rows.length === 0) return yield* note("No gateway has told of anything like that.")
    yield* print(table([["AT", "GATEWAY", "WHAT", "OF", "WHY"], ...rows.map(lineOf)]))
  })
).pipe(
  Command.withDescription("List what happened on the machines of the fleet, and runs that ended there."),
  Command.withExamples([
    { command: "holdfast central events --data DIR" },
    { command: "holdfast central events --data DIR --gateway ID --signal runs --json" }
  ])
)

const lineOf = ({ at, gateway, received_at, row }: IngestedRow): ReadonlyArray<string> => {
  const fields: Readonly<Record<string, unknown>> = typeof row === "object" && row !== null ? { ...row } : {}
  const first = (...names: ReadonlyArray<string>): string => {
    const found = names.map((name) => fields[name]).find((value) => value !== undefined && value !== null)
    return typeof found === "string" || typeof found === "number" ? plain(String(found)) : ""
  }
  const what = fields["verdict"] === undefined ? first("type") : `run ${first("verdict")}`
  const of = what.startsWith("run ") ? first("id") : first("etag", "plugin", "rows")
  return [at ?? received_at, plain(gateway), what, of.length > 24 ? `${of.slice(0, 21)}…` : of, first("reason")]
}
