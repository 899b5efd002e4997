/** What a gateway has sent, in words. Pure. */
import type { GatewayEvent, RunRow } from "../domain/index.ts"
import { type Fields, fieldsOf, numberOf, textOf } from "./Fields.ts"
import { line, runsWords } from "./FleetWords.ts"
import { countWords, sizeWords } from "./RunWords.ts"
import { reasonWords, type Tone } from "./ThisMachine.ts"
import { spaced, spanWords, valueWords } from "./Words.ts"

export interface SentWords {
  readonly tone: Tone
  readonly words: string
  /** Smaller print; empty when there is nothing more to say. */
  readonly note: string
}

type Numbers = ReadonlyMap<string, number>

/** What a row says at a glance; of one that this page does not know, all that is in it. */
export const sentWords = (row: unknown, numbers: Numbers): SentWords => {
  const fields = fieldsOf(row)
  const type = textOf(fields?.["type"])
  const verdict = textOf(fields?.["verdict"])
  if (fields !== null && type === "gap") return gapWords(fields)
  if (fields !== null && type !== null && Object.hasOwn(EVENTS, type)) {
    return eventWords(EVENTS[type as GatewayEvent], fields, numbers)
  }
  if (fields !== null && verdict !== null && Object.hasOwn(VERDICTS, verdict)) {
    return runWords(VERDICTS[verdict as RunRow["verdict"]], verdict, fields)
  }
  return { tone: "plain", words: line(valueWords(row)), note: "" }
}

/** `of`: what it is about, if it says so. */
interface EventWords {
  readonly tone: Tone
  readonly words: string
  readonly of?: "etag" | "plugin"
}

const EVENTS: Readonly<Record<GatewayEvent, EventWords>> = {
  daemon_started: { tone: "plain", words: "The daemon started" },
  daemon_stopping: { tone: "plain", words: "The daemon stops" },
  config_applied: { tone: "plain", words: "Applied", of: "etag" },
  config_promoted: { tone: "good", words: "Promoted", of: "etag" },
  config_refused: { tone: "bad", words: "Refused", of: "etag" },
  config_failed: { tone: "bad", words: "Could not apply", of: "etag" },
  config_rolled_back: { tone: "bad", words: "Gave up", of: "etag" },
  safe_start_entered: { tone: "bad", words: "Safe start: only bundled plugins run" },
  safe_start_left: { tone: "plain", words: "Safe start is over" },
  identity_acquired: { tone: "good", words: "Got its identity" },
  identity_dead: { tone: "bad", words: "Its identity is dead" },
  plugin_failed: { tone: "bad", words: "A plugin failed:", of: "plugin" },
  login_ok: { tone: "good", words: "Signed in to the model account" },
  login_expired: { tone: "bad", words: "The login to the model account expired" },
  login_signed_out: { tone: "plain", words: "Signed out of the model account" }
}

/** Reasons that need more than their words; the same word may mean another thing elsewhere. */
const REASONS: Readonly<Record<string, string>> = {
  first: "for the first time on this machine",
  explained: "the process before ended in order",
  unexplained: "the process before ended without a reason",
  indeterminate: "it is not known how the process before ended",
  config_applied: "to run a revision that it has applied",
  config_rollback: "to go back to what it ran before",
  storage_recovered: "its disk can be written again",
  safe_hold_over: "to try again without safe start",
  joined: "it has joined",
  operator: "an operator asked for it",
  leave: "it leaves the fleet",
  code: "nobody entered the code in time",
  refused: "the provider refuses it"
}

const eventWords = ({ of, tone, words }: EventWords, fields: Fields, numbers: Numbers): SentWords => {
  const about = of === undefined ? null : textOf(fields[of])
  const reason = textOf(fields["reason"])
  const what = about === null ? (of === "etag" ? "a revision" : "") : of === "etag" ? runsWords(about, numbers) : about
  return {
    tone: fields["type"] === "daemon_started" && reason === "unexplained" ? "bad" : tone,
    words: line(`${words} ${what}`.trim()),
    note: reason === null ? "" : line(REASONS[reason] ?? reasonWords(reason))
  }
}

const gapWords = (fields: Fields): SentWords => ({
  tone: "bad",
  words: `${countWords(numberOf(fields["rows"]) ?? 0, "row")} lost on the gateway: they will never arrive`,
  note: line([textOf(fields["from"]), textOf(fields["to"])].filter((one) => one !== null).join(" – "))
})

const VERDICTS: Readonly<Record<RunRow["verdict"], Tone>> = {
  succeeded: "good",
  cancelled: "wait",
  failed: "bad",
  timed_out: "bad",
  lost: "bad",
  unknown: "bad"
}

const runWords = (tone: Tone, verdict: string, fields: Fields): SentWords => {
  const code = numberOf(fields["exit_code"])
  const bytes = numberOf(fields["output_bytes"])
  const took = Date.parse(textOf(fields["ended_at"]) ?? "") - Date.parse(textOf(fields["started_at"]) ?? "")
  return {
    tone,
    words: line(`${textOf(fields["agent_id"]) ?? "a run"}: ${spaced(verdict)}`),
    note: [
      ...(code === null || code === 0 ? [] : [`exit code ${code}`]),
      ...(Number.isFinite(took) ? [`took ${spanWords(took / 1_000)}`] : []),
      ...(bytes === null ? [] : [`${sizeWords(bytes)} of output`])
    ].join(" · ")
  }
}
