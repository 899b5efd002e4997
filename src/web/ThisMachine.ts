/** What the first page says of this machine: what runs and why, and what was tried. Pure. */
import type { Status } from "../domain/index.ts"
import { dateWords, agoWords, shortEtag, spaced, spanWords } from "./Words.ts"

/** How good a fact is; colours follow it, and never alone. */
export type Tone = "good" | "wait" | "bad" | "plain"

/** The one sentence that a person came for. */
export interface Verdict {
  readonly tone: Tone
  readonly word: string
  readonly why: string
}

/** A name and what it is; `note` is smaller print. */
export interface Fact {
  readonly name: string
  readonly value: string
  readonly note?: string
  readonly tone?: Tone
  /** A full text for copying, where `value` is an excerpt. */
  readonly full?: string
}

/** What the daemon said, and when the page heard it. Times are of the wall clock, in milliseconds. */
export interface Heard {
  readonly status: Status
  readonly at: number
}

/** A clock for the words: the page's own time, and the zone of tests. */
export interface Now {
  readonly now: number
  readonly zone?: string
}

/** The running document in one word, and why it is that one. */
export const verdictOf = ({ at, status }: Heard, { now }: Now): Verdict => {
  const remote = status.remote_config
  if (remote === null) {
    return {
      tone: "plain",
      word: "Not joined",
      why: "This machine belongs to no fleet; its own config.json alone counts."
    }
  }
  const { last_known_good, last_rollback, probation, running_etag } = remote
  if (probation != null && probation.etag === running_etag) {
    const gone = Math.floor(((now - at) / 1000) * status.daemon.time_scale)
    const left = Math.max(0, probation.remaining_seconds - gone)
    return {
      tone: "wait",
      word: "On probation",
      why: `${spanWords(left)} left to reach central${probationEnd(probation.attempts_left)}.`
    }
  }
  if (running_etag === null) {
    return status.config_layers.central?.source === "seed"
      ? { tone: "wait", word: "Joining", why: "The joining document runs until the first revision was applied." }
      : { tone: "bad", word: "No revision", why: "No slot can be used: only the line to central is kept." }
  }
  if (last_rollback != null && last_rollback.etag !== running_etag && !isNewerThan(remote, last_rollback.at)) {
    return {
      tone: "wait",
      word: "Rolled back",
      why: `Revision ${revision(last_rollback.etag)} was given up: ${reasonWords(last_rollback.reason)}.`
    }
  }
  if (last_known_good?.etag === running_etag) {
    return { tone: "good", word: "Promoted", why: "It reached central while it ran, and is known good." }
  }
  if (last_rollback?.etag === running_etag) {
    return { tone: "wait", word: "Going back", why: `It is given up: ${reasonWords(last_rollback.reason)}.` }
  }
  return { tone: "bad", word: "Unwatched", why: "It is not on probation, and has not been promoted." }
}

/** Whether another revision was promoted after that time. */
const isNewerThan = ({ last_known_good }: NonNullable<Status["remote_config"]>, at: string): boolean =>
  last_known_good?.promoted_at != null && Date.parse(last_known_good.promoted_at) > Date.parse(at)

const probationEnd = (attempts: number): string =>
  `, and ${attempts} unexplained ${attempts === 1 ? "start" : "starts"} before it is given up`

/** What runs, since when. */
export const runningOf = ({ status }: Heard, time: Now): ReadonlyArray<Fact> => {
  const { config_layers, daemon, remote_config } = status
  const { central, local } = config_layers
  const etag = remote_config?.running_etag ?? null
  const known = remote_config?.last_known_good
  return [
    etag === null
      ? { name: "Document", value: central === null ? "the local layer" : `the ${sourceWords(central.source)}` }
      : {
          name: "Revision",
          value: shortEtag(etag),
          full: etag,
          ...(central?.slot == null ? {} : { note: `slot ${central.slot}` })
        },
    ...(remote_config?.probation?.applied_at == null
      ? []
      : [moment("Applied", remote_config.probation.applied_at, time)]),
    ...(known?.promoted_at != null && known.etag === etag ? [moment("Promoted", known.promoted_at, time)] : []),
    ...(known?.etag != null && known.etag !== etag
      ? [{ name: "Known good", value: shortEtag(known.etag), full: known.etag, note: `slot ${known.slot}` }]
      : []),
    ...(daemon.started_at === null ? [] : [moment("In this process", daemon.started_at, time)]),
    ...(central?.url == null ? [] : [{ name: "Central", value: central.url }]),
    ...(local.used ? [{ name: "Local layer", value: local.path }] : []),
    ...local.dropped.map(({ entry, reason }) => ({
      name: "Left out",
      value: entry,
      note: reason,
      tone: "bad" as const
    }))
  ]
}

/** What was tried: the last attempt, the last rollback, and what is remembered as bad. */
export const triedOf = ({ status }: Heard, time: Now): ReadonlyArray<Fact> => {
  const { last_attempt, last_rollback, quarantine = [] } = status.remote_config ?? {}
  return [
    ...(last_attempt == null
      ? []
      : [
          {
            name: "Last attempt",
            value: `${revision(last_attempt.etag)}: ${reasonWords(last_attempt.verdict)}`,
            note: [
              when(last_attempt.at, time),
              ...((last_attempt.attempt ?? 1) > 1 ? [`attempt ${last_attempt.attempt}`] : []),
              ...(last_attempt.reason == null ? [] : [last_attempt.reason])
            ].join(" · "),
            tone: last_attempt.verdict === "applied" ? ("good" as const) : ("bad" as const)
          }
        ]),
    ...(last_rollback == null
      ? []
      : [
          {
            name: "Last rollback",
            value: `${revision(last_rollback.etag)}: ${reasonWords(last_rollback.reason)}`,
            note: [
              when(last_rollback.at, time),
              ...(last_rollback.detail === undefined ? [] : [last_rollback.detail])
            ].join(" · "),
            tone: "bad" as const
          }
        ]),
    ...quarantine.map(({ attempts = 1, etag, reason, retry_at }) => ({
      name: "Remembered as bad",
      value: `${revision(etag)}: ${reasonWords(reason)}${attempts > 1 ? `, ${attempts} times` : ""}`,
      note:
        retry_at == null
          ? "not tried again"
          : `tried again after ${dateWords(Date.parse(retry_at), time.now, time.zone)} (${agoWords(Date.parse(retry_at), time.now)})`,
      tone: "bad" as const
    }))
  ]
}

/** Who this machine is to central. */
export const identityOf = ({ status: { identity } }: Heard, time: Now): ReadonlyArray<Fact> => [
  { name: "Gateway", value: identity.gateway_id ?? "none yet" },
  { name: "State", value: identity.state },
  ...(identity.expires_at === null ? [] : [moment("Valid until", identity.expires_at, time)]),
  ...(identity.problem === undefined ? [] : [{ name: "Problem", value: identity.problem, tone: "bad" as const }])
]

/** The process. */
export const daemonOf = ({ status: { daemon } }: Heard, time: Now): ReadonlyArray<Fact> => [
  {
    name: "State",
    value: daemon.state,
    ...(daemon.safe_start ? { note: "safe start: only bundled plugins run" } : {})
  },
  { name: "Version", value: daemon.version },
  ...(daemon.pid === null ? [] : [{ name: "Process", value: String(daemon.pid) }]),
  ...(daemon.started_at === null
    ? []
    : [{ name: "Uptime", value: spanWords((time.now - Date.parse(daemon.started_at)) / 1000) }]),
  ...(daemon.last_start === null ? [] : [{ name: "Last start", value: startWords(daemon.last_start) }]),
  ...(daemon.time_scale === 1 ? [] : [{ name: "Time", value: `simulated, ${daemon.time_scale} times as fast` }])
]

/** Plugins, those with trouble first. */
export const pluginsOf = ({ status: { plugins } }: Heard): ReadonlyArray<Fact> =>
  plugins
    .map(({ name, state, version }) => ({
      name,
      value: state,
      note: version,
      tone: state === "active" ? ("good" as const) : ("bad" as const)
    }))
    .sort((a, b) => Number(a.tone === "good") - Number(b.tone === "good"))

const moment = (name: string, iso: string, { now, zone }: Now): Fact => ({
  name,
  value: dateWords(Date.parse(iso), now, zone),
  note: agoWords(Date.parse(iso), now),
  full: iso
})

const when = (iso: string, { now, zone }: Now): string =>
  `${dateWords(Date.parse(iso), now, zone)}, ${agoWords(Date.parse(iso), now)}`

const revision = (etag: string | null): string => (etag === null ? "the joining document" : shortEtag(etag))

const sourceWords = (source: string): string =>
  ({ seed: "joining document", rescue: "line to central alone", none: "local layer" })[source] ?? spaced(source)

const START_WORDS: Readonly<Record<string, string>> = {
  first: "the first of this machine",
  explained: "planned: the process before ended in order",
  unexplained: "the process before ended without a reason",
  indeterminate: "it is not known how the process before ended"
}

const startWords = (start: string): string => START_WORDS[start] ?? start

const REASON_WORDS: Readonly<Record<string, string>> = {
  applied: "applied",
  probation_expired: "no confirmed poll while it ran on probation (probation_expired)",
  crash_loop: "too many starts ended without a reason (crash_loop)",
  slot_corrupt: "its slot no longer matches its digest (slot_corrupt)",
  validation_failed: "refused, its content is wrong (validation_failed)",
  config_invalid: "refused, its content is wrong (config_invalid)",
  document_too_large: "refused, it is too large (document_too_large)",
  artifact_hash_mismatch: "a plugin is not the one that was pinned (artifact_hash_mismatch)",
  bundled_version_mismatch: "a bundled plugin has another version (bundled_version_mismatch)",
  version_mismatch: "a plugin has another version (version_mismatch)",
  plugin_install_failed: "a plugin could not be installed (plugin_install_failed)",
  apply_io_error: "the disk failed while it was applied (apply_io_error)",
  skipped_bad_etag: "remembered as bad, not tried (skipped_bad_etag)"
}

/** A verdict or reason in words, with the literal one that logs and commands use. */
export const reasonWords = (reason: string): string => REASON_WORDS[reason] ?? spaced(reason)
