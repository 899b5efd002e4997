import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Exit, Layer, Path, Scope } from "effect"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { Home } from "../../../src/domain/index.ts"
import { Backends, Runs, RunStore, TailFiles, Tails } from "../../../src/runs/index.ts"
import { DurableFiles } from "../../../src/storage/index.ts"
import { Journal, Switchboard, Uptime } from "../../../src/statechart/index.ts"
import { onStage, requestOf, type Stage, until } from "./Fixture.ts"

const storeOf = ({ root }: Stage) =>
  RunStore.layer.pipe(
    Layer.provide(DurableFiles.layer),
    Layer.provide(Home.layerOf(join(root, "../home"))),
    Layer.provide(Path.layer),
    Layer.provide(NodeServices.layer)
  )

/** The service of runs as a process has it, on the backend of the stage, until the scope closes. */
const process = Effect.fnUntraced(function* (stage: Stage) {
  const backend = yield* stage.restarted
  const machines = Layer.mergeAll(Journal.layer, Switchboard.layer({}), Uptime.layer)
  const context = yield* Layer.build(
    Runs.layer.pipe(
      Layer.provide(
        Layer.succeed(Backends, {
          of: ({ kind }) => Effect.succeed(kind === "local" ? { ...backend, kind, list: Effect.succeed([]) } : backend),
          preferred: Effect.succeed({ kind: "kubernetes" as const }),
          concurrency: Effect.succeed(1)
        })
      ),
      Layer.provide(storeOf(stage)),
      Layer.provide(Tails.layer),
      Layer.provide(TailFiles.layer),
      Layer.provideMerge(machines),
      Layer.provide(Path.layer),
      Layer.provide(NodeServices.layer)
    )
  )
  const runs = yield* Runs.pipe(Effect.provideContext(context))
  yield* runs.open.pipe(Effect.provideContext(context))
  return runs
})

const run = (runId: string, script: string) =>
  requestOf({ runId, agentId: runId, command: { kind: "exec", argv: ["sh", "-c", script] } })

describe("the service of runs on a cluster", () => {
  it("delivers output, judges by the record, and removes what it made", () =>
    onStage((stage) =>
      Effect.gen(function* () {
        const runs = yield* process(stage)
        yield* runs.submit(run("well", "seq 1 5000"))
        yield* runs.submit(run("ill", "echo x; exit 7"))
        const views = yield* Effect.all([runs.ended("well"), runs.ended("ill")], { concurrency: 2 })
        expect(views.map(({ exit_code, output, verdict }) => [verdict, exit_code, output.end, output.lines])).toEqual([
          ["succeeded", 0, "complete", 5000],
          ["failed", 7, "complete", 1]
        ])
        yield* until("nothing is left", () => stage.standIn.jobs().length + stage.standIn.pods().length === 0)
        yield* until("no output is left", () => readdirSync(join(stage.root, "run-logs/acme/well")).length === 0)
      })
    ))

  it("takes a run up again in another process, also when the API is away meanwhile, and starts it once", () =>
    onStage((stage) =>
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const before = yield* process(stage).pipe(Effect.provideService(Scope.Scope, first))
        yield* before.submit(run("long", 'for i in 1 2 3 4 5 6; do echo "line $i"; sleep 0.4; done; exit 3'))
        yield* until("it runs", () => stage.standIn.pods()[0]?.status.phase === "Running")
        yield* Scope.close(first, Exit.void)
        yield* Effect.promise(() => stage.standIn.goAway())
        yield* Effect.forkScoped(
          Effect.delay(
            Effect.promise(() => stage.standIn.comeBack()),
            "1 second"
          )
        )
        const after = yield* process(stage)
        const view = yield* after.ended("long")
        expect(view).toMatchObject({
          backend: "kubernetes",
          verdict: "failed",
          exit_code: 3,
          output: { end: "complete", lines: 6, gaps: [] }
        })
        expect(stage.standIn.objects.created).toMatchObject({ jobs: 1, pods: 1 })
      })
    ))

  it("takes a Job up whose record is gone, and knows its end all the same", () =>
    onStage((stage) =>
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const before = yield* process(stage).pipe(Effect.provideService(Scope.Scope, first))
        yield* before.submit(run("long", 'for i in 1 2 3 4; do echo "line $i"; sleep 0.4; done; exit 3'))
        yield* until("it runs", () => stage.standIn.pods()[0]?.status.phase === "Running")
        yield* Scope.close(first, Exit.void)
        rmSync(join(stage.root, "../home/state/runs/records/long.json"))
        const after = yield* process(stage)
        const listed = () => Effect.runSync(after.list).some(({ run_id }) => run_id === "long")
        yield* until("it is found", listed)
        expect(yield* after.ended("long")).toMatchObject({
          backend: "kubernetes",
          verdict: "failed",
          exit_code: 3,
          output: { end: "complete", lines: 4, gaps: [] }
        })
        expect(stage.standIn.objects.created).toMatchObject({ jobs: 1, pods: 1 })
      })
    ))

  it("ends what may still run of a run whose end nobody knows, also if it is to be kept", () =>
    onStage((stage) =>
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const before = yield* process(stage).pipe(Effect.provideService(Scope.Scope, first))
        yield* before.submit({ ...run("long", "echo up; sleep 60"), retain: true })
        yield* until("it runs", () => stage.standIn.pods()[0]?.status.phase === "Running")
        yield* Scope.close(first, Exit.void)
        const store = yield* RunStore.pipe(Effect.provide(storeOf(stage)))
        const [record] = (yield* store.all).records
        if (record === undefined) throw new Error("there is no record")
        yield* store.put({ ...record, view: { ...record.view, verdict: "unknown", message: "nobody knows" } })
        const after = yield* process(stage)
        yield* until("nothing runs", () => stage.standIn.pods().length === 0)
        expect(yield* after.get("long")).toMatchObject({ verdict: "unknown" })
        expect(readdirSync(join(stage.root, "run-logs/acme/long"))).toContain("long.pod.ndjson")
      })
    ))

  it("cancels a run by removing its Job, and says cancelled", () =>
    onStage((stage) =>
      Effect.gen(function* () {
        const runs = yield* process(stage)
        yield* runs.submit(run("long", "echo up; sleep 60"))
        yield* until("it runs", () => stage.standIn.pods()[0]?.status.phase === "Running")
        yield* Effect.sleep("300 millis")
        yield* runs.cancel("long")
        expect(yield* runs.ended("long")).toMatchObject({ verdict: "cancelled", exit_code: 143, output: { lines: 1 } })
        expect(existsSync(join(stage.root, "run-logs/acme/long"))).toBe(true)
      })
    ))
})
