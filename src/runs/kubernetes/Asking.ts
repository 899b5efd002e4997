/**
 * Questions to a cluster's API as a backend asks them: trouble of the server is waited out, what it refuses is final.
 *
 * @ref LLP 0020#errors [implements]: five times in a row, and still nothing follows for the run
 */
import { Clock, Duration, Effect, Option, Result } from "effect"
import { BackendFailed, type RunIds } from "../Backend.ts"
import { LABELS, labelValue, runKey } from "./JobNames.ts"
import { isTransient, type KubernetesError } from "./KubernetesErrors.ts"
import { idsOf } from "./KubernetesObjects.ts"
import { FAILURES_UNTIL_TOLD } from "./KubernetesWatch.ts"

/** Waits between questions that may be answered later, ms; the last one repeats. */
const LADDER_MS = [250, 500, 1_000, 2_000, 5_000, 10_000]

/** What no other try will change. */
export const refused = (message: string) => new BackendFailed({ message, retryable: false })
/** What another try may change. */
export const later = (message: string) => new BackendFailed({ message, retryable: true })

/** Label and annotations say the same: a label alone is cut. */
export const isOf = (object: Parameters<typeof idsOf>[0], run: RunIds): boolean =>
  object.metadata.labels?.[LABELS.runId] === labelValue(run.runId) &&
  Option.exists(idsOf(object), (ids) => runKey(ids) === runKey(run))

/** Asks again while the API has trouble: five times in a row, or as long as is said. What it refuses is final. */
export const patiently = <A>(ask: Effect.Effect<A, KubernetesError>, forMs: number): Effect.Effect<A, BackendFailed> =>
  Effect.gen(function* () {
    const since = yield* Clock.currentTimeMillis
    for (let failures = 1; ; failures += 1) {
      const answer = yield* Effect.result(ask)
      if (Result.isSuccess(answer)) return answer.success
      const { message, retryAfterMs } = answer.failure
      if (!isTransient(answer.failure)) return yield* refused(message)
      const waited = (yield* Clock.currentTimeMillis) - since
      if (failures >= FAILURES_UNTIL_TOLD && waited >= forMs) return yield* later(message)
      if (failures === FAILURES_UNTIL_TOLD) yield* Effect.logWarning(message)
      const wait = LADDER_MS[Math.min(failures, LADDER_MS.length) - 1] ?? 0
      yield* Effect.sleep(Duration.millis(Math.max(wait, retryAfterMs ?? 0)))
    }
  })
