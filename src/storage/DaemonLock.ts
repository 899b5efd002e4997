/** One daemon per home. */
import { Context, Effect, FileSystem, Layer, Path, Ref, type Scope } from "effect"
import { DurableFiles } from "./DurableFiles.ts"
import { type LockHeld, lockHeld, takeFileLock } from "./FileLock.ts"
import type { StorageError } from "./StorageError.ts"

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
  static readonly layer = Layer.effect(
    DaemonLock,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const files = yield* DurableFiles
      const acquire = Effect.fn("DaemonLock.acquire")(
        function* (home: string) {
          const directory = path.join(home, ...runDirectory)
          yield* files.makeDirectory(directory)
          yield* takeFileLock(directory, WORDS)
        },
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.provideService(Path.Path, path),
        Effect.provideService(DurableFiles, files)
      )
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
          const lockPath = path.join(home, ...runDirectory, WORDS.lockFile)
          const take = Ref.modify(taken, (set) =>
            set.has(lockPath) ? [false, set] : [true, new Set([...set, lockPath])]
          ).pipe(Effect.flatMap((free) => (free ? Effect.void : Effect.fail(lockHeld(lockPath, WORDS.held)))))
          yield* Effect.acquireRelease(take, () =>
            Ref.update(taken, (set) => new Set([...set].filter((each) => each !== lockPath)))
          )
        })
      })
    })
  )
}

const runDirectory = ["state", "run"]
const WORDS = {
  lockFile: "daemon.lock",
  pidFile: "daemon.pid.json",
  held: "a daemon already runs for this home"
}
