/**
 * What is remembered of each run: one file a run, so that a restart of the daemon takes every run up again.
 *
 * @ref LLP 0019#adoption [implements]: what is on the disk before work starts, and what goes when it has
 */
import { Context, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { Home, PathComponent, RunRequest, RunView, TailCheckpoint } from "../domain/index.ts"
import { DurableFiles, isDamage, sealed, type StorageError, unsealed, unreadableName } from "../storage/index.ts"

/** One run on the disk. */
export const RunRecord = Schema.Struct({
  version: Schema.Literal(1),
  /** Without prompt and environment once the work has been started: they are secrets of somebody. */
  request: RunRequest,
  /** A start has been asked for; what came of it, `started` says, or the backend. */
  begun: Schema.Boolean,
  started: Schema.Boolean,
  cancelled: Schema.Boolean,
  /** What people see; its verdict is null while the run is open. */
  view: RunView,
  checkpoint: Schema.NullOr(TailCheckpoint),
  /** Everything of the run but this file is gone. */
  cleaned: Schema.Boolean
})
export type RunRecord = typeof RunRecord.Type
const RunRecordJson = Schema.fromJsonString(RunRecord)

/** A run id as a file's name. */
const isName = Schema.is(PathComponent)

export class RunStore extends Context.Service<
  RunStore,
  {
    /** Every run that can be read; what cannot is moved aside, and said. */
    readonly all: Effect.Effect<ReadonlyArray<RunRecord>>
    readonly put: (record: RunRecord) => Effect.Effect<void, StorageError>
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

      const all = Effect.gen(function* () {
        const names = yield* fs.readDirectory(directory).pipe(Effect.orElseSucceed((): ReadonlyArray<string> => []))
        const records = yield* Effect.forEach(
          names.filter((name) => name.endsWith(".json") && isName(name.slice(0, -".json".length))),
          (name) =>
            read(name).pipe(Effect.catchTag("StorageError", ({ message }) => Effect.as(Effect.logError(message), [])))
        )
        return records.flat().toSorted((a, b) => (a.view.created_at < b.view.created_at ? -1 : 1))
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

      return RunStore.of({ all, put, remove })
    })
  )
}
