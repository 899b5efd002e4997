/**
 * The core lock for machines that have one. Its code is loaded when there is a lock to read, or when somebody asks for
 * more than its state.
 */
import { Effect, FileSystem, Layer } from "effect"
import { CoreLock, coreLockPlace, type CoreLockState, InstallRefused, missingCoreLock } from "../domain/index.ts"
import type { buildCoreLock } from "./CoreLockLayer.ts"

/** `CoreLock` of this machine. */
export const lazyCoreLock = Layer.effect(
  CoreLock,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { path } = yield* coreLockPlace
    const services = yield* Effect.context<Effect.Services<typeof buildCoreLock>>()

    // Whoever asked may be gone before it is there: others wait for the same. Files of another version may lie there by
    // now, of which no status may fail.
    const loaded = yield* Effect.cached(
      Effect.tryPromise({
        try: () => import("./CoreLockLayer.ts"),
        catch: (cause) => `the code that reads it cannot be loaded (${String(cause)}). Restart: holdfast daemon restart`
      }).pipe(
        Effect.flatMap(({ buildCoreLock }) => buildCoreLock),
        Effect.provideContext(services),
        Effect.uninterruptible
      )
    )

    const refused = (why: string) =>
      new InstallRefused({ verdict: "lock_unreadable", conflicts: [], message: `Of the core lock ${path}, ${why}` })

    const ofLock = <A, E, R>(use: (core: CoreLock["Service"]) => Effect.Effect<A, E, R>) =>
      Effect.flatMap(Effect.mapError(loaded, refused), use)

    const state = Effect.matchEffect(fs.stat(path), {
      onSuccess: () => ofLock((core) => core.state),
      onFailure: ({ reason }) =>
        reason._tag === "NotFound" ? Effect.succeed(missingCoreLock(path)) : ofLock((core) => core.state)
    }).pipe(
      Effect.catch(({ message }) => {
        const unreadable: CoreLockState = { _tag: "unreadable", path, message }
        return Effect.succeed(unreadable)
      })
    )

    return CoreLock.of({
      state,
      generate: (python) => ofLock((core) => core.generate(python)),
      plan: (request) => ofLock((core) => core.plan(request)),
      install: (plan) => ofLock((core) => core.install(plan)),
      quarantine: (directory) =>
        ofLock((core) => core.quarantine(directory)).pipe(
          Effect.catch(({ message }) => Effect.succeed({ moved: [], problems: [message] }))
        )
    })
  })
)
