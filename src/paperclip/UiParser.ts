/**
 * What a run wrote to stdout, line by line, as the host's pages show it. Evaluated in a browser's sandbox: nothing is
 * imported, nothing is remembered, nothing throws, and what is not understood is shown as it is.
 *
 * @ref LLP 0021#the-parser-of-the-pages [implements]
 */
import type { TranscriptEntry } from "@paperclipai/adapter-utils"
import { KEEP_ALIVE, OWN } from "./OwnLines.ts"

type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const countOf = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0)

const jsonOf = (line: string): Fields | undefined => {
  if (!line.startsWith("{")) return undefined
  try {
    return fieldsOf(JSON.parse(line))
  } catch {
    return undefined
  }
}

const wordsOf = (error: unknown): string => {
  if (typeof error === "string") return error
  const fields = fieldsOf(error)
  const words =
    textOf(fieldsOf(fields?.["data"])?.["message"]) || textOf(fields?.["message"]) || textOf(fields?.["name"])
  return words || "OpenCode reported an error without words"
}

const toolOf = (part: Fields, ts: string): Array<TranscriptEntry> => {
  const name = textOf(part["tool"]) || "tool"
  const state = fieldsOf(part["state"]) ?? {}
  const toolUseId = textOf(part["callID"]) || textOf(part["id"]) || name
  const call: TranscriptEntry = { kind: "tool_call", ts, name, toolUseId, input: state["input"] ?? {} }
  const status = textOf(state["status"])
  if (status !== "completed" && status !== "error") return [call]
  const exit = fieldsOf(state["metadata"])?.["exit"]
  const said = textOf(state["output"]) || textOf(state["error"]) || textOf(state["title"]) || status
  const content = typeof exit === "number" && exit !== 0 ? `exit code ${exit}\n\n${said}` : said
  return [call, { kind: "tool_result", ts, toolUseId, toolName: name, content, isError: status === "error" }]
}

const finishedOf = (part: Fields, ts: string): TranscriptEntry => {
  const tokens = fieldsOf(part["tokens"]) ?? {}
  const reason = textOf(part["reason"]) || "step"
  return {
    kind: "result",
    ts,
    text: reason,
    inputTokens: countOf(tokens["input"]),
    outputTokens: countOf(tokens["output"]) + countOf(tokens["reasoning"]),
    cachedTokens: countOf(fieldsOf(tokens["cache"])?.["read"]),
    costUsd: countOf(part["cost"]),
    subtype: reason,
    isError: false,
    errors: []
  }
}

/** The entries of one line; none for signs of life. */
export const parseStdoutLine = (line: string, ts: string): Array<TranscriptEntry> => {
  if (line.trim() === "" || line.startsWith(`${OWN}${KEEP_ALIVE}`)) return []
  if (line.startsWith(OWN)) return [{ kind: "system", ts, text: line.slice(OWN.length) }]
  const event = jsonOf(line)
  const part = fieldsOf(event?.["part"])
  const text = textOf(part?.["text"]).trim()
  switch (event === undefined ? "" : textOf(event["type"])) {
    case "text":
      return text === "" ? [] : [{ kind: "assistant", ts, text }]
    case "reasoning":
      return text === "" ? [] : [{ kind: "thinking", ts, text }]
    case "tool_use":
      return part === undefined ? [{ kind: "stdout", ts, text: line }] : toolOf(part, ts)
    case "step_start":
      return [{ kind: "system", ts, text: "step" }]
    case "step_finish":
      return part === undefined ? [{ kind: "stdout", ts, text: line }] : [finishedOf(part, ts)]
    case "error":
      return [{ kind: "stderr", ts, text: wordsOf(event?.["error"]) }]
    default:
      return [{ kind: "stdout", ts, text: line }]
  }
}
