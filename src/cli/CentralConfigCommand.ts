/** `holdfast central config`. */
import { Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import {
  administer,
  administerExisting,
  dataFlag,
  forceFlag,
  ifMatchFlag,
  jsonFlag,
  nameArgument
} from "./CentralData.ts"
import { diffCommand, historyCommand, rollbackCommand } from "./CentralHistoryCommand.ts"
import { note, plain, print, printBytes, printJson, readInput, table } from "./Output.ts"

const putCommand = Command.make(
  "put",
  {
    name: nameArgument,
    file: Argument.String("file").pipe(Argument.withDescription("The document; - is standard input")),
    data: dataFlag,
    force: forceFlag,
    ifMatch: ifMatchFlag,
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ data, file, force, ifMatch, json, name }) {
    const bytes = yield* readInput(file, "The document")
    const options = { force, expect: Option.getOrUndefined(ifMatch) }
    const { etag, seq, warnings } = yield* administer(data, (admin) => admin.putConfig(name, bytes, options))
    for (const warning of warnings) yield* note(`warning: ${plain(warning)}`)
    if (json) return yield* printJson({ etag, seq })
    yield* print(`${plain(name)} is now revision ${seq}, ${etag}.`)
  })
).pipe(
  Command.withDescription("Save a document as the new revision of a config; every machine of that config gets it."),
  Command.withExamples([
    { command: "holdfast central config put fleet fleet.json --data DIR" },
    { command: "holdfast central config put fleet broken.json --data DIR --force", description: "Against objections" }
  ])
)

const revisionArgument = Argument.Int("revision").pipe(
  Argument.withDescription("The revision's number; else the newest"),
  Argument.optional
)

const getCommand = Command.make(
  "get",
  { name: nameArgument, revision: revisionArgument, data: dataFlag },
  Effect.fnUntraced(function* ({ data, name, revision }) {
    const { bytes, etag, seq } = yield* administerExisting(data, (admin) =>
      Option.isSome(revision) ? admin.revision(name, revision.value) : admin.getConfig(name)
    )
    yield* printBytes(bytes)
    yield* note(`revision ${seq}, ${etag}`)
  })
).pipe(
  Command.withDescription("Print a document of a config, byte for byte: the newest, unless a revision is named."),
  Command.withExamples([
    { command: "holdfast central config get fleet --data DIR > fleet.json" },
    { command: "holdfast central config get fleet 7 --data DIR", description: "As history numbers them" }
  ])
)

const listCommand = Command.make(
  "list",
  { data: dataFlag, json: jsonFlag },
  Effect.fnUntraced(function* ({ data, json }) {
    const configs = yield* administerExisting(data, (admin) => admin.listConfigs)
    if (json) return yield* printJson(configs)
    if (configs.length === 0) return yield* note("There are no documents yet: holdfast central config put NAME FILE")
    yield* print(
      table([
        ["NAME", "REVISIONS", "SAVED", "FORCED", "NEWEST"],
        ...configs.map(({ etag, forced, name, revisions, saved_at }) => [
          plain(name),
          String(revisions),
          saved_at,
          forced ? "yes" : "no",
          etag
        ])
      ])
    )
  })
).pipe(
  Command.withDescription("List the configs and their newest revisions."),
  Command.withExamples([{ command: "holdfast central config list --data DIR" }])
)

/** The parent of `central config put`, `get`, `list`, `history`, `diff` and `rollback`. */
export const configCommand = Command.make("config").pipe(
  Command.withDescription("The documents that central serves."),
  Command.withExamples([
    { command: "holdfast central config put fleet config.json --data DIR" },
    { command: "holdfast central config history fleet --data DIR" }
  ]),
  Command.withSubcommands([putCommand, getCommand, listCommand, historyCommand, diffCommand, rollbackCommand])
)
