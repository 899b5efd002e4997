// @effect-diagnostics nodeBuiltinImport:off - the one file that talks to node:sqlite, whose file locks the kernel frees
/** An exclusive lock that ends with the process that holds it, however it ends. */
import { DateTime, Effect, FileSystem, Option, Path, Predicate, Schema } from "effect"
import type { DatabaseSync } from "node:sqlite"
import { fileMode, DurableFiles } from "./DurableFiles.ts"
import { keepOwner } from "./Owner.ts"
import { makeStorageError, type StorageError, storageStep } from "./StorageError.ts"

/** Another process holds the lock. `pid` and `started_at` (ISO) are what that process wrote, if they can be read. */
export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", {
  path: Schema.String,
  pid: Schema.optionalKey(Schema.Int),
  started_at: Schema.optionalKey(Schema.String),
  message: Schema.String
}) {}

/** What a lock is called, in a directory and to people. */
export interface LockWords {
  readonly lockFile: string
  readonly pidFile: string
  /** Such as `a daemon already runs for this home`. */
  readonly held: string
}

/**
 * Takes a lock in a directory that is there, until the scope closes. Waits for nobody (0.3 s at most). The file itself stays
 * empty, so that it can be taken on a full disk as well.
 */
export const takeFileLock = Effect.fnUntraced(function* (directory: string, words: LockWords) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const lockPath = path.join(directory, words.lockFile)
  const pidPath = path.join(directory, words.pidFile)
  const take = lock(lockPath).pipe(
    // What is in the file means nothing. Emptying keeps the inode, and so cannot make two locks of one.
    Effect.catchIf(
      (failure) => failure.code === "CORRUPT",
      () => fs.truncate(lockPath, 0).pipe(storageStep("truncate", lockPath), Effect.andThen(lock(lockPath)))
    ),
    Effect.catchTag("LockFailure", (failure) =>
      failure.code === "EBUSY"
        ? Effect.flatMap(readHolder(pidPath), (holder): Effect.Effect<never, LockHeld | StorageError> =>
            Effect.fail(lockHeld(lockPath, words.held, Option.getOrUndefined(holder)))
          )
        : Effect.fail(makeStorageError("lock", lockPath, failure.code, failure.message))
    )
  )
  yield* Effect.acquireRelease(take, (database) => Effect.sync(() => database.close()))
  yield* Effect.acquireRelease(announce(lockPath, pidPath), () => forget(pidPath))
})

/** The refusal of whoever comes second. */
export const lockHeld = (path: string, held: string, holder?: typeof Holder.Type): LockHeld => {
  const who = holder === undefined ? "another process" : `process ${holder.pid} (since ${holder.started_at})`
  const message = `${held}: ${who} holds ${path}. Use that one, or stop it first.`
  return new LockHeld({ path, message, ...(holder === undefined ? {} : holder) })
}

const lock = (lockPath: string): Effect.Effect<DatabaseSync, LockFailure> =>
  Effect.flatMap(loadSqlite, (sqlite) =>
    Effect.try({
      try: () => takeLock(new sqlite.DatabaseSync(lockPath, { timeout: busyTimeoutMillis })),
      catch: (cause) => lockFailure(cause)
    })
  )

const readHolder = Effect.fnUntraced(function* (pidPath: string) {
  const files = yield* DurableFiles
  return yield* files.read(pidPath).pipe(
    Effect.flatMap(Effect.fromOption),
    Effect.flatMap((bytes) => Schema.decodeEffect(HolderJson)(new TextDecoder().decode(bytes))),
    Effect.option
  )
})

// For the message only: a disk that is full must not keep anything from starting.
const announce = Effect.fnUntraced(
  function* (lockPath: string, pidPath: string) {
    const fs = yield* FileSystem.FileSystem
    const directory = (yield* Path.Path).dirname(lockPath)
    yield* fs.chmod(lockPath, fileMode).pipe(storageStep("open", lockPath))
    yield* keepOwner(lockPath, directory)
    const started_at = DateTime.formatIso(yield* DateTime.now)
    const holder = JSON.stringify({ pid: globalThis.process.pid, started_at })
    yield* fs.writeFileString(pidPath, holder, { mode: fileMode }).pipe(storageStep("write", pidPath))
    yield* keepOwner(pidPath, directory)
  },
  (effect, _lockPath, pidPath) =>
    effect.pipe(Effect.catch((error) => Effect.logWarning(error.message).pipe(Effect.andThen(forget(pidPath)))))
)

const forget = (pidPath: string) =>
  DurableFiles.use((files) => files.remove(pidPath)).pipe(Effect.catch((error) => Effect.logWarning(error.message)))

/** Two that start at once see each other's first, harmless lock; a moment later one of them has it. */
const busyTimeoutMillis = 300

const Holder = Schema.Struct({ pid: Schema.Int, started_at: Schema.String })
const HolderJson = Schema.fromJsonString(Holder)

class LockFailure extends Schema.TaggedError<LockFailure>()("LockFailure", {
  code: Schema.String,
  message: Schema.String
}) {}

// Loaded when a lock is wanted, for most commands never need one.
const loadSqlite = Effect.promise(() => import("node:sqlite"))

const takeLock = (database: DatabaseSync): DatabaseSync => {
  try {
    // A journal in memory needs no disk space. The write, never committed, fails on a read-only disk, where SQLite
    // would otherwise hand out "exclusive" transactions that exclude nobody.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

// SQLite's primary result codes, https://www.sqlite.org/rescode.html
const sqliteCodes: Readonly<Record<number, string>> = {
  5: "EBUSY",
  8: "EROFS",
  10: "EIO",
  13: "ENOSPC",
  26: "CORRUPT"
}

const lockFailure = (cause: unknown): LockFailure => {
  const result = Predicate.hasProperty(cause, "errcode") && Predicate.isNumber(cause.errcode) ? cause.errcode & 0xff : 0
  const message = Predicate.hasProperty(cause, "message") ? String(cause.message) : String(cause)
  return new LockFailure({ code: sqliteCodes[result] ?? "unknown", message })
}
