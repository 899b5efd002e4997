import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { begin, onStage, runToEnd, settled, until, workOf } from "./Fixture.ts"
import type { Fault, KubernetesStandIn, Request } from "./KubernetesStandIn.ts"

const exited = (exitCode: number, signal: number | null = null) => ({ kind: "exited", end: { exitCode, signal } })
const creates = ({ kind, method }: Request) => kind === "jobs" && method === "POST"
const watches = ({ watch }: Request) => watch
const lists = ({ method, name, watch }: Request) => method === "GET" && name === undefined && !watch

const scripted = (standIn: KubernetesStandIn, fault: Fault): void => void standIn.faults.push(fault)
const count = (standIn: KubernetesStandIn, which: (request: Request) => boolean) =>
  standIn.requests.filter(which).length
const running = (standIn: KubernetesStandIn) => () => standIn.pods()[0]?.status.phase === "Running"

describe("an API that has trouble", () => {
  it("starts one Job although the answer to its creation was lost", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        scripted(standIn, { when: creates, times: 1, cut: "after" })
        expect(yield* runToEnd(backend, workOf("r1", "exit 3"))).toEqual(exited(3))
        expect(standIn.jobs()).toHaveLength(1)
        expect(count(standIn, creates)).toBe(2)
      })
    ))

  it("leaves a server alone for as long as it asks", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        scripted(standIn, { when: creates, times: 1, status: 429, headers: { "retry-after": "1" } })
        const before = yield* Clock.currentTimeMillis
        const work = workOf("r1", "true")
        yield* backend.prepare(work)
        yield* backend.start(work)
        const took = (yield* Clock.currentTimeMillis) - before
        expect(took).toBeGreaterThanOrEqual(1_000)
        expect(took).toBeLessThan(10_000)
        expect(count(standIn, creates)).toBe(2)
      })
    ))

  it("asks again after errors of the server, and not after a refusal", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        scripted(standIn, { when: creates, times: 3, status: 500 })
        expect(yield* runToEnd(backend, workOf("r1", "true"))).toEqual(exited(0))
        expect(count(standIn, creates)).toBe(4)
        scripted(standIn, { when: creates, times: 1, status: 403 })
        expect(yield* Effect.flip(backend.start(workOf("r2", "true")))).toEqual(
          expect.objectContaining({ retryable: false, message: expect.stringMatching(/HTTP 403.*rbac\.yaml/) })
        )
        expect(count(standIn, creates)).toBe(5)
      })
    ))

  it("is told what a cluster finds wrong with a Job", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        scripted(standIn, { when: creates, times: 1, status: 422 })
        expect(yield* Effect.flip(backend.start(workOf("r1", "true")))).toMatchObject({
          retryable: false,
          message: expect.stringContaining("cannot be created: the stand-in was told to say so (HTTP 422)")
        })
      })
    ))

  it("resumes watches that are cut, from where they were and without a new list", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const { ended, fiber } = yield* begin(backend, workOf("r1", "sleep 3; exit 6"))
        yield* until("it runs", running(standIn))
        for (let cut = 0; cut < 5; cut += 1) {
          const before = count(standIn, watches)
          standIn.cutWatches()
          yield* until("they are resumed", () => count(standIn, watches) > before)
        }
        expect(settled(fiber)).toBe(false)
        expect(yield* ended).toEqual(exited(6))
        expect(count(standIn, lists)).toBe(2)
        expect(count(standIn, watches)).toBeGreaterThan(6)
      })
    ))

  it("begins anew when a watch has expired, as an answer and as an event", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const first = yield* begin(backend, workOf("r1", "sleep 0.5; exit 6"))
        yield* until("it runs", running(standIn))
        standIn.expireWatches()
        expect(yield* first.ended).toEqual(exited(6))
        const listed = count(standIn, lists)
        expect(listed).toBeGreaterThanOrEqual(3)
        const second = yield* begin(backend, workOf("r2", "sleep 0.5; exit 7"))
        scripted(standIn, { when: watches, times: 2, expired: true })
        standIn.cutWatches()
        expect(yield* second.ended).toEqual(exited(7))
        expect(count(standIn, lists)).toBeGreaterThan(listed)
      })
    ))

  it("costs a run nothing that the API was away when it ended", () =>
    onStage(({ backend, log, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "sleep 0.5; echo done; exit 6")
        const { ended, fiber } = yield* begin(backend, work)
        yield* until("it runs", running(standIn))
        yield* Effect.promise(() => standIn.goAway())
        yield* until("its pod has ended", () => standIn.pods()[0].status.phase === "Failed")
        yield* Effect.sleep("500 millis")
        expect(settled(fiber)).toBe(false)
        yield* Effect.promise(() => standIn.comeBack())
        expect(yield* ended).toEqual(exited(6))
        expect(log(work)).toBe("done\n")
      })
    ))

  it("learns from a resumed watch how a pod ended that is gone meanwhile, although nothing else tells", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const { ended } = yield* begin(backend, workOf("r1", "sleep 60"))
        yield* until("it runs", running(standIn))
        yield* Effect.promise(() => standIn.goAway())
        yield* Effect.promise(() => standIn.kubelet.kill(standIn.pods()[0], "Error"))
        yield* until("its pod has ended", () => standIn.pods()[0].status.phase === "Failed")
        standIn.objects.remove("pods", standIn.pods()[0])
        standIn.objects.remove("jobs", standIn.jobs()[0])
        yield* Effect.promise(() => standIn.comeBack())
        expect(yield* ended).toEqual(exited(137, 9))
      })
    ))

  it("calls work gone only when the API itself says that the Job is, and not before", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const { ended, fiber } = yield* begin(backend, workOf("r1", "sleep 60"))
        yield* until("it runs", running(standIn))
        yield* Effect.promise(() => standIn.goAway())
        standIn.objects.remove("pods", standIn.pods()[0])
        standIn.objects.remove("jobs", standIn.jobs()[0])
        yield* Effect.sleep("1 second")
        expect(settled(fiber)).toBe(false)
        scripted(standIn, { when: ({ method, name }) => method === "GET" && name !== undefined, times: 2, status: 503 })
        yield* Effect.promise(() => standIn.comeBack())
        expect(yield* ended).toMatchObject({ kind: "gone" })
      })
    ))
})

describe("many runs", () => {
  it("are watched by two watches in all, with no question for any single one", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const works = Array.from({ length: 24 }, (_, index) => workOf(`r${index}`, `exit ${index}`))
        const ends = yield* Effect.all(
          works.map((work) => runToEnd(backend, work)),
          { concurrency: 24 }
        )
        expect(ends).toEqual(works.map((_, index) => exited(index)))
        const single = count(standIn, ({ method, name }) => method === "GET" && name !== undefined)
        const asked = {
          lists: count(standIn, lists),
          watches: count(standIn, watches),
          single,
          jobs: standIn.jobs().length
        }
        console.log(`24 runs: ${JSON.stringify(asked)}`)
        expect(asked).toEqual({ lists: 2, watches: 2, single: 0, jobs: 24 })
      })
    ))
})
