import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Path } from "effect"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fixtures, inTemporary, services, withPlugins } from "./Folders.ts"

/** Sets a plugin up in a process of its own; its exit code. */
const setUp = (name: string, config: object): number | null => {
  const entry = JSON.stringify(join(fixtures, name, "index.js"))
  const code = `const { setup } = await import(${entry}); await setup({ config: ${JSON.stringify(config)} }); process.exit(7)`
  return spawnSync(process.execPath, ["--input-type=module", "--eval", code]).status
}

const load = (name: string) =>
  withPlugins(
    fixtures,
    Effect.gen(function* () {
      const { host } = yield* services
      const document = { version: 2, plugins: [{ name }] } as const
      const loading = yield* Effect.forkChild(host.load(document, { bundledOnly: false, trees: {} }))
      while (loading.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
        yield* TestClock.withLive(Effect.sleep("20 millis"))
      }
      return (yield* Fiber.join(loading))[0]
    })
  )

describe("the plugins that come with the tests", () => {
  it("end the process at start", () => {
    expect(setUp("crash-at-start", {})).toBe(1)
  })

  it.effect("end the process only once a file is there", () =>
    inTemporary((root) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = (yield* Path.Path).join(root, "file")
        expect(setUp("crash-if-file", { path })).toBe(7)
        yield* fs.writeFileString(path, "")
        expect(setUp("crash-if-file", { path })).toBe(1)
      })
    )
  )

  it.effect("throw", () =>
    Effect.map(load("test/throws"), (state) =>
      expect(state).toMatchObject({ state: "failed", message: expect.stringContaining("no such luck") })
    )
  )

  it.effect("hang", () =>
    Effect.map(load("test/hangs"), (state) =>
      expect(state).toMatchObject({ state: "failed", message: expect.stringContaining("not done within") })
    )
  )
})
