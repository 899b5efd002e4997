/** What is said of a run, in words and figures. Pure. */
import type { Gap, RunView } from "../domain/index.ts"
import type { Fact, Now, Tone, Verdict } from "./ThisMachine.ts"
import { agoWords, clockWords, dateWords, spaced, spanWords } from "./Words.ts"

/** States in which a run is: a verdict is not there yet. */
const STATE_WORDS: Readonly<Record<string, string>> = {
  deciding: "It is being taken up.",
  queued: "It waits until its agent has no other run before it.",
  preparing: "The files for its output are made.",
  starting: "The backend starts its work, or finds that it has.",
  waiting: "Its backend cannot be had: nothing is known of it, and nothing is concluded.",
  live: "Its work is under way, and its output is followed.",
  judging: "It has ended; the verdict is being written down.",
  recording: "It has ended; the verdict is being written down.",
  recordingAgain: "The disk takes no verdict: until it does, everything of the run stays."
}

const VERDICT_WORDS: Readonly<Record<NonNullable<RunView["verdict"]>, string>> = {
  succeeded: "It ended with exit code 0.",
  failed: "It failed.",
  timed_out: "It took longer than it may, and was ended.",
  cancelled: "Its end was asked for.",
  lost: "Its work is gone, and has left nothing that says how it ended. That is a failure.",
  unknown: "Nobody knows how it ended, and nobody guesses. That is a failure."
}

/** A failure that needs saying that it is one, whatever its message says. */
const IN_DOUBT: ReadonlySet<string> = new Set(["lost", "unknown"])

/** Whether it has no verdict yet. */
export const isOpen = ({ verdict }: RunView): boolean => verdict === null

/** Whether it ended otherwise than well. */
export const isFailure = ({ verdict }: RunView): boolean =>
  verdict !== null && verdict !== "succeeded" && verdict !== "cancelled"

/** How it does, or how it ended. `isCancelled`: its end was asked for, as far as the page has seen. */
export const runVerdict = (run: RunView, isCancelled = false): Verdict => {
  const { message, stale, state, verdict } = run
  if (verdict !== null) {
    const words = VERDICT_WORDS[verdict]
    const told = message === null ? "" : sentence(message)
    const why = told === "" ? words : IN_DOUBT.has(verdict) ? `${words} ${told}` : told
    return { tone: toneOf(run), word: spaced(verdict), why }
  }
  const why = STATE_WORDS[state] ?? ""
  if (isCancelled) return { tone: "wait", word: `${spaced(state)}, being cancelled`, why: "Its end was asked for." }
  if (stale) return { tone: "wait", word: `${spaced(state)}, stale`, why: STALE }
  return { tone: "plain", word: spaced(state), why }
}

const STALE = "Nothing was heard of it for five minutes, which alone is a warning: it may still be at work."

const toneOf = (run: RunView): Tone =>
  run.verdict === "succeeded" ? "good" : isFailure(run) ? "bad" : run.verdict === "cancelled" ? "wait" : "plain"

const sentence = (words: string): string => {
  const text = words.trim()
  return text === "" ? "" : `${text[0]?.toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`
}

const COUNT = new Intl.NumberFormat("en-GB")

/** `1 line`, `12,345 lines`. */
export const countWords = (count: number, one: string, many = `${one}s`): string =>
  `${COUNT.format(count)} ${count === 1 ? one : many}`

/** `512 bytes`, `1.2 MB`. */
export const sizeWords = (bytes: number): string => {
  if (bytes < 1_000) return countWords(bytes, "byte")
  const units = ["kB", "MB", "GB", "TB"]
  let value = bytes
  let unit = -1
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000
    unit += 1
  }
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

const GAP_WORDS: Readonly<Record<Gap["reason"], string>> = {
  truncated: "the file was made shorter",
  replaced: "the file was replaced by another",
  unreadable: "it could not be read"
}

/** What is missing, and why. */
export const gapWords = ({ from, reason, to }: Gap): string =>
  to === null
    ? `What was written from byte ${COUNT.format(from)} on may be missing: ${GAP_WORDS[reason]}`
    : `${countWords(to - from, "byte")} missing from byte ${COUNT.format(from)} on: ${GAP_WORDS[reason]}`

/** Tokens and their price. */
export const usageWords = ({ cached, cost_usd, input, output }: NonNullable<RunView["usage"]>): string =>
  `${COUNT.format(input)} tokens in, ${COUNT.format(output)} out, ${COUNT.format(cached)} cached · $${costWords(cost_usd)}`

/** To the millionth, for a step may cost much less than a cent. */
const costWords = (usd: number): string => usd.toFixed(6).replace(/(\.\d\d\d*?)0+$/, "$1")

/** How much it wrote, in few words. */
export const outputWords = ({ output }: RunView): string =>
  output.bytes === 0 && output.lines === 0
    ? "no output"
    : `${countWords(output.lines, "line")}, ${sizeWords(output.bytes)}`

/** When it was asked for or started, and how long it takes or took. */
export const timeWords = (run: RunView, { now, zone }: Now): string => {
  const started = momentOf(run.started_at)
  const ended = momentOf(run.ended_at)
  if (started === null) {
    const asked = momentOf(run.created_at)
    return asked === null ? "" : `asked for ${dateWords(asked, now, zone)}, ${agoWords(asked, now)}`
  }
  const span = spanWords(((ended ?? now) - started) / 1_000)
  return `${dateWords(started, now, zone)}, ${ended === null ? `for ${span}` : `took ${span}`}`
}

const momentOf = (iso: string | null): number | null => {
  const at = Date.parse(iso ?? "")
  return Number.isNaN(at) ? null : at
}

const END_WORDS: Readonly<Record<NonNullable<RunView["output"]["end"]>, string>> = {
  complete: "complete: every byte that was written is here",
  incomplete: "incomplete: not all of it arrived, or nobody knows whether it did",
  corrupt: "corrupt: it is not what its record describes",
  missing: "missing: it never appeared, or was removed"
}

/** How the output ended. */
export const endWords = (end: NonNullable<RunView["output"]["end"]>): string => END_WORDS[end]

/** Everything else that is known of a run. */
export const runFacts = (run: RunView, time: Now): ReadonlyArray<Fact> => {
  const { output, usage } = run
  return [
    { name: "Agent", value: run.agent_id, ...(run.company_id === "local" ? {} : { note: `of ${run.company_id}` }) },
    { name: "Backend", value: run.backend },
    ...moments("Asked for", run.created_at, time),
    ...moments("Started", run.started_at, time),
    ...moments("Ended", run.ended_at, time),
    ...(run.exit_code === null
      ? []
      : [
          {
            name: "Exit code",
            value: String(run.exit_code),
            ...(run.signal === null ? {} : { note: `as by signal ${run.signal}` })
          }
        ]),
    {
      name: "Output",
      value: outputWords(run),
      ...(output.end === null
        ? {}
        : { note: endWords(output.end), tone: output.end === "complete" ? ("plain" as const) : ("bad" as const) })
    },
    ...output.gaps.map((gap) => ({ name: "Gap", value: gapWords(gap), tone: "bad" as const })),
    ...(run.session === null ? [] : [{ name: "Session", value: run.session }]),
    ...(usage === null
      ? []
      : [
          {
            name: "Usage",
            value: `${COUNT.format(usage.input)} tokens in, ${COUNT.format(usage.output)} out`,
            note: `${COUNT.format(usage.cached)} cached · $${costWords(usage.cost_usd)}`
          }
        ])
  ]
}

const moments = (name: string, iso: string | null, { now, zone }: Now): ReadonlyArray<Fact> => {
  const at = momentOf(iso)
  if (at === null || iso === null) return []
  const isToday = dateWords(at, now, zone).length === 5
  const value = isToday ? clockWords(at, zone) : dateWords(at, now, zone)
  return [{ name, value, note: agoWords(at, now), full: iso }]
}
