import { describe, expect, it } from "vitest"
import { callLine, harmless, historyOf, otherModel, shortAnswer } from "../../src/cli/ChatText.ts"

describe("what the chat shows", () => {
  it("commands no terminal: of control characters only tabs and line ends stay, of others those that words need", () => {
    const all = String.fromCharCode(...Array.from({ length: 0xa0 }, (_, code) => code))
    expect(harmless(all).match(/\p{Cc}/gu)).toEqual(["\t", "\n"])
    expect(harmless("a\u202eb\u2066c")).toBe("abc")
    expect(harmless("👩‍👩‍👧 שלום\u200f ü\n")).toBe("👩‍👩‍👧 שלום\u200f ü\n")
  })

  it("is one line for a call, never longer than the terminal is wide, and without half characters", () => {
    expect(callLine({ agent: "A\n", result: "\n \u001b\nfirst\tline\nsecond" }, 40)).toBe("→ A: first line")
    expect(callLine({ agent: "A", result: "" }, 40)).toBe("→ A:")
    expect(callLine({ agent: "A", result: "😀".repeat(9) }, 10)).toBe("→ A: 😀😀😀😀…")
    expect(callLine({ agent: "A", result: "😀😀😀😀😀" }, 10)).toBe("→ A: 😀😀😀😀😀")
  })

  it("names the model that answered where it is another one, for which a date is not enough", () => {
    expect(otherModel("b\u001b", "a")).toBe("b answered, instead of a.")
    expect(otherModel("gpt-5-mini", "gpt-5")).toBe("gpt-5-mini answered, instead of gpt-5.")
    for (const model of ["gpt-5", "gpt-5-2026-04-01", null]) expect(otherModel(model, "gpt-5")).toBeNull()
    expect(otherModel("gpt-5", null)).toBeNull()
  })

  it("takes no agent's words for the daemon's on an answer that is not whole", () => {
    expect(shortAnswer("[A] x\n[model] The answer is not whole (length).")).toBe("The answer is not whole (length).")
    expect(shortAnswer("[A] [model] The answer is not whole (length).")).toBeNull()
  })
})

describe("what a model is told of a conversation", () => {
  it("is bounded: of a long one the oldest exchanges are left out, whole", () => {
    const exchanges = ["a", "b", "c"].map((name) => ({ question: name, answer: name.repeat(9) }))
    expect(historyOf(exchanges, 29).map(({ content, role }) => `${role} ${content}`)).toEqual([
      "user b",
      "assistant bbbbbbbbb",
      "user c",
      "assistant ccccccccc"
    ])
    expect(historyOf(exchanges, 30)).toHaveLength(6)
    expect(historyOf(exchanges, 9)).toEqual([])
  })
})
