/** The chat's part of the API, as the page uses it: shapes, and readers that let nothing else in. */
import type { QuarantinedAgent } from "../domain/index.ts"
import { type Answer, ask, read, READ_MS, refusalOf } from "./Ask.ts"
import type { AgentCall, ChatEvent, Failure, HistoryEntry } from "./ChatTurn.ts"
import { CUT, LOST, NO_ACCESS, ODD, REFUSED } from "./ChatWords.ts"
import { messagesOf } from "./EventStream.ts"
import { fieldsOf, listOf, present, textOf } from "./Fields.ts"

/** An agent as the page shows it. */
export interface AgentRow {
  readonly name: string
  readonly description: string
  readonly file: string
}

export interface Roster {
  readonly agents: ReadonlyArray<AgentRow>
  readonly quarantined: ReadonlyArray<QuarantinedAgent>
}

/** Files that changed are loaded for the answer, each of which may take half a minute. */
const ROSTER_MS = 120_000

/** `GET /agents`. */
export const fetchAgents = async (): Promise<Answer<Roster>> => read(await ask("GET", "/agents", ROSTER_MS), readRoster)

/** `POST /agents/FILE/packages`: what is said of the file from now on. */
export const installPackages = async (file: string): Promise<Answer<string>> =>
  read(await ask("POST", `/agents/${encodeURIComponent(file)}/packages`, READ_MS, {}), (value) => {
    const reason = textOf(fieldsOf(value)?.["reason"])
    return reason === null ? null : [reason]
  })

/** The agents as the only member of a list, or null for what is none. */
export const readRoster = (value: unknown): readonly [Roster] | null => {
  const fields = fieldsOf(value)
  if (fields === null || !Array.isArray(fields["agents"])) return null
  const agents = fields["agents"].map((one): AgentRow | null => {
    const agent = fieldsOf(one)
    const name = textOf(agent?.["name"])
    const file = textOf(agent?.["file"])
    return name === null || file === null ? null : { name, file, description: textOf(agent?.["description"]) ?? "" }
  })
  const quarantined = listOf(fields["quarantined"]).map((one): QuarantinedAgent | null => {
    const found = fieldsOf(one)
    const file = textOf(found?.["file"])
    if (file === null) return null
    const installable = listOf(found?.["installable"]).map(textOf).filter(present)
    return {
      file,
      class: textOf(found?.["class"]),
      reason: textOf(found?.["reason"]) ?? "No reason was given.",
      ...(installable.length === 0 ? {} : { installable })
    }
  })
  return [{ agents: agents.filter(present), quarantined: quarantined.filter(present) }]
}

export interface Question {
  readonly text: string
  readonly history: ReadonlyArray<HistoryEntry>
  readonly session: string | null
}

/**
 * `POST /chat/stream`: tells each event, of which `done` or `error` is the last. After `stop` nothing is told any more; the
 * daemon then ends what it does for this question.
 */
export const streamChat = async (
  { history, session, text }: Question,
  tell: (event: ChatEvent) => void,
  stop: AbortSignal
): Promise<void> => {
  let isOver = false
  let isBegun = false
  const take = (event: ChatEvent): void => {
    if (stop.aborted || isOver) return
    isOver = event.type === "done" || event.type === "error"
    tell(event)
  }
  const fail = (code: string, words = ""): void => take({ type: "error", failure: { code, words } })
  try {
    const init = {
      method: "POST",
      headers: { accept: "text/event-stream", "content-type": "application/json" },
      body: JSON.stringify({ user_input: text, conversation_history: history, session_id: session })
    }
    await messagesOf(
      "/chat/stream",
      init,
      {
        message: ({ data, event }) => {
          isBegun = true
          const found = readChatEvent(event, JSON.parse(data))
          if (found !== null) take(found)
        },
        refused: async (response) => {
          const refusal = refusalOf(response.status, await response.json())
          if (refusal.type === "failed") fail(refusal.code, refusal.words)
          else fail(REFUSED)
        }
      },
      stop
    )
    // A stream that ends without a word about the end was ended by somebody.
    fail(CUT)
  } catch (error) {
    fail(error instanceof SyntaxError ? ODD : isBegun ? CUT : LOST)
  }
}

/** An event of the stream; null for one that this page does not know. */
export const readChatEvent = (event: string, value: unknown): ChatEvent | null => {
  const fields = fieldsOf(value) ?? {}
  switch (event) {
    case "delta":
      return { type: "delta", text: textOf(fields["text"]) ?? "" }
    case "agent":
      return { type: "agent", calls: listOf(fields["calls"]).map(readCall).filter(present) }
    case "done":
      return {
        type: "done",
        reply: {
          response: textOf(fields["response"]) ?? "",
          session: textOf(fields["session_id"]) ?? "",
          logs: textOf(fields["agent_logs"]) ?? "",
          model: textOf(fields["model"]),
          requested: textOf(fields["requested_model"])
        }
      }
    case "error":
      return { type: "error", failure: readFailure(fields) }
    default:
      return null
  }
}

const readCall = (value: unknown): AgentCall | null => {
  const call = fieldsOf(value)
  const agent = textOf(call?.["agent"])
  return agent === null ? null : { agent, result: textOf(call?.["result"]) ?? "" }
}

const readFailure = (fields: Readonly<Record<string, unknown>>): Failure =>
  fields["no_copilot_access"] === true
    ? { code: NO_ACCESS, words: textOf(fields["copilot_username"]) ?? "" }
    : { code: textOf(fields["error"]) ?? ODD, words: textOf(fields["detail"]) ?? "" }
