// @effect-diagnostics nodeBuiltinImport:off - the one file that talks to node:sqlite, whose file locks the kernel frees
/** One daemon per home: an exclusive lock that ends with the process that holds it, however it ends. */
import { Context, DateTime, Effect, FileSystem, Layer, Option, Path, Predicate, Ref, Schema, type Scope } from "effect"
import type { DatabaseSync } from "node:sqlite"
import { fileMode, DurableFiles } from "./DurableFiles.ts"
import { makeStorageError, type StorageError, storageStep } from "./StorageError.ts"

/** Another process holds the lock. `pid` and `started_at` (ISO) are what that process wrote, if they can be read. */
export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", {
  path: Schema.String,
  pid: Schema.optionalKey(Schema.Int),
  started_at: Schema.optionalKey(Schema.String),
  message: Schema.String
}) {}

/**
 * The single-instance lock of a home.
 *
 * Whoever holds it must not open `daemon.lock` by other means: closing a file drops all of the process's locks on it.
 * On a read-only disk nobody can hold the lock; that is a `StorageError` with code `EROFS`.
 */
export class DaemonLock extends Context.Service<
  DaemonLock,
  {
    /** Takes `<home>/state/run/daemon.lock` until the scope closes. Waits for nobody (0.3 s at most). */
    readonly acquire: (home: string) => Effect.Effect<void, LockHeld | StorageError, Scope.Scope>
  }
>()("holdfast/storage/DaemonLock") {
  /** The real lock. The file itself stays empty, so that it can be taken on a full disk as well. */
  static readonly layer = Layer.effect(
    DaemonLock,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const files = yield* DurableFiles

      const lock = (lockPath: string): Effect.Effect<DatabaseSync, LockFailure> =>
        Effect.flatMap(loadSqlite, (sqlite) =>
          Effect.try({
            try: () => takeLock(new sqlite.DatabaseSync(lockPath, { timeout: busyTimeoutMillis })),
            catch: (cause) => lockFailure(cause)
          })
        )

      const readHolder = (pidPath: string) =>
        files.read(pidPath).pipe(
          Effect.flatMap(Effect.fromOption),
          Effect.flatMap((bytes) => Schema.decodeEffect(HolderJson)(new TextDecoder().decode(bytes))),
          Effect.option
        )

      const held = Effect.fnUntraced(function* (lockPath: string, pidPath: string) {
        const holder = yield* readHolder(pidPath)
        return yield* lockHeld(lockPath, Option.getOrUndefined(holder))
      })

      // For the message only: a disk that is full must not keep the daemon from starting.
      const announce = Effect.fnUntraced(
        function* (lockPath: string, directory: string) {
          yield* fs.chmod(lockPath, fileMode).pipe(storageStep("open", lockPath))
          const started_at = DateTime.formatIso(yield* DateTime.now)
          const holder = JSON.stringify({ pid: globalThis.process.pid, started_at })
          const pidPath = path.join(directory, pidFile)
          yield* fs.writeFileString(pidPath, holder, { mode: fileMode }).pipe(storageStep("write", pidPath))
        },
        (effect, _lockPath, directory) =>
          effect.pipe(Effect.catch((error) => Effect.logWarning(error.message).pipe(Effect.andThen(forget(directory)))))
      )

      const forget = (directory: string) =>
        files.remove(path.join(directory, pidFile)).pipe(Effect.catch((error) => Effect.logWarning(error.message)))

      const acquire = Effect.fn("DaemonLock.acquire")(function* (home: string) {
        const directory = path.join(home, ...runDirectory)
        const lockPath = path.join(directory, lockFile)
        yield* files.makeDirectory(directory)
        const take = lock(lockPath).pipe(
          // What is in the file means nothing. Emptying keeps the inode, and so cannot make two locks of one.
          Effect.catchIf(
            (failure) => failure.code === "CORRUPT",
            () => fs.truncate(lockPath, 0).pipe(storageStep("truncate", lockPath), Effect.andThen(lock(lockPath)))
          ),
          Effect.catchTag("LockFailure", (failure): Effect.Effect<never, LockHeld | StorageError> =>
            failure.code === "EBUSY"
              ? held(lockPath, path.join(directory, pidFile))
              : Effect.fail(makeStorageError("lock", lockPath, failure.code, failure.message))
          )
        )
        yield* Effect.acquireRelease(take, (database) => Effect.sync(() => database.close()))
        yield* Effect.acquireRelease(announce(lockPath, directory), () => forget(directory))
      })

      return DaemonLock.of({ acquire })
    })
  )

  /** A lock among the users of this layer, for simulated machines. */
  static readonly layerMemory = Layer.effect(
    DaemonLock,
    Effect.gen(function* () {
      const path = yield* Path.Path
      const taken = yield* Ref.make<ReadonlySet<string>>(new Set())
      return DaemonLock.of({
        acquire: Effect.fn("DaemonLock.acquire")(function* (home: string) {
          const lockPath = path.join(home, ...runDirectory, lockFile)
          const take = Ref.modify(taken, (set) =>
            set.has(lockPath) ? [false, set] : [true, new Set([...set, lockPath])]
          ).pipe(Effect.flatMap((free) => (free ? Effect.void : Effect.fail(lockHeld(lockPath, undefined)))))
          yield* Effect.acquireRelease(take, () =>
            Ref.update(taken, (set) => new Set([...set].filter((each) => each !== lockPath)))
          )
        })
      })
    })
  )
}

const runDirectory = ["state", "run"]
const lockFile = "daemon.lock"
const pidFile = "daemon.pid.json"

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

const lockHeld = (path: string, holder: typeof Holder.Type | undefined): LockHeld => {
  const who = holder === undefined ? "another process" : `process ${holder.pid} (since ${holder.started_at})`
  const message = `a daemon already runs for this home: ${who} holds ${path}. Use that one, or stop it first.`
  return new LockHeld({ path, message, ...(holder === undefined ? {} : holder) })
}
