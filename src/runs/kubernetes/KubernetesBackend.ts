/**
 * Runs as Jobs of a cluster. Output comes through the shared volume; the API says only that something started and ended.
 *
 * @ref LLP 0020#the-backend [implements]
 */
import { Config, Context, Effect, FileSystem, Layer, Option, Path, Ref } from "effect"
import { DurableFiles, isMissing, storageStep } from "../../storage/index.ts"
import { type Backend, BackendFailed, type OutputPlace, type RunIds, type Work } from "../Backend.ts"
import { prepareRunFiles } from "../RunFiles.ts"
import { buildPodLogPath, filesBesideLog } from "../RunPaths.ts"
import { isOf, later, patiently, refused } from "./Asking.ts"
import { ANNOTATIONS, jobName, ourSelector, promptSecretName } from "./JobNames.ts"
import { jobParts } from "./JobParts.ts"
import { type JobFacts, jobOf, needsSecret, secretOf } from "./JobSpec.ts"
import { KubernetesClient } from "./KubernetesClient.ts"
import type { KubernetesError } from "./KubernetesErrors.ts"
import { foundOf, type JobSeen } from "./KubernetesObjects.ts"
import type { KubernetesSettings } from "./KubernetesSettings.ts"
import { makeKubernetesWatch } from "./KubernetesWatch.ts"
import { observeWork } from "./KubernetesWork.ts"
import { claimOf, logHere, rootsOf } from "./SharedVolume.ts"

/** So long a start waits for an API that is away, ms: a little more than ten minutes. */
const START_PATIENCE_MS = 660_000
/** A cluster that is away at start delays no run any longer than this. */
const FIRST_LOOK = "5 seconds"

/** What an embedding host says beyond the settings. */
export interface KubernetesOptions {
  readonly settings: KubernetesSettings
  readonly factsOf?: (work: Work) => Omit<JobFacts, "owner">
  /** What the Job of a run is made by, where runs differ: image, resources, nodes. Cluster and volume are the same. */
  readonly settingsOf?: (work: Work) => KubernetesSettings
  /** Whose Jobs it lists: those of another name belong to another daemon. */
  readonly owner?: string
}

export class KubernetesBackend extends Context.Service<KubernetesBackend, Backend>()(
  "holdfast/runs/kubernetes/KubernetesBackend"
) {
  static readonly layer = ({ factsOf = () => ({}), owner, settings, settingsOf = () => settings }: KubernetesOptions) =>
    Layer.effect(
      KubernetesBackend,
      Effect.gen(function* () {
        const client = yield* KubernetesClient
        const files = yield* DurableFiles
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const watched = yield* makeKubernetesWatch(client, ourSelector(settings.instance))
        const roots = rootsOf(settings)
        const firstLook = yield* Effect.cached(Effect.timeoutOption(watched.synced, FIRST_LOOK))
        const found = yield* Ref.make(Option.fromUndefinedOr(settings.pvc))

        const place: Backend["place"] = Effect.fnUntraced(function* (run) {
          yield* firstLook
          const { sight } = yield* watched.sight(run)
          const told = sight.job?.metadata.annotations?.[ANNOTATIONS.logPath]
          const there = told === undefined ? undefined : logHere(told, run, roots, settings.pvc?.mountPath)
          return placeOf(there ?? (yield* Effect.orDie(buildPodLogPath(roots.here, run))), path)
        })

        const prepare: Backend["prepare"] = Effect.fn("KubernetesBackend.prepare")(function* (work) {
          yield* prepareRunFiles(roots.here, work).pipe(
            Effect.provideService(DurableFiles, files),
            Effect.provideService(FileSystem.FileSystem, fs),
            Effect.mapError(({ message }) => new BackendFailed({ message, retryable: true }))
          )
        })

        /** The volume of the pods: of the settings, else of the daemon's own pod. */
        const claim = Effect.gen(function* () {
          const known = yield* Ref.get(found)
          if (Option.isSome(known)) return known.value
          const name = yield* Config.NonEmptyString("HOSTNAME").pipe(
            Effect.mapError(() => refused("kubernetes.pvc is not set, and the daemon does not know its own pod's name"))
          )
          const own = yield* patiently(client.readPod(name), START_PATIENCE_MS)
          const shared = Option.flatMap(own, (pod) => Option.fromUndefinedOr(claimOf(pod, roots.here)))
          if (Option.isNone(shared)) {
            return yield* refused(
              `kubernetes.pvc is not set, and ${roots.here} lies on no volume claim of the pod ${name}: say which claim the pods mount`
            )
          }
          yield* Ref.set(found, shared)
          return shared.value
        })

        /** The Job that is there already, if it is this run's. */
        const adopted = Effect.fnUntraced(function* (name: string, run: RunIds) {
          const job = yield* patiently(client.readJob(name), START_PATIENCE_MS)
          if (Option.isNone(job)) return yield* later(`the Job ${name} was there and is not any more`)
          if (!isOf(job.value, run)) return yield* refused(`there is a Job ${name} already, and it is not of this run`)
          if (job.value.metadata.deletionTimestamp !== undefined)
            return yield* later(`the Job ${name} is being removed`)
          return job.value
        })

        const giveSecret = Effect.fnUntraced(function* (job: JobSeen) {
          const name = promptSecretName(job.metadata.name)
          yield* patiently(client.ownSecret(name, job), START_PATIENCE_MS)
          const secret = yield* patiently(client.readSecret(name), START_PATIENCE_MS)
          const isOwned = Option.exists(secret, ({ metadata: { ownerReferences = [] } }) =>
            ownerReferences.some(({ uid }) => uid === job.metadata.uid)
          )
          if (isOwned) return
          return yield* later(`the Secret ${name} has not become its Job's`)
        })

        /** The name that the Job has: another one than today's settings give it, if they were others. */
        const nameOf = Effect.fnUntraced(function* (run: RunIds) {
          const { sight } = yield* watched.sight(run)
          return sight.job?.metadata.name ?? (yield* jobName(settings.kind, run))
        })

        const ownJob = Effect.fnUntraced(function* (run: RunIds) {
          const job = yield* client.readJob(yield* nameOf(run))
          return Option.filter(job, (known) => isOf(known, run))
        })

        /** Output or a record on the volume: a Job of this run was there, whatever has become of it. */
        const leftTraces = Effect.fnUntraced(function* (work: Work) {
          const log = yield* Effect.orDie(buildPodLogPath(roots.here, work))
          const { directory, logName, recordName } = placeOf(log, path)
          const names = yield* fs.readDirectory(directory).pipe(
            storageStep("readDirectory", directory),
            Effect.catchIf(isMissing, () => Effect.succeed<ReadonlyArray<string>>([])),
            Effect.catch(({ message }) => later(message))
          )
          if (names.includes(recordName)) return true
          const info = yield* Effect.option(fs.stat(path.join(directory, logName)))
          return Option.exists(info, ({ size }) => size > 0)
        })

        const start: Backend["start"] = Effect.fn("KubernetesBackend.start")(function* (work) {
          // It was started by a process that did not live to say so, and its Job is gone since: not once more.
          if ((yield* leftTraces(work)) && Option.isNone(yield* patiently(ownJob(work), START_PATIENCE_MS))) return
          const facts = { ...factsOf(work), ...(owner === undefined ? {} : { owner }) }
          const parts = yield* jobParts({ claim: yield* claim, facts, settings: settingsOf(work), work })
          const large = needsSecret(work)
          if (large) {
            const ours = Effect.catchIf(client.createSecret(secretOf(parts)), isConflict, () => Effect.void)
            yield* patiently(ours, START_PATIENCE_MS)
          }
          const created = client.createJob(jobOf(parts)).pipe(
            Effect.map((job): Option.Option<JobSeen> => Option.some(job)),
            Effect.catchIf(isConflict, () => Effect.succeed(Option.none<JobSeen>()))
          )
          const job = yield* Effect.flatMap(
            patiently(created, START_PATIENCE_MS),
            Option.match({ onNone: () => adopted(parts.name, work), onSome: Effect.succeed })
          )
          yield* watched.learn(work, job, null)
          if (large) yield* giveSecret(job)
        })

        const watch = observeWork({ claim: Ref.get(found), client, fs, nameOf, path, place, settings, watched })

        const stop: Backend["stop"] = Effect.fn("KubernetesBackend.stop")(function* (work) {
          const job = yield* patiently(ownJob(work), 0)
          if (Option.isNone(job)) return
          const { name, uid } = job.value.metadata
          // The Job stays until its pods have had their grace, so that its end is theirs.
          yield* patiently(client.deleteJob(name, uid, "Foreground"), 0)
        })

        const clean: Backend["clean"] = Effect.fn("KubernetesBackend.clean")(function* (run, { retain }) {
          const { directory, logName, recordName, stderrName } = yield* place(run)
          const job = yield* patiently(ownJob(run), 0)
          const secretName = promptSecretName(yield* nameOf(run))
          if (Option.isSome(job) && !retain) {
            const { name, uid } = job.value.metadata
            yield* patiently(client.deleteJob(name, uid, "Background"), 0)
          }
          const secret = yield* patiently(client.readSecret(secretName), 0)
          if (Option.exists(secret, (known) => isOf(known, run))) {
            yield* patiently(client.deleteSecret(secretName, Option.getOrThrow(secret).metadata.uid), 0)
          }
          const output = retain ? [] : [logName, stderrName, recordName]
          yield* Effect.forEach([...output, `${recordName}.tmp`], (name) =>
            files.remove(path.join(directory, name))
          ).pipe(Effect.mapError(({ message }) => new BackendFailed({ message, retryable: true })))
        })

        const list: Backend["list"] = patiently(client.list("jobs", ourSelector(settings.instance)), 0).pipe(
          Effect.map(({ items }) => items.flatMap((job) => Option.toArray(foundOf(job, owner)))),
          Effect.withSpan("KubernetesBackend.list")
        )

        return KubernetesBackend.of({ kind: "kubernetes", place, prepare, start, watch, stop, clean, list })
      })
    )
}

const isConflict = ({ kind }: KubernetesError): boolean => kind === "conflict"

const placeOf = (log: string, path: Path.Path): OutputPlace => {
  const { directory, record, stderr } = filesBesideLog(log)
  return {
    directory,
    logName: path.basename(log),
    stderrName: path.basename(stderr),
    recordName: path.basename(record),
    reopen: true
  }
}
