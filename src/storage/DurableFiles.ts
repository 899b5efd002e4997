/** Files that are whole and on the disk once the call that wrote them has returned. */
import { Context, Effect, FileSystem, Layer, Option, Path } from "effect"
import { isMissing, makeStorageError, type StorageError, storageStep } from "./StorageError.ts"

/** Mode of every file under the state directory. */
export const fileMode = 0o600
/** Mode of every directory under the state directory. */
export const directoryMode = 0o700

/**
 * Writes that survive a power cut, on top of `FileSystem`.
 *
 * No call can be interrupted half-way: an operation that is already with the system would land later, behind the back
 * of whoever comes next. Every failure is a `StorageError`.
 */
export class DurableFiles extends Context.Service<
  DurableFiles,
  {
    /**
     * Replaces `directory/name` by `content`, all or nothing: a temporary file is created, renamed over it, and the
     * directory is synced. Text is written as UTF-8. When it fails before the rename, the old file is untouched and the
     * temporary one is gone, so that trying again uses a new inode.
     */
    readonly write: (
      directory: string,
      name: string,
      content: Uint8Array | string,
      mode?: number
    ) => Effect.Effect<void, StorageError>
    /** Creates a file that must not exist, writes, syncs and reads it back. The directory is the caller's to sync. */
    readonly create: (path: string, content: Uint8Array | string, mode?: number) => Effect.Effect<void, StorageError>
    /** The whole file; `None` only when there is none. */
    readonly read: (path: string) => Effect.Effect<Option.Option<Uint8Array>, StorageError>
    /** Whether there is anything of that name, readable or not. A disk that does not answer is a failure, not a no. */
    readonly exists: (path: string) => Effect.Effect<boolean, StorageError>
    /** Removes a file, a link (not what it points to) or a directory with all in it; a missing one is fine. Not synced. */
    readonly remove: (path: string) => Effect.Effect<void, StorageError>
    /** Makes the names in a directory durable. */
    readonly syncDirectory: (path: string) => Effect.Effect<void, StorageError>
    /**
     * Creates a directory and the missing ones above it. Each is synced into its parent, also the ones that exist: once
     * in the life of a process, for a process that was killed may have left them unsynced.
     */
    readonly makeDirectory: (path: string, mode?: number) => Effect.Effect<void, StorageError>
    /** Renames inside one directory, then syncs it. */
    readonly rename: (directory: string, from: string, to: string) => Effect.Effect<void, StorageError>
    /** Removes the entries whose name satisfies `matches`; answers their names, sorted. A missing directory is fine. */
    readonly sweep: (
      directory: string,
      matches: (name: string) => boolean
    ) => Effect.Effect<ReadonlyArray<string>, StorageError>
  }
>()("holdfast/storage/DurableFiles") {
  static readonly layer = Layer.effect(
    DurableFiles,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path

      const remove = Effect.fn("DurableFiles.remove")(function* (target: string) {
        yield* fs.remove(target, { recursive: true, force: true }).pipe(storageStep("remove", target))
      }, Effect.uninterruptible)

      const syncDirectory = Effect.fn("DurableFiles.syncDirectory")(
        function* (directory: string) {
          const handle = yield* fs.open(directory, { flag: "r" })
          yield* handle.sync
        },
        (effect, directory) =>
          effect.pipe(Effect.scoped, storageStep("syncDirectory", directory), Effect.uninterruptible)
      )

      const read = Effect.fn("DurableFiles.read")(function* (target: string) {
        return yield* fs.readFile(target).pipe(
          storageStep("read", target),
          Effect.asSome,
          Effect.catchIf(isMissing, () => Effect.succeed(Option.none<Uint8Array>()))
        )
      }, Effect.uninterruptible)

      const create = Effect.fn("DurableFiles.create")(
        function* (target: string, content: Uint8Array | string, mode: number = fileMode) {
          const bytes = toBytes(content)
          const handle = yield* fs.open(target, { flag: "wx", mode }).pipe(storageStep("open", target))
          yield* handle.writeAll(bytes).pipe(storageStep("write", target))
          yield* handle.sync.pipe(storageStep("fsync", target))
          const found = yield* read(target)
          if (Option.isNone(found) || !sameBytes(found.value, bytes)) {
            return yield* makeStorageError("readBack", target, "CORRUPT")
          }
        },
        Effect.scoped,
        Effect.uninterruptible
      )

      const exists = Effect.fn("DurableFiles.exists")(function* (target: string) {
        return yield* fs.lstat(target).pipe(
          storageStep("stat", target),
          Effect.as(true),
          Effect.catchIf(isMissing, () => Effect.succeed(false))
        )
      })

      const replace = (source: string, target: string) => {
        const rename = fs.rename(source, target).pipe(storageStep("rename", target))
        return rename.pipe(
          // No rename replaces a directory, and none belongs there.
          Effect.catchIf(
            (error) => error.code === "EISDIR",
            () => Effect.andThen(remove(target), rename)
          )
        )
      }

      const write = Effect.fn("DurableFiles.write")(function* (
        directory: string,
        name: string,
        content: Uint8Array | string,
        mode: number = fileMode
      ) {
        const target = path.join(directory, name)
        const temporary = `${target}.tmp`
        yield* remove(temporary)
        yield* create(temporary, content, mode).pipe(
          Effect.andThen(replace(temporary, target)),
          // The write's own failure is the one to report; a leftover is removed by the next write or the next boot.
          Effect.tapError(() => Effect.ignore(remove(temporary)))
        )
        yield* syncDirectory(directory)
      }, Effect.uninterruptible)

      const rename = Effect.fn("DurableFiles.rename")(function* (directory: string, from: string, to: string) {
        const source = path.join(directory, from)
        yield* fs.rename(source, path.join(directory, to)).pipe(storageStep("rename", source))
        yield* syncDirectory(directory)
      }, Effect.uninterruptible)

      // True if made, false if a directory was there already.
      const makeOne = (directory: string, mode: number) =>
        fs.makeDirectory(directory, { mode }).pipe(
          Effect.as(true),
          storageStep("makeDirectory", directory),
          Effect.catchIf(
            (error) => error.code === "EEXIST",
            (error) =>
              fs.stat(directory).pipe(
                storageStep("stat", directory),
                Effect.flatMap((info) => (info.type === "Directory" ? Effect.succeed(false) : Effect.fail(error)))
              )
          )
        )

      // Directories whose names this process has made durable.
      const named = new Set<string>()

      const nameDurably = (directory: string, made: boolean): Effect.Effect<void, StorageError> =>
        Effect.suspend(() => {
          const parent = path.dirname(directory)
          if (parent === directory || (!made && named.has(directory))) return Effect.void
          return syncDirectory(parent).pipe(
            // If the parent of an existing one may not be opened or has nothing to sync, nothing of ours was put there.
            Effect.catchIf(
              (error) => !made && NOT_OURS.has(error.code),
              () => Effect.void
            ),
            Effect.andThen(nameDurably(parent, false)),
            // Last: when a level above fails, the next try begins down here again.
            Effect.andThen(Effect.sync(() => named.add(directory)))
          )
        })

      const makeLevels = (directory: string, mode: number): Effect.Effect<void, StorageError> =>
        makeOne(directory, mode).pipe(
          Effect.catchIf(
            (error) => isMissing(error) && path.dirname(directory) !== directory,
            () => Effect.andThen(makeLevels(path.dirname(directory), mode), makeOne(directory, mode))
          ),
          Effect.flatMap((made) => nameDurably(directory, made))
        )

      const makeDirectory = Effect.fn("DurableFiles.makeDirectory")(function* (
        directory: string,
        mode: number = directoryMode
      ) {
        yield* makeLevels(path.resolve(directory), mode)
      }, Effect.uninterruptible)

      const sweep = Effect.fn("DurableFiles.sweep")(function* (directory: string, matches: (name: string) => boolean) {
        const names = yield* fs.readDirectory(directory).pipe(
          storageStep("readDirectory", directory),
          Effect.catchIf(isMissing, () => Effect.succeed<Array<string>>([]))
        )
        const swept = names.filter(matches).sort()
        yield* Effect.forEach(swept, (name) => remove(path.join(directory, name)), { discard: true })
        return swept
      }, Effect.uninterruptible)

      return DurableFiles.of({ write, create, read, exists, remove, syncDirectory, makeDirectory, rename, sweep })
    })
  )
}

/** Directories of other users, of read-only file systems, and of those that cannot sync a directory. */
const NOT_OURS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EINVAL"])

const toBytes = (content: Uint8Array | string): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, index) => byte === right[index])
