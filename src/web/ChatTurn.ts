/** A question and what came of it: the events of an answer folded into what a person sees. Pure. */

/** What an agent gave in one call, as far as it is told. */
export interface AgentCall {
  readonly agent: string
  readonly result: string
}

/** What an answer consists of, in the order in which it came. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  /** A round of calls. */
  | { readonly kind: "agents"; readonly calls: ReadonlyArray<AgentCall> }

/** Why there is no answer, or none that is whole. */
export interface Failure {
  /** The API's, or one of the page's own: see `failureView`. */
  readonly code: string
  /** In the daemon's words; empty when it said nothing. */
  readonly words: string
}

/** The end of a whole answer. */
export interface Reply {
  readonly response: string
  readonly session: string
  readonly logs: string
  readonly model: string | null
  readonly requested: string | null
}

export type ChatEvent =
  | { readonly type: "delta"; readonly text: string }
  | { readonly type: "agent"; readonly calls: ReadonlyArray<AgentCall> }
  | { readonly type: "done"; readonly reply: Reply }
  | { readonly type: "error"; readonly failure: Failure }
  /** The person has heard enough, or gone elsewhere. */
  | { readonly type: "stop"; readonly why: "asked" | "left" }

export interface Turn {
  readonly question: string
  readonly state: "asking" | "done" | "failed" | "stopped"
  readonly parts: ReadonlyArray<Part>
  readonly model: string | null
  readonly requested: string | null
  /** What is to be said about an answer that is there: that it is not whole. */
  readonly note: string | null
  readonly failure: Failure | null
}

export const asked = (question: string): Turn => ({
  question,
  state: "asking",
  parts: [],
  model: null,
  requested: null,
  note: null,
  failure: null
})

/** The turn after an event. What comes after the end is nothing. */
export const step = (turn: Turn, event: ChatEvent): Turn => {
  if (turn.state !== "asking") return turn
  switch (event.type) {
    case "delta":
      return { ...turn, parts: withText(turn.parts, event.text) }
    case "agent":
      return { ...turn, parts: [...turn.parts, { kind: "agents", calls: event.calls }] }
    case "done": {
      const { logs, model, requested, response } = event.reply
      return { ...turn, state: "done", parts: whole(turn.parts, response), model, requested, note: noteIn(logs) }
    }
    case "error":
      return { ...turn, state: "failed", failure: event.failure }
    case "stop":
      return {
        ...turn,
        state: "stopped",
        note: event.why === "asked" ? null : LEFT_WORDS
      }
  }
}

/** Of an answer that nobody waited for any more. */
export const LEFT_WORDS = "This conversation was left before the answer was over."

const withText = (parts: ReadonlyArray<Part>, text: string): ReadonlyArray<Part> => {
  const last = parts.at(-1)
  if (last?.kind !== "text") return text === "" ? parts : [...parts, { kind: "text", text }]
  return [...parts.slice(0, -1), { kind: "text", text: last.text + text }]
}

/** What was told as it came is the answer; where it is not, the answer counts. */
const whole = (parts: ReadonlyArray<Part>, response: string): ReadonlyArray<Part> => {
  const last = parts.at(-1)
  if (last?.kind !== "text") return withText(parts, response)
  return last.text === response ? parts : [...parts.slice(0, -1), { kind: "text", text: response }]
}

/** The daemon says so at the end of the log, under a name that is no agent's. */
const noteIn = (logs: string): string | null =>
  /(?:^|\n)\[model\] (The answer is not whole[^\n]*)$/.exec(logs)?.[1] ?? null

/** An entry of `conversation_history`. */
export interface HistoryEntry {
  readonly role: "user" | "assistant" | "tool"
  readonly content: string
  readonly name?: string
}

/** How much of a conversation the model is told again, in characters. */
export const HISTORY_CHARS = 400_000

/**
 * What a model is told of the turns before: what was asked, what agents gave, what was answered. A question that brought
 * nothing is left out; of a conversation that is too long the oldest turns are, whose number is `left`.
 */
export const historyOf = (
  turns: ReadonlyArray<Turn>,
  max = HISTORY_CHARS
): { readonly entries: ReadonlyArray<HistoryEntry>; readonly left: number } => {
  const told = turns.filter(({ parts }) => parts.length > 0).map(entriesOf)
  let room = max
  let left = told.length
  while (left > 0) {
    room -= (told[left - 1] ?? []).reduce((sum, { content }) => sum + content.length, 0)
    if (room < 0) break
    left -= 1
  }
  return { entries: told.slice(left).flat(), left }
}

const entriesOf = ({ parts, question }: Turn): ReadonlyArray<HistoryEntry> => [
  { role: "user", content: question },
  ...parts.flatMap((part): ReadonlyArray<HistoryEntry> =>
    part.kind === "text"
      ? [{ role: "assistant", content: part.text }]
      : part.calls.map(({ agent, result }) => ({ role: "tool", name: agent, content: result }))
  )
]
