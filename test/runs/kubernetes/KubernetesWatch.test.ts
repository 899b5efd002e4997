import { it } from "@effect/vitest"
import { Effect, Option, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { KubernetesClient, KubernetesError } from "../../../src/runs/kubernetes/index.ts"
import { identityAnnotations, identityLabels } from "../../../src/runs/kubernetes/JobNames.ts"
import type { Seen, SeenKind, WatchEvent } from "../../../src/runs/kubernetes/KubernetesClient.ts"
import type { JobSeen, PodSeen } from "../../../src/runs/kubernetes/KubernetesObjects.ts"
import { makeKubernetesWatch } from "../../../src/runs/kubernetes/KubernetesWatch.ts"
import { workOf } from "./Fixture.ts"

const run = workOf("r1", "true")
const metadata = (uid: string) => ({
  name: uid,
  uid,
  labels: identityLabels("holdfast", run),
  annotations: identityAnnotations(run)
})
const job: JobSeen = { metadata: metadata("job") }
const pod: PodSeen = { metadata: metadata("pod"), status: { phase: "Running" } }
const failed: PodSeen = { metadata: metadata("pod"), status: { phase: "Failed" } }

type Told = ReadonlyArray<WatchEvent<SeenKind>>
type Answer = Stream.Stream<WatchEvent<SeenKind>, KubernetesError>

const at = (version: string) => ({ resourceVersion: version })
const trouble = (kind: KubernetesError["kind"], retryAfterMs: number | null = null) =>
  new KubernetesError({ kind, status: null, retryAfterMs, message: "the script says so" })

/** A client that lists one Job and one pod, and whose watches answer as scripted, and then nothing. */
const scripted = Effect.fnUntraced(function* (script: {
  readonly jobs?: ReadonlyArray<Answer>
  readonly pods?: ReadonlyArray<Answer>
}) {
  const asked = yield* Ref.make<ReadonlyArray<string>>([])
  const answers = { jobs: [...(script.jobs ?? [])], pods: [...(script.pods ?? [])] }
  const note = (text: string) => Ref.update(asked, (before) => [...before, text])
  const nothing = Effect.die(new Error("a watch asks for nothing else"))
  const client = KubernetesClient.of({
    namespace: "agents",
    createJob: () => nothing,
    readJob: () => nothing,
    deleteJob: () => nothing,
    createSecret: () => nothing,
    readSecret: () => nothing,
    ownSecret: () => nothing,
    deleteSecret: () => nothing,
    readPod: () => nothing,
    claimPhase: () => nothing,
    may: () => nothing,
    list: <K extends SeenKind>(kind: K) => {
      const items: Seen[K][] = [{ jobs: job, pods: pod }[kind]]
      return Effect.as(note(`list ${kind}`), { items, resourceVersion: "7" })
    },
    watch: <K extends SeenKind>(kind: K, _: string, version: string) =>
      Stream.unwrap(
        Effect.as(note(`watch ${kind} ${version}`), answers[kind].shift() ?? Stream.never)
      ) as Stream.Stream<WatchEvent<K>, KubernetesError>
  })
  return { watch: yield* makeKubernetesWatch(client, "a=b"), asked: Ref.get(asked) }
})

const all = (...events: Told): Answer => Stream.concat(Stream.fromIterable(events), Stream.never)
const ended = (...events: Told): Answer => Stream.fromIterable(events)
const broken = (error: KubernetesError, ...events: Told): Answer =>
  Stream.concat(Stream.fromIterable(events), Stream.fail(error))
const pods = (asked: ReadonlyArray<string>) => asked.filter((text) => text.includes("pods"))

describe("the watch of a namespace", () => {
  it.effect("keeps the last state of what is gone for whoever waits for it, and for nobody else", () =>
    Effect.gen(function* () {
      const script = {
        jobs: [all({ _tag: "Removed", object: job, ...at("9") })],
        pods: [all({ _tag: "Changed", object: failed, ...at("8") }, { _tag: "Removed", object: failed, ...at("9") })]
      }
      const alone = yield* scripted(script)
      yield* TestClock.adjust("1 second")
      expect((yield* alone.watch.sight(run)).sight).toEqual({ job: null, pods: [] })
      const watched = yield* scripted(script)
      yield* watched.watch.attend(run)
      yield* TestClock.adjust("1 second")
      expect((yield* watched.watch.sight(run)).sight).toMatchObject({ job: null, pods: [{ pod: failed, gone: true }] })
    })
  )

  it.effect("goes on from its last version, also from one that came without news", () =>
    Effect.gen(function* () {
      const { asked } = yield* scripted({
        pods: [
          ended({ _tag: "Changed", object: pod, ...at("8") }),
          ended({ _tag: "Bookmark", ...at("50") }),
          broken(trouble("transient"))
        ]
      })
      yield* TestClock.adjust("5 seconds")
      expect(pods(yield* asked)).toEqual([
        "list pods",
        "watch pods 7",
        "watch pods 8",
        "watch pods 50",
        "watch pods 50"
      ])
    })
  )

  it.effect("begins with a list again when it has expired or was refused", () =>
    Effect.gen(function* () {
      const { asked } = yield* scripted({ pods: [broken(trouble("expired")), broken(trouble("forbidden"))] })
      yield* TestClock.adjust("5 seconds")
      expect(pods(yield* asked)).toEqual([
        "list pods",
        "watch pods 7",
        "list pods",
        "watch pods 7",
        "list pods",
        "watch pods 7"
      ])
    })
  )

  it.effect("waits longer after each failure, as long as it is told, and no longer once it is answered", () =>
    Effect.gen(function* () {
      const failures = Array.from({ length: 3 }, () => broken(trouble("transient")))
      const opened = broken(trouble("transient"), { _tag: "Opened", resourceVersion: undefined })
      const { asked } = yield* scripted({ pods: [...failures, opened, broken(trouble("throttled", 3_000))] })
      const count = Effect.map(asked, (all) => pods(all).length)
      const counts: Array<number> = []
      // 250, 500, 1,000 ms, and after an answer 250 again; then what the server asks for.
      for (const ms of [0, 250, 500, 1_000, 250, 2_999, 1]) {
        yield* TestClock.adjust(ms)
        counts.push(yield* count)
      }
      expect(counts).toEqual([2, 3, 4, 5, 6, 6, 7])
    })
  )

  it.effect("does not take the end of an earlier Job for the end of a later one of that name", () =>
    Effect.gen(function* () {
      const later: JobSeen = { metadata: { ...metadata("later"), name: "job" } }
      const { watch } = yield* scripted({
        jobs: [all({ _tag: "Changed", object: later, ...at("8") }, { _tag: "Removed", object: job, ...at("9") })]
      })
      yield* TestClock.adjust("1 second")
      expect(Option.fromNullishOr((yield* watch.sight(run)).sight.job)).toEqual(Option.some(later))
    })
  )
})
