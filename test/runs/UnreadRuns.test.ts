/** Runs of this machine that cannot be read, on a real disk: root is kept out by nothing but what is no directory. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { type Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Home } from "../../src/domain/index.ts"
import { Backends, Runs, RunStore, TailFiles, Tails } from "../../src/runs/index.ts"
import { LocalBackend } from "../../src/runs/LocalBackend.ts"
import { newRecord } from "../../src/runs/RunBegin.ts"
import { Journal, Switchboard, Uptime } from "../../src/statechart/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"
import { requestOf, workOf } from "./kubernetes/Fixture.ts"

const atHome = <A, E, R>(use: (home: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-unread-runs-"))),
    use,
    (home) => Effect.sync(() => rmSync(home, { recursive: true, force: true }))
  )

const diskOf = (home: string) =>
  DurableFiles.layer.pipe(Layer.provideMerge(Home.layerOf(home)), Layer.provideMerge(NodeServices.layer))

const localOf = (home: string) => LocalBackend.layer.pipe(Layer.provide(diskOf(home)))

const servicesOf = (home: string, list: Context.Service.Shape<typeof LocalBackend>["list"]) =>
  Runs.layer.pipe(
    Layer.provide(
      Layer.effect(
        Backends,
        Effect.map(LocalBackend, (local) => ({
          of: () => Effect.succeed({ ...local, list }),
          preferred: Effect.succeed({ kind: "local" as const }),
          concurrency: Effect.succeed(1)
        }))
      )
    ),
    Layer.provide(localOf(home)),
    Layer.provideMerge(RunStore.layer.pipe(Layer.provide(diskOf(home)))),
    Layer.provide(Tails.layer),
    Layer.provide(TailFiles.layer),
    Layer.provideMerge(Layer.mergeAll(Journal.layer, Switchboard.layer({}), Uptime.layer)),
    Layer.provide(NodeServices.layer)
  )

/** The disk takes real time, of which the clock of a test knows nothing. */
const aMoment = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))

describe("runs that cannot be read", () => {
  it.effect("are not told as none, are in nobody's way, and are taken up as soon as they can be", () =>
    atHome((home) =>
      Effect.gen(function* () {
        const records = join(home, "state/runs/records")
        mkdirSync(join(home, "state/runs"), { recursive: true })
        writeFileSync(records, "")
        let listed = 0
        const context = yield* Layer.build(
          servicesOf(
            home,
            Effect.sync(() => {
              listed += 1
              return []
            })
          )
        )
        const runs = yield* Runs.pipe(Effect.provideContext(context))
        yield* runs.open.pipe(Effect.provideContext(context))
        for (const asked of [
          runs.list,
          runs.get("old"),
          runs.cancel("old"),
          runs.place("old"),
          runs.submit(requestOf({ runId: "new" }))
        ]) {
          const { code, message } = yield* Effect.flip<
            unknown,
            { readonly code: string; readonly message: string },
            never
          >(asked)
          expect(code).toBe("storage_failed")
          expect(message).toMatch(
            /^Not every run of this machine can be read: listing .*\/state\/runs\/records failed: /
          )
        }
        // Work is not taken for one without a record while nobody knows which there are.
        expect(listed).toBe(0)

        rmSync(records)
        const store = yield* RunStore.pipe(Effect.provideContext(context))
        const old = newRecord({ ...requestOf(), runId: "old" }, { kind: "local" }, "2026-11-21T20:00:00.000Z")
        yield* store.put({ ...old, cleaned: true, view: { ...old.view, verdict: "succeeded" } })
        yield* TestClock.adjust("10 seconds")
        const known = yield* Effect.result(runs.list).pipe(
          Effect.tap(() => aMoment),
          Effect.repeat({ times: 2_000, until: ({ _tag }) => _tag === "Success" && listed > 0 }),
          Effect.flatMap(Effect.fromResult)
        )
        expect(known.map(({ run_id, verdict }) => [run_id, verdict])).toEqual([["old", "succeeded"]])
      })
    )
  )
})

describe("work on this machine that cannot be looked at", () => {
  it.live("is not told as none", () =>
    atHome((home) =>
      Effect.gen(function* () {
        const local = yield* LocalBackend
        expect(yield* local.list).toEqual([])
        mkdirSync(join(home, "state/runs"), { recursive: true })
        writeFileSync(join(home, "state/runs/work"), "")
        expect(yield* Effect.flip(local.list)).toMatchObject({
          retryable: true,
          message: expect.stringMatching(/^listing .*\/state\/runs\/work failed: /)
        })
      }).pipe(Effect.provide(localOf(home)))
    )
  )

  it.live("is not started a second time, nor taken for stopped", () =>
    atHome((home) =>
      Effect.gen(function* () {
        const local = yield* LocalBackend
        const work = workOf("r1", "true")
        mkdirSync(join(home, "state/runs/work/r1/process.json"), { recursive: true })
        for (const asked of [local.start(work), local.stop(work), local.watch(work, Effect.void)]) {
          const failure = yield* Effect.flip<unknown, { readonly message: string }, never>(asked)
          expect(failure).toMatchObject({ retryable: true })
          expect(failure.message).toMatch(/^reading .*process\.json failed: /)
        }
      }).pipe(Effect.provide(localOf(home)))
    )
  )
})
