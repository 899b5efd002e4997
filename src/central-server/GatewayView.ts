/** What an admin sees of a gateway: what it runs, and why it is that. Pure. */
import { type GatewayView, isoTime, type Standing } from "../domain/index.ts"
import type { Gateway } from "./Gateways.ts"
import { type KnownRevisions, onProbation, remoteOf, standingOf, wasSeen } from "./Standing.ts"
import { isoOrNull } from "./Tokens.ts"

/** What a view must know of the revisions of the gateway's config. */
export interface GatewayRevisions extends KnownRevisions {
  /** Whether the revision was saved against objections. */
  readonly isForced: (etag: string) => boolean
  /** Its number in the config; of equal bytes the newest. */
  readonly numberOf: (etag: string) => number | null
}

/** The view of a gateway. */
export const viewGateway = (gateway: Gateway, revisions: GatewayRevisions): GatewayView => {
  const { polled_at, reported_at, running_etag, status } = gateway
  const remote = remoteOf(gateway)
  const standing = standingOf(gateway, revisions)
  return {
    id: gateway.id,
    config: gateway.config,
    joined_at: isoTime(gateway.joined_at),
    last_seen: wasSeen(gateway) ? isoTime(Math.max(polled_at ?? 0, reported_at ?? 0)) : null,
    running_etag,
    running_revision: running_etag === null ? null : revisions.numberOf(running_etag),
    running_since: isoOrNull(gateway.running_since),
    running_forced: running_etag !== null && revisions.isForced(running_etag),
    newest_etag: revisions.newest,
    standing,
    on_probation: onProbation(gateway),
    last_rollback: remote?.last_rollback ?? null,
    last_attempt: remote?.last_attempt ?? null,
    reported_at: isoOrNull(reported_at),
    version: status?.version ?? null,
    platform: status?.platform ?? null,
    agents: status?.agents ?? null,
    runs: status?.runs ?? null,
    revoked: gateway.revoked_at !== null,
    why: whyOf(gateway, standing, revisions.newest)
  }
}

const whyOf = (gateway: Gateway, standing: Standing, newest: string | null): string => {
  const remote = remoteOf(gateway)
  const rollback = remote?.last_rollback
  const attempt = remote?.last_attempt
  switch (standing) {
    case "revoked":
      return "its identity was revoked"
    case "unconfigured":
      return `no document is registered for "${gateway.config}"`
    case "never_seen":
      return "has not yet fetched"
    case "converged":
      return "runs the newest revision"
    case "probation":
      return "runs the newest revision, on probation"
    case "unconfirmed":
      return "runs the newest revision, and has not yet reported whether it is promoted"
    case "restarting":
      return `has applied ${newest} and restarts into it`
    case "rolled_back":
      return `rolled back from ${newest} (${rollback?.reason})${withDetail(rollback?.detail, rollback?.reason)}`
    case "refused": {
      if (attempt?.etag === newest && attempt?.verdict !== "applied") {
        return `did not apply ${newest} (${attempt?.verdict})${withDetail(attempt?.reason, attempt?.verdict)}`
      }
      const bad = remote?.quarantine?.find(({ etag }) => etag === newest) ?? remote?.bad_etag
      return `remembers ${newest} as bad (${bad?.reason})`
    }
    case "ahead":
      return `runs ${gateway.running_etag}, which is not known here: it was saved elsewhere, or is lost since a backup was put back`
    case "waiting":
      return gateway.reported_at === null ? "never reported" : "has not yet fetched the newest revision"
  }
}

const withDetail = (detail: string | null | undefined, said: string | undefined): string =>
  detail == null || detail === "" || detail === said ? "" : `: ${detail}`
