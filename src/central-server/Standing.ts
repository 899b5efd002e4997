/**
 * Where a gateway stands, by its own words. Pure and total: exactly one standing, never better than what happened.
 *
 * @ref LLP 0028#standings [implements]
 */
import type { RemoteConfig, Standing } from "../domain/index.ts"
import type { Gateway } from "./Gateways.ts"

/** What a gateway did with one revision; null when it has said nothing of it. */
export type Place = "promoted" | "probation" | "unconfirmed" | "restarting" | "rolled_back" | "refused" | null

/** What is known of the revisions of a config. */
export interface KnownRevisions {
  /** The newest of the gateway's config; null when there is none. */
  readonly newest: string | null
  /** Whether any revision has this etag. */
  readonly has: (etag: string) => boolean
}

/** The standing of a gateway. */
export const standingOf = (gateway: Gateway, { has, newest }: KnownRevisions): Standing => {
  if (gateway.revoked_at !== null) return "revoked"
  if (newest === null) return "unconfigured"
  if (!wasSeen(gateway)) return "never_seen"
  const place = placeOf(gateway, newest)
  if (place !== null) return place === "promoted" ? "converged" : place
  return gateway.running_etag !== null && !has(gateway.running_etag) ? "ahead" : "waiting"
}

/** Whether it has polled or reported. */
export const wasSeen = ({ polled_at, reported_at }: Gateway): boolean => polled_at !== null || reported_at !== null

/**
 * What a gateway did with a revision. That it runs it counts more than what it once said of it; that it gave it up, more
 * than that it had applied it.
 */
export const placeOf = (gateway: Gateway, etag: string): Place => {
  const remote = remoteOf(gateway)
  if (gateway.running_etag === etag) return RUNNING[`${onProbation(gateway)}`]
  if (remote?.last_rollback?.etag === etag) return "rolled_back"
  const attempt = remote?.last_attempt
  if (attempt?.etag === etag && attempt.verdict !== "applied") return "refused"
  if (remote?.quarantine?.some((bad) => bad.etag === etag) === true || remote?.bad_etag?.etag === etag) return "refused"
  return attempt?.etag === etag ? "restarting" : null
}

const RUNNING = { true: "probation", false: "promoted", null: "unconfirmed" } as const

/**
 * Whether what it runs is on probation; null when it has not said so since it runs it. A poll tells which revision runs,
 * and only a report whether that has proved itself: one of an earlier time when the same revision ran does not count.
 */
export const onProbation = (gateway: Gateway): boolean | null => {
  const remote = remoteOf(gateway)
  const { reported_at, running_etag, running_since } = gateway
  if (running_since === null) return null
  if (running_etag === null) return false
  if (remote?.running_etag !== running_etag || remote.probation === undefined) return null
  if (reported_at === null || reported_at < running_since) return null
  return remote.probation?.etag === running_etag
}

/** Every etag that a gateway has said something of. */
export const etagsOf = (gateway: Gateway): ReadonlySet<string> => {
  const remote = remoteOf(gateway)
  const told = [
    gateway.running_etag,
    remote?.last_rollback?.etag,
    remote?.last_attempt?.etag,
    remote?.bad_etag?.etag,
    ...(remote?.quarantine ?? []).map(({ etag }) => etag)
  ]
  return new Set(told.filter((etag) => etag !== null && etag !== undefined))
}

/** What it last said about its configuration. */
export const remoteOf = (gateway: Gateway): RemoteConfig | null => gateway.status?.remote_config ?? null
