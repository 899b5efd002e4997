/**
 * What is remembered of each run: one file a run, so that a restart of the daemon takes every run up again.
 *
 * @ref LLP 0019#adoption [implements]: what is on the disk before work starts, and what goes when it has
 */
import { Context, Effect, FileSystem, Layer, Option, Path, Result, Schema } from "effect"
import { Home, PathComponent, RunRequest, RunView, TailCheckpoint } from "../domain/index.ts"
import { randomId } from "../http/index.ts"
import {
  DurableFiles,
  isDamage,
  isMissing,
  sealed,
  type StorageError,
  storageStep,
  unsealed,
  unreadableName
} from "../storage/index.ts"

/** One run on the disk. */
export const RunRecord = Schema.Struct({
  version: Schema.Literal(1),
  /** Without prompt and environment once the work has been started: they are secrets of somebody. */
  request: RunRequest,
  /** A start has been asked for; what came of it, `started` says, or the backend. */
  begun: Schema.Boolean,
  started: Schema.Boolean,
  /** When that was by the clock that only runs forward, ms since the machine was booted. */
  started_elapsed_ms: Schema.optionalKey(Schema.Int),
  cancelled: Schema.Boolean,
  /** Of the backend, as they were when the run was asked for: it is looked for where it was started. */
  backend_settings: Schema.optionalKey(Schema.Unknown),
  /** What people see; its verdict is null while the run is open. */
  view: RunView,
  checkpoint: Schema.NullOr(TailCheckpoint),
  /** Everything of the run but this file is gone. */
  cleaned: Schema.Boolean
})
export type RunRecord = typeof RunRecord.Type
const RunRecordJson = Schema.fromJsonString(RunRecord)

/** Beside the records. */
const OWNER = "owner"

/** A run id as a file's name. */
const isName = Schema.is(PathComponent)

export class RunStore extends Context.Service<
  RunStore,
  {
    /** Every run that can be read. What is damaged is moved aside, and said; `unread`: what may be readable later. */
    readonly all: Effect.Effect<{
      readonly records: ReadonlyArray<RunRecord>
      readonly unread: ReadonlyArray<StorageError>
    }>
    readonly put: (record: RunRecord) => Effect.Effect<void, StorageError>
    /** Whether there is a record of that name that has not been moved aside. */
    readonly has: (runId: string) => Effect.Effect<boolean, StorageError>
    /** A name that this machine made for itself once: whose work is on a cluster that others use as well. */
    readonly owner: Effect.Effect<string, StorageError>
    readonly remove: (runId: string) => Effect.Effect<void, StorageError>
  }
>()("holdfast/runs/RunStore") {
  static readonly layer = Layer.effect(
    RunStore,
    Effect.gen(function* () {
      const files = yield* DurableFiles
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const home = yield* Home
      const directory = path.join(home.state, "runs", "records")
      const nameOf = (runId: string) => `${runId}.json`

      const read = Effect.fnUntraced(function* (name: string) {
        const bytes = yield* files
          .read(path.join(directory, name))
          .pipe(Effect.catchIf(isDamage, () => Effect.succeedSome(new Uint8Array(0))))
        if (Option.isNone(bytes)) return []
        const text = yield* unsealed(new TextDecoder().decode(bytes.value))
        const record = Option.flatMap(text, Schema.decodeUnknownOption(RunRecordJson))
        if (Option.isSome(record)) return [record.value]
        yield* files.rename(directory, name, unreadableName(name))
        yield* Effect.logError("run_record_unreadable").pipe(
          Effect.annotateLogs({ detail: `${name} is kept as ${unreadableName(name)}` })
        )
        return []
      })

      const nothing = Effect.succeed<ReadonlyArray<string>>([])
      const all = Effect.gen(function* () {
        const listed = yield* fs.readDirectory(directory).pipe(
          storageStep("readDirectory", directory),
          Effect.catchIf(isMissing, () => nothing),
          Effect.result
        )
        if (Result.isFailure(listed)) return { records: [], unread: [listed.failure] }
        const names = listed.success.filter((name) => name.endsWith(".json") && isName(name.slice(0, -".json".length)))
        const [records, unread] = yield* Effect.partition(names, read)
        return { records: records.flat().toSorted((a, b) => (a.view.created_at < b.view.created_at ? -1 : 1)), unread }
      }).pipe(Effect.withSpan("RunStore.all"))

      const put = Effect.fn("RunStore.put")(function* (record: RunRecord) {
        const text = yield* Schema.encodeEffect(RunRecordJson)(record).pipe(Effect.orDie)
        yield* files.makeDirectory(directory)
        yield* files.write(directory, nameOf(record.view.run_id), yield* sealed(text))
      })

      const remove = Effect.fn("RunStore.remove")(function* (runId: string) {
        yield* files.remove(path.join(directory, nameOf(runId)))
        yield* files.syncDirectory(directory)
      })

      const ownerFile = path.join(home.state, "runs", OWNER)
      const owner = Effect.gen(function* () {
        const bytes = yield* files
          .read(ownerFile)
          .pipe(Effect.catchIf(isDamage, () => Effect.succeedSome(new Uint8Array(0))))
        const known = Option.filter(
          Option.map(bytes, (some) => new TextDecoder().decode(some).trim()),
          isName
        )
        if (Option.isSome(known)) return known.value
        const made = yield* randomId(12)
        yield* files.makeDirectory(path.dirname(ownerFile))
        yield* files.write(path.dirname(ownerFile), OWNER, `${made}\n`)
        return made
      }).pipe(Effect.withSpan("RunStore.owner"))

      return RunStore.of({
        all,
        put,
        has: (runId) => files.exists(path.join(directory, nameOf(runId))),
        owner,
        remove
      })
    })
  )
}
