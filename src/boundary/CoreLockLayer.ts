/** The core lock of this machine as a service. */
import { Effect, type FileSystem, Layer, type Path, Semaphore } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { CoreLock, coreLockPlace, InstallRefused, type QuarantineReport } from "../domain/index.ts"
import { DurableFiles } from "../storage/index.ts"
import { followLock, protectionOf, readLock, writeLock } from "./LockFile.ts"
import { installPlan, planInstall, recoverInstall } from "./PythonInstall.ts"
import { lockPython } from "./PythonLock.ts"
import { quarantineCopies, scanPythonTree } from "./PythonTree.ts"

const GENERATE_DEADLINE_S = 60

/** `file`: of which lock. */
export const coreLockLayerOf = (file: string) =>
  Layer.effect(
    CoreLock,
    Effect.gen(function* () {
      const world = yield* Effect.context<FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner>()
      const state = Effect.provide(yield* followLock(file), world)
      // What decides about files is read for it.
      const fresh = Effect.provide(readLock(file), world)
      // An install and a scan of one directory would take each other's renames apart.
      const alone = (yield* Semaphore.make(1)).withPermits(1)

      const generate = Effect.fn("CoreLock.generate")((python: string) =>
        Effect.gen(function* () {
          if ((yield* fresh)._tag !== "missing") return
          const made = lockPython({ python, compat: false, deadlineSeconds: GENERATE_DEADLINE_S })
          yield* writeLock(
            file,
            Effect.map(made, ({ lock }) => lock)
          )
        }).pipe(
          Effect.mapError(({ message }) => new InstallRefused({ verdict: "lock_unreadable", conflicts: [], message })),
          Effect.provide(DurableFiles.layer),
          Effect.provide(world),
          alone
        )
      )

      const plan = Effect.fn("CoreLock.plan")((request: CoreLockRequest) =>
        Effect.flatMap(fresh, (known) => planInstall(known, request)).pipe(Effect.provide(world))
      )

      const install = Effect.fn("CoreLock.install")((decided: CoreLockPlan) =>
        alone(Effect.provide(installPlan(decided), world))
      )

      const quarantine = Effect.fn("CoreLock.quarantine")(
        function* (directory: string) {
          yield* recoverInstall(directory)
          const known = yield* fresh
          if (known._tag !== "ready") return unscanned(directory, known.message)
          if (known.lock.shared_packages !== undefined) {
            return unscanned(directory, `The core lock ${file} is of a Node host, and says nothing of Python packages.`)
          }
          return yield* quarantineCopies(directory, yield* scanPythonTree(directory, protectionOf(known.lock)))
        },
        (scan, directory) =>
          scan.pipe(
            Effect.catch(({ message }) => Effect.succeed(unscanned(directory, message))),
            Effect.provide(world),
            alone
          )
      )

      return CoreLock.of({ state, generate, plan, install, quarantine })
    })
  )

const unscanned = (directory: string, why: string): QuarantineReport => ({
  moved: [],
  problems: [`${directory} was not looked through for copies of the core's packages: ${why}`]
})

type CoreLockRequest = Parameters<CoreLock["Service"]["plan"]>[0]
type CoreLockPlan = Parameters<CoreLock["Service"]["install"]>[0]

/** Of the lock that the environment or the home names. */
export const coreLockLayer = Layer.unwrap(Effect.map(coreLockPlace, ({ path }) => coreLockLayerOf(path)))
