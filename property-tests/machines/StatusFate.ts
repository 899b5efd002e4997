/** What became of a revision, as one of a few words: the thing that a status must never leave in doubt. */
import type { Ledger } from "./StatusLedger.ts"
import type { World } from "./World.ts"

interface Refusal {
  readonly verdict: string
  readonly detail: string
  /** So many times in a row. */
  readonly nth: number
}
interface Blame {
  readonly reason: string
  /** So often since it was last forgiven. */
  readonly times: number
}

export type Fate =
  /** Never taken up, or so long ago that nothing is remembered: superseded, forgiven, lost with state.json. */
  | { readonly _tag: "nothing" }
  | { readonly _tag: "being applied" }
  | ({ readonly _tag: "refused" } & Refusal)
  /** Tried again later. */
  | ({ readonly _tag: "failed for now" } & Refusal)
  | { readonly _tag: "applied, restart pending" }
  | { readonly _tag: "on probation" }
  | { readonly _tag: "promoted, runs" }
  /** In safe start, or on a disk that cannot be written. */
  | { readonly _tag: "promoted, without its plugins" }
  /** It did not prove itself, and there was nowhere to go back to; or nobody could begin its probation. */
  | { readonly _tag: "runs unwatched" }
  | ({ readonly _tag: "rolled back, restart pending" } & Blame)
  /** The newest rollback; `isKept`: it is not tried again for now. */
  | ({ readonly _tag: "rolled back"; readonly isKept: boolean } & Blame)
  /** Refused or rolled back before another one was. */
  | ({ readonly _tag: "quarantined" } & Blame)
  /** It was applied last, its slot is gone, and no record names it. */
  | { readonly _tag: "applied once, lost" }

/** What became of a revision, as far as a machine can remember. */
export const fateOf = (etag: string, { live, staging }: Ledger, { process: { boot } }: World): Fate => {
  const { newest, proven, rollback, trial } = live
  const bad = live.bad[etag]
  if (boot !== null && boot.running.slot !== null && boot.running.etag === etag) {
    if (bad !== undefined) return { _tag: "rolled back, restart pending", ...bad }
    if (proven.includes(etag)) return { _tag: boot.bundledOnly ? "promoted, without its plugins" : "promoted, runs" }
    return { _tag: trial?.etag === etag ? "on probation" : "runs unwatched" }
  }
  if (trial?.etag === etag) return { _tag: "applied, restart pending" }
  if (staging === etag) return { _tag: "being applied" }
  if (newest?.etag === etag && newest.verdict !== "applied") {
    const { detail, nth, transient, verdict } = newest
    return { _tag: transient ? "failed for now" : "refused", verdict, detail, nth }
  }
  if (rollback?.etag === etag) {
    return { _tag: "rolled back", reason: rollback.reason, times: bad?.times ?? 0, isKept: bad !== undefined }
  }
  if (bad !== undefined) return { _tag: "quarantined", ...bad }
  return { _tag: newest?.etag === etag ? "applied once, lost" : "nothing" }
}

/** How the machine itself is: where what it runs comes from, and what is wrong with it. */
export const machineFate = (ledger: Ledger, { process: { boot } }: World) => {
  const { line, live, lost } = ledger
  const source = boot?.running.source ?? "none"
  const etag = boot?.running.etag ?? null
  const wasInFleet = live.newest !== null || live.rollback !== null || Object.keys(live.bad).length > 0
  const isUnwatched =
    etag !== null && live.bad[etag] === undefined && !live.proven.includes(etag) && live.trial?.etag !== etag
  const problems = [
    ...(boot?.impaired == null ? [] : ["storage impaired"]),
    ...(boot?.safeStart === true ? ["safe start"] : []),
    ...(lost ? ["state lost"] : []),
    ...(isUnwatched ? ["unwatched"] : []),
    ...(source === "rescue" || (source === "none" && wasInFleet) ? ["no slot can be used"] : []),
    ...(line === "ok" ? [] : [line])
  ]
  return { source, problems }
}
