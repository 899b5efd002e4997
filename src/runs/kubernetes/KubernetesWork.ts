/**
 * Waits for the end of one run's work on a cluster, from what the watch knows and the record on the volume.
 *
 * @ref LLP 0020#the-backend [implements]: waits have bounds, silence of the API has none and proves nothing
 */
import { Clock, Duration, Effect, type FileSystem, Option, type Path, Schema, type Scope } from "effect"
import type { WorkEnd } from "../../../machines/index.ts"
import { EndRecordJson } from "../../domain/index.ts"
import type { Backend, RunIds, Work } from "../Backend.ts"
import { isOf, patiently } from "./Asking.ts"
import { runKey, runSelector } from "./JobNames.ts"
import { podGraceSeconds } from "./JobSpec.ts"
import type { KubernetesClient } from "./KubernetesClient.ts"
import { idsOf } from "./KubernetesObjects.ts"
import type { KubernetesSettings, SharedClaim } from "./KubernetesSettings.ts"
import { type Look, lookAt } from "./KubernetesVerdict.ts"
import type { KubernetesWatch } from "./KubernetesWatch.ts"

/** After a pod has ended, its Job says a moment later whether that was the deadline. */
const CONDITION_MS = 10_000
/** Pods of a Job that has ended get their own grace, and the cluster some time. */
const POD_END_MS = 30_000
/** How often a run that only works is looked at. */
const LOOK_MS = 60_000
/** How often an API that does not answer is asked about a run of which nothing is seen. */
const ASK_MS = 10_000
/** The API was heard of lately enough that a run which it calls running is. */
const HEARD_MS = 90_000

export interface ObserverParts {
  readonly client: KubernetesClient["Service"]
  readonly watched: KubernetesWatch
  readonly settings: KubernetesSettings
  readonly claim: Effect.Effect<Option.Option<SharedClaim>>
  readonly nameOf: (run: RunIds) => Effect.Effect<string>
  readonly place: Backend["place"]
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
}

/** `watch` of the backend. */
export const observeWork = ({
  claim,
  client,
  fs,
  nameOf,
  path,
  place,
  settings,
  watched
}: ObserverParts): Backend["watch"] => {
  const recordOf = Effect.fnUntraced(function* (run: RunIds) {
    const { directory, recordName } = yield* place(run)
    // The name is looked for in its directory: one that was asked for too early may stay unseen for a while.
    const names = yield* Effect.orElseSucceed(fs.readDirectory(directory), (): ReadonlyArray<string> => [])
    if (!names.includes(recordName)) return Option.none()
    const text = yield* Effect.orElseSucceed(fs.readFileString(path.join(directory, recordName)), () => "")
    return Schema.decodeUnknownOption(EndRecordJson)(text)
  })

  /** The record comes before what the API says of an exit, or of nothing. */
  const proven = Effect.fnUntraced(function* (run: RunIds, end: WorkEnd): Effect.fn.Return<WorkEnd> {
    if (end.kind === "deadline" || end.kind === "failed") return end
    return Option.match(yield* recordOf(run), {
      onNone: () => end,
      onSome: ({ exit_code, signal }) => ({ kind: "exited" as const, end: { exitCode: exit_code, signal } })
    })
  })

  /** Asks for all there is of a run. Whether there was an answer; however often there is none, nothing follows. */
  const asked = Effect.fnUntraced(
    function* (run: RunIds) {
      const job = yield* patiently(client.readJob(yield* nameOf(run)), 0)
      const { items } = yield* patiently(client.list("pods", runSelector(settings.instance, run)), 0)
      const own = items.filter((pod) => Option.exists(idsOf(pod), (ids) => runKey(ids) === runKey(run)))
      yield* watched.learn(run, Option.getOrNull(Option.filter(job, (known) => isOf(known, run))), own)
      return true
    },
    Effect.catch(({ message }) => Effect.as(Effect.logWarning(message), false))
  )

  const look = (work: Work) =>
    Effect.map(watched.sight(work), ({ changed, sight }) => ({ changed, look: lookAt(sight, work.limitSeconds > 0) }))

  /** Why nothing runs, with what the volume claim says. */
  const why = Effect.fnUntraced(function* (problem: string) {
    const shared = yield* claim
    if (Option.isNone(shared)) return problem
    const name = shared.value.claim
    const phase = yield* Effect.option(client.claimPhase(name))
    if (Option.isNone(phase)) return problem
    if (Option.isNone(phase.value)) return `${problem} (there is no volume claim ${name})`
    return phase.value.value === "Bound" ? problem : `${problem} (the volume claim ${name} is ${phase.value.value})`
  })

  const notScheduled = Effect.fnUntraced(function* (problem: string): Effect.fn.Return<WorkEnd> {
    const bound = `the Job did not get to run within ${settings.scheduleSeconds} s`
    return { kind: "failed", message: `${bound}: ${yield* why(problem)}` }
  })

  /** What follows once a wait is over: asked for once more, for what was known may be old. */
  const afterWait = Effect.fnUntraced(function* (work: Work, expected: Look["_tag"]) {
    if (!(yield* asked(work))) return { answered: false, end: null }
    const again = (yield* look(work)).look
    if (again._tag !== expected) return { answered: true, end: null }
    if (again._tag === "Waiting") return { answered: true, end: yield* notScheduled(again.problem) }
    const gone: WorkEnd = { kind: "gone", message: "its Job was removed, and it left no record" }
    return { answered: true, end: yield* proven(work, gone) }
  })

  return Effect.fn("KubernetesBackend.watch")(function* (work, alive): Effect.fn.Return<WorkEnd, never, Scope.Scope> {
    yield* watched.attend(work)
    yield* watched.synced
    let since: { readonly tag: Look["_tag"]; readonly at: number } | null = null
    while (true) {
      const { changed, look: seen } = yield* look(work)
      if (seen._tag === "Ended") return yield* proven(work, seen.end)
      const now = yield* Clock.currentTimeMillis
      if (since === null || since.tag !== seen._tag) since = { tag: seen._tag, at: now }
      const left = since.at + boundOf(seen, work, settings) - now
      let nap = Math.min(left, LOOK_MS)
      if (left <= 0) {
        if (seen._tag === "Ending") return yield* proven(work, seen.end)
        const { answered, end } = yield* afterWait(work, seen._tag)
        if (end !== null) return end
        if (answered) continue
        nap = ASK_MS
      }
      const news = yield* Effect.timeoutOption(changed, Duration.millis(nap))
      const heardLately = (yield* Clock.currentTimeMillis) - (yield* watched.heardAt) < HEARD_MS
      if (Option.isSome(news) || heardLately) yield* alive
    }
  }, Effect.scoped)
}

/** How long a sight may last before something follows from it, ms. */
const boundOf = (look: Look, work: Work, { scheduleSeconds }: KubernetesSettings): number => {
  switch (look._tag) {
    case "Waiting":
      return scheduleSeconds * 1_000
    case "Ending":
      return look.patience === "condition" ? CONDITION_MS : podGraceSeconds(work) * 1_000 + POD_END_MS
    case "Absent":
      return 0
    default:
      return Number.POSITIVE_INFINITY
  }
}
