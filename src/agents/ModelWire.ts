/** What goes over the wire between a client of `/chat/completions` and its server: only what is used of it. */
import { Schema } from "effect"

/** A call of a tool, as the model wrote it. */
export interface ToolCall {
  /** Never empty, and of one call only. */
  readonly id: string
  readonly name: string
  /** JSON, or what the model took for it; empty when there are none. */
  readonly arguments: string
}

interface WireCall {
  readonly id: string
  readonly type: "function"
  readonly function: { readonly name: string; readonly arguments: string }
}

/** One message of a conversation, as it is sent. */
export type ModelMessage =
  | { readonly role: "system" | "user"; readonly content: string }
  | { readonly role: "assistant"; readonly content: string | null; readonly tool_calls?: ReadonlyArray<WireCall> }
  | { readonly role: "tool"; readonly tool_call_id: string; readonly content: string }

/** The message in which a model called tools. Servers refuse names and arguments that they would not have let it write. */
export const callingMessage = (text: string, calls: ReadonlyArray<ToolCall>): ModelMessage => ({
  role: "assistant",
  content: text === "" ? null : text,
  tool_calls: calls.map(({ arguments: written, id, name }) => ({
    id,
    type: "function",
    function: {
      name: /^[a-zA-Z0-9_-]{1,64}$/.test(name) ? name : "unreadable_name",
      arguments: isJsonObject(written) ? written : "{}"
    }
  }))
})

const decodeObject = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const isJsonObject = (text: string): boolean => decodeObject(text)._tag === "Some"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))

/** A call, or a piece of one. */
const Fragment = Schema.Struct({
  index: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  id: Text,
  function: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        name: Text,
        /** A string; some servers send the object itself. */
        arguments: Schema.optionalKey(Schema.Unknown)
      })
    )
  )
})
export type Fragment = typeof Fragment.Type

const Delta = Schema.Struct({
  /** A string; some servers send a list of parts. */
  content: Schema.optionalKey(Schema.Unknown),
  tool_calls: Schema.optionalKey(Schema.NullOr(Schema.Array(Fragment)))
})

const Choice = Schema.Struct({
  /** Of a stream. */
  delta: Schema.optionalKey(Schema.NullOr(Delta)),
  /** Of a whole answer. */
  message: Schema.optionalKey(Schema.NullOr(Delta)),
  finish_reason: Text
})

/** A whole answer, or one event of a stream. */
export const ModelChunk = Schema.Struct({
  model: Text,
  choices: Schema.optionalKey(Schema.NullOr(Schema.Array(Choice))),
  error: Schema.optionalKey(Schema.Unknown)
})
export type ModelChunk = typeof ModelChunk.Type

export const decodeChunk = Schema.decodeUnknownOption(Schema.fromJsonString(ModelChunk))

const ErrorBody = Schema.fromJsonString(Schema.Struct({ error: Schema.Unknown }))
const ErrorFields = Schema.Struct({ message: Text, code: Schema.optionalKey(Schema.Unknown), param: Text })

/** What a server says of a request that it refuses; empty where it says nothing readable. */
export interface ServerWords {
  readonly message: string
  readonly code: string
  readonly param: string
}

/** The words of an error's body. */
export const wordsOf = (body: string): ServerWords => {
  const decoded = decodeErrorBody(body)
  return errorWords(decoded._tag === "Some" ? decoded.value.error : undefined)
}

/** The words of an `error` member: an object, or a string. */
export const errorWords = (error: unknown): ServerWords => {
  if (typeof error === "string") return { message: error, code: "", param: "" }
  const fields = decodeErrorFields(error)
  if (fields._tag === "None") return { message: "", code: "", param: "" }
  const { code, message, param } = fields.value
  return { message: message ?? "", code: typeof code === "string" ? code : "", param: param ?? "" }
}

const decodeErrorBody = Schema.decodeUnknownOption(ErrorBody)
const decodeErrorFields = Schema.decodeUnknownOption(ErrorFields)
