/** `holdfast agent update`. */
import { Effect, Layer, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { AgentRecord, StoredAgent } from "../agents/index.ts"
import { carryOut, type Change, changesOf } from "./AgentChange.ts"
import { changeFlags } from "./AgentInstallCommand.ts"
import { agentPackages, fetcher, loadAgents } from "./AgentServices.ts"
import { fetchAgents } from "./AgentSource.ts"
import { Unsuccessful, Refused, UsageError } from "./Failures.ts"
import { note, plain } from "./Output.ts"

/** Fetches the recorded sources again. */
export const updateCommand = Command.make(
  "update",
  {
    files: Argument.String("file").pipe(Argument.withDescription("As `agent list` shows them"), Argument.variadic()),
    all: Flag.Boolean("all").pipe(Flag.withDescription("Every file that was installed"), Flag.withDefault(false)),
    ...changeFlags
  },
  Effect.fnUntraced(
    function* (options) {
      if (options.files.length > 0 === options.all) {
        return yield* new UsageError({ message: "Name the files, or give --all." })
      }
      const records = yield* options.all ? allRecords : Effect.forEach(options.files, recordOf)
      const changes: Array<Change> = []
      const gone: Array<string> = []
      const unfetched: Array<string> = []
      for (const group of bySource(records)) {
        const { ref, source } = group[0]
        const fetched = yield* Effect.result(fetchAgents(source, ref))
        if (Result.isFailure(fetched)) {
          const names = group.map(({ file }) => file)
          unfetched.push(...names)
          yield* note(unfetchedText(names, fetched.failure.message))
          continue
        }
        const { files, origin } = fetched.success
        const wanted = files.filter(({ file }) => group.some((record) => record.file === file))
        changes.push(...(yield* changesOf({ origin, files: wanted })))
        gone.push(...group.flatMap(({ file }) => (wanted.some((one) => one.file === file) ? [] : [file])))
      }
      const kept = options.force ? [] : changes.filter(isOnlyEditedHere)
      for (const { from } of kept)
        yield* note(`${plain(from.file)} was edited here, and its source has nothing new: it stays.`)
      yield* carryOut(
        changes.filter((change) => !kept.includes(change)),
        options
      )
      for (const file of gone) {
        yield* note(
          `${plain(file)} is gone from its source, and stays as it is. To remove it: holdfast agent remove ${plain(file)}`
        )
      }
      if (gone.length + unfetched.length > 0) {
        return yield* new Unsuccessful({ message: `${gone.length} gone, ${unfetched.length} not fetched` })
      }
    },
    Effect.scoped,
    Effect.provide(Layer.merge(agentPackages, fetcher))
  )
).pipe(
  Command.withDescription(
    "Fetch installed agent files from their sources again, at the tag or branch that was asked for. Shows what it would " +
      "write, and asks."
  ),
  Command.withExamples([
    { command: "holdfast agent update --all" },
    { command: "holdfast agent update weather_agent.py --yes" }
  ])
)

/** One source that is gone or away keeps no other from being asked. */
const unfetchedText = (files: ReadonlyArray<string>, why: string): string => {
  const names = files.map(plain)
  return (
    `${names.join(", ")} ${names.length === 1 ? "stays as it is" : "stay as they are"}: ${plain(why)} ` +
    `If that source is gone for good, install from another one, or: holdfast agent remove ${names.length === 1 ? names[0] : "FILE"}`
  )
}

const allRecords = Effect.gen(function* () {
  const { AgentStore } = yield* loadAgents
  const stored = yield* (yield* AgentStore).list
  return stored.flatMap(({ record }) => (record === null ? [] : [record]))
})

const recordOf = Effect.fnUntraced(function* (file: string) {
  const { AgentStore } = yield* loadAgents
  const { record }: StoredAgent = yield* (yield* AgentStore).look(file)
  if (record !== null) return record
  return yield* new Refused({
    message: `${plain(file)} was put there by hand, so there is no source to ask: holdfast agent install SOURCE`
  })
})

type Group = [AgentRecord, ...Array<AgentRecord>]

/** Each source is fetched once. */
const bySource = (records: ReadonlyArray<AgentRecord>): ReadonlyArray<Group> => {
  const groups = new Map<string, Group>()
  for (const record of records) {
    const key = `${record.source}#${record.ref ?? ""}`
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [record])
    else if (!known.some(({ file }) => file === record.file)) known.push(record)
  }
  return [...groups.values()]
}

const isOnlyEditedHere = ({ from, kind, present }: Change): boolean =>
  kind === "edited" && present?.record?.sha256 === from.sha256
