/**
 * What the daemon makes on the volume before a run starts, so that the run's own user need not create it.
 *
 * @ref LLP 0016#paths [implements]: directory, log, and the blanks that the record is written into
 */
import { Effect, FileSystem } from "effect"
import { DurableFiles, type StorageError, storageStep } from "../storage/index.ts"
import { RECORD_BYTES } from "./PodCommandEnd.ts"
import { buildPodLogPath, filesBesideLog, type RunFilePaths, type RunPathIds, type RunPathInvalid } from "./RunPaths.ts"

/** The run's user is another one than the daemon's, of the same group. */
const DIRECTORY_MODE = 0o770
const FILE_MODE = 0o660

/**
 * Makes the directory (0770), the empty log (0660) and 512 blanks for the record (0660), and syncs their names.
 *
 * May be called again: what is there stays, output and record above all.
 */
export const prepareRunFiles = Effect.fn("prepareRunFiles")(function* (
  root: string,
  ids: RunPathIds
): Effect.fn.Return<RunFilePaths, RunPathInvalid | StorageError, DurableFiles | FileSystem.FileSystem> {
  const files = yield* DurableFiles
  const fs = yield* FileSystem.FileSystem
  const paths = filesBesideLog(yield* buildPodLogPath(root, ids))

  // The mode of a new file is cut by the daemon's umask.
  const allow = Effect.fnUntraced(function* (path: string, mode: number) {
    const info = yield* fs.stat(path).pipe(storageStep("stat", path))
    if ((info.mode & 0o777) !== mode) yield* fs.chmod(path, mode).pipe(storageStep("chmod", path))
    return Number(info.size)
  })
  const make = Effect.fnUntraced(function* (path: string, content: string) {
    yield* files.create(path, content, FILE_MODE).pipe(
      Effect.catchIf(
        (error) => error.code === "EEXIST",
        () => Effect.void
      )
    )
    return yield* allow(path, FILE_MODE)
  })

  yield* files.makeDirectory(paths.directory, DIRECTORY_MODE)
  yield* allow(paths.directory, DIRECTORY_MODE)
  yield* make(paths.log, "")
  if (!(yield* files.exists(paths.record))) {
    const blanks = " ".repeat(RECORD_BYTES)
    // Of another size only if the daemon died while it wrote them: then nothing was started yet.
    if ((yield* make(paths.recordTmp, blanks)) !== RECORD_BYTES) {
      yield* files.remove(paths.recordTmp)
      yield* make(paths.recordTmp, blanks)
    }
  }
  yield* files.syncDirectory(paths.directory)
  return paths
})
