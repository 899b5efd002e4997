/** What is worth telling about a gateway, from one status to the next. Pure. */
import type { Status } from "../domain/index.ts"

/** What was told already. Times are ISO 8601. */
export interface Told {
  readonly gateway: string | null
  readonly attemptAt: string | null
  readonly rollbackAt: string | null
  readonly probation: string | null
  readonly running: string | null
  readonly promoted: string | null
  readonly problem: string | null
}

/** One thing that happened. */
export interface Event {
  readonly kind:
    | "joined"
    | "applied"
    | "refused"
    | "probation"
    | "promoted"
    | "rolled-back"
    | "back"
    | "problem"
    | "recovered"
  readonly text: string
}

/** Before the first status. `since`: what happened earlier is not told again. */
export const nothingTold = (since: string): Told => ({
  gateway: null,
  attemptAt: since,
  rollbackAt: since,
  probation: null,
  running: null,
  promoted: null,
  problem: null
})

const PROBLEMS = new Set([
  "identity_failing",
  "credential_dead",
  "poll_failing",
  "storage_failing",
  "storage_impaired",
  "api_unavailable",
  "provider_invalid"
])

/** What a status adds to the story. */
export const tell = (told: Told, status: Status): readonly [Told, ReadonlyArray<Event>] => {
  const events: Array<Event> = []
  const add = (kind: Event["kind"], text: string) => void events.push({ kind, text })
  const { gateway_id } = status.identity
  const remote = status.remote_config
  const { last_attempt, last_known_good, last_rollback, probation, running_etag = null } = remote ?? {}

  if (gateway_id !== null && gateway_id !== told.gateway) add("joined", `joined the fleet as ${plain(gateway_id)}`)

  const attemptIsNew = last_attempt != null && isAfter(last_attempt.at, told.attemptAt)
  if (attemptIsNew) {
    const { etag, reason, verdict } = last_attempt
    if (verdict === "applied") add("applied", `applied revision ${short(etag)}`)
    else add("refused", `did not apply revision ${short(etag)}: ${plain(verdict)}${because(reason)}`)
  }

  const rollbackIsNew = last_rollback != null && isAfter(last_rollback.at, told.rollbackAt)
  if (rollbackIsNew) {
    const { detail, etag, reason } = last_rollback
    // The process that decides to go back still runs what failed; one that goes back as it starts does not.
    const next = running_etag === etag ? `goes back to ${named(last_known_good?.etag)}` : `runs ${named(running_etag)}`
    add("rolled-back", `rolled back from revision ${short(etag)}: ${plain(reason)}${because(detail)}; ${next}`)
  }

  // A marker may still name a revision that was staged and does not run yet.
  const onProbation = probation != null && probation.etag === running_etag ? probation : null
  if (onProbation !== null && onProbation.etag !== told.probation) {
    add(
      "probation",
      `on probation: revision ${short(onProbation.etag)} has ${onProbation.remaining_seconds} s to reach central`
    )
  }

  const promoted =
    onProbation === null && running_etag !== null && last_known_good?.etag === running_etag ? running_etag : null
  if (promoted !== null && promoted !== told.promoted) {
    add("promoted", `promoted: revision ${short(promoted)} is known good`)
  } else if (promoted !== null && told.running !== null && told.running !== running_etag) {
    add("back", `runs revision ${short(promoted)} again, which is known good`)
  }

  const problem = status.diagnostics.find(({ kind }) => PROBLEMS.has(kind)) ?? null
  if (problem !== null && problem.kind !== told.problem) add("problem", `degraded: ${plain(problem.message)}`)
  if (problem === null && told.problem !== null) add("recovered", "healthy again")

  return [
    {
      gateway: gateway_id ?? told.gateway,
      attemptAt: attemptIsNew ? last_attempt.at : told.attemptAt,
      rollbackAt: rollbackIsNew ? last_rollback.at : told.rollbackAt,
      probation: onProbation?.etag ?? null,
      running: running_etag,
      promoted: promoted ?? told.promoted,
      problem: problem?.kind ?? null
    },
    events
  ]
}

const isAfter = (at: string, than: string | null): boolean => than === null || Date.parse(at) > Date.parse(than)

const because = (reason: string | null | undefined): string =>
  reason == null || reason === "" ? "" : ` (${plain(reason)})`

const named = (etag: string | null | undefined): string =>
  etag == null ? "the joining document" : `revision ${short(etag)}`

/** Enough of an etag to tell revisions apart on a screen. */
const short = (etag: string | null): string => (etag === null ? "none" : plain(etag).replaceAll('"', "").slice(0, 10))

const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim()
