/** What a client asks of the chat. */
import { Schema } from "effect"

/** The longest id of a session, in characters. */
export const MAX_SESSION_CHARS = 256

/** An entry of the history as clients keep it: what was said, and of tools what was called and what came of it. */
export const HistoryEntry = Schema.Struct({
  role: Schema.Literals(["user", "assistant", "tool"]),
  content: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** Of role assistant. */
  tool_calls: Schema.optionalKey(
    Schema.NullOr(
      Schema.Array(
        Schema.Struct({
          id: Schema.NonEmptyString,
          function: Schema.Struct({ name: Schema.NonEmptyString, arguments: Schema.String })
        })
      )
    )
  ),
  /** Of role tool. */
  tool_call_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  name: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type HistoryEntry = typeof HistoryEntry.Type

/** Body of `POST /chat` and `POST /chat/stream`. */
export const ChatBody = Schema.Struct({
  user_input: Schema.String,
  conversation_history: Schema.optionalKey(Schema.NullOr(Schema.Array(HistoryEntry))),
  session_id: Schema.optionalKey(Schema.NullOr(Schema.String.check(Schema.isMaxLength(MAX_SESSION_CHARS))))
})
