/**
 * What a run's Job is made of, checked: nothing is sent that a cluster would refuse for its form.
 *
 * @ref LLP 0020#the-job [implements]
 */
import { Effect, Result } from "effect"
import { BackendFailed, type Work } from "../Backend.ts"
import { checkedPodCommand } from "../PodCommand.ts"
import { buildPodLogPath, filesBesideLog } from "../RunPaths.ts"
import { jobName } from "./JobNames.ts"
import {
  type JobFacts,
  jobOf,
  type JobParts,
  jobProblem,
  needsSecret,
  SCRATCH_PATHS,
  secretOf,
  TERMINATION_LOG
} from "./JobSpec.ts"
import type { KubernetesSettings, SharedClaim } from "./KubernetesSettings.ts"
import { rootsOf } from "./SharedVolume.ts"

interface Given {
  readonly work: Work
  readonly settings: KubernetesSettings
  readonly claim: SharedClaim
  readonly facts: JobFacts
}

const refused = (message: string) => new BackendFailed({ message, retryable: false })

/** Name, log path and command of a run's Job, or why there can be none. */
export const jobParts = Effect.fn("jobParts")(function* ({
  claim,
  facts,
  settings,
  work
}: Given): Effect.fn.Return<JobParts, BackendFailed> {
  const problem = jobProblem(work, settings)
  if (Result.isFailure(problem)) return yield* refused(problem.failure)
  const log = filesBesideLog(
    yield* Effect.mapError(buildPodLogPath(rootsOf(settings).inPods, work), ({ message }) => refused(message))
  )
  const command = yield* checkedPodCommand({
    argv: work.argv,
    paths: {
      scratch: SCRATCH_PATHS.scratch,
      log: log.log,
      stderr: log.stderr,
      record: log.record,
      recordTmp: log.recordTmp,
      termination: TERMINATION_LOG
    },
    promptFile: SCRATCH_PATHS.prompt,
    graceSeconds: work.graceSeconds
  }).pipe(Effect.mapError(({ message }) => refused(message)))
  return { name: yield* jobName(settings.kind, work), work, settings, claim, logPath: log.log, command, facts }
})

/** What `start` would send: the Secret goes first, and gets its Job as owner afterwards. */
export const renderJob = Effect.fn("renderJob")(function* (given: Given) {
  const parts = yield* jobParts(given)
  return { job: jobOf(parts), secret: needsSecret(given.work) ? secretOf(parts) : null }
})
