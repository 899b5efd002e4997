/**
 * Where the output of a run lies: `<root>/run-logs/<companyId>/<agentId>/<runId>.pod.ndjson`, and what lies beside it.
 *
 * Ids get into paths, labels and commands, so nothing is made of one that was not checked first.
 *
 * @ref LLP 0016#paths [implements]
 */
import { Effect, Schema } from "effect"
import { PathComponent } from "../domain/index.ts"

/** What names a run, everywhere. */
export interface RunPathIds {
  readonly companyId: string
  readonly agentId: string
  readonly runId: string
}

/** An id that no path is made of. */
export class RunPathInvalid extends Schema.TaggedError<RunPathInvalid>()("RunPathInvalid", {
  field: Schema.Literals(["companyId", "agentId", "runId"]),
  message: Schema.String
}) {}

const FIELDS = ["companyId", "agentId", "runId"] as const
const LOG_SUFFIX = ".pod.ndjson"
const isComponent = Schema.is(PathComponent)

/** The ids, if each may be part of a path: letters, digits and dashes, at most 200 of them. */
export const checkRunIds = (ids: RunPathIds): Effect.Effect<RunPathIds, RunPathInvalid> => {
  const field = FIELDS.find((name) => !isComponent(ids[name]))
  return field === undefined
    ? Effect.succeed(ids)
    : Effect.fail(
        new RunPathInvalid({
          field,
          message: `Invalid ${field} for log path: use 1 to 200 letters, digits and dashes`
        })
      )
}

/** The log of a run below an absolute root. */
export const buildPodLogPath = (root: string, ids: RunPathIds): Effect.Effect<string, RunPathInvalid> =>
  Effect.map(
    checkRunIds(ids),
    ({ agentId, companyId, runId }) =>
      `${root.replace(/\/+$/, "")}/run-logs/${companyId}/${agentId}/${runId}${LOG_SUFFIX}`
  )

/** The files of one run's output, all in one directory. */
export interface RunFilePaths {
  readonly directory: string
  /** What the agent wrote to stdout. */
  readonly log: string
  /** Head and tail of what it wrote to stderr; appears at the end. */
  readonly stderr: string
  /** The end-of-stream record; nothing else is one. */
  readonly record: string
  /** Where the record is written before it gets its name. */
  readonly recordTmp: string
}

/** The files beside a log, for one that was built here or is known from an annotation. */
export const filesBesideLog = (log: string): RunFilePaths => {
  const stem = log.endsWith(LOG_SUFFIX) ? log.slice(0, -LOG_SUFFIX.length) : log
  return {
    directory: log.slice(0, Math.max(log.lastIndexOf("/"), 1)),
    log,
    stderr: `${stem}.pod.stderr`,
    record: `${stem}.pod.exit`,
    recordTmp: `${stem}.pod.exit.tmp`
  }
}

/**
 * The ids and the root that a log path was built of, or nothing for a path that was not: whoever can edit a Job's
 * annotations says where its log is, and must not name any other file.
 */
export const parsePodLogPath = (log: string): (RunPathIds & { readonly root: string }) | undefined => {
  const [, root, companyId, agentId, runId] =
    /^((?:\/[^/\n]+)*)\/run-logs\/([^/]+)\/([^/]+)\/([^/]+)\.pod\.ndjson$/.exec(log) ?? []
  if (root === undefined || companyId === undefined || agentId === undefined || runId === undefined) return undefined
  if (![companyId, agentId, runId].every(isComponent)) return undefined
  return root.split("/").some((part) => part === "." || part === "..") ? undefined : { root, companyId, agentId, runId }
}
