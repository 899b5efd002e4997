/** What must hold after a kill, as pure sentences about what can be seen from outside. */
import type { GatewayView, RemoteConfig } from "../../src/domain/index.ts"
import type { Disk } from "./KillsDisk.ts"

/** Parts of a probation's window, each charged before it is used, and unexplained starts that it is given. */
const PARTS = 24
const ATTEMPTS = 5
/** Entries that a quarantine keeps. */
const REMEMBERED = 16

/** What a revision does to a machine that runs it: proves itself, loses its line to central, ends the daemon. */
export type Nature = "good" | "silent" | "crashing"

/** A revision that central served, in the order of serving. */
export interface Revision {
  readonly etag: string
  readonly nature: Nature
  /** Wall clock, ms. */
  readonly servedAt: number
  /** The probation window that it asks for, ms of elapsed time. */
  readonly windowMs: number
}

/** What the harness knows without asking the gateway. */
export interface Facts {
  readonly served: ReadonlyArray<Revision>
  /** Revisions with which a poll was answered 304 or 200: seen on the wire. */
  readonly confirmed: ReadonlySet<string>
  /** Processes that ended without a record while this revision was on probation, by etag. */
  readonly unexplained: ReadonlyMap<string, number>
  /** Processes started since a revision was served, by etag. */
  readonly starts: ReadonlyMap<string, number>
  /** Revisions whose promotion was seen before. */
  readonly promoted: ReadonlySet<string>
  /** The last-known-good of the last observation. */
  readonly lastKnownGood: string | null
  /** Revisions that were seen rolled back, oldest first. */
  readonly rolledBack: ReadonlyArray<string>
  readonly timeScale: number
}

/** One look from outside. */
export interface Observation {
  /** `settled`: what was served has had its verdict and a daemon runs. `dead`: between a kill and the next start. */
  readonly when: "settled" | "dead"
  /** The good revision that must be promoted by now; null when none was served since. */
  readonly offered: string | null
  /** `status --json`. */
  readonly remote: RemoteConfig | null
  readonly disk: Disk
  /** Central's line on this gateway, read before the rest; undefined when it knows no such gateway. */
  readonly view: GatewayView | undefined
  /** Polls that were answered since the last kill. */
  readonly polls: number
  /** Files that hold the policy token. */
  readonly tokenIn: ReadonlyArray<string>
}

/** One thing that must hold: undefined, or what is wrong. */
export type Check = (facts: Facts, seen: Observation) => string | undefined

const lastKnownGood = ({ remote }: Observation): string | null => remote?.last_known_good?.etag ?? null
const quarantined = ({ remote }: Observation): ReadonlyArray<string> =>
  (remote?.quarantine ?? []).map(({ etag }) => etag)
const natureOf = ({ served }: Facts, etag: string): Nature | undefined =>
  served.find((revision) => revision.etag === etag)?.nature
const orderOf = ({ served }: Facts, etag: string): number => served.findIndex((revision) => revision.etag === etag)

const comesBack: Check = (_facts, { polls, when }) =>
  when === "settled" && polls === 0 ? "no poll was answered since the kill" : undefined

const runsWhatWasServed: Check = (facts, seen) => {
  const running = seen.remote?.running_etag ?? null
  if (running === null) return facts.promoted.size === 0 ? undefined : "nothing runs although a revision was promoted"
  return natureOf(facts, running) === undefined ? `${running} runs and was never served` : undefined
}

const activeIsNotQuarantined: Check = ({ rolledBack }, seen) => {
  const { active } = seen.disk
  const onDisk = active === null ? undefined : seen.disk.slots[active]?.etag
  // Between a rollback's intent and its flip the link still points to it: only a process that runs may not.
  const wrong = [seen.remote?.running_etag, seen.when === "settled" ? onDisk : undefined].find(
    (etag) => etag != null && (quarantined(seen).includes(etag) || rolledBack.includes(etag))
  )
  return wrong === undefined ? undefined : `${wrong} is active and remembered as bad`
}

const lastKnownGoodIsPromoted: Check = (facts, seen) => {
  const known = lastKnownGood(seen)
  if (known === facts.lastKnownGood) return undefined
  if (known === null) return "last-known-good is gone"
  if (natureOf(facts, known) !== "good") return `last-known-good became ${known}, which cannot prove itself`
  if (!facts.confirmed.has(known)) return `last-known-good became ${known}, with which no poll was answered`
  const before = facts.lastKnownGood
  return before !== null && orderOf(facts, known) < orderOf(facts, before)
    ? `last-known-good went back from ${before} to ${known}`
    : undefined
}

const belongTogether: Check = (_facts, { disk }) => {
  const wrong = Object.entries(disk.slots).find(
    ([, slot]) => slot !== null && (!slot.intact || (slot.etag !== null && slot.etag !== `"${slot.digest}"`))
  )
  return wrong === undefined ? undefined : `slot ${wrong[0]}: document, etag and digest do not belong together`
}

const rolledBackIsQuarantined: Check = (facts, seen) => {
  const last = seen.remote?.last_rollback?.etag ?? null
  const all = [...new Set([...facts.rolledBack, ...(last === null ? [] : [last])])].slice(-REMEMBERED)
  const forgotten = all.find((etag) => !quarantined(seen).includes(etag))
  return forgotten === undefined ? undefined : `${forgotten} was rolled back and is not in quarantine`
}

/** Between a rollback's reason and what happened; for the newest rollback. */
const justlyBlamed: Check = (facts, { remote }) => {
  const rollback = remote?.last_rollback ?? null
  const revision = facts.served.find(({ etag }) => etag === rollback?.etag)
  if (rollback === null) return undefined
  if (revision === undefined) return `${rollback.etag} was rolled back and never served`
  if (rollback.reason === "crash_loop") {
    const ends = facts.unexplained.get(revision.etag) ?? 0
    return ends < ATTEMPTS ? `${revision.etag} is blamed with crash_loop after ${ends} unexplained ends` : undefined
  }
  if (rollback.reason !== "probation_expired") return `rolled back with ${rollback.reason}, and no bit rotted`
  const elapsed = (Date.parse(rollback.at) - revision.servedAt) * facts.timeScale
  const charged = ((facts.starts.get(revision.etag) ?? 0) + 1) * Math.ceil(revision.windowMs / PARTS)
  return elapsed + charged < revision.windowMs ? `${revision.etag} expired before its window` : undefined
}

const previousIsUsable: Check = (_facts, { disk }) => {
  const { marker } = disk.state
  if (marker === undefined || disk.active !== marker.slot) return undefined
  const previous = disk.slots[marker.previous_slot]
  return previous?.intact === true && (previous.promoted || previous.etag === null)
    ? undefined
    : `on probation, and slot ${marker.previous_slot} could not be gone back to`
}

const tokenIsGone: Check = (_facts, seen) =>
  seen.when === "settled" && lastKnownGood(seen) !== null && seen.tokenIn.length > 0
    ? `promoted, and the policy token is in ${seen.tokenIn.join(", ")}`
    : undefined

/** Nothing is lost: after the kill the next good revision is received and promoted, or justly rolled back. */
const nothingIsLost: Check = (_facts, seen) => {
  if (seen.when !== "settled" || seen.offered === null) return undefined
  const promoted =
    seen.remote?.running_etag === seen.offered && lastKnownGood(seen) === seen.offered && !seen.remote.probation
  return promoted || seen.remote?.last_rollback?.etag === seen.offered
    ? undefined
    : `${seen.offered} was served, and neither promoted nor rolled back`
}

/** What central says proven is promoted, and once all is settled it says what the gateway says. */
const viewIsNotBetter: Check = (facts, { disk, remote, view, when }) => {
  const says = view?.running_etag ?? null
  if (view === undefined) return when === "settled" ? "central does not know this gateway" : undefined
  const promoted = new Set([
    ...facts.promoted,
    ...Object.values(disk.slots).flatMap((slot) => (slot?.promoted === true && slot.etag !== null ? [slot.etag] : []))
  ])
  if (says !== null && view.on_probation === false && !promoted.has(says)) {
    return `central says "${view.why}" of ${says}, which was not promoted`
  }
  if (when !== "settled") return undefined
  if (says !== (remote?.running_etag ?? null)) return `central says ${says}, the gateway ${remote?.running_etag}`
  if (view.on_probation !== (remote?.probation != null)) return "central and the gateway disagree about probation"
  const rollback = remote?.last_rollback ?? null
  return view.last_rollback?.etag === rollback?.etag && view.last_rollback?.reason === rollback?.reason
    ? undefined
    : "central does not know the last rollback"
}

/** Every check by its sentence. */
export const CHECKS = {
  "the daemon comes back and polls": comesBack,
  "what runs was served": runsWhatWasServed,
  "the active revision is not quarantined": activeIsNotQuarantined,
  "last-known-good changes by promotion only": lastKnownGoodIsPromoted,
  "document, etag and digest belong together": belongTogether,
  "a revision that was rolled back is quarantined": rolledBackIsQuarantined,
  "nobody is blamed too early": justlyBlamed,
  "on probation there is a usable previous slot": previousIsUsable,
  "the token is nowhere after promotion": tokenIsGone,
  "no revision is lost": nothingIsLost,
  "central's view is never better": viewIsNotBetter
} as const satisfies Readonly<Record<string, Check>>

export type Sentence = keyof typeof CHECKS

/** Something that does not hold. */
export interface Violation {
  readonly sentence: Sentence
  readonly detail: string
}

/** Every sentence that does not hold. */
export const judge = (facts: Facts, seen: Observation): ReadonlyArray<Violation> =>
  Object.entries(CHECKS).flatMap(([sentence, check]) => {
    const detail = check(facts, seen)
    return detail === undefined ? [] : [{ sentence: sentence as Sentence, detail }]
  })
