import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer, PlatformError, Redacted, Ref } from "effect"
import { TestConsole } from "effect/testing"
import { KEPT_FILES, logsLayer, ROTATE_AT_BYTES } from "../../src/telemetry/index.ts"

type Environment = Readonly<Record<string, string>>

/** Logs of one process, from its start to the flush at its end. */
const logged = <A, E, R>(directory: string, program: Effect.Effect<A, E, R>, env: Environment = {}) =>
  program.pipe(
    Effect.provide(logsLayer(directory)),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
  )

const inFolder = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-logs-" }))
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(TestConsole.layer, NodeServices.layer)))

const linesOf = (file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.map(fs.readFileString(file), (text) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
    )
  )

describe("logs", () => {
  it.live("are JSON lines in the file and on stderr; stdout stays clean", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        yield* logged(directory, Effect.logInfo("hello").pipe(Effect.annotateLogs({ a: 1 })))
        expect(yield* linesOf(`${directory}/daemon.log`)).toMatchObject([
          { message: "hello", level: "INFO", annotations: { a: 1 } }
        ])
        const shown = yield* TestConsole.errorLines
        expect(shown.map((line) => JSON.parse(String(line)))).toMatchObject([{ message: "hello" }])
        expect(yield* TestConsole.logLines).toEqual([])
      })
    )
  )

  it.live("never hold a secret", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        yield* logged(directory, Effect.logInfo("token", { token: Redacted.make("s3cret") }, Redacted.make("s3cret")))
        const text = JSON.stringify([yield* linesOf(`${directory}/daemon.log`), yield* TestConsole.errorLines])
        expect(text).toContain("<redacted>")
        expect(text).not.toContain("s3cret")
      })
    )
  )

  const program = Effect.all([Effect.logDebug("d"), Effect.logInfo("i"), Effect.logWarning("w"), Effect.logError("e")])
  for (const [level, expected] of [
    ["debug", ["d", "i", "w", "e"]],
    ["INFO", ["i", "w", "e"]],
    ["Warning", ["w", "e"]],
    ["error", ["e"]],
    ["nonsense", ["i", "w", "e"]]
  ] as const) {
    it.live(`with HOLDFAST_LOG_LEVEL=${level} hold ${expected.join(", ")}`, () =>
      inFolder((directory) =>
        Effect.gen(function* () {
          yield* logged(directory, program, { HOLDFAST_LOG_LEVEL: level })
          expect((yield* linesOf(`${directory}/daemon.log`)).map(({ message }) => message)).toEqual(expected)
        })
      )
    )
  }

  it.live("go to a new file when the old one is full, and only so many are kept", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = `${directory}/daemon.log`
        for (let run = 0; run < KEPT_FILES + 2; run++) {
          yield* logged(directory, Effect.logInfo(`run ${run}`))
          yield* fs.truncate(file, ROTATE_AT_BYTES)
        }
        yield* logged(directory, Effect.logInfo("last"))
        expect((yield* fs.readDirectory(directory)).toSorted()).toEqual([
          "daemon.log",
          ...Array.from({ length: KEPT_FILES - 1 }, (_, index) => `daemon.log.${index + 1}`)
        ])
        expect(yield* linesOf(file)).toMatchObject([{ message: "last" }])
        expect(Number((yield* fs.stat(`${file}.1`)).size)).toBe(ROTATE_AT_BYTES)
      })
    )
  )

  it.live("are dropped while the disk is full, and counted once it is not", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const full = yield* Ref.make(true)
        const program = Effect.gen(function* () {
          yield* Effect.logInfo("lost 1")
          yield* Effect.logInfo("lost 2")
          yield* Effect.sleep("400 millis")
          yield* Ref.set(full, false)
          yield* Effect.logInfo("kept")
        })
        yield* logged(directory, program).pipe(Effect.provide(fullDisk(full)))
        expect((yield* linesOf(`${directory}/daemon.log`)).map(({ message }) => message)).toEqual([
          "2 log lines were dropped",
          "kept"
        ])
        const complaints = (yield* TestConsole.errorLines).filter((line) => String(line).startsWith("holdfast:"))
        expect(complaints).toHaveLength(1)
      })
    )
  )
})

/** The real file system, out of space for as long as `full` says so. */
const fullDisk = (full: Ref.Ref<boolean>) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      writeFileString: (...args: Parameters<typeof fs.writeFileString>) =>
        Effect.flatMap(Ref.get(full), (isFull) =>
          isFull
            ? Effect.fail(
                PlatformError.systemError({
                  _tag: "Unknown",
                  module: "FileSystem",
                  method: "writeFile",
                  pathOrDescriptor: args[0],
                  description: "ENOSPC"
                })
              )
            : fs.writeFileString(...args)
        )
    }))
  )
