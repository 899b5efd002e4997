/** The core lock of this machine as a service. */
import { Config, Effect, type FileSystem, Layer, Option, Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { CORE_LOCK_VARIABLE, CoreLock, Home, InstallRefused } from "../domain/index.ts"
import { protectionOf, readLock } from "./LockFile.ts"
import { installPlan, planInstall, recoverInstall } from "./PythonInstall.ts"
import { quarantineCopies, scanPythonTree } from "./PythonTree.ts"

/** Where a lock is looked for: the variable that names it, else `core-lock.json` in the home. */
export const coreLockPath = Effect.gen(function* () {
  const path = yield* Path.Path
  const home = yield* Home
  const named = yield* Config.option(Config.NonEmptyString(CORE_LOCK_VARIABLE))
  return Option.getOrElse(named, () => path.join(home.root, "core-lock.json"))
})

/** `file`: of which lock. */
export const coreLockLayerOf = (file: string) =>
  Layer.effect(
    CoreLock,
    Effect.gen(function* () {
      const world = yield* Effect.context<FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner>()
      const state = Effect.provide(readLock(file), world)

      const plan = Effect.fn("CoreLock.plan")((request: CoreLockRequest) =>
        Effect.flatMap(state, (known) => planInstall(known, request)).pipe(Effect.provide(world))
      )

      const install = Effect.fn("CoreLock.install")((decided: CoreLockPlan) =>
        Effect.provide(installPlan(decided), world)
      )

      const quarantine = Effect.fn("CoreLock.quarantine")(function* (directories: ReadonlyArray<string>) {
        const known = yield* state
        if (known._tag !== "ready" || known.lock.shared_packages !== undefined) return []
        const protection = protectionOf(known.lock)
        const moved = yield* Effect.forEach(directories, (directory) =>
          recoverInstall(directory).pipe(
            Effect.andThen(scanPythonTree(directory, protection)),
            Effect.flatMap((copies) => quarantineCopies(directory, copies)),
            Effect.mapError(
              ({ message }) =>
                new InstallRefused({
                  verdict: "install_failed",
                  conflicts: [],
                  message: `Copies of the core's packages in ${directory} cannot be moved away: ${message}`
                })
            )
          )
        ).pipe(Effect.provide(world))
        return moved.flat()
      })

      return CoreLock.of({ state, plan, install, quarantine })
    })
  )

type CoreLockRequest = Parameters<CoreLock["Service"]["plan"]>[0]
type CoreLockPlan = Parameters<CoreLock["Service"]["install"]>[0]

/** Of the lock that the environment or the home names. */
export const coreLockLayer = Layer.unwrap(Effect.map(coreLockPath, coreLockLayerOf))
