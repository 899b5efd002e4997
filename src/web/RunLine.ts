/** What a line of a run's output shows: events of OpenCode readable, everything else as it is and harmless. Pure. */
import { fieldsOf, numberOf, textOf, type Fields } from "./Fields.ts"
import { countWords, usageWords } from "./RunWords.ts"
import type { Tone } from "./ThisMachine.ts"

/** A text of which there may be more than is shown. */
export interface Cut {
  readonly text: string
  /** Characters that are not. */
  readonly more: number
}

export type Shown =
  | { readonly kind: "plain"; readonly line: Cut }
  /** `what` is one word; `body` keeps its lines. */
  | {
      readonly kind: "event"
      readonly what: string
      readonly tone: Tone
      readonly title: Cut
      readonly body: Cut
      /** Wall clock, ms; null where the event does not say. */
      readonly at: number | null
    }

/** The most characters that are shown of one text. */
export const TEXT_MAX = 4_000
/** A title is one glance. */
const TITLE_MAX = 200

const NOTHING: Cut = { text: "", more: 0 }

/** The beginning of a text, never half a character. */
export const cut = (text: string, most = TEXT_MAX): Cut => {
  if (text.length <= most) return { text, more: 0 }
  const isHalf = /[\uD800-\uDBFF]/.test(text[most - 1] ?? "")
  const end = isHalf ? most - 1 : most
  return { text: text.slice(0, end), more: text.length - end }
}

// Colours and cursor movements of terminals: ESC [ … letter, and ESC ] … BEL or ESC \.
// oxlint-disable-next-line no-control-regex -- these are the characters that it is about
const TERMINAL = /\x1B(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1B]*(?:\x07|\x1B\\)?)/g
// oxlint-disable-next-line no-control-regex -- these are the characters that it is about
const CONTROL = /[\x00-\x08\x0B-\x1F\x7F]/g
const UNSEEN = /[\x80-\x9F\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF]/g

/** Every character that would be unseen, or would change the look of others, as one that can be seen. */
export const harmless = (text: string): string =>
  text
    .replace(CONTROL, (character) => {
      const code = character.charCodeAt(0)
      return code === 0x7f ? "\u2421" : String.fromCharCode(0x2400 + code)
    })
    .replace(UNSEEN, (character) => `[U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`)

/** The line itself, for who wants to see what was written. */
export const rawLine = (text: string): Cut => shown(text)

/** The line as a person reads it; `isWhole` says that it is no part of a longer one. */
export const readLine = (text: string, isWhole: boolean): Shown =>
  (isWhole ? eventOf(text) : null) ?? { kind: "plain", line: shown(text.replace(TERMINAL, "").replace(/\r$/, "")) }

const shown = (text: string, most = TEXT_MAX): Cut => {
  const { more, text: kept } = cut(text, most)
  return { text: harmless(kept), more }
}

/** An event of OpenCode; null for what is none that is known here. */
const eventOf = (text: string): Shown | null => {
  if (!text.startsWith('{"')) return null
  const fields = parsed(text)
  const part = fieldsOf(fields?.["part"])
  if (fields === null || typeof fields["sessionID"] !== "string") return null
  const at = numberOf(fields["timestamp"])
  const event = (what: string, title: string, body = "", tone: Tone = "plain"): Shown => ({
    kind: "event",
    what,
    tone,
    title: shown(oneLine(title), TITLE_MAX),
    body: body === "" ? NOTHING : shown(body.replace(TERMINAL, "").replace(/\n$/, "")),
    at
  })
  switch (fields["type"]) {
    case "step_start":
      return event("step", "begins")
    case "text":
      return event("text", "", textOf(part?.["text"]) ?? "")
    case "reasoning":
      return event("thought", "", textOf(part?.["text"]) ?? "")
    case "tool_use":
      return tool(part ?? {}, event)
    case "step_finish":
      return event("step", `ends: ${[textOf(part?.["reason"]) ?? "no reason given", stepUsage(part)].join(" · ")}`)
    case "error":
      return event("error", errorWords(fields["error"]), "", "bad")
    default:
      return null
  }
}

type Make = (what: string, title: string, body?: string, tone?: Tone) => Shown

const tool = (part: Fields, event: Make): Shown => {
  const state = fieldsOf(part["state"]) ?? {}
  const name = textOf(part["tool"]) ?? "tool"
  const asked = textOf(state["title"]) ?? JSON.stringify(state["input"] ?? {})
  if (state["status"] === "error") {
    return event(name, `${asked} · failed; the run goes on`, textOf(state["error"]) ?? "", "wait")
  }
  const status = textOf(state["status"])
  const title = status === null || status === "completed" ? asked : `${asked} · ${status}`
  return event(name, title, textOf(state["output"]) ?? "")
}

const stepUsage = (part: Fields | null): string => {
  const tokens = fieldsOf(part?.["tokens"])
  const of = (value: unknown): number => Math.max(0, numberOf(value) ?? 0)
  return usageWords({
    input: of(tokens?.["input"]),
    output: of(tokens?.["output"]) + of(tokens?.["reasoning"]),
    cached: of(fieldsOf(tokens?.["cache"])?.["read"]),
    cost_usd: of(part?.["cost"])
  })
}

const errorWords = (error: unknown): string => {
  if (typeof error === "string" && error !== "") return error
  const fields = fieldsOf(error)
  const found = [fieldsOf(fields?.["data"])?.["message"], fields?.["message"], fields?.["name"], fields?.["code"]]
  return (
    found.map((one) => (typeof one === "number" ? String(one) : textOf(one))).find((one) => one !== null) ??
    "an error without words"
  )
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

const parsed = (text: string): Fields | null => {
  try {
    return fieldsOf(JSON.parse(text))
  } catch {
    // A line that only looks like one.
    return null
  }
}

/** What is said behind a text that was cut. */
export const moreWords = ({ more }: Cut): string => (more === 0 ? "" : `… ${countWords(more, "more character")}`)
