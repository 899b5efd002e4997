import { describe, expect, it } from "vitest"
import {
  type AgentCall,
  asked,
  type ChatEvent,
  historyOf,
  LEFT_WORDS,
  step,
  type Turn
} from "../../src/web/ChatTurn.ts"

const after = (...events: ReadonlyArray<ChatEvent>): Turn =>
  events.reduce((turn, event) => step(turn, event), asked("Why?"))
const delta = (text: string): ChatEvent => ({ type: "delta", text })
const agent = (...calls: ReadonlyArray<AgentCall>): ChatEvent => ({ type: "agent", calls })
const rain = { agent: "Weather", result: "rain" }
const done = (response: string, more: { logs?: string; model?: string; requested?: string } = {}): ChatEvent => ({
  type: "done",
  reply: { response, session: "s1", logs: "", model: null, requested: null, ...more }
})

describe("a turn of the chat", () => {
  it("grows by what comes, text and calls in their order", () => {
    const turn = after(
      delta("I look"),
      delta(" it up."),
      agent(rain, { agent: "Remember", result: "kept" }),
      delta("It rains."),
      done("It rains.", { model: "m-1", requested: "m" })
    )
    expect(turn).toEqual({
      question: "Why?",
      state: "done",
      parts: [
        { kind: "text", text: "I look it up." },
        { kind: "agents", calls: [rain, { agent: "Remember", result: "kept" }] },
        { kind: "text", text: "It rains." }
      ],
      model: "m-1",
      requested: "m",
      note: null,
      failure: null
    })
  })

  it("has the answer of its end, where another one or none was told on the way", () => {
    expect(after(done("All.")).parts).toEqual([{ kind: "text", text: "All." }])
    expect(after(delta("Al"), done("All.")).parts).toEqual([{ kind: "text", text: "All." }])
    expect(after(agent(rain), done("All.")).parts.at(-1)).toEqual({ kind: "text", text: "All." })
  })

  it("keeps what came when it fails or is stopped, and hears nothing after its end", () => {
    const failure = { code: "model_answer_cut", words: "It was cut." }
    const failed = after(delta("Half"), { type: "error", failure }, delta(" more"), done("All."))
    expect(failed).toMatchObject({ state: "failed", failure, parts: [{ kind: "text", text: "Half" }] })
    expect(after(delta("Half"), { type: "stop", why: "asked" })).toMatchObject({ state: "stopped", note: null })
    expect(after({ type: "stop", why: "left" })).toMatchObject({ state: "stopped", note: LEFT_WORDS, parts: [] })
  })

  it("says of an answer that the model's limit cut short that it is not whole", () => {
    const logs = "[Weather] [model] The answer is mine\n[model] The answer is not whole (length)."
    expect(after(delta("Half"), done("Half", { logs })).note).toBe("The answer is not whole (length).")
    expect(after(delta("All"), done("All", { logs: "[Weather] [model] The answer is mine" })).note).toBeNull()
  })
})

describe("what a model is told of the turns before", () => {
  it("is what was asked, what agents gave and what was answered, without questions that brought nothing", () => {
    const whole = after(delta("I look."), agent(rain), delta("It rains."), done("It rains."))
    const nothing = after({ type: "error", failure: { code: "page_lost", words: "" } })
    const half = after(delta("Half"), { type: "stop", why: "asked" })
    expect(historyOf([whole, nothing, half])).toEqual({
      left: 0,
      entries: [
        { role: "user", content: "Why?" },
        { role: "assistant", content: "I look." },
        { role: "tool", name: "Weather", content: "rain" },
        { role: "assistant", content: "It rains." },
        { role: "user", content: "Why?" },
        { role: "assistant", content: "Half" }
      ]
    })
  })

  it("is bounded: of a long conversation the oldest turns are left out, whole, and their number is told", () => {
    const turns = ["a", "b", "c"].map((name) => after(delta(name.repeat(40)), done(name.repeat(40))))
    const { entries, left } = historyOf(turns, 100)
    expect(left).toBe(1)
    expect(entries.map(({ content }) => content[0])).toEqual(["W", "b", "W", "c"])
    expect(historyOf(turns, 10)).toEqual({ entries: [], left: 3 })
  })
})
