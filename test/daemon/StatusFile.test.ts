import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { keepStatusFile } from "../../src/daemon/StatusFile.ts"
import { Home, type Status } from "../../src/domain/index.ts"
import { Journal } from "../../src/statechart/index.ts"

const named = (state: string) => ({ daemon: { state } }) as Status

describe("status.json", () => {
  it("keeps the last status, whatever was on its way when it was written", async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-status-"))
    const read = () => readFileSync(join(folder, "state/run/status.json"), "utf8")
    try {
      await Effect.gen(function* () {
        const asked = yield* Deferred.make<void>()
        const slow = yield* Deferred.make<void>()
        const status = Deferred.succeed(asked, undefined).pipe(
          Effect.andThen(Deferred.await(slow)),
          Effect.as(named("running"))
        )
        const file = yield* keepStatusFile(status)
        const onItsWay = yield* Effect.forkChild(file.write)
        yield* Deferred.await(asked)
        const last = yield* Effect.forkChild(file.writeStopped)
        yield* Effect.sleep(20)
        yield* Deferred.succeed(slow, undefined)
        yield* Fiber.join(onItsWay)
        yield* Fiber.join(last)
        expect(read()).toContain("stopped")
        yield* file.write
        expect(read()).toContain("stopped")
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.mergeAll(Home.layerOf(folder), Journal.layer)),
        Effect.provide(NodeServices.layer),
        Effect.runPromise
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
