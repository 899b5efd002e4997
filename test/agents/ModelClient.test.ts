import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { NoModelAccess } from "../../src/domain/index.ts"
import type { ModelFailed, ModelRequest } from "../../src/agents/ModelClient.ts"
import { atChatDesk, type ChatDesk, type DeskOptions, until } from "./ChatDesk.ts"
import { call, event, type ModelStep, refuse, say } from "./StandInModel.ts"

const request: ModelRequest = {
  model: "stand-in-1",
  messages: [{ role: "user", content: "hello" }],
  tools: [],
  stream: true
}

const tool = { name: "Weather", description: "Tells it.", parameters: { type: "object" }, file: "weather_agent.js" }

/** One request to a model that answers so; what it gave, and what was told on the way. */
const asking = ({ model, client }: ChatDesk, steps: ReadonlyArray<ModelStep>, changes: Partial<ModelRequest> = {}) =>
  Effect.gen(function* () {
    model.script.push(...steps)
    const told: Array<string> = []
    const result = yield* Effect.result(
      client.ask({ ...request, ...changes }, (text) => Effect.sync(() => void told.push(text)))
    )
    return { result, told }
  })

const answering = (steps: ReadonlyArray<ModelStep>, changes: Partial<ModelRequest> = {}) =>
  atChatDesk((desk) =>
    Effect.map(asking(desk, steps, changes), ({ result, told }) => ({ answer: Result.getOrThrow(result), told }))
  )

const failing = (steps: ReadonlyArray<ModelStep>, changes: Partial<ModelRequest> = {}, options: DeskOptions = {}) =>
  atChatDesk(
    (desk) =>
      Effect.map(asking(desk, steps, changes), ({ result, told }) => ({
        failure: Result.getOrThrow(Result.flip(result)),
        told,
        refusals: desk.refusals()
      })),
    options
  )

describe("an answer", () => {
  it.live("comes word by word, or as a whole", () =>
    Effect.gen(function* () {
      const streamed = yield* answering([say("one two three")])
      assert.deepStrictEqual(streamed.told, ["one ", "two ", "three"])
      const { finish, model, text } = streamed.answer
      assert.deepStrictEqual({ finish, model, text }, { finish: "stop", model: "stand-in-1", text: "one two three" })
      assert.isTrue(streamed.answer.streamed)
      const whole = yield* answering([say("one two three")], { stream: false })
      assert.deepStrictEqual(whole.told, ["one two three"])
      assert.deepStrictEqual(whole.answer, { ...streamed.answer, streamed: false })
    })
  )

  it.live("is read by what it is, whatever was asked for", () =>
    Effect.gen(function* () {
      const { whole } = say("one two")
      assert.deepInclude((yield* answering([{ whole }])).answer, { text: "one two", streamed: false })
      const { events = [] } = say("one two")
      const { answer } = yield* answering([{ events }], { stream: false })
      assert.deepInclude(answer, { text: "one two", streamed: true })
    })
  )

  it.live("may end with its reason alone, or with [DONE] alone", () =>
    Effect.gen(function* () {
      const ended = yield* answering([{ events: [event({ content: "all" }, "stop")], after: "end" }])
      assert.strictEqual(ended.answer.text, "all")
      const done = yield* answering([{ events: [event({ content: "all" })] }])
      assert.strictEqual(done.answer.text, "all")
      const late = yield* answering([{ events: [event({ content: "all" }, "stop")], after: "cut" }])
      assert.strictEqual(late.answer.text, "all")
    })
  )

  it.live("holds comments, empty events, other line ends and any script", () =>
    Effect.gen(function* () {
      const events = [": alive\n\n", event({}), `data: ${JSON.stringify(event({ content: "Grüße 🌍" }))}\r\n\r\n`]
      assert.strictEqual((yield* answering([{ events }])).answer.text, "Grüße 🌍")
    })
  )
})

describe("tool calls", () => {
  const callsOf = (events: ReadonlyArray<unknown>) => Effect.map(answering([{ events }]), ({ answer }) => answer.calls)

  it.live("are joined by index", () =>
    Effect.gen(function* () {
      const step = call({ name: "A", arguments: `{"city":"Zürich"}` }, { name: "B", arguments: `{"n":12}` })
      const { answer } = yield* answering([step])
      assert.deepStrictEqual(answer.calls, [
        { id: "id-0", name: "A", arguments: `{"city":"Zürich"}` },
        { id: "id-1", name: "B", arguments: `{"n":12}` }
      ])
      assert.deepStrictEqual((yield* answering([step], { stream: false })).answer.calls, answer.calls)
    })
  )

  it.live("are joined by index also when they come interleaved", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf([
        event({ tool_calls: [{ index: 1, id: "b", function: { name: "B", arguments: "[" } }] }),
        event({ tool_calls: [{ index: 0, id: "a", function: { name: "A" } }] }),
        event({
          tool_calls: [
            { index: 1, function: { arguments: "2" } },
            { index: 0, function: { arguments: "1" } }
          ]
        }),
        event({ tool_calls: [{ index: 1, function: { arguments: "]" } }] }, "tool_calls")
      ])
      assert.deepStrictEqual(calls, [
        { id: "b", name: "B", arguments: "[2]" },
        { id: "a", name: "A", arguments: "1" }
      ])
    })
  )

  it.live("without index are joined by id, and without either go on with the last", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf([
        event({ tool_calls: [{ id: "a", function: { name: "A", arguments: `{"x"` } }] }),
        event({ tool_calls: [{ id: "b", function: { name: "B", arguments: "" } }] }),
        event({ tool_calls: [{ id: "a", function: { arguments: ":1" } }] }),
        event({ tool_calls: [{ id: "a", function: { arguments: "}" } }] }),
        event({ tool_calls: [{ id: "b", function: { arguments: "{" } }] }),
        event({ tool_calls: [{ function: { arguments: "}" } }] }, "tool_calls")
      ])
      assert.deepStrictEqual(calls, [
        { id: "a", name: "A", arguments: `{"x":1}` },
        { id: "b", name: "B", arguments: "{}" }
      ])
    })
  )

  it.live("without index or id are told apart by their names, and get ids of their own", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf([
        event({ tool_calls: [{ function: { name: "A", arguments: "{}" } }] }),
        event({ tool_calls: [{ function: { name: "A", arguments: "{}" } }] }, "tool_calls")
      ])
      assert.deepStrictEqual(calls, [
        { id: "call_1_0", name: "A", arguments: "{}" },
        { id: "call_1_1", name: "A", arguments: "{}" }
      ])
    })
  )

  it.live("get no id that the server has given to another", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf([
        event({ tool_calls: [{ index: 0, function: { name: "A" } }] }),
        event({ tool_calls: [{ index: 1, id: "call_1_0", function: { name: "B" } }] }),
        event({ tool_calls: [{ index: 2, id: "call_1_0", function: { name: "C" } }] }, "tool_calls")
      ])
      assert.deepStrictEqual(
        calls.map(({ id }) => id),
        ["call_1_1", "call_1_0", "call_1_2"]
      )
    })
  )

  it.live("that are all numbered 0 are told apart by id and name", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf([
        event({ tool_calls: [{ index: 0, id: "a", function: { name: "A", arguments: "1" } }] }),
        event({ tool_calls: [{ index: 0, id: "b", function: { name: "B", arguments: "2" } }] }),
        event({ tool_calls: [{ index: 0, function: { arguments: "3" } }] }, "tool_calls")
      ])
      assert.deepStrictEqual(calls, [
        { id: "a", name: "A", arguments: "1" },
        { id: "b", name: "B", arguments: "23" }
      ])
    })
  )

  it.live("may have arguments that are an object, and lie in a choice of their own", () =>
    Effect.gen(function* () {
      const whole = {
        model: "m",
        choices: [
          { message: { content: "Looking." }, finish_reason: "tool_calls" },
          { message: { tool_calls: [{ id: "a", function: { name: "A", arguments: { x: 1 } } }] } }
        ]
      }
      const { answer } = yield* answering([{ whole }], { stream: false })
      assert.deepInclude(answer, { text: "Looking.", calls: [{ id: "a", name: "A", arguments: `{"x":1}` }] })
    })
  )

  it.live("of an answer that came whole are as many as it lists, whatever their ids", () =>
    Effect.gen(function* () {
      const called = (t: string) => ({ id: "a", function: { name: "A", arguments: `{"t":"${t}"}` } })
      const tool_calls = [called("first"), called("second"), { function: { name: "A" } }]
      const whole = { choices: [{ message: { tool_calls }, finish_reason: "tool_calls" }] }
      const { answer } = yield* answering([{ whole }], { stream: false })
      assert.deepStrictEqual(answer.calls, [
        { id: "a", name: "A", arguments: `{"t":"first"}` },
        { id: "call_1_0", name: "A", arguments: `{"t":"second"}` },
        { id: "call_1_1", name: "A", arguments: "" }
      ])
    })
  )
})

describe("an answer that is none", () => {
  it.live.each<readonly [string, ModelStep]>([
    ["is cut where every piece has an empty reason", { events: [event({ content: "half of it" }, "")], after: "cut" }],
    ["is cut in the middle", { events: [event({ content: "half of it" })], after: "cut" }],
    ["ends without saying that it is over", { events: [event({ content: "half of it" })], after: "end" }]
  ])("%s: an error, though part of it was told", ([, step]) =>
    Effect.gen(function* () {
      const { failure, told } = yield* failing([step])
      assert.deepInclude(failure, { _tag: "ModelFailed", code: "model_answer_cut" })
      assert.match(failure.message, /^The answer broke off: .* Ask again; .* pick another model\.$/)
      assert.notMatch(failure.message, /[_:]\w*ERR|127\.0\.0\.1|server's log|prox/)
      assert.deepStrictEqual(told, ["half of it"])
    })
  )

  it.live("is cut in the middle as a whole", () =>
    Effect.gen(function* () {
      const { failure } = yield* failing([{ ...say("a long answer"), after: "cut" }], { stream: false })
      assert.deepInclude(failure, { code: "model_answer_cut" })
    })
  )

  it.live("stalls: an error after the time that a server may be silent", () =>
    Effect.gen(function* () {
      const bounds = { stallMs: 150, deadlineMs: 5_000 }
      const step: ModelStep = { events: [event({ content: "half" })], after: "hang" }
      const { failure } = yield* failing([step], {}, { bounds })
      assert.deepInclude(failure, { code: "model_answer_cut" })
      assert.match(failure.message, /or went silent, before it was whole\. Ask again/)
    })
  )

  it.live("drips without end: an error at the deadline", () =>
    Effect.gen(function* () {
      const events = Array.from({ length: 100 }, () => event({ content: "." }))
      const bounds = { stallMs: 1_000, deadlineMs: 200 }
      const { failure } = yield* failing([{ events, everyMs: 20, after: "hang" }], {}, { bounds })
      assert.deepInclude(failure, { code: "model_unavailable" })
    })
  )

  it.live("is no JSON, a page, or an error in the middle", () =>
    Effect.gen(function* () {
      const garbage = yield* failing([{ events: ["data: {broken\n\n"] }])
      assert.deepInclude(garbage.failure, { code: "model_answer_invalid" })
      const page = yield* failing([{ whole: "<html>", headers: { "content-type": "text/html" } }])
      assert.deepInclude(page.failure, { code: "model_answer_invalid" })
      const error = { error: { message: "overloaded" } }
      const broken = yield* failing([{ events: [event({ content: "half" }), error] }])
      assert.deepInclude(broken.failure, { code: "model_unavailable" })
      assert.match(broken.failure.message, /broke its answer off: overloaded/)
    })
  )

  it.live("is too large, as one event or in all", () =>
    Effect.gen(function* () {
      const one = yield* failing([{ events: [event({ content: "x".repeat(2_000_000) })] }])
      assert.strictEqual(Reflect.get(one.failure, "code"), "model_answer_too_large")
      const many = Array.from({ length: 9 }, () => event({ content: "x".repeat(999_000) }))
      assert.strictEqual(Reflect.get((yield* failing([{ events: many }])).failure, "code"), "model_answer_too_large")
    })
  )
})

describe("a refusal", () => {
  it.live("401 is told to the account, and the request is made once more with what it then gives", () =>
    atChatDesk((desk) =>
      Effect.gen(function* () {
        const { result } = yield* asking(desk, [refuse(401), say("now")])
        assert.strictEqual(Result.getOrThrow(result).text, "now")
        assert.strictEqual(desk.refusals(), 1)
        assert.deepStrictEqual(
          desk.model.received.map(({ headers }) => headers.authorization),
          ["Bearer secret-0", "Bearer secret-1"]
        )
      })
    )
  )

  it.live("401 twice means signing in again", () =>
    Effect.gen(function* () {
      const { failure, refusals } = yield* failing([refuse(401), refuse(401), say("never")])
      assert.strictEqual(failure._tag, "NotSignedIn")
      assert.match(failure.message, /sign in again/)
      assert.strictEqual(refusals, 1)
    })
  )

  it.live("403 is what a new exchange says: no access, with the name of the account", () =>
    Effect.gen(function* () {
      const afterRefusal = new NoModelAccess({ message: "No subscription.", username: "octocat" })
      const { failure } = yield* failing([refuse(403)], {}, { afterRefusal })
      assert.deepInclude(failure, { _tag: "NoModelAccess", username: "octocat" })
    })
  )

  it.live("403 of an account that has access is a rule, and not the model's fault", () =>
    Effect.gen(function* () {
      const step = refuse(403, { message: "Forbidden by your organisation." })
      const { failure } = yield* failing([step, step])
      assert.deepInclude(failure, { code: "model_forbidden" })
      assert.match(failure.message, /\(403\): Forbidden by your organisation\. Check the account's plan/)
    })
  )

  it.live("429 says when to come back", () =>
    Effect.gen(function* () {
      const { failure, refusals } = yield* failing([refuse(429, {}, { "retry-after": "17" })])
      assert.deepInclude(failure, { code: "model_rate_limited", retryAfterSeconds: 17 })
      assert.match(failure.message, /Try again in 17 s/)
      assert.strictEqual(refusals, 0)
    })
  )

  it.live.each<readonly [string, ModelStep, ModelFailed["code"]]>([
    ["500 is the provider's trouble", refuse(500), "model_unavailable"],
    ["404 of a model is an unknown one", refuse(404, { message: "The model `x` does not exist" }), "model_unknown"],
    ["400 of a model too", refuse(400, { code: "model_not_supported", message: "no" }), "model_unknown"],
    ["400 of the request is the request's", refuse(400, { message: "too many tokens" }), "model_refused"],
    ["a status without words is enough", { status: 418, whole: "" }, "model_refused"],
    [
      "a redirect elsewhere is not followed",
      { status: 302, headers: { location: "http://127.0.0.2:1/" }, whole: "" },
      "model_unavailable"
    ]
  ])("%s", ([, step, code]) =>
    Effect.gen(function* () {
      assert.deepInclude((yield* failing([step])).failure, { code })
    })
  )

  it.live.each<readonly [string, ModelStep]>([
    ["404 of a path", { status: 404, whole: "404 page not found" }],
    ["405", refuse(405, { message: "Method Not Allowed" })],
    ["204", { status: 204 }]
  ])("%s names the address, for it is wrong most often", ([, step]) =>
    atChatDesk((desk) =>
      Effect.gen(function* () {
        const { result } = yield* asking(desk, [step])
        const failure = Result.getOrThrow(Result.flip(result))
        assert.deepInclude(failure, { code: "model_refused" })
        assert.include(failure.message, `The model provider has nothing at ${desk.model.url}/chat/completions (`)
        assert.match(failure.message, /Correct its address \(`base_url`\): most end in \/v1\.$/)
      })
    )
  )

  it.live("404 tells no secret of the address", () =>
    Effect.gen(function* () {
      const { failure } = yield* failing([], {}, { behind: "/of/secret-0?key=more" })
      assert.match(failure.message, /nothing at http:\/\/127\.0\.0\.1:\d+\/of\/… \(404\)\. Correct/)
    })
  )

  it.live("404 that speaks of a model says nothing of the address, whether one was named or not", () =>
    Effect.gen(function* () {
      const { failure } = yield* failing([refuse(404, { message: "No default model." })], { model: null })
      assert.strictEqual(failure.message, "The model provider does not take the request (404): No default model.")
    })
  )

  it.live("that repeats the token does not make us repeat it", () =>
    Effect.gen(function* () {
      const { failure } = yield* failing([refuse(400, { message: "bad header: Bearer secret-0" })])
      assert.notInclude(failure.message, "secret-0")
      assert.include(failure.message, "bad header: Bearer …")
    })
  )

  it.live("of a server that is not there says so", () =>
    atChatDesk((desk) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => desk.model.close())
        const { result } = yield* asking(desk, [])
        const failure = Result.getOrThrow(Result.flip(result))
        assert.deepInclude(failure, { code: "model_unavailable" })
        assert.match(failure.message, /ECONNREFUSED/)
      })
    )
  )
})

describe("a request", () => {
  const sentWith = (changes: Partial<ModelRequest>) =>
    atChatDesk((desk) => Effect.map(asking(desk, [say("ok")], changes), () => desk.model.last))

  it.live("carries the account's headers, and the tools with a free choice", () =>
    Effect.gen(function* () {
      const { body, headers } = yield* sentWith({ tools: [tool] })
      assert.strictEqual(headers["copilot-integration-id"], "vscode-chat")
      assert.strictEqual(headers["user-agent"], "holdfast/1.2.3")
      assert.strictEqual(body.model, "stand-in-1")
      assert.strictEqual(body.tool_choice, "auto")
      assert.deepEqual(body.tools?.[0], {
        type: "function",
        function: { name: "Weather", description: "Tells it.", parameters: { type: "object" } }
      })
    })
  )

  it.live.each<readonly [string, string, boolean]>([
    ["o1", "auto is left out", false],
    ["o1-mini", "auto is left out", false],
    ["openai/o1-preview", "auto is left out", false],
    ["o3-mini", "auto is there", true],
    ["gpt-o1x", "auto is there", true]
  ])("to %s: %s", ([model, , has]) =>
    Effect.gen(function* () {
      const { body } = yield* sentWith({ model, tools: [tool] })
      assert.strictEqual(body.tools?.length, 1)
      assert.strictEqual("tool_choice" in body, has)
    })
  )

  it.live("without tools says nothing of tools, and without a model leaves the choice to the provider", () =>
    Effect.gen(function* () {
      const { body } = yield* sentWith({ model: null })
      assert.hasAllKeys(body, ["messages", "stream"])
    })
  )

  it.live("that is interrupted closes its connection", () =>
    atChatDesk(({ client, model }) =>
      Effect.gen(function* () {
        model.script.push({ events: [event({ content: "half" })], after: "hang" })
        const fiber = yield* Effect.forkChild(client.ask(request, () => Effect.void))
        yield* until(() => model.received.length === 1)
        yield* Fiber.interrupt(fiber)
        yield* until(() => model.last.left)
      })
    )
  )
})
