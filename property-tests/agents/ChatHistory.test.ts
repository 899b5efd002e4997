/** Histories of clients: whatever they kept, what is sent is a conversation that every provider takes. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bounded, MAX_RESULT_BYTES } from "../../src/agents/ChatCall.ts"
import { historyMessages } from "../../src/agents/ChatHistory.ts"
import type { HistoryEntry } from "../../src/domain/index.ts"
import type { ModelMessage } from "../../src/agents/ModelWire.ts"
import { options } from "../Options.ts"

const ids = fc.constantFrom("a", "b", "c")

const entry: fc.Arbitrary<HistoryEntry> = fc.oneof(
  fc.record({ role: fc.constant("user" as const), content: fc.string() }),
  fc.record({ role: fc.constant("tool" as const), content: fc.string(), tool_call_id: ids }),
  fc.record({ role: fc.constant("tool" as const), content: fc.string(), name: fc.constantFrom("", "Weather") }),
  fc.record({ role: fc.constant("assistant" as const), content: fc.string() }),
  fc.record({
    role: fc.constant("assistant" as const),
    content: fc.option(fc.string()),
    tool_calls: fc.array(
      fc.record({ id: ids, function: fc.record({ name: fc.string({ minLength: 1 }), arguments: fc.string() }) }),
      { maxLength: 4 }
    )
  })
)

const histories = fc.array(entry, { maxLength: 12 })

/** What providers ask: each call is answered once, in the messages that follow it at once, and nothing else is. */
const isWellFormed = (messages: ReadonlyArray<ModelMessage>): boolean => {
  let open: ReadonlyArray<string> = []
  for (const message of messages) {
    if (message.role === "tool") {
      if (!open.includes(message.tool_call_id)) return false
      open = open.filter((id) => id !== message.tool_call_id)
      continue
    }
    if (open.length > 0) return false
    if (message.role !== "assistant") continue
    if (message.tool_calls === undefined && message.content === null) return false
    open = (message.tool_calls ?? []).map(({ id }) => id)
    if (new Set(open).size !== open.length || message.tool_calls?.length === 0) return false
    for (const call of message.tool_calls ?? []) {
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(call.function.name)) return false
      if (typeof JSON.parse(call.function.arguments) !== "object") return false
    }
  }
  return open.length === 0
}

describe("a history", () => {
  it("becomes a conversation in which each call has its result, and each result its call", () => {
    fc.assert(
      fc.property(histories, (history) => {
        expect(isWellFormed(historyMessages(history))).toBe(true)
      }),
      options(5)
    )
  })

  it("keeps all that was said, in its order, but for results that are told after those that belong to calls", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const marked = history.map((one, at) => ({ ...one, content: `<${at}>` }))
        const sent = historyMessages(marked).map(({ content }) => content ?? "")
        const found = sent.flatMap((text) => text.match(/<\d+>/g) ?? [])
        expect(found.toSorted()).toEqual(marked.map(({ content }) => content).toSorted())
        const spoken = (texts: ReadonlyArray<string>) =>
          texts.filter((text) => history[Number(text.slice(1, -1))]?.role !== "tool")
        expect(spoken(found)).toEqual(spoken(marked.map(({ content }) => content)))
      }),
      options()
    )
  })
})

describe("a result", () => {
  it("is whole when it is small, else its beginning within the bound", () => {
    const sizes = fc
      .constantFrom("x", "ü", "€", "🌍")
      .chain((char) =>
        fc.nat(3 * MAX_RESULT_BYTES).map((bytes) => char.repeat(Math.ceil(bytes / Buffer.byteLength(char))))
      )
    fc.assert(
      fc.property(sizes, (text) => {
        const size = Buffer.byteLength(text)
        const told = bounded(text)
        if (size <= MAX_RESULT_BYTES) {
          expect(told === text).toBe(true)
          return
        }
        const [kept = "", note = ""] = told.split("\n")
        expect(text.startsWith(kept)).toBe(true)
        expect(Buffer.byteLength(kept)).toBeGreaterThan(MAX_RESULT_BYTES - 4)
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(MAX_RESULT_BYTES)
        expect(note).toContain(String(size))
      }),
      options(0.5)
    )
  })
})
