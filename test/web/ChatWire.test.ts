import { afterEach, describe, expect, it, vi } from "vitest"
import type { ChatEvent } from "../../src/web/ChatTurn.ts"
import { failureView, modelWords, titleOf } from "../../src/web/ChatWords.ts"
import { readChatEvent, readRoster, streamChat } from "../../src/web/ChatWire.ts"

const QUESTION = { text: "Why?", history: [{ role: "user", content: "Before" }], session: "s1" } as const

/** What is told when `fetch` answers so. */
const told = async (
  answer: () => Promise<Response>,
  stop = new AbortController()
): Promise<ReadonlyArray<ChatEvent>> => {
  vi.stubGlobal("fetch", vi.fn<typeof fetch>(answer))
  const events: Array<ChatEvent> = []
  await streamChat(QUESTION, (event) => events.push(event), stop.signal)
  return events
}
const stream =
  (...texts: ReadonlyArray<string>) =>
  () =>
    Promise.resolve(
      new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => {
            for (const text of texts) controller.enqueue(new TextEncoder().encode(text))
            controller.close()
          }
        })
      )
    )
const refusal = (status: number, body: string) => () => Promise.resolve(new Response(body, { status }))
const failed = (code: string, words = "") => [{ type: "error", failure: { code, words } }]

afterEach(() => void vi.unstubAllGlobals())

describe("the stream of an answer", () => {
  it("is asked for with the question, what was said before and the session, and told event by event", async () => {
    const events = await told(
      stream(
        ': the connection lives\n\nevent: delta\ndata: {"text":"It ra',
        'ins."}\n\nevent: agent\ndata: {"logs":"…","calls":[{"agent":"A","result":"- [x] a\\n[B] b"},7]}\n\nevent: later\ndata: {}\n\n',
        'event: done\ndata: {"response":"It rains.","session_id":"s1","agent_logs":"[A] ok","model":"m","requested_model":null}\n\n',
        'event: delta\ndata: {"text":"too late"}\n\n'
      )
    )
    expect(events).toEqual([
      { type: "delta", text: "It rains." },
      { type: "agent", calls: [{ agent: "A", result: "- [x] a\n[B] b" }] },
      {
        type: "done",
        reply: { response: "It rains.", session: "s1", logs: "[A] ok", model: "m", requested: null }
      }
    ])
    const [path, init] = vi.mocked(fetch).mock.calls[0] ?? []
    expect([path, init?.method]).toEqual(["/chat/stream", "POST"])
    expect(JSON.parse(String(init?.body))).toEqual({
      user_input: "Why?",
      conversation_history: [{ role: "user", content: "Before" }],
      session_id: "s1"
    })
  })

  it("fails with the daemon's own code and words, before it began and in the middle", async () => {
    const refused = JSON.stringify({ error: "not_signed_in", detail: "Run holdfast login." })
    expect(await told(refusal(401, refused))).toEqual(failed("not_signed_in", "Run holdfast login."))
    expect(
      await told(stream('event: error\ndata: {"error":"model_rate_limited","detail":"Try again in 7 s."}\n\n'))
    ).toEqual(failed("model_rate_limited", "Try again in 7 s."))
    expect(
      await told(
        stream(
          'event: error\ndata: {"error":"NO_COPILOT_ACCESS:ann","no_copilot_access":true,"copilot_username":"ann"}\n\n'
        )
      )
    ).toEqual(failed("no_access", "ann"))
  })

  it("tells a closed door, a broken connection, an absent daemon and nonsense apart", async () => {
    expect(await told(refusal(401, '{"error":"unauthorized","detail":"no"}'))).toEqual(failed("page_refused"))
    expect(await told(refusal(502, "<html>"))).toEqual(failed("page_odd"))
    expect(await told(stream("event: delta\ndata: {\n\n"))).toEqual(failed("page_odd"))
    expect(await told(stream('event: delta\ndata: {"text":"Half"}\n\n'))).toEqual([
      { type: "delta", text: "Half" },
      ...failed("page_cut")
    ])
    let isTold = false
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (isTold) return controller.error(new TypeError("network error"))
        isTold = true
        controller.enqueue(new TextEncoder().encode('event: delta\ndata: {"text":"Half"}\n\n'))
      }
    })
    expect(await told(() => Promise.resolve(new Response(broken)))).toEqual([
      { type: "delta", text: "Half" },
      ...failed("page_cut")
    ])
    expect(await told(() => Promise.reject(new TypeError("Failed to fetch")))).toEqual(failed("page_lost"))
  })

  it("tells nothing any more once it is stopped", async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await told(stream('event: delta\ndata: {"text":"Half"}\n\n'), stop)).toEqual([])
  })
})

describe("what is read of the API", () => {
  it("lets agents in that have a name and a file, and every file that cannot be used", () => {
    expect(
      readRoster({
        agents: [{ name: "A", description: "", parameters: {}, file: "a_agent.py" }, { name: "B" }, 7],
        quarantined: [
          { file: "c_agent.js", class: null, reason: "no" },
          { file: "d_agent.py", class: "D" }
        ]
      })
    ).toEqual([
      {
        agents: [{ name: "A", description: "", file: "a_agent.py" }],
        quarantined: [
          { file: "c_agent.js", class: null, reason: "no" },
          { file: "d_agent.py", class: "D", reason: "No reason was given." }
        ]
      }
    ])
    expect(readRoster({ agents: "none" })).toBeNull()
    expect(readChatEvent("something", {})).toBeNull()
  })
})

describe("the words of the chat", () => {
  it("say which model answered, and that it is another one where it is", () => {
    expect(modelWords({ model: "gpt-5", requested: "gpt-5" })).toBe("gpt-5")
    expect(modelWords({ model: "gpt-5-2026-04-01", requested: "gpt-5" })).toBe("gpt-5-2026-04-01")
    expect(modelWords({ model: "gpt-5-mini", requested: "gpt-5" })).toBe("asked gpt-5, answered by gpt-5-mini")
    expect(modelWords({ model: "gpt-5", requested: null })).toBe("gpt-5")
    expect(modelWords({ model: null, requested: "gpt-5" })).toBe("asked gpt-5")
    expect(modelWords({ model: null, requested: null })).toBe("")
  })

  it("name a conversation by its first words, and never by half a character", () => {
    expect(titleOf(" Why\n so? ")).toBe("Why so?")
    expect(titleOf(`${"word ".repeat(30)}`)).toBe(`${"word ".repeat(11)}word…`)
    expect(titleOf("😀".repeat(60))).toBe(`${"😀".repeat(30)}…`)
    expect(titleOf(`x${"😀".repeat(60)}`)).toBe(`x${"😀".repeat(29)}…`)
  })

  it("offer something to do about every failure", () => {
    const codes = ["page_lost", "page_cut", "page_refused", "page_odd", "not_signed_in", "no_access", "model_unknown"]
    for (const code of [...codes, "internal_error", "something_new"]) {
      const view = failureView({ code, words: "why" })
      expect([code, view.word === "", view.remedies.length > 0]).toEqual([code, false, true])
    }
    expect(failureView({ code: "something_new", words: "" }).text).toContain("something_new")
  })
})
