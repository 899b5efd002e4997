/** `holdfast central config`. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { administer, administerExisting, dataFlag, jsonFlag } from "./CentralData.ts"
import { note, plain, print, printBytes, printJson, readInput, table } from "./Output.ts"

const nameArgument = Argument.String("name").pipe(Argument.withDescription("The config's name"))

const putCommand = Command.make(
  "put",
  {
    name: nameArgument,
    file: Argument.String("file").pipe(Argument.withDescription("The document; - is standard input")),
    data: dataFlag,
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Save it against every objection; what may happen is printed"),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ data, file, force, json, name }) {
    const bytes = yield* readInput(file, "The document")
    const { etag, warnings } = yield* administer(data, (admin) => admin.putConfig(name, bytes, { force }))
    for (const warning of warnings) yield* note(`warning: ${plain(warning)}`)
    if (json) return yield* printJson({ etag })
    yield* print(`${plain(name)} is now revision ${etag}.`)
  })
).pipe(
  Command.withDescription("Save a document as the new revision of a config; every machine of that config gets it."),
  Command.withExamples([
    { command: "holdfast central config put fleet fleet.json --data DIR" },
    { command: "holdfast central config put fleet broken.json --data DIR --force", description: "Against objections" }
  ])
)

const getCommand = Command.make(
  "get",
  { name: nameArgument, data: dataFlag },
  Effect.fnUntraced(function* ({ data, name }) {
    const { bytes, etag } = yield* administerExisting(data, (admin) => admin.getConfig(name))
    yield* printBytes(bytes)
    yield* note(`revision ${etag}`)
  })
).pipe(
  Command.withDescription("Print the newest document of a config, byte for byte."),
  Command.withExamples([{ command: "holdfast central config get fleet --data DIR > fleet.json" }])
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

/** The parent of `central config put`, `get` and `list`. */
export const configCommand = Command.make("config").pipe(
  Command.withDescription("The documents that central serves."),
  Command.withSubcommands([putCommand, getCommand, listCommand])
)
