import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Layer, Path, Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { DaemonLock, DurableFiles, makeStorageError } from "../../src/storage/index.ts"

const layer = DaemonLock.layer.pipe(Layer.provide(DurableFiles.layer), Layer.provideMerge(NodeServices.layer))

const withHome = <A, E, R>(body: (home: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* body(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-lock-" }))
  }).pipe(Effect.scoped, Effect.provide(layer))

/** Another process that tries to take the lock, once it has said how that went. */
const startHolder = (home: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, [fileURLToPath(new URL("LockHolder.ts", import.meta.url)), home], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      const [outcome] = (await once(createInterface(child.stdout), "line")) as [string]
      return { child, outcome }
    }),
    ({ child }) => Effect.promise(() => kill(child))
  )

const kill = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, "exit")
  child.kill("SIGKILL")
  await gone
}

describe("DaemonLock", () => {
  it.live("leaves an empty lock file and the holder's pid, both private", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        yield* (yield* DaemonLock).acquire(home)
        const run = path.join(home, "state", "run")
        const info = yield* fs.stat(path.join(run, "daemon.lock"))
        assert.deepStrictEqual([Number(info.size), info.mode & 0o777], [0, 0o600])
        const holder = JSON.parse(yield* fs.readFileString(path.join(run, "daemon.pid.json"))) as Record<
          string,
          unknown
        >
        assert.strictEqual(holder["pid"], process.pid)
        assert.match(String(holder["started_at"]), /^\d{4}-\d\d-\d\dT.*Z$/)
        assert.strictEqual((yield* fs.stat(run)).mode & 0o777, 0o700)
      })
    )
  )

  it.live("refuses a second holder and names the first, until that one's scope closes", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const lock = yield* DaemonLock
        const first = yield* Scope.make()
        yield* lock.acquire(home).pipe(Effect.provideService(Scope.Scope, first))
        const error = yield* Effect.flip(lock.acquire(home))
        assert.strictEqual(error._tag, "LockHeld")
        if (error._tag === "LockHeld") assert.strictEqual(error.pid, process.pid)
        assert.include(error.message, `process ${process.pid}`)
        yield* Scope.close(first, Exit.void)
        yield* lock.acquire(home)
      })
    )
  )

  it.live("names no process when the holder's note is undecodable", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const lock = yield* DaemonLock
        yield* lock.acquire(home)
        yield* fs.writeFileString(path.join(home, "state", "run", "daemon.pid.json"), "{")
        const error = yield* Effect.flip(lock.acquire(home))
        assert.strictEqual(error._tag, "LockHeld")
        assert.include(error.message, "another process")
      })
    )
  )

  it.live("is free at once after its holder was killed", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const lock = yield* DaemonLock
        const holder = yield* startHolder(home)
        assert.strictEqual(holder.outcome, "held")
        const error = yield* Effect.flip(lock.acquire(home))
        assert.strictEqual(error._tag === "LockHeld" ? error.pid : error.message, holder.child.pid)
        yield* Effect.promise(() => kill(holder.child))
        yield* lock.acquire(home)
      })
    )
  )

  it.live("goes to exactly one of the processes that race for it", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const holders = yield* Effect.forEach([1, 2, 3], () => startHolder(home), { concurrency: "unbounded" })
        assert.deepStrictEqual(holders.map((each) => each.outcome).sort(), ["LockHeld", "LockHeld", "held"])
      })
    )
  )

  it.live("can be taken when the lock file holds garbage, and then excludes others as ever", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const lock = yield* DaemonLock
        const run = path.join(home, "state", "run")
        yield* fs.makeDirectory(run, { recursive: true })
        yield* fs.writeFileString(path.join(run, "daemon.lock"), "garbage".repeat(1000))
        yield* lock.acquire(home)
        assert.strictEqual((yield* startHolder(home)).outcome, "LockHeld")
      })
    )
  )

  it.live("is taken although its note cannot be written on a full disk", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const files = yield* DurableFiles
        const full = Layer.succeed(DurableFiles, {
          ...files,
          write: (directory, name) => Effect.fail(makeStorageError("write", `${directory}/${name}`, "ENOSPC"))
        })
        yield* Effect.flatMap(DaemonLock, (lock) => lock.acquire(home)).pipe(
          Effect.provide(Layer.fresh(DaemonLock.layer).pipe(Layer.provide(full)))
        )
        assert.strictEqual((yield* startHolder(home)).outcome, "LockHeld")
      }).pipe(Effect.provide(DurableFiles.layer))
    )
  )

  it.live("fails with advice when the directory cannot be made", () =>
    withHome((home) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFileString(`${home}/state`, "a file")
        const error = yield* Effect.flip((yield* DaemonLock).acquire(home))
        assert.strictEqual(error._tag, "StorageError")
      })
    )
  )

  it.effect("excludes in memory as on disk", () =>
    Effect.gen(function* () {
      const lock = yield* DaemonLock
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lock.acquire("/home")
          assert.strictEqual((yield* Effect.flip(lock.acquire("/home")))._tag, "LockHeld")
          yield* lock.acquire("/other")
        })
      )
      yield* Effect.scoped(lock.acquire("/home"))
    }).pipe(Effect.provide(DaemonLock.layerMemory), Effect.provide(NodeServices.layer))
  )
})
