import * as NodeServices from "@effect/platform-node/NodeServices"
import { it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect } from "vitest"
import {
  KubernetesBackend,
  KubernetesClient,
  KubernetesError,
  readKubernetesSettings
} from "../../../src/runs/kubernetes/index.ts"
import { identityAnnotations, identityLabels } from "../../../src/runs/kubernetes/JobNames.ts"
import type { JobSeen } from "../../../src/runs/kubernetes/KubernetesObjects.ts"
import { DurableFiles } from "../../../src/storage/index.ts"
import { MOUNT, workOf } from "./Fixture.ts"

const away = new KubernetesError({ kind: "transient", status: null, retryAfterMs: null, message: "nobody answers" })
const work = workOf("r1", "true")

const jobSeen: JobSeen = {
  metadata: { name: "a", uid: "u", labels: identityLabels("holdfast", work), annotations: identityAnnotations(work) },
  status: { conditions: [{ type: "Complete", status: "True" }] }
}

/** Real files take real time. */
const filesAreRead = Effect.promise(() => sleep(100))

/** A client whose API is away as long as it is told; `vanished`: its lists are empty, and it answers nothing else. */
const withAway = <A, E>(
  play: (
    backend: KubernetesBackend["Service"],
    present: Ref.Ref<boolean>,
    asked: Ref.Ref<number>
  ) => Effect.Effect<A, E, never>,
  vanished = false
) =>
  Effect.gen(function* () {
    const present = yield* Ref.make(false)
    const asked = yield* Ref.make(0)
    const answer = <A>(value: A): Effect.Effect<A, KubernetesError> =>
      Effect.andThen(
        Ref.update(asked, (count) => count + 1),
        Effect.flatMap(Ref.get(present), (here) => (here ? Effect.succeed(value) : Effect.fail(away)))
      )
    const client = KubernetesClient.of({
      namespace: "agents",
      createJob: () => answer(jobSeen),
      readJob: () => answer(vanished ? Option.none() : Option.some(jobSeen)),
      deleteJob: () => answer(undefined),
      createSecret: () => answer(undefined),
      readSecret: () => answer(Option.none()),
      ownSecret: () => answer(undefined),
      deleteSecret: () => answer(undefined),
      readPod: () => answer(Option.none()),
      claimPhase: () => answer(Option.none()),
      may: () => answer(true),
      list: (kind) => {
        if (vanished) return Effect.succeed({ items: [], resourceVersion: "1" })
        return answer({ items: (kind === "jobs" ? [jobSeen] : []) as never, resourceVersion: "1" })
      },
      watch: () => Stream.never
    })
    const settings = yield* readKubernetesSettings({ image: "i", pvc: { claim: "c", mountPath: MOUNT } })
    const context = yield* Layer.build(
      KubernetesBackend.layer({ settings }).pipe(
        Layer.provide(Layer.succeed(KubernetesClient, client)),
        Layer.provide(DurableFiles.layer),
        Layer.provide(NodeServices.layer)
      )
    )
    return yield* play(yield* KubernetesBackend.pipe(Effect.provideContext(context)), present, asked)
  })

describe("an API that is away for ten minutes", () => {
  it.effect("concludes nothing about a run that goes on, and learns its end afterwards", () =>
    withAway((backend, present) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(backend.watch(work, Effect.void))
        yield* TestClock.adjust("10 minutes")
        yield* filesAreRead
        expect(fiber.pollUnsafe()).toBeUndefined()
        yield* Ref.set(present, true)
        yield* TestClock.adjust("30 seconds")
        expect(yield* Fiber.join(fiber)).toEqual({ kind: "exited", end: { exitCode: 0, signal: null } })
      })
    )
  )

  it.effect("does not call work gone that it cannot be asked about, although nothing of it is seen", () =>
    withAway(
      (backend, present) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(backend.watch(work, Effect.void))
          yield* TestClock.adjust("10 minutes")
          yield* filesAreRead
          expect(fiber.pollUnsafe()).toBeUndefined()
          yield* Ref.set(present, true)
          yield* TestClock.adjust("30 seconds")
          expect(yield* Fiber.join(fiber)).toMatchObject({ kind: "gone" })
        }),
      true
    )
  )

  it.effect("delays a start, which fails only when it takes longer", () =>
    withAway((backend, present, asked) =>
      Effect.gen(function* () {
        const first = yield* Effect.forkChild(backend.start(work))
        yield* filesAreRead
        yield* TestClock.adjust("10 minutes")
        yield* Ref.set(present, true)
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.join(first)
        yield* Ref.set(present, false)
        const before = yield* Ref.get(asked)
        const second = yield* Effect.forkChild(Effect.flip(backend.start(work)))
        yield* filesAreRead
        yield* TestClock.adjust("12 minutes")
        expect(yield* Fiber.join(second)).toMatchObject({ _tag: "BackendFailed", message: "nobody answers" })
        // Every ten seconds at most, and the watches of jobs and pods are quiet.
        expect((yield* Ref.get(asked)) - before).toBeLessThan(80)
      })
    )
  )

  it.effect("lets a stop and a cleaning be tried again, after five questions", () =>
    withAway((backend, _, asked) =>
      Effect.gen(function* () {
        for (const ask of [backend.stop(work), backend.clean(work, { retain: true }), backend.list]) {
          const fiber = yield* Effect.forkChild(Effect.flip(Effect.asVoid(ask)))
          yield* TestClock.adjust("30 seconds")
          expect(yield* Fiber.join(fiber)).toMatchObject({ retryable: true })
        }
        expect(yield* Ref.get(asked)).toBeGreaterThan(15)
      })
    )
  )
})
