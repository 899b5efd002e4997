/** The fleet in words. Pure. */
import type { RevisionView } from "../domain/index.ts"
import type { ConfigState, Gateway, Stand } from "./FleetWire.ts"
import { STANDS } from "./FleetWire.ts"
import { cut, harmless } from "./RunLine.ts"
import { reasonWords, type Tone } from "./ThisMachine.ts"
import { agoWords, shortEtag } from "./Words.ts"

interface StandWords {
  readonly word: string
  readonly tone: Tone
  /** What it means, for who does not know the word. */
  readonly about: string
}

export const STAND_WORDS: Readonly<Record<Stand, StandWords>> = {
  converged: { word: "converged", tone: "good", about: "run the newest revision, promoted" },
  probation: { word: "on probation", tone: "plain", about: "run the newest revision on probation" },
  unconfirmed: {
    word: "unconfirmed",
    tone: "plain",
    about: "run the newest revision, and have not reported whether it is promoted"
  },
  restarting: { word: "restarting", tone: "plain", about: "have applied the newest revision and restart into it" },
  waiting: { word: "waiting", tone: "plain", about: "have not fetched the newest revision" },
  never_seen: { word: "never seen", tone: "wait", about: "joined, and never polled" },
  ahead: { word: "ahead", tone: "wait", about: "run a revision that this central does not know" },
  unconfigured: { word: "no document", tone: "wait", about: "nothing is registered under the name of their config" },
  unknown: { word: "unknown", tone: "wait", about: "stand somewhere that this page has no word for" },
  refused: { word: "refused", tone: "bad", about: "did not apply the newest revision, or remember it as bad" },
  rolled_back: { word: "rolled back", tone: "bad", about: "gave the newest revision up" },
  revoked: { word: "revoked", tone: "plain", about: "their identity was ended" }
}

/** The order of attention: what needs somebody comes first. */
export const attention = (stand: Stand): number => ATTENTION.indexOf(stand)
const ATTENTION: ReadonlyArray<Stand> = [
  "rolled_back",
  "refused",
  "ahead",
  "unknown",
  "unconfigured",
  "never_seen",
  "restarting",
  "probation",
  "unconfirmed",
  "waiting",
  "converged",
  "revoked"
]

/** The most characters that a list shows of one text from elsewhere. */
const LINE_MAX = 300

/** A text from elsewhere in a line: nothing in it is unseen, and it is not endless. */
export const line = (text: string, most = LINE_MAX): string => {
  const { more, text: shown } = cut(text, most)
  return harmless(shown.replaceAll(/\s+/g, " ")) + (more > 0 ? " …" : "")
}

/** Why a gateway stands where it does, with how long ago that was; empty where its word says it all. */
export const whyWords = (gateway: Gateway, now: number): string => {
  const { last_attempt, last_rollback, newest_etag, standing, why } = gateway
  if (standing === "rolled_back" && last_rollback != null && last_rollback.etag === newest_etag) {
    return line(
      `${ago(last_rollback.at, now)}: ${reasonWords(last_rollback.reason)}${detail(last_rollback.detail, last_rollback.reason)}`
    )
  }
  if (standing === "refused" && last_attempt != null && last_attempt.etag === newest_etag) {
    return line(
      `${ago(last_attempt.at, now)}: ${reasonWords(last_attempt.verdict)}${detail(last_attempt.reason, last_attempt.verdict)}`
    )
  }
  return SELF_EVIDENT.has(standing) ? "" : line(why)
}

/** Of these, the reason that central gives is the word once more. */
const SELF_EVIDENT: ReadonlySet<Stand> = new Set(["converged", "probation", "restarting", "waiting"])

const detail = (text: string | null | undefined, said: string): string =>
  text == null || text === "" || text === said ? "" : `: ${text}`

/** How long ago; what is no time is said as such. */
export const ago = (iso: string | null, now: number | null): string => {
  const at = Date.parse(iso ?? "")
  return Number.isFinite(at) && now !== null ? agoWords(Math.min(at, now), now) : "at an unknown time"
}

/** What a gateway runs, by etag and number; `revisions` are those that are known, by etag. */
export const runsWords = (etag: string | null, revisions: ReadonlyMap<string, number>): string =>
  etag === null ? "its joining document" : `${shortEtag(etag)}${numberWords(revisions.get(etag))}`

/** What a gateway runs now. */
export const nowRuns = ({ running_etag, running_revision }: Gateway): string =>
  runsWords(running_etag, new Map(running_revision === null ? [] : [[running_etag ?? "", running_revision]]))

const numberWords = (seq: number | undefined): string => (seq === undefined ? "" : ` · r${seq}`)

/** The numbers of the revisions of a config by etag; of equal bytes the newest counts. */
export const numbersOf = (config: Pick<ConfigState, "newest"> | undefined): ReadonlyMap<string, number> =>
  new Map((config?.newest ?? []).toReversed().map(({ etag, seq }) => [etag, seq]))

/** Who saved a revision, when, and how. */
export const savedWords = ({ forced, restores, saved_at, saved_by }: RevisionView, now: number | null): string =>
  [
    `saved ${ago(saved_at, now)}${saved_by === "" ? "" : ` by ${byWords(saved_by)}`}`,
    ...(restores === null ? [] : [`brings back r${restores}`]),
    ...(forced ? ["saved by force"] : [])
  ].join(" · ")

/** Who saved it; a page may be another admin's. */
export const byWords = (savedBy: string): string => BY[savedBy] ?? line(savedBy, 40)
const BY: Readonly<Record<string, string>> = { command: "a command", page: "the page", api: "the API" }

/** `12 of 20 converged`, of the gateways that count. */
export const headlineOf = ({ standings }: Pick<ConfigState, "standings">): string => {
  const all = STANDS.reduce((sum, stand) => sum + (stand === "revoked" ? 0 : standings[stand]), 0)
  if (all === 0) return "no gateway"
  return standings.converged === all
    ? all === 1
      ? "its one gateway converged"
      : `all ${counted(all)} converged`
    : `${counted(standings.converged)} of ${counted(all)} converged`
}

export const counted = (count: number): string => count.toLocaleString("en-US")

/** How a revision does: those that run it, and those that gave it up. */
export const spreadWords = ({ convergence }: Pick<RevisionView, "convergence">): string => {
  const { probation, promoted, refused, restarting, rolled_back, unconfirmed } = convergence
  const running = promoted + probation + unconfirmed
  const parts = [
    `${counted(running)} run it`,
    ...(probation > 0 ? [`${counted(probation)} on probation`] : []),
    ...(restarting > 0 ? [`${counted(restarting)} restarting`] : []),
    ...(rolled_back > 0 ? [`${counted(rolled_back)} rolled back`] : []),
    ...(refused > 0 ? [`${counted(refused)} refused`] : [])
  ]
  return parts.join(" · ")
}

/** What changed in where gateways stand, to be read out; empty when nothing did. */
export const newsOf = (before: ReadonlyArray<ConfigState>, after: ReadonlyArray<ConfigState>): string =>
  after
    .flatMap((config) => {
      const old = before.find(({ name }) => name === config.name)
      if (old === undefined) return []
      if (STANDS.every((stand) => old.standings[stand] === config.standings[stand])) return []
      const bad = (["rolled_back", "refused"] as const)
        .filter((stand) => config.standings[stand] > 0)
        .map((stand) => `, ${config.standings[stand]} ${STAND_WORDS[stand].word}`)
      return [`${line(config.name, 60)}: ${headlineOf(config)}${bad.join("")}.`]
    })
    .join(" ")
