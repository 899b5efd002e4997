/** When the code of the core lock is loaded, and what becomes of a status when it cannot be. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Effect, FileSystem, Layer } from "effect"
import { beforeEach, vi } from "vitest"
import { lazyCoreLock } from "../../src/daemon/LazyCoreLock.ts"
import { CoreLock, Home } from "../../src/domain/index.ts"

const code = vi.hoisted(() => ({ loaded: 0, isGone: false }))
vi.mock("../../src/daemon/CoreLockLayer.ts", async (original) => {
  code.loaded++
  if (code.isGone) throw new Error("it is gone")
  return await original()
})

const onHome = <A, E>(body: (core: CoreLock["Service"], lock: string) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.gen(function* () {
    const home = yield* FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped())
    const layer = lazyCoreLock.pipe(
      Layer.provide(Home.layerOf(home)),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
    )
    return yield* Effect.flatMap(CoreLock, (core) => body(core, `${home}/core-lock.json`)).pipe(Effect.provide(layer))
  }).pipe(Effect.provide(NodeServices.layer))

const write = (file: string, text: string) => FileSystem.FileSystem.use((fs) => fs.writeFileString(file, text))

// In this order: what was loaded once stays.
describe("the code of the core lock", () => {
  beforeEach(() => {
    Object.assign(code, { loaded: 0, isGone: false })
  })

  it.live("is not loaded to say that there is no lock", () =>
    onHome((core) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* core.state)._tag, "missing")
        assert.strictEqual(code.loaded, 0)
      })
    )
  )

  it.live("that cannot be loaded protects nothing, and fails neither status nor scan", () =>
    onHome((core, lock) =>
      Effect.gen(function* () {
        code.isGone = true
        yield* write(lock, '{"distributions": [], "version": 1}')
        const state = yield* core.state
        assert.strictEqual(state._tag, "unreadable")
        assert.include(state._tag === "unreadable" ? state.message : "", "Restart: holdfast daemon restart")
        const { moved, problems } = yield* core.quarantine("anywhere")
        assert.deepStrictEqual(moved, [])
        assert.lengthOf(problems, 1)
        const refused = yield* Effect.flip(core.plan({ python: "python3", directory: "d", requirements: [] }))
        assert.strictEqual(refused.verdict, "lock_unreadable")
      })
    )
  )

  it.live("is loaded once, when there is a lock to be read", () =>
    onHome((core, lock) =>
      Effect.gen(function* () {
        yield* write(lock, '{"distributions": [], "version": 1}')
        const states = yield* Effect.all([core.state, core.state], { concurrency: 2 })
        assert.deepStrictEqual(
          states.map(({ _tag }) => _tag),
          ["ready", "ready"]
        )
        assert.strictEqual(code.loaded, 1)
      })
    )
  )
})
