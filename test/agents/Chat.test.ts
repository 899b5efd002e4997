import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import type { ChatListener, ToldCall } from "../../src/agents/index.ts"
import { NotSignedIn, ProviderUnavailable } from "../../src/domain/index.ts"
import { agent, atChatDesk, type ChatDesk, type DeskOptions, ok, until } from "./ChatDesk.ts"
import { call, event, type ModelReceived, type ModelStep, refuse, say } from "./StandInModel.ts"

const silent: ChatListener = { onText: () => Effect.void, onRound: () => Effect.void }

const asked = { userInput: "hello", history: [], sessionId: "s-1" }

/** One streamed turn with a model that answers so. */
const turning = ({ chat, model }: ChatDesk, steps: ReadonlyArray<ModelStep>) =>
  Effect.gen(function* () {
    model.script.push(...steps)
    const texts: Array<string> = []
    const rounds: Array<ReadonlyArray<ToldCall>> = []
    const listener: ChatListener = {
      onText: (text) => Effect.sync(() => void texts.push(text)),
      onRound: (calls) => Effect.sync(() => void rounds.push(calls))
    }
    const result = yield* Effect.result(chat.turn(asked, listener))
    return { result, texts, rounds, requests: [...model.received] }
  })

const turn = (steps: ReadonlyArray<ModelStep>, options: DeskOptions = {}) =>
  atChatDesk(
    (desk) => Effect.map(turning(desk, steps), (seen) => ({ ...seen, reply: Result.getOrThrow(seen.result).reply })),
    options
  )

const failedTurn = (steps: ReadonlyArray<ModelStep>, options: DeskOptions = {}) =>
  atChatDesk(
    (desk) =>
      Effect.map(turning(desk, steps), (seen) => ({ ...seen, failure: Result.getOrThrow(Result.flip(seen.result)) })),
    options
  )

/** What the model was told of its calls in its last request. */
const results = (requests: ReadonlyArray<ModelReceived>): ReadonlyArray<unknown> =>
  (requests.at(-1)?.body.messages ?? []).filter(({ role }) => role === "tool").map(({ content }) => content)

const weather = agent("Weather", ({ city }) => `${String(city)}: sunny`, {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer", minimum: 1 } },
  required: ["city"],
  additionalProperties: false
})

/** What is told of calls of it. */
const sunny = (...cities: ReadonlyArray<string>): ReadonlyArray<ToldCall> =>
  cities.map((city) => ({ agent: "Weather", result: `${city}: sunny` }))

describe("a turn", () => {
  it.live("without calls is one request with soul, contexts, history and input", () =>
    Effect.gen(function* () {
      const { reply, requests, texts } = yield* turn([say("Hello there.")], {
        agents: [weather],
        soul: "You are terse.",
        systemContexts: ["It is Sunday.", "The user is Ada."]
      })
      assert.deepStrictEqual(reply, {
        response: "Hello there.",
        session_id: "s-1",
        agent_logs: "",
        model: "stand-in-1",
        requested_model: "stand-in-1",
        voice_mode: false
      })
      assert.deepStrictEqual(texts, ["Hello ", "there."])
      assert.deepEqual(requests[0]?.body.messages, [
        { role: "system", content: "You are terse.\n\nIt is Sunday.\n\nThe user is Ada." },
        { role: "user", content: "hello" }
      ])
      assert.strictEqual(requests.length, 1)
    })
  )

  it.live("begins a session of its own where none is named", () =>
    atChatDesk(({ chat }) =>
      Effect.gen(function* () {
        const ids = yield* Effect.forEach([1, 2], () =>
          Effect.map(chat.turn({ ...asked, sessionId: null }, silent), ({ reply }) => reply.session_id)
        )
        assert.match(ids[0] ?? "", /^[0-9a-f]{32}$/)
        assert.notStrictEqual(ids[0], ids[1])
      })
    )
  )

  it.live("has a soul of its own where there is no file, or an empty one", () =>
    Effect.gen(function* () {
      const first = yield* turn([say("ok")])
      const second = yield* turn([say("ok")], { soul: " \n" })
      const souls = [first, second].map(({ requests }) => requests[0]?.body.messages[0]?.["content"])
      assert.match(String(souls[0]), /^You are a helpful assistant\./)
      assert.strictEqual(souls[0], souls[1])
    })
  )

  it.live("with calls goes on with their results, and logs them", () =>
    Effect.gen(function* () {
      const { reply, requests, rounds } = yield* turn(
        [
          call({ name: "Weather", arguments: `{"city":"Zürich"}` }, { name: "Weather", arguments: `{"city":"Oslo"}` }),
          say("Sunny in both.")
        ],
        { agents: [weather] }
      )
      assert.strictEqual(reply.response, "Sunny in both.")
      assert.deepStrictEqual(rounds, [sunny("Zürich", "Oslo")])
      assert.strictEqual(reply.agent_logs, "[Weather] Zürich: sunny\n[Weather] Oslo: sunny")
      assert.deepEqual(requests[1]?.body.messages.slice(2), [
        {
          role: "assistant",
          content: null,
          tool_calls: [
            { id: "id-0", type: "function", function: { name: "Weather", arguments: `{"city":"Zürich"}` } },
            { id: "id-1", type: "function", function: { name: "Weather", arguments: `{"city":"Oslo"}` } }
          ]
        },
        { role: "tool", tool_call_id: "id-0", content: "Zürich: sunny" },
        { role: "tool", tool_call_id: "id-1", content: "Oslo: sunny" }
      ])
    })
  )

  it.live("makes no call after its third round, and asks once more without agents", () =>
    Effect.gen(function* () {
      const again = (at: number) => call({ name: "Weather", arguments: `{"city":"${at}"}` })
      const { reply, requests, rounds } = yield* turn([again(1), again(2), again(3), say("Enough.")], {
        agents: [weather]
      })
      assert.strictEqual(reply.response, "Enough.")
      assert.deepStrictEqual(rounds, [sunny("1"), sunny("2"), sunny("3")])
      assert.deepStrictEqual(
        requests.map(({ body }) => "tools" in body),
        [true, true, true, false]
      )
    })
  )

  it.live("of a model that calls agents ten times ends after four answers, with an error", () =>
    Effect.gen(function* () {
      const steps = Array.from({ length: 10 }, () => call({ name: "Weather", arguments: `{"city":"x"}` }))
      const { failure, requests, rounds } = yield* failedTurn(steps, { agents: [weather] })
      assert.deepInclude(failure, { code: "model_answer_empty" })
      assert.match(failure.message, /still called agents after 3 rounds/)
      assert.strictEqual(requests.length, 4)
      assert.strictEqual(rounds.length, 3)
    })
  )

  it.live("of a model that says nothing is an error", () =>
    Effect.gen(function* () {
      const { failure } = yield* failedTurn([say("")])
      assert.deepInclude(failure, { code: "model_answer_empty" })
    })
  )

  it.live("whose answer is cut by a limit says so", () =>
    Effect.gen(function* () {
      const { reply } = yield* turn([say("Once upon", { finish: "length" })])
      assert.strictEqual(reply.response, "Once upon")
      assert.strictEqual(reply.agent_logs, "[model] The answer is not whole (length).")
    })
  )

  it.live("that is interrupted ends the agent that runs", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const slow = {
        name: "Slow",
        perform: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined))
      }
      yield* atChatDesk(
        ({ chat, model }) =>
          Effect.gen(function* () {
            model.script.push(call({ name: "Slow", arguments: "" }))
            const fiber = yield* Effect.forkChild(chat.turn(asked, silent))
            yield* until(() => model.received.length === 1)
            yield* Effect.sleep("50 millis")
            yield* Fiber.interrupt(fiber)
            assert.isTrue(yield* Deferred.isDone(ended))
            assert.strictEqual(model.received.length, 1)
          }),
        { agents: [slow] }
      )
    })
  )
})

describe("a call", () => {
  it.live.each<readonly [string, string]>([
    ["empty", ""],
    ["blank", " \n"]
  ])("with %s arguments has none", ([, text]) =>
    Effect.gen(function* () {
      const echo = agent("Echo", (args) => JSON.stringify(args))
      const { requests } = yield* turn([call({ name: "Echo", arguments: text }), say("ok")], { agents: [echo] })
      assert.deepEqual(results(requests), ["{}"])
      assert.include(JSON.stringify(requests[1]?.body.messages), `"arguments":"{}"`)
    })
  )

  it.live.each<readonly [string, string, string, string]>([
    ["an unknown agent", "Wether", "{}", "The call was not made: there is no such agent (did you mean Weather?)."],
    ["a nameless agent", "", "{}", "The call was not made: there is no such agent (there are: Weather)."],
    [
      "broken JSON",
      "Weather",
      `{"city":`,
      "The call was not made: its arguments are not one JSON object. Write them anew."
    ],
    ["a list", "Weather", "[1]", "The call was not made: its arguments are not one JSON object. Write them anew."],
    ["a missing argument", "Weather", `{"days":2}`, "The call was not made: /city: is required."],
    ["a wrong type", "Weather", `{"city":5}`, "The call was not made: /city: must be of type string, not number."],
    [
      "an unknown argument",
      "Weather",
      `{"city":"x","cty":1}`,
      "The call was not made: /cty: is not a parameter of this agent (did you mean `city`?)."
    ]
  ])("with %s is answered with what is wrong, and the agent is left alone", ([, name, text, told]) =>
    Effect.gen(function* () {
      let calls = 0
      const counted = {
        ...weather,
        perform: () =>
          Effect.sync(() => {
            calls++
            return ok("never")
          })
      }
      const { reply, requests } = yield* turn([call({ name, arguments: text }), say("Sorry.")], { agents: [counted] })
      assert.deepEqual(results(requests), [told])
      assert.strictEqual(reply.response, "Sorry.")
      assert.strictEqual(calls, 0)
    })
  )

  it.live("whose name or arguments no server would take back is sent back in a form that it takes", () =>
    Effect.gen(function* () {
      const { requests } = yield* turn([call({ name: "no such name!", arguments: `{"city":` }), say("ok")], {
        agents: [weather]
      })
      assert.deepEqual(requests[1]?.body.messages[2]?.["tool_calls"], [
        { id: "id-0", type: "function", function: { name: "unreadable_name", arguments: "{}" } }
      ])
    })
  )

  it.live("is answered also where there are no agents at all", () =>
    Effect.gen(function* () {
      const { requests } = yield* turn([call({ name: "Weather", arguments: "{}" }), say("ok")])
      assert.deepEqual(results(requests), ["The call was not made: there is no such agent (there are none)."])
    })
  )

  it.live("that fails is told as what it was", () =>
    Effect.gen(function* () {
      const failing = {
        name: "Failing",
        perform: () =>
          Effect.succeed({ ok: false as const, failure: "deadline" as const, message: "Ended after 60 s." })
      }
      const { requests } = yield* turn([call({ name: "Failing", arguments: "" }), say("ok")], { agents: [failing] })
      assert.deepEqual(results(requests), ["The call failed (deadline): Ended after 60 s."])
    })
  )

  it.live("has a result of at most 64 KiB, cut between two characters, and says so", () =>
    Effect.gen(function* () {
      const text = `x${"ü".repeat(50_000)}`
      const { reply, requests } = yield* turn([call({ name: "Long", arguments: "" }), say("ok")], {
        agents: [agent("Long", () => text)]
      })
      const [result] = results(requests)
      assert.strictEqual(result, `x${"ü".repeat(32_767)}\n[cut: these are the first 65536 of 100001 bytes]`)
      assert.isBelow(reply.agent_logs.length, 2_100)
    })
  )

  it.live("is one of at most 16 at once; the others are answered, not made", () =>
    Effect.gen(function* () {
      const made: Array<unknown> = []
      const counting = agent("Counting", ({ n }) => {
        made.push(n)
        return "done"
      })
      const calls = Array.from({ length: 20 }, (_, n) => ({ name: "Counting", arguments: `{"n":${n}}` }))
      const { requests } = yield* turn([call(...calls), say("ok")], { agents: [counting] })
      assert.deepStrictEqual(
        made,
        Array.from({ length: 16 }, (_, n) => n)
      )
      assert.strictEqual(results(requests).length, 20)
      assert.match(String(results(requests)[19]), /16 calls at once are the most/)
    })
  )
})

describe("another model", () => {
  const withFallback: DeskOptions = {
    models: Effect.succeed({ requested: "big", fallbacks: ["big", "small", "tiny"] }),
    agents: [weather]
  }

  it.live("answers when it is configured, and the reply says which one did", () =>
    Effect.gen(function* () {
      const { reply, requests } = yield* turn(
        [
          refuse(429),
          refuse(500),
          call({ name: "Weather", arguments: `{"city":"x"}` }),
          say("I did.", { model: "tiny-2" })
        ],
        withFallback
      )
      assert.deepInclude(reply, { response: "I did.", model: "tiny-2", requested_model: "big" })
      // The one that answered goes on.
      assert.deepStrictEqual(
        requests.map(({ body }) => body.model),
        ["big", "small", "tiny", "tiny"]
      )
    })
  )

  it.live("is not asked when none is configured", () =>
    Effect.gen(function* () {
      const { failure, requests } = yield* failedTurn([refuse(429), say("never")])
      assert.deepInclude(failure, { code: "model_rate_limited" })
      assert.strictEqual(requests.length, 1)
    })
  )

  it.live.each<readonly [string, ReadonlyArray<ModelStep>, string]>([
    ["the account is not let in", [refuse(401), refuse(401)], "NotSignedIn"],
    ["the account may not", [refuse(403), refuse(403)], "model_forbidden"],
    ["the account has no quota left", [refuse(402)], "model_forbidden"],
    ["the request is refused", [refuse(400)], "model_refused"],
    ["the answer was cut", [{ events: [event({ content: "half" })], after: "cut" }], "model_answer_cut"],
    [
      "something was told already",
      [{ events: [event({ content: "half" }), { error: { message: "overloaded" } }] }],
      "model_unavailable"
    ]
  ])("is not blamed or asked when %s", ([, steps, what]) =>
    Effect.gen(function* () {
      const { failure, requests } = yield* failedTurn([...steps, say("never")], withFallback)
      assert.strictEqual(failure._tag === "ModelFailed" ? failure.code : failure._tag, what)
      assert.isTrue(requests.every(({ body }) => body.model === "big"))
    })
  )

  it.live("is the provider's choice where nobody picked one", () =>
    Effect.gen(function* () {
      const { reply, requests } = yield* turn([say("Hi.", { model: "default-7" })], {
        models: Effect.succeed({ requested: null, fallbacks: [] })
      })
      assert.deepInclude(reply, { model: "default-7", requested_model: null })
      assert.notProperty(requests[0]?.body, "model")
    })
  )

  it.live("settings that cannot be understood are said to be so", () =>
    Effect.gen(function* () {
      const problem = new ProviderUnavailable({ message: "correct `model`" })
      const { failure } = yield* failedTurn([], { models: Effect.fail(problem) })
      assert.strictEqual(failure, problem)
    })
  )
})

describe("an account", () => {
  it.live("that is not signed in asks no model", () =>
    Effect.gen(function* () {
      const accountFailure = new NotSignedIn({ message: "sign in" })
      const { failure, requests } = yield* failedTurn([], { accountFailure })
      assert.strictEqual(failure, accountFailure)
      assert.strictEqual(requests.length, 0)
    })
  )
})
