import { Effect } from "effect"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ANNOTATIONS, LABELS } from "../../../src/runs/kubernetes/JobNames.ts"
import { begin, MOUNT, onStage, runToEnd, settled, until, workOf } from "./Fixture.ts"

const exited = (exitCode: number, signal: number | null = null) => ({ kind: "exited", end: { exitCode, signal } })

describe("a run as a Job, executed by the stand-in's node", () => {
  it("delivers all output, keeps the exit status and reads its prompt from standard input", () =>
    onStage(({ backend, log, standIn }) =>
      Effect.gen(function* () {
        const prompt = `it's "quoted" $HOME $$ $(HOME) \\n\nsecond line`
        const work = workOf("r1", "cat; seq 1 2000; printf tail; exit 42", { prompt })
        expect(yield* runToEnd(backend, work)).toEqual(exited(42))
        const lines = Array.from({ length: 2000 }, (_, index) => `${index + 1}\n`).join("")
        expect(log(work)).toBe(`${prompt}${lines}tail`)
        const [pod] = standIn.pods()
        expect(standIn.kubelet.logs(pod)).toBe(log(work))
        expect(JSON.parse(pod.status.containerStatuses[0].state.terminated.message)).toMatchObject({ exit_code: 42 })
      })
    ))

  it("gives a process inside the environment that was asked for, without the host's temporary directories", () =>
    onStage(({ backend, log }) =>
      Effect.gen(function* () {
        const env = { TMPDIR: "/host/tmp", TMP: "/host/tmp", KEPT: "a$$b$(KEPT)" }
        const work = workOf("r1", 'printf "%s|%s" "$KEPT" "$TMPDIR"; echo x >"$TMPDIR/f"', { env })
        expect(yield* runToEnd(backend, work)).toEqual(exited(0))
        expect(log(work)).toMatch(/^a\$\$b\$\(KEPT\)\|\/.*\/tmp$/)
        expect(log(work)).not.toContain("/host/tmp")
      })
    ))

  it("passes prompts of 100 KiB through the environment and larger ones through a Secret that its Job owns", () =>
    onStage(({ backend, log, standIn }) =>
      Effect.gen(function* () {
        const small = workOf("small", "wc -c", { prompt: "é".repeat(51_200) })
        const large = workOf("large", "wc -c", { prompt: `${"é".repeat(51_200)}x` })
        const half = workOf("half", "wc -c", { prompt: "y".repeat(524_288) })
        yield* runToEnd(backend, small)
        expect(standIn.secrets()).toHaveLength(0)
        yield* runToEnd(backend, large)
        yield* runToEnd(backend, half)
        expect([small, large, half].map((work) => Number(log(work)))).toEqual([102_400, 102_401, 524_288])
        const job = standIn.jobs().find(({ metadata }) => metadata.name.includes("large"))
        const secret = standIn.secrets().find(({ metadata }) => metadata.name === `${job.metadata.name}-prompt`)
        expect(secret.metadata.ownerReferences).toEqual([
          { apiVersion: "batch/v1", kind: "Job", name: job.metadata.name, uid: job.metadata.uid }
        ])
        expect(JSON.stringify(standIn.jobs())).not.toContain("ééééé".repeat(20_000))
        yield* backend.clean(large, { retain: false })
        expect(standIn.secrets().map(({ metadata }) => metadata.name)).not.toContain(secret.metadata.name)
      })
    ))

  it("ends a run that is stopped by TERM, and says how it ended", () =>
    onStage(({ backend, log, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "echo up; trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done")
        const { ended } = yield* begin(backend, work)
        yield* until(
          "the agent is up",
          () => existsSync(join(standIn.claims.get("shared")!, "run-logs")) && log(work) !== ""
        )
        yield* backend.stop(work)
        expect(standIn.jobs()[0].metadata.deletionTimestamp).toBeDefined()
        expect(yield* ended).toEqual(exited(7))
        expect(log(work)).toBe("up\nbye\n")
        yield* until("the Job is gone", () => standIn.jobs().length === 0)
        yield* backend.stop(work)
      })
    ))

  it("knows a deadline of the cluster from an agent that ended by TERM", () =>
    onStage(({ backend }) =>
      Effect.gen(function* () {
        const late = workOf("late", "sleep 60", {}, 1)
        const early = workOf("early", "exit 3", {}, 30)
        expect(yield* Effect.all([runToEnd(backend, late), runToEnd(backend, early)], { concurrency: 2 })).toEqual([
          { kind: "deadline" },
          exited(3)
        ])
      })
    ))

  it("takes the cluster's word for a process 1 that was killed, and for one that needed too much memory", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const ends: Array<unknown> = []
        for (const fate of ["Error", "OOMKilled", "ContainerStatusUnknown"] as const) {
          const work = workOf(fate, "sleep 60")
          const { ended } = yield* begin(backend, work)
          const podOf = () => standIn.pods().find(({ metadata }) => metadata.labels[LABELS.runId] === fate)
          yield* until("it runs", () => podOf()?.status.phase === "Running")
          yield* Effect.promise(() => standIn.kubelet.kill(podOf(), fate))
          ends.push(yield* ended)
        }
        expect(ends).toEqual([
          exited(137, 9),
          { kind: "failed", message: expect.stringContaining("OOMKilled") },
          { kind: "gone", message: expect.stringContaining("lost sight") }
        ])
      })
    ))

  it("calls work gone when somebody else removed the Job and nothing is left of it", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "sleep 60")
        const { ended } = yield* begin(backend, work)
        yield* until("it runs", () => standIn.pods()[0]?.status.phase === "Running")
        const [job] = standIn.jobs()
        const [pod] = standIn.pods()
        // As a node does that vanished: no end is told, the objects go.
        standIn.objects.remove("jobs", job)
        standIn.objects.remove("pods", pod)
        expect(yield* ended).toMatchObject({ kind: "gone" })
        yield* backend.clean(work, { retain: false })
      })
    ))

  it("knows the outcome of a removed Job from the record on the volume", () =>
    onStage(({ backend, restarted, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "exit 5")
        yield* runToEnd(backend, work)
        for (const job of standIn.jobs()) standIn.objects.remove("jobs", job)
        for (const pod of standIn.pods()) standIn.objects.remove("pods", pod)
        const later = yield* restarted
        expect(yield* later.watch(work, Effect.void)).toEqual(exited(5))
      })
    ))
})

describe("names, adoption and cleaning", () => {
  it("starts a run once, whoever asks and however often", () =>
    onStage(({ backend, restarted, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "echo once; sleep 1", { prompt: "p".repeat(200_000) })
        const { ended } = yield* begin(backend, work)
        yield* backend.start(work)
        const other = yield* restarted
        yield* other.start(work)
        expect(yield* other.list).toEqual([
          { companyId: "acme", agentId: "writer", runId: "r1", command: "exec", retain: false }
        ])
        const both = yield* Effect.all([ended, other.watch(work, Effect.void)], { concurrency: 2 })
        expect(both).toEqual([exited(0), exited(0)])
        expect(standIn.jobs()).toHaveLength(1)
        expect(standIn.pods()).toHaveLength(1)
      })
    ))

  it("does not start a run again that has left something on the volume, and tells its end by the record", () =>
    onStage(({ backend, restarted, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "echo once; exit 5")
        yield* runToEnd(backend, work)
        for (const job of standIn.jobs()) standIn.objects.remove("jobs", job)
        for (const pod of standIn.pods()) standIn.objects.remove("pods", pod)
        const other = yield* restarted
        yield* other.start(work)
        expect(yield* other.watch(work, Effect.void)).toEqual(exited(5))
        expect(standIn.objects.created).toMatchObject({ jobs: 1, pods: 1 })
      })
    ))

  it("lists no work of another daemon, nor what is kept of ended runs", () =>
    onStage(
      ({ backend, restarted, standIn }) =>
        Effect.gen(function* () {
          yield* begin(backend, workOf("running", "sleep 30", { retain: true }))
          const kept = workOf("kept", "true", { retain: true })
          yield* runToEnd(backend, kept)
          yield* backend.clean(kept, { retain: true })
          yield* begin(backend, workOf("other", "sleep 30"))
          const other = standIn.jobs().find(({ metadata }) => metadata.name.includes("other"))
          standIn.objects.change(
            "jobs",
            other,
            ({ metadata }) => void (metadata.annotations["holdfast/owner"] = "another-daemon")
          )
          const listed = yield* Effect.flatMap(restarted, ({ list }) => list)
          expect(listed.map(({ retain, runId }) => [runId, retain])).toEqual([["running", true]])
        }),
      { owner: "this-daemon" }
    ))

  it("does not take another run's Job of the same name for its own, nor removes it", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "sleep 30")
        yield* begin(backend, work)
        const [job] = standIn.jobs()
        standIn.objects.change("jobs", job, ({ metadata }) => void (metadata.labels[LABELS.runId] = "another"))
        expect(yield* Effect.flip(backend.start(work))).toMatchObject({
          retryable: false,
          message: expect.stringContaining("not of this run")
        })
        yield* backend.clean(work, { retain: false })
        yield* backend.stop(work)
        expect(standIn.jobs()).toHaveLength(1)
      })
    ))

  it("removes Job, Secret and output, and finds nothing wrong with what is gone already", () =>
    onStage(({ backend, root, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "echo x", { prompt: "p".repeat(200_000) })
        yield* runToEnd(backend, work)
        yield* backend.clean(work, { retain: false })
        yield* until("the pod is gone", () => standIn.pods().length === 0)
        expect([standIn.jobs(), standIn.secrets()]).toEqual([[], []])
        expect(readdirSync(join(root, "run-logs/acme/writer"))).toEqual([])
        yield* backend.clean(work, { retain: false })
      })
    ))

  it("keeps Job and output of a run that is to be kept, and never its prompt", () =>
    onStage(({ backend, log, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "echo kept", { prompt: "p".repeat(200_000), retain: true })
        yield* runToEnd(backend, work)
        yield* backend.clean(work, { retain: true })
        expect(standIn.jobs()[0].spec.ttlSecondsAfterFinished).toBeUndefined()
        expect(standIn.secrets()).toEqual([])
        expect(log(work)).toBe("kept\n")
      })
    ))

  it("follows an adopted Job's output where that Job writes it, and no other file", () =>
    onStage(({ backend, restarted, root, standIn }) =>
      Effect.gen(function* () {
        const work = workOf("r1", "sleep 30")
        yield* begin(backend, work)
        const [job] = standIn.jobs()
        const place = (path: string) =>
          Effect.gen(function* () {
            standIn.objects.change(
              "jobs",
              job,
              ({ metadata }) => void (metadata.annotations[ANNOTATIONS.logPath] = path)
            )
            const { directory, logName } = yield* (yield* restarted).place(work)
            return join(directory, logName)
          })
        expect(yield* place(`${MOUNT}/older/run-logs/acme/writer/r1.pod.ndjson`)).toBe(
          `${root}/older/run-logs/acme/writer/r1.pod.ndjson`
        )
        const usual = `${root}/run-logs/acme/writer/r1.pod.ndjson`
        expect(yield* place("/etc/run-logs/acme/writer/r1.pod.ndjson")).toBe(usual)
        expect(yield* place(`${MOUNT}/../etc/run-logs/acme/writer/r1.pod.ndjson`)).toBe(usual)
        expect(yield* place(`${MOUNT}/run-logs/acme/writer/r2.pod.ndjson`)).toBe(usual)
      })
    ))

  it("lets the cluster remove an ended Job that nobody removed", () =>
    onStage(
      ({ backend, standIn }) =>
        Effect.gen(function* () {
          yield* runToEnd(backend, workOf("r1", "true"))
          yield* until("the Job is gone", () => standIn.jobs().length === 0)
        }),
      { settings: { ttlSeconds: 1 } }
    ))

  it("finds the volume that it shares by looking at its own pod", () =>
    onStage(
      ({ backend, root, standIn }) =>
        Effect.gen(function* () {
          standIn.objects.create("pods", "agents", {
            metadata: { name: "holdfast-0" },
            spec: {
              containers: [{ name: "daemon", volumeMounts: [{ name: "data", mountPath: root }] }],
              volumes: [{ name: "data", persistentVolumeClaim: { claimName: "shared" } }]
            },
            status: {}
          })
          expect(yield* runToEnd(backend, workOf("r1", "exit 4"))).toEqual(exited(4))
          expect(standIn.jobs()[0].spec.template.spec.volumes[1]).toEqual({
            name: "output",
            persistentVolumeClaim: { claimName: "shared" }
          })
        }),
      { settings: { pvc: undefined } }
    ))
})

describe("what a cluster cannot run", () => {
  it("fails at once where waiting does not help", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        for (const reason of ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"]) {
          standIn.imageProblems.set("stand-in/agent", reason)
          expect(yield* runToEnd(backend, workOf(reason, "true"))).toEqual({
            kind: "failed",
            message: expect.stringContaining(reason)
          })
        }
      })
    ))

  it("fails an evicted pod with the node's words", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const { ended } = yield* begin(backend, workOf("r1", "sleep 60"))
        yield* until("it runs", () => standIn.pods()[0]?.status.phase === "Running")
        standIn.objects.change("pods", standIn.pods()[0], ({ status }) => {
          Object.assign(status, { phase: "Failed", reason: "Evicted", message: "The node was low on memory." })
        })
        expect(yield* ended).toEqual({ kind: "failed", message: expect.stringMatching(/evicted.*low on memory/) })
      })
    ))

  it("waits for a node and for the volume, and then runs", () =>
    onStage(({ backend, standIn }) =>
      Effect.gen(function* () {
        const [claim] = standIn.objects.list("persistentvolumeclaims", "agents", "")
        standIn.objects.change("persistentvolumeclaims", claim, ({ status }) => void (status.phase = "Pending"))
        const { ended, fiber } = yield* begin(backend, workOf("r1", "exit 9"))
        yield* until("it waits", () => standIn.pods()[0]?.status.conditions?.[0].reason === "Unschedulable")
        yield* Effect.sleep("300 millis")
        expect(settled(fiber)).toBe(false)
        standIn.objects.change("persistentvolumeclaims", claim, ({ status }) => void (status.phase = "Bound"))
        expect(yield* ended).toEqual(exited(9))
      })
    ))

  it("gives up after the bound, and says what was waited for", () =>
    onStage(
      ({ backend, standIn }) =>
        Effect.gen(function* () {
          const [claim] = standIn.objects.list("persistentvolumeclaims", "agents", "")
          standIn.objects.change("persistentvolumeclaims", claim, ({ status }) => void (status.phase = "Pending"))
          expect(yield* runToEnd(backend, workOf("r1", "true"))).toEqual({
            kind: "failed",
            message:
              "the Job did not get to run within 0.5 s: Unschedulable: pod has unbound immediate PersistentVolumeClaims. (the volume claim shared is Pending)"
          })
        }),
      { settings: { scheduleSeconds: 0.5 } }
    ))
})
