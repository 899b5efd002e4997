/** What a status claims, read without knowing what happened, and how good that is; it must never be better. */
import type { Status } from "../../src/domain/index.ts"
import type { Fate } from "./StatusFate.ts"

/** From bad to good. Silence about a revision is better than a refusal, and worse than progress. */
const ORDER: ReadonlyArray<ReadonlyArray<Fate["_tag"]>> = [
  ["rolled back", "rolled back, restart pending", "quarantined", "refused", "applied once, lost"],
  ["failed for now", "runs unwatched"],
  ["nothing"],
  ["being applied"],
  ["applied, restart pending"],
  ["on probation"],
  ["promoted, without its plugins"],
  ["promoted, runs"]
]

/** The place of a fate in the order from bad (0) to good. */
export const goodness = (tag: Fate["_tag"]): number => ORDER.findIndex((level) => level.includes(tag))

/** Verdicts that say nothing about the bytes. */
const TRANSIENT: ReadonlySet<string> = new Set(["plugin_install_failed", "apply_io_error"])

/** What a person or a program reads about a revision in a status. */
export const claimed = (etag: string, { daemon, diagnostics, remote_config }: Status): Fate["_tag"] => {
  if (remote_config === null) return "nothing"
  const raises = (kind: string) => diagnostics.some((one) => one.kind === kind)
  const { last_attempt, last_rollback, probation, quarantine, running_etag } = remote_config
  const isBad = quarantine?.some((entry) => entry.etag === etag) === true
  const isTried = probation?.etag === etag
  if (running_etag === etag) {
    if (isBad) return "rolled back, restart pending"
    if (isTried) return "on probation"
    if (raises("rollback_no_target")) return "runs unwatched"
    return daemon.safe_start ? "promoted, without its plugins" : "promoted, runs"
  }
  if (isTried) return "applied, restart pending"
  if (diagnostics.some(({ kind, message }) => kind === "revision_staging" && message.includes(` ${etag} `))) {
    return "being applied"
  }
  if (last_attempt?.etag === etag && last_attempt.verdict !== "applied") {
    return TRANSIENT.has(last_attempt.verdict) ? "failed for now" : "refused"
  }
  if (last_rollback?.etag === etag) return "rolled back"
  if (isBad) return "quarantined"
  return last_attempt?.etag === etag ? "applied once, lost" : "nothing"
}
