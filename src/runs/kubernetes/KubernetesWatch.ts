/**
 * What is known of all runs on the cluster: one watch per namespace and kind of object, not a question per run.
 *
 * A watch that ends is resumed where it was; one that cannot be is begun anew from a list. While the API is away, what was
 * known stays known, and nothing is concluded from silence.
 *
 * @ref LLP 0020#the-watch [implements]
 */
import { Clock, Deferred, Duration, Effect, Option, Ref, type Scope, Stream } from "effect"
import type { RunIds } from "../Backend.ts"
import { runKey } from "./JobNames.ts"
import type { KubernetesClient, Seen, SeenKind } from "./KubernetesClient.ts"
import { isTransient, type KubernetesError } from "./KubernetesErrors.ts"
import { idsOf, type JobSeen, type PodSeen } from "./KubernetesObjects.ts"
import type { Sight } from "./KubernetesVerdict.ts"

/** So many questions in a row in vain before anybody is told; what is asked stays the same. */
export const FAILURES_UNTIL_TOLD = 5
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 10_000
/** A server that ends every watch at once is not asked at once again. */
const RESUME_WAIT_MS = 100

interface Entry extends Sight {
  readonly run: RunIds
  /** Who waits for news of it: until then its last state is kept. */
  readonly watchers: number
  readonly changed: Deferred.Deferred<void>
}
type Entries = ReadonlyMap<string, Entry>

export interface KubernetesWatch {
  /** What is known of a run, and when that changes. */
  readonly sight: (run: RunIds) => Effect.Effect<{ readonly sight: Sight; readonly changed: Effect.Effect<void> }>
  /** Keeps what is known of a run while the scope is open. */
  readonly attend: (run: RunIds) => Effect.Effect<void, never, Scope.Scope>
  /** What was learnt by asking directly: all there is of that run. */
  readonly learn: (run: RunIds, job: JobSeen | null, pods: ReadonlyArray<PodSeen> | null) => Effect.Effect<void>
  /** Both lists have been read once. */
  readonly synced: Effect.Effect<void>
  /** When the API was last heard, ms since the epoch; 0 for never. */
  readonly heardAt: Effect.Effect<number>
}

/** Begins to watch; ends with the scope. */
export const makeKubernetesWatch = Effect.fn("makeKubernetesWatch")(function* (
  client: KubernetesClient["Service"],
  selector: string
): Effect.fn.Return<KubernetesWatch, never, Scope.Scope> {
  const entries = yield* Ref.make<Entries>(new Map())
  const heard = yield* Ref.make(0)
  const synced: Record<SeenKind, Deferred.Deferred<void>> = {
    jobs: yield* Deferred.make<void>(),
    pods: yield* Deferred.make<void>()
  }

  /** Changes one entry; whoever waits for it is told when it is another one than before. */
  const change = Effect.fnUntraced(function* (run: RunIds, next: (entry: Entry) => Entry) {
    const fresh = yield* Deferred.make<void>()
    const told = yield* Ref.modify(entries, (known): readonly [Deferred.Deferred<void> | null, Entries] => {
      const key = runKey(run)
      const before = known.get(key) ?? { run, job: null, pods: [], watchers: 0, changed: fresh }
      const after = next(before)
      if (after === before && known.has(key)) return [null, known]
      const all = new Map(known)
      if (isForgotten(after)) all.delete(key)
      else all.set(key, { ...after, changed: fresh })
      return [before.changed, all]
    })
    if (told !== null) yield* Deferred.succeed(told, undefined)
  })

  const put = Effect.fnUntraced(function* <K extends SeenKind>(kind: K, object: Seen[K], removed: boolean) {
    const run = idsOf(object)
    if (Option.isSome(run)) yield* change(run.value, (entry) => withObject(entry, kind, object, removed))
  })

  const relist = Effect.fnUntraced(function* <K extends SeenKind>(kind: K) {
    const { items, resourceVersion } = yield* client.list(kind, selector)
    const uids = new Set(items.map(({ metadata }) => metadata.uid))
    for (const { run } of (yield* Ref.get(entries)).values()) {
      yield* change(run, (entry) => withoutOthers(entry, kind, uids))
    }
    for (const object of items) yield* put(kind, object, false)
    return resourceVersion
  })

  const hear = Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(heard, now))

  const follow = Effect.fnUntraced(function* (kind: SeenKind): Effect.fn.Return<never> {
    let failures = 0
    const version = yield* Ref.make(Option.none<string>())

    const once = Effect.gen(function* () {
      if (Option.isNone(yield* Ref.get(version))) {
        yield* Ref.set(version, Option.some(yield* relist(kind)))
        failures = 0
        yield* hear
        yield* Deferred.succeed(synced[kind], undefined)
      }
      const from = Option.getOrElse(yield* Ref.get(version), () => "0")
      yield* Stream.runForEach(client.watch(kind, selector, from), (event) =>
        Effect.gen(function* () {
          failures = 0
          yield* hear
          if ("object" in event) yield* put(kind, event.object, event._tag === "Removed")
          if (event.resourceVersion !== undefined) yield* Ref.set(version, Option.some(event.resourceVersion))
        })
      )
    })

    const afterFailure = Effect.fnUntraced(function* (error: KubernetesError) {
      failures += 1
      // What was missed in between, only a list can tell.
      if (!isTransient(error)) yield* Ref.set(version, Option.none())
      if (error.kind === "expired") return RESUME_WAIT_MS
      if (failures === FAILURES_UNTIL_TOLD) {
        yield* Effect.logWarning("kubernetes_unreachable").pipe(
          Effect.annotateLogs({ failures, detail: `${error.message} Runs go on; what they do is learnt later.` })
        )
      }
      return Math.max(error.retryAfterMs ?? 0, Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS))
    })

    while (true) {
      const wait = yield* Effect.matchEffect(once, {
        onSuccess: () => Effect.as(hear, RESUME_WAIT_MS),
        onFailure: afterFailure
      })
      yield* Effect.sleep(Duration.millis(wait))
    }
  })

  yield* Effect.forkScoped(follow("jobs"))
  yield* Effect.forkScoped(follow("pods"))

  const watchers = (run: RunIds, by: number) =>
    change(run, (entry) => ({ ...entry, watchers: Math.max(0, entry.watchers + by) }))

  return {
    sight: Effect.fnUntraced(function* (run) {
      const entry = (yield* Ref.get(entries)).get(runKey(run))
      return entry === undefined
        ? { sight: { job: null, pods: [] }, changed: Effect.never }
        : { sight: entry, changed: Deferred.await(entry.changed) }
    }),
    attend: (run) => Effect.acquireRelease(watchers(run, 1), () => watchers(run, -1)),
    learn: Effect.fnUntraced(function* (run, job, pods) {
      if (pods !== null) {
        const there = new Set(pods.map(({ metadata }) => metadata.uid))
        yield* change(run, (entry) => withoutOthers(entry, "pods", there))
        for (const pod of pods) yield* put("pods", pod, false)
      }
      yield* change(run, (entry) => (job === null && entry.job === null ? entry : { ...entry, job }))
    }),
    synced: Effect.andThen(Deferred.await(synced.jobs), Deferred.await(synced.pods)),
    heardAt: Ref.get(heard)
  }
})

const isForgotten = ({ job, pods, watchers }: Entry): boolean =>
  watchers === 0 && job === null && pods.every(({ gone }) => gone)

const isPod = (kind: SeenKind, object: Seen[SeenKind]): object is PodSeen => kind === "pods" && object !== null

const withObject = (entry: Entry, kind: SeenKind, object: Seen[SeenKind], removed: boolean): Entry => {
  const { uid } = object.metadata
  if (isPod(kind, object)) {
    return {
      ...entry,
      pods: [...entry.pods.filter(({ pod }) => pod.metadata.uid !== uid), { pod: object, gone: removed }]
    }
  }
  // The end of one Job is not the end of another one of that name.
  if (removed && entry.job !== null && entry.job.metadata.uid !== uid) return entry
  return { ...entry, job: removed ? null : object }
}

/** Without what a list does not hold any more. */
const withoutOthers = (entry: Entry, kind: SeenKind, uids: ReadonlySet<string>): Entry => {
  if (kind === "jobs") return entry.job === null || uids.has(entry.job.metadata.uid) ? entry : { ...entry, job: null }
  return entry.pods.every(({ gone, pod }) => gone || uids.has(pod.metadata.uid))
    ? entry
    : { ...entry, pods: entry.pods.map(({ gone, pod }) => ({ pod, gone: gone || !uids.has(pod.metadata.uid) })) }
}
