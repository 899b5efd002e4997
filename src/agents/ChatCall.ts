/** A tool call of a model: what it may be given, and how what came of it is told. */
import { Result, Schema } from "effect"
import { type AgentTool, type CallFailure, type CallOutcome, nearest } from "../domain/index.ts"
import type { ToldCall } from "./Chat.ts"
import type { ToolCall } from "./ModelWire.ts"

/** The longest result that a model is given, in bytes of UTF-8. */
export const MAX_RESULT_BYTES = 65_536
const MAX_LOG_CHARS = 2_000

/** A call that can be made. */
export interface ReadyCall {
  readonly tool: AgentTool
  readonly args: Readonly<Record<string, unknown>>
}

const decodeArguments = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/**
 * The agent and its arguments, which the agents' service holds against the schema; else a sentence from which the model
 * can do better. No arguments mean `{}`.
 */
export const readyCall = (
  { arguments: written, name }: ToolCall,
  tools: ReadonlyArray<AgentTool>
): Result.Result<ReadyCall, string> => {
  const tool = tools.find((one) => one.name === name)
  if (tool === undefined) return Result.fail(unknownAgent(name, tools))
  const decoded = decodeArguments(written.trim() === "" ? "{}" : written)
  if (Result.isFailure(decoded)) {
    return Result.fail("The call was not made: its arguments are not one JSON object. Write them anew.")
  }
  return Result.succeed({ tool, args: decoded.success })
}

const unknownAgent = (name: string, tools: ReadonlyArray<AgentTool>): string => {
  const names = tools.map((tool) => tool.name)
  const meant = nearest(name, names)
  const advice =
    names.length === 0
      ? "there are none"
      : meant === undefined
        ? `there are: ${names.join(", ")}`
        : `did you mean ${meant}?`
  return `The call was not made: there is no such agent (${advice}).`
}

/** What the model is told of a call that was made. */
export const resultText = (outcome: CallOutcome): string =>
  bounded(
    outcome.ok
      ? outcome.output
      : NOT_MADE.has(outcome.failure)
        ? `The call was not made: ${outcome.message}.`
        : `The call failed (${outcome.failure}): ${outcome.message}`
  )

const NOT_MADE: ReadonlySet<CallFailure> = new Set(["unknown_agent", "invalid_arguments"])

/** At most {@link MAX_RESULT_BYTES} of a text, and a word about the rest. */
export const bounded = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= MAX_RESULT_BYTES) return text
  // A character that the cut goes through is left out.
  const kept = new TextDecoder().decode(bytes.subarray(0, MAX_RESULT_BYTES), { stream: true })
  return `${kept}\n[cut: these are the first ${MAX_RESULT_BYTES} of ${bytes.length} bytes]`
}

/** One call as people are told of it. */
export const toldCall = ({ name }: ToolCall, result: string): ToldCall => ({
  agent: name,
  result: result.length > MAX_LOG_CHARS ? `${result.slice(0, MAX_LOG_CHARS)}…` : result
})

/** The log of calls: a line for each. */
export const logOf = (calls: ReadonlyArray<ToldCall>): string =>
  calls.map(({ agent, result }) => `[${agent}] ${result}`).join("\n")
