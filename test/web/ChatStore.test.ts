import { describe, expect, it } from "vitest"
import {
  CHARS_MAX,
  ChatStore,
  type Conversation,
  CONVERSATIONS_MAX,
  fitting,
  readConversation,
  type Shelf
} from "../../src/web/ChatStore.ts"
import { asked, LEFT_WORDS, step, type Turn } from "../../src/web/ChatTurn.ts"

/** A browser's storage with room for so many characters. */
class Box implements Shelf {
  readonly kept = new Map<string, string>()
  readonly room: number

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room
  }
  get length(): number {
    return this.kept.size
  }
  key(index: number): string | null {
    return [...this.kept.keys()][index] ?? null
  }
  getItem(key: string): string | null {
    return this.kept.get(key) ?? null
  }
  setItem(key: string, value: string): void {
    const others = [...this.kept].filter(([one]) => one !== key).reduce((sum, [, text]) => sum + text.length, 0)
    if (others + value.length > this.room) throw new DOMException("full", "QuotaExceededError")
    this.kept.set(key, value)
  }
  removeItem(key: string): void {
    this.kept.delete(key)
  }
}

const turn = (question: string, answer = "Because."): Turn =>
  step(step(asked(question), { type: "delta", text: answer }), {
    type: "done",
    reply: { response: answer, session: "s", logs: "", model: "m", requested: null }
  })
const conversation = (id: string, at: number, ...turns: ReadonlyArray<Turn>): Conversation => ({
  id,
  at,
  session: "s",
  turns: turns.length === 0 ? [turn(`Question ${id}`)] : turns
})
const ids = (store: ChatStore): ReadonlyArray<string> => store.list().map(({ id }) => id)

describe("the conversations that a browser keeps", () => {
  it("are listed the newest first under their first words, and come back as they were", () => {
    const box = new Box()
    const store = new ChatStore(() => box)
    // Without its first characters, as many as ours begin with, it would be one of ours.
    box.setItem("of.another.onea", "stays")
    const second = conversation("b", 2, turn(`  What shall\nI wear ${"in Oslo ".repeat(20)}?`), turn("And now?"))
    expect([store.save(conversation("a", 1)), store.save(second)]).toEqual([null, null])
    expect(store.list()).toEqual([
      { id: "b", at: 2, title: "What shall I wear in Oslo in Oslo in Oslo in Oslo in Oslo…", questions: 2 },
      { id: "a", at: 1, title: "Question a", questions: 1 }
    ])
    expect(store.load("b")).toEqual(second)
    expect(store.load("c")).toBeNull()
    expect(store.remove(["b"])).toBeNull()
    expect(ids(store)).toEqual(["a"])
    expect(store.clear()).toBeNull()
    expect([...box.kept.keys()]).toEqual(["of.another.onea"])
  })

  it("are fifty and a million characters at most: the oldest go", () => {
    const box = new Box()
    const store = new ChatStore(() => box)
    for (let at = 1; at <= CONVERSATIONS_MAX + 5; at++) store.save(conversation(`c${at}`, at))
    expect(store.list().length).toBe(CONVERSATIONS_MAX)
    expect([ids(store)[0], ids(store).at(-1)]).toEqual([`c${CONVERSATIONS_MAX + 5}`, "c6"])
    store.save(conversation("large", 1_000, turn("Much?", "x".repeat(CHARS_MAX - 2_000))))
    expect(ids(store)[0]).toBe("large")
    expect([...box.kept.values()].reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(CHARS_MAX)
    expect(ids(store).length).toBeGreaterThan(1)
  })

  it("make way when the browser has less room than that, and one that has none says so", () => {
    const size = fitting(conversation("a", 1)).json.length
    const box = new Box(size * 2 + 10)
    const store = new ChatStore(() => box)
    for (const [index, id] of ["a", "b", "c"].entries()) expect(store.save(conversation(id, index))).toBeNull()
    expect(ids(store)).toEqual(["c", "b"])
    expect(store.save(conversation("d", 9, turn("Much?", "x".repeat(size * 3))))).toMatch(/^This browser keeps nothing/)
    const none = new ChatStore(() => {
      throw new DOMException("denied", "SecurityError")
    })
    expect(none.save(conversation("a", 1))).toMatch(/^This browser keeps nothing/)
    expect([none.list(), none.load("a"), none.clear()]).toEqual([[], null, null])
  })

  it("lose their first turns when they alone are too long, and say how many", () => {
    const store = new ChatStore(() => new Box())
    const part = "x".repeat(CHARS_MAX / 3)
    const long = conversation("a", 1, ...["1", "2", "3", "4"].map((name) => turn(name, part)))
    expect(store.save(long)).toBe("It is too long to be kept whole: without its first 2 questions.")
    expect(readConversation(fitting(long).json)?.turns.map(({ question }) => question)).toEqual(["3", "4"])
  })

  it("hold an answer that nobody waited for as one that was left", () => {
    const box = new Box()
    const store = new ChatStore(() => box)
    store.save(conversation("a", 1, step(asked("Why?"), { type: "delta", text: "Half" })))
    expect(store.load("a")?.turns).toMatchObject([
      { question: "Why?", state: "stopped", note: LEFT_WORDS, parts: [{ kind: "text", text: "Half" }] }
    ])
  })

  it.each([
    ["no JSON", "{"],
    ["another version", JSON.stringify({ version: 2, id: "a", at: 1, turns: [turn("Why?")] })],
    ["no turns", JSON.stringify({ version: 1, id: "a", at: 1, turns: [{ question: 7 }] })],
    ["a list", "[]"]
  ])("are not shown where there is %s, and such a thing is the first to go", (_name, text) => {
    const box = new Box()
    const store = new ChatStore(() => box)
    box.setItem("holdfast.chat.odd", text)
    expect(store.list()).toEqual([])
    for (let at = 1; at <= CONVERSATIONS_MAX; at++) store.save(conversation(`c${at}`, at))
    expect(box.kept.has("holdfast.chat.odd")).toBe(false)
    expect(store.list().length).toBe(CONVERSATIONS_MAX)
  })
})
