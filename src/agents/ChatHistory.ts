/** A client's history as a conversation that every provider takes. */
import type { HistoryEntry } from "../domain/index.ts"
import { callingMessage, type ModelMessage } from "./ModelWire.ts"

/**
 * Providers refuse a call without its result and a result without its call, and clients keep what they like. Calls stay
 * with the results that follow them at once; a call without one is left out, and a result without a call is told as text.
 */
export const historyMessages = (history: ReadonlyArray<HistoryEntry>): ReadonlyArray<ModelMessage> => {
  const messages: Array<ModelMessage> = []
  for (let at = 0; at < history.length; at++) {
    const entry = history[at]
    if (entry === undefined) break
    const content = entry.content ?? ""
    if (entry.role === "user") messages.push({ role: "user", content })
    else if (entry.role === "tool") messages.push(toldResult(entry))
    else {
      const results = resultsAfter(history, at)
      messages.push(...answered(entry, results))
      at += results.length
    }
  }
  return messages
}

const resultsAfter = (history: ReadonlyArray<HistoryEntry>, at: number): ReadonlyArray<HistoryEntry> => {
  const rest = history.slice(at + 1)
  const end = rest.findIndex(({ role }) => role !== "tool")
  return end === -1 ? rest : rest.slice(0, end)
}

const answered = (
  { content, tool_calls }: HistoryEntry,
  results: ReadonlyArray<HistoryEntry>
): ReadonlyArray<ModelMessage> => {
  const byCall = new Map<string, HistoryEntry>()
  for (const { id } of tool_calls ?? []) {
    const result = results.find(({ tool_call_id }) => tool_call_id === id)
    if (result !== undefined) byCall.set(id, result)
  }
  const calls = [...byCall.keys()].flatMap((id) => (tool_calls ?? []).find((call) => call.id === id) ?? [])
  const used = new Set(byCall.values())
  const others = results.filter((result) => !used.has(result)).map(toldResult)
  const text = content ?? ""
  if (calls.length === 0) return text === "" ? others : [{ role: "assistant", content: text }, ...others]
  return [
    callingMessage(
      text,
      calls.map((call) => ({ id: call.id, ...call.function }))
    ),
    ...[...byCall].map(([id, result]) => ({
      role: "tool" as const,
      tool_call_id: id,
      content: result.content ?? ""
    })),
    ...others
  ]
}

const toldResult = ({ content, name }: HistoryEntry): ModelMessage => ({
  role: "user",
  content: `[Result of ${name === undefined || name === null || name === "" ? "a tool" : name}] ${content ?? ""}`
})
