/** What an admin sees of a gateway: what it runs, and why it is that. Pure. */
import type { RemoteConfig } from "../domain/index.ts"
import type { Revision } from "./ConfigStore.ts"
import type { Gateway } from "./Gateways.ts"
import { isoOf } from "./Tokens.ts"

/** One line of `gateways`. Times are ISO 8601. */
export interface GatewayView {
  readonly id: string
  readonly config: string
  readonly joined_at: string
  /** Its last poll or report; null before the first. */
  readonly last_seen: string | null
  /** The revision that it runs, by its last word on it; null on its seed or when it never said. */
  readonly running_etag: string | null
  /** Whether that revision was saved with `--force` against objections. */
  readonly running_forced: boolean
  /** The newest revision of its config; null when there is none. */
  readonly newest_etag: string | null
  /** By its last report; null when that spoke of another revision than the one that it runs since. */
  readonly on_probation: boolean | null
  readonly last_rollback: RemoteConfig["last_rollback"] | null
  readonly last_attempt: RemoteConfig["last_attempt"] | null
  readonly reported_at: string | null
  readonly version: string | null
  readonly revoked: boolean
  /** One line: why it runs what it runs. */
  readonly why: string
}

/** The view of a gateway, given every revision there is (oldest first). */
export const viewGateway = (gateway: Gateway, history: ReadonlyArray<Revision>): GatewayView => {
  const revisions = history.filter(({ config }) => config === gateway.config)
  const newest = revisions.at(-1)?.etag ?? null
  const remote = gateway.status?.remote_config ?? null
  const running = runningEtag(gateway, remote)
  const seen = [gateway.polled_at, gateway.reported_at].filter((time) => time !== null)
  return {
    id: gateway.id,
    config: gateway.config,
    joined_at: isoOf(gateway.joined_at),
    last_seen: seen.length === 0 ? null : isoOf(Math.max(...seen)),
    running_etag: running,
    running_forced: revisions.some(({ etag, forced }) => etag === running && forced === 1),
    newest_etag: newest,
    on_probation: isOnProbation(remote, running),
    last_rollback: remote?.last_rollback ?? null,
    last_attempt: remote?.last_attempt ?? null,
    reported_at: gateway.reported_at === null ? null : isoOf(gateway.reported_at),
    version: gateway.status?.version ?? null,
    revoked: gateway.revoked_at !== null,
    why: whyIt(gateway, remote, running, newest)
  }
}

// A poll says what runs at its moment, a report at another: the later word counts.
const runningEtag = (gateway: Gateway, remote: RemoteConfig | null): string | null =>
  gateway.polled_at !== null && gateway.polled_at >= (gateway.reported_at ?? 0)
    ? gateway.polled_etag
    : (remote?.running_etag ?? null)

// A poll tells which revision runs, and only a report whether that has proved itself.
const isOnProbation = (remote: RemoteConfig | null, running: string | null): boolean | null =>
  running !== null && remote?.running_etag !== running ? null : remote?.probation?.etag === running

const whyIt = (
  gateway: Gateway,
  remote: RemoteConfig | null,
  running: string | null,
  newest: string | null
): string => {
  if (gateway.revoked_at !== null) return "its identity was revoked"
  if (newest === null) return `no document is registered for "${gateway.config}"`
  if (gateway.polled_at === null && gateway.reported_at === null) return "has not yet fetched"
  if (running === newest) {
    return `runs the newest revision${STANDING[`${isOnProbation(remote, running)}`]}`
  }
  const rollback = remote?.last_rollback
  if (rollback != null && rollback.etag === newest) {
    return `rolled back from ${newest} (${rollback.reason})${withDetail(rollback.detail)}`
  }
  const attempt = remote?.last_attempt
  if (attempt != null && attempt.etag === newest && attempt.verdict !== "applied") {
    return `did not apply ${newest} (${attempt.verdict})${withDetail(attempt.reason)}`
  }
  const bad = remote?.quarantine?.find(({ etag }) => etag === newest)
  if (bad !== undefined) return `remembers ${newest} as bad (${bad.reason})`
  if (attempt != null && attempt.etag === newest) return `has applied ${newest} and restarts into it`
  return gateway.reported_at === null ? "never reported" : "has not yet fetched the newest revision"
}

const STANDING = {
  false: "",
  true: ", on probation",
  null: ", and has not yet reported whether it is promoted"
} as const

const withDetail = (detail: string | null | undefined): string => (detail == null || detail === "" ? "" : `: ${detail}`)
