/** What a client asks of the chat. */
import { Result, Schema, SchemaIssue } from "effect"
import { ChatBody, type HistoryEntry, MAX_SESSION_CHARS } from "../domain/index.ts"
import { HttpFailure } from "../http/index.ts"

/** A request that can be answered. */
export interface ChatRequest {
  /** Trimmed; not empty. */
  readonly userInput: string
  readonly history: ReadonlyArray<HistoryEntry>
  /** Null when the session begins with this request. */
  readonly sessionId: string | null
}

/** The request in a body; else 400 `invalid_request`, whose detail begins with the exact field. */
export const chatRequest = (body: unknown): Result.Result<ChatRequest, HttpFailure> => {
  const decoded = decodeBody(body)
  if (Result.isFailure(decoded)) return Result.fail(fieldFailure(decoded.failure.issue))
  const { conversation_history, session_id, user_input } = decoded.success
  const history = conversation_history ?? []
  const userInput = user_input.trim()
  if (userInput === "") return Result.fail(invalid("user_input must not be empty"))
  const silent = history.findIndex(
    ({ content, role, tool_calls }) =>
      typeof content !== "string" && !(role === "assistant" && (tool_calls?.length ?? 0) > 0)
  )
  if (silent !== -1) return Result.fail(invalid(`conversation_history[${silent}].content must be a string`))
  return Result.succeed({ userInput, history, sessionId: session_id === "" ? null : (session_id ?? null) })
}

const decodeBody = Schema.decodeUnknownResult(ChatBody)

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

const fieldFailure = (issue: SchemaIssue.Issue): HttpFailure => {
  const { message, path = [] } = formatIssue(issue).issues[0] ?? { message: "" }
  const keys = path.map((segment) => (typeof segment === "object" ? segment.key : segment))
  return invalid(`${fieldOf(keys)} ${explained(message, String(keys.at(-1) ?? ""))}`)
}

/** `conversation_history[1].role`. */
const fieldOf = (keys: ReadonlyArray<PropertyKey>): string =>
  keys.length === 0
    ? "the body"
    : keys.map((key, at) => (typeof key === "number" ? `[${key}]` : `${at === 0 ? "" : "."}${String(key)}`)).join("")

const explained = (message: string, key: string): string => {
  if (message === "Missing key") return "is required"
  if (key === "role") return "must be user, assistant or tool"
  if (key === "session_id") return `must be a string of at most ${MAX_SESSION_CHARS} characters`
  if (key === "conversation_history" || key === "tool_calls") return "must be a list"
  if (key === "" || key === "function" || /^\d+$/.test(key)) return "must be an object"
  return key === "id" || key === "name" ? "must be a string that is not empty" : "must be a string"
}

const invalid = (detail: string) => new HttpFailure({ status: 400, error: "invalid_request", detail })
