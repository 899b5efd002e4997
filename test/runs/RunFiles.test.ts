import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { systemError } from "effect/PlatformError"
import { prepareRunFiles } from "../../src/runs/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"

const ids = { companyId: "acme", agentId: "agent", runId: "run-1" }

const onDisk = <A, E>(
  body: (root: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, DurableFiles | FileSystem.FileSystem>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const root = yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-runs-" })
    return yield* body(root, fs)
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(DurableFiles.layer, NodeServices.layer)))

describe("prepareRunFiles", () => {
  it.effect("makes what the run's own user needs, whatever the daemon's umask is", () =>
    onDisk((root, fs) =>
      Effect.gen(function* () {
        const paths = yield* Effect.acquireRelease(
          Effect.sync(() => process.umask(0o077)),
          (before) => Effect.sync(() => process.umask(before))
        ).pipe(Effect.andThen(prepareRunFiles(root, ids)))
        const mode = (path: string) => Effect.map(fs.stat(path), (info) => info.mode & 0o777)
        assert.strictEqual(paths.log, `${root}/run-logs/acme/agent/run-1.pod.ndjson`)
        assert.strictEqual(yield* mode(paths.directory), 0o770)
        assert.strictEqual(yield* mode(paths.log), 0o660)
        assert.strictEqual(yield* mode(paths.recordTmp), 0o660)
        assert.strictEqual(yield* fs.readFileString(paths.log), "")
        assert.strictEqual(yield* fs.readFileString(paths.recordTmp), " ".repeat(512))
        assert.deepStrictEqual((yield* fs.readDirectory(paths.directory)).toSorted(), [
          "run-1.pod.exit.tmp",
          "run-1.pod.ndjson"
        ])
      }).pipe(Effect.scoped)
    )
  )

  it.effect("touches neither output nor record when it is called again", () =>
    onDisk((root, fs) =>
      Effect.gen(function* () {
        const paths = yield* prepareRunFiles(root, ids)
        yield* fs.writeFileString(paths.log, "output")
        yield* fs.rename(paths.recordTmp, paths.record)
        yield* prepareRunFiles(root, ids)
        assert.strictEqual(yield* fs.readFileString(paths.log), "output")
        assert.deepStrictEqual((yield* fs.readDirectory(paths.directory)).toSorted(), [
          "run-1.pod.exit",
          "run-1.pod.ndjson"
        ])
      })
    )
  )

  it.effect("finishes what an earlier daemon did not live to finish", () =>
    onDisk((root, fs) =>
      Effect.gen(function* () {
        const paths = yield* prepareRunFiles(root, ids)
        yield* fs.truncate(paths.recordTmp, 100)
        yield* prepareRunFiles(root, ids)
        assert.strictEqual(yield* fs.readFileString(paths.recordTmp), " ".repeat(512))
      })
    )
  )

  it.effect("makes nothing for an id that no path is made of", () =>
    onDisk((root, fs) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(prepareRunFiles(root, { ...ids, agentId: "../../x" }))
        assert.match(error.message, /^Invalid agentId for log path/)
        assert.deepStrictEqual(yield* fs.readDirectory(root), [])
      })
    )
  )

  it.effect("says what is in the way when a mode cannot be set", () =>
    onDisk((root, fs) =>
      Effect.gen(function* () {
        const refused = FileSystem.make({
          ...fs,
          chmod: (path) =>
            Effect.fail(
              systemError({
                _tag: "PermissionDenied",
                module: "FileSystem",
                method: "chmod",
                pathOrDescriptor: path,
                cause: Object.assign(new Error("EPERM"), { code: "EPERM" })
              })
            )
        })
        const error = yield* Effect.flip(
          prepareRunFiles(root, ids).pipe(Effect.provideService(FileSystem.FileSystem, refused))
        )
        assert.match(error.message, /permission denied/)
      })
    )
  )
})
