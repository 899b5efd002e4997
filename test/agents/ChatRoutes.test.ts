import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { NoModelAccess, NotSignedIn, ProviderUnavailable } from "../../src/domain/index.ts"
import { agent, atChatDesk, type ChatDesk, type DeskOptions, TOKEN, until } from "./ChatDesk.ts"
import { call, event, type ModelStep, refuse, say } from "./StandInModel.ts"

interface Asked {
  readonly method?: string
  readonly path: string
  readonly body?: unknown
  /** Sent as it is, instead of `body`. */
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string | null
  readonly signal?: AbortSignal
}

interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

const requestOf = (origin: string, { body, headers, method, path, signal, text, token = TOKEN }: Asked): Request => {
  const sent = text ?? (body === undefined ? null : JSON.stringify(body))
  return new Request(`${origin}${path}`, {
    method: method ?? (sent === null ? "GET" : "POST"),
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(sent === null ? {} : { "content-type": "application/json" }),
      ...headers
    },
    body: sent,
    ...(signal === undefined ? {} : { signal })
  })
}

/** A body that no route takes. */
const LARGE = `"${"x".repeat(17 * 1_048_576)}"`

const KEPT = ["content-type", "cache-control", "retry-after", "allow", "www-authenticate"]

const read = async (response: Response): Promise<Answered> => ({
  status: response.status,
  headers: Object.fromEntries(
    KEPT.flatMap((name) => (response.headers.has(name) ? [[name, response.headers.get(name) ?? ""]] : []))
  ),
  text: await response.text()
})

const overHttp = ({ port }: ChatDesk, asked: Asked) =>
  Effect.promise(async () => read(await fetch(requestOf(`http://127.0.0.1:${port}`, asked))))

const throughHandler = ({ fetchHandler }: ChatDesk, asked: Asked) =>
  Effect.promise(async () => read(await fetchHandler.handler(requestOf("https://agents.example", asked))))

/** The same request through both, with a model that answers both alike; its one answer. */
const both = (asked: Asked, steps: ReadonlyArray<ModelStep> = [], options: DeskOptions = {}) =>
  atChatDesk(
    (desk) =>
      Effect.gen(function* () {
        desk.model.script.push(...steps)
        const server = yield* overHttp(desk, asked)
        desk.model.script.splice(0, desk.model.script.length, ...steps)
        const handler = yield* throughHandler(desk, asked)
        const { "cache-control": _, ...headers } = handler.headers
        const { "cache-control": __, ...expected } = server.headers
        assert.deepStrictEqual({ ...handler, headers }, { ...server, headers: expected })
        return { ...server, json: () => JSON.parse(server.text) as Record<string, unknown> }
      }),
    options
  )

/** The events of a stream, comments left out. */
const eventsOf = (text: string): ReadonlyArray<readonly [string, unknown]> =>
  text
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => {
      const [first = "", second = ""] = block.split("\n")
      return [first.slice("event: ".length), JSON.parse(second.slice("data: ".length))]
    })

const chat = (more: Record<string, unknown> = {}, path = "/chat"): Asked => ({
  path,
  body: { user_input: "hello", session_id: "s-1", ...more }
})

const echo = agent("Echo", (args) => JSON.stringify(args))

describe("the daemon's routes and the fetch handler alike", () => {
  it.live("answer /version, /agents and /health", () =>
    Effect.gen(function* () {
      const options: DeskOptions = {
        agents: [echo],
        quarantined: [{ file: "bad_agent.py", class: null, reason: "line 3: invalid syntax" }]
      }
      assert.deepEqual((yield* both({ path: "/version", token: null }, [], options)).json(), { version: "1.2.3" })
      assert.deepEqual((yield* both({ path: "/agents" }, [], options)).json(), {
        agents: [
          {
            name: "Echo",
            description: "The simulated agent Echo.",
            parameters: { type: "object" },
            file: "echo_agent.js"
          }
        ],
        quarantined: [{ file: "bad_agent.py", class: null, reason: "line 3: invalid syntax" }]
      })
      const nothing = yield* both({ method: "POST", path: "/agents/bad_agent.py/packages" }, [], options)
      assert.deepEqual([nothing.status, nothing.json()["error"]], [409, "nothing_installable"])
      assert.deepEqual((yield* both({ path: "/health", token: null }, [], options)).json(), {
        status: "ok",
        version: "1.2.3"
      })
      assert.deepEqual((yield* both({ path: "/health" }, [], options)).json(), {
        status: "ok",
        version: "1.2.3",
        model: "stand-in-1",
        copilot: "✓",
        copilot_username: "octocat",
        remote_config: null,
        reasons: [],
        agents: ["Echo"],
        quarantined: [{ file: "bad_agent.py", class: null, reason: "line 3: invalid syntax" }]
      })
    })
  )

  it.live("answer /chat", () =>
    Effect.gen(function* () {
      const answer = yield* both(chat(), [call({ name: "Echo", arguments: `{"a":1}` }), say("Done.")], {
        agents: [echo]
      })
      assert.strictEqual(answer.status, 200)
      assert.deepEqual(answer.json(), {
        response: "Done.",
        session_id: "s-1",
        agent_logs: `[Echo] {"a":1}`,
        model: "stand-in-1",
        requested_model: "stand-in-1",
        voice_mode: false
      })
    })
  )

  it.live("answer /chat/stream event by event", () =>
    Effect.gen(function* () {
      const answer = yield* both(
        chat({}, "/chat/stream"),
        [call({ name: "Echo", arguments: "" }), say("All is done.")],
        {
          agents: [echo]
        }
      )
      assert.deepInclude(answer, { status: 200 })
      assert.match(answer.headers["content-type"] ?? "", /^text\/event-stream/)
      assert.deepEqual(eventsOf(answer.text), [
        ["agent", { logs: "[Echo] {}", calls: [{ agent: "Echo", result: "{}" }] }],
        ["delta", { text: "All " }],
        ["delta", { text: "is " }],
        ["delta", { text: "done." }],
        [
          "done",
          {
            response: "All is done.",
            session_id: "s-1",
            agent_logs: "[Echo] {}",
            model: "stand-in-1",
            requested_model: "stand-in-1",
            voice_mode: false,
            streamed: true
          }
        ]
      ])
    })
  )

  it.live("say whether an answer was streamed", () =>
    Effect.gen(function* () {
      const { whole } = say("All at once.")
      const { text } = yield* both(chat({}, "/chat/stream"), [{ whole }])
      assert.deepEqual(
        eventsOf(text).map(([name, data]) => [name, Reflect.get(data as object, "streamed")]),
        [
          ["delta", undefined],
          ["done", false]
        ]
      )
    })
  )

  const entry = (more: Record<string, unknown>) => ({ conversation_history: [{ role: "user", content: "hi" }, more] })
  it.live.each<readonly [string, unknown, string]>([
    ["a body that is no object", [], "the body must be an object"],
    ["no input", {}, "user_input is required"],
    ["an input that is no string", { user_input: 5 }, "user_input must be a string"],
    ["a blank input", { user_input: " \n" }, "user_input must not be empty"],
    ["a history that is no list", { user_input: "x", conversation_history: {} }, "conversation_history must be a list"],
    [
      "an entry that is no object",
      { user_input: "x", conversation_history: ["x"] },
      "conversation_history[0] must be an object"
    ],
    [
      "a system role",
      { user_input: "x", ...entry({ role: "system", content: "x" }) },
      "conversation_history[1].role must be user, assistant or tool"
    ],
    ["no role", { user_input: "x", ...entry({ content: "x" }) }, "conversation_history[1].role is required"],
    ["no content", { user_input: "x", ...entry({ role: "user" }) }, "conversation_history[1].content must be a string"],
    [
      "a content that is no string",
      { user_input: "x", ...entry({ role: "user", content: [] }) },
      "conversation_history[1].content must be a string"
    ],
    [
      "a call without a name",
      { user_input: "x", ...entry({ role: "assistant", tool_calls: [{ id: "a", function: { arguments: "" } }] }) },
      "conversation_history[1].tool_calls[0].function.name is required"
    ],
    [
      "a session that is no string",
      { user_input: "x", session_id: 7 },
      "session_id must be a string of at most 256 characters"
    ],
    [
      "a session that is too long",
      { user_input: "x", session_id: "x".repeat(257) },
      "session_id must be a string of at most 256 characters"
    ]
  ])("refuse %s with the exact field", ([, body, detail]) =>
    Effect.gen(function* () {
      for (const path of ["/chat", "/chat/stream"]) {
        const answer = yield* both({ path, body })
        assert.strictEqual(answer.status, 400)
        assert.deepEqual(answer.json(), { error: "invalid_request", detail })
      }
    })
  )

  it.live.each<readonly [string, Asked, number, string]>([
    ["broken JSON", { path: "/chat", text: "{" }, 400, "body_unreadable"],
    [
      "a body that is called something else",
      { path: "/chat", text: "{}", headers: { "content-type": "text/plain" } },
      415,
      "body_not_json"
    ],
    [
      "a body over 16 MiB",
      { path: "/chat", text: LARGE, headers: { "content-length": String(LARGE.length) } },
      413,
      "body_too_large"
    ],
    ["another method", { path: "/chat", method: "PUT" }, 405, "method_not_allowed"],
    ["another path", { path: "/chat/nothing" }, 404, "not_found"],
    ["no token", { ...chat(), token: null }, 401, "unauthorized"],
    ["a wrong token", { ...chat(), token: "wrong" }, 401, "unauthorized"]
  ])("refuse %s", ([, asked, status, error]) =>
    Effect.gen(function* () {
      const answer = yield* both(asked)
      assert.strictEqual(answer.status, status)
      assert.strictEqual(answer.json()["error"], error)
    })
  )

  it.live("say 401 when nobody is signed in", () =>
    Effect.gen(function* () {
      const options = { accountFailure: new NotSignedIn({ message: "Nobody is signed in: holdfast login." }) }
      for (const path of ["/chat", "/chat/stream"]) {
        const answer = yield* both(chat({}, path), [], options)
        assert.strictEqual(answer.status, 401)
        assert.deepEqual(answer.json(), { error: "not_signed_in", detail: "Nobody is signed in: holdfast login." })
      }
    })
  )

  it.live("ask neither agents nor a model for somebody who is not signed in", () =>
    atChatDesk(
      (desk) =>
        Effect.gen(function* () {
          for (const path of ["/chat", "/chat/stream"]) {
            yield* overHttp(desk, chat({}, path))
            yield* throughHandler(desk, chat({}, path))
          }
          assert.strictEqual(desk.looks(), 0)
          assert.strictEqual(desk.model.received.length, 0)
        }),
      { accountFailure: new NotSignedIn({ message: "sign in" }) }
    )
  )

  it.live("say 503 when the account cannot be asked", () =>
    Effect.gen(function* () {
      const options = { accountFailure: new ProviderUnavailable({ message: "Later." }) }
      for (const path of ["/chat", "/chat/stream"]) {
        const answer = yield* both(chat({}, path), [], options)
        assert.deepInclude(answer, { status: 503 })
        assert.deepEqual(answer.json(), { error: "provider_unavailable", detail: "Later." })
      }
    })
  )

  const noAccess = { error: "NO_COPILOT_ACCESS:octocat", no_copilot_access: true, copilot_username: "octocat" }
  it.live.each<readonly [string, ReadonlyArray<ModelStep>, DeskOptions]>([
    ["known before", [], { accountFailure: new NoModelAccess({ message: "None.", username: "octocat" }) }],
    [
      "found while asking",
      [refuse(403)],
      { afterRefusal: new NoModelAccess({ message: "None.", username: "octocat" }) }
    ]
  ])("say 200 with the name of an account that has no access, %s", ([, steps, options]) =>
    Effect.gen(function* () {
      // Each way to ask begins with an account that nobody has refused yet.
      for (const ask of [overHttp, throughHandler]) {
        const [whole, streamed] = yield* Effect.forEach(["/chat", "/chat/stream"], (path) =>
          atChatDesk((desk) => {
            desk.model.script.push(...steps)
            return ask(desk, chat({}, path))
          }, options)
        )
        assert.strictEqual(whole?.status, 200)
        assert.deepEqual(JSON.parse(whole?.text ?? ""), noAccess)
        assert.strictEqual(streamed?.status, 200)
        assert.deepEqual(eventsOf(streamed?.text ?? ""), [["error", noAccess]])
      }
    })
  )

  it.live.each<readonly [string, ModelStep, number, string]>([
    ["429", refuse(429, {}, { "retry-after": "9" }), 429, "model_rate_limited"],
    ["500", refuse(500), 502, "model_unavailable"],
    ["an unknown model", refuse(404, { message: "no such model" }), 502, "model_unknown"],
    ["garbage", { whole: "<html>" }, 502, "model_answer_invalid"],
    ["an empty answer", say(""), 502, "model_answer_empty"]
  ])("pass on %s of the model as what it is", ([, step, status, error]) =>
    Effect.gen(function* () {
      const whole = yield* both(chat(), [step])
      assert.strictEqual(whole.status, status)
      assert.strictEqual(whole.json()["error"], error)
      assert.strictEqual(whole.headers["retry-after"], status === 429 ? "9" : undefined)
      const streamed = yield* both(chat({}, "/chat/stream"), [step])
      assert.strictEqual(streamed.status, 200)
      assert.deepEqual(eventsOf(streamed.text), [["error", whole.json()]])
    })
  )

  it.live("end a stream that was cut in the middle with an error, never with a short answer", () =>
    Effect.gen(function* () {
      const { text } = yield* both(chat({}, "/chat/stream"), [{ events: [event({ content: "half" })], after: "cut" }])
      const events = eventsOf(text)
      assert.deepStrictEqual(
        events.map(([name]) => name),
        ["delta", "error"]
      )
      assert.strictEqual(Reflect.get(events[1]?.[1] as object, "error"), "model_answer_cut")
    })
  )

  it.live("end a stream with an error where a service is broken, and do not say how", () =>
    Effect.gen(function* () {
      const broken = { name: "Broken", perform: () => Effect.die(new Error("secret detail")) }
      const steps = [call({ name: "Broken", arguments: "" })]
      const { text } = yield* both(chat({}, "/chat/stream"), steps, { agents: [broken] })
      assert.deepEqual(
        eventsOf(text).map(([name, data]) => [name, Reflect.get(data as object, "error")]),
        [["error", "internal_error"]]
      )
      assert.notInclude(text, "secret detail")
    })
  )
})

describe("a client that leaves", () => {
  const ways = [
    ["the daemon's routes", (desk: ChatDesk, asked: Asked) => fetch(requestOf(`http://127.0.0.1:${desk.port}`, asked))],
    [
      "the fetch handler",
      (desk: ChatDesk, asked: Asked) => desk.fetchHandler.handler(requestOf("https://a.example", asked))
    ]
  ] as const

  it.live.each(ways)("%s: ends the request to the model", ([, ask]) =>
    Effect.gen(function* () {
      for (const path of ["/chat", "/chat/stream"]) {
        yield* atChatDesk((desk) =>
          Effect.gen(function* () {
            const { events = [], whole } = say("half of it")
            desk.model.script.push({ whole, events: events.slice(0, 2), after: "hang" })
            const leaving = new AbortController()
            const answer = ask(desk, { ...chat({}, path), signal: leaving.signal })
              .then((response) => response.text())
              .catch(() => "gone")
            yield* until(() => desk.model.received.length === 1)
            yield* Effect.sleep("50 millis")
            assert.isFalse(desk.model.last.left)
            leaving.abort()
            yield* until(() => desk.model.last.left)
            yield* Effect.promise(() => Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 100))]))
          })
        )
      }
    })
  )

  it.live.each(ways)("%s: ends the agent that runs", ([, ask]) =>
    Effect.gen(function* () {
      const began = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const slow = {
        name: "Slow",
        perform: () =>
          Effect.onInterrupt(Effect.andThen(Deferred.succeed(began, undefined), Effect.never), () =>
            Deferred.succeed(ended, undefined)
          )
      }
      yield* atChatDesk(
        (desk) =>
          Effect.gen(function* () {
            desk.model.script.push(call({ name: "Slow", arguments: "" }))
            const leaving = new AbortController()
            ask(desk, { ...chat({}, "/chat/stream"), signal: leaving.signal })
              .then((response) => response.text())
              .catch(() => "gone")
            yield* Deferred.await(began)
            leaving.abort()
            yield* Effect.timeout(Deferred.await(ended), "5 seconds")
          }),
        { agents: [slow] }
      )
    })
  )

  it.live("by closing the answer of the fetch handler ends the request to the model", () =>
    atChatDesk((desk) =>
      Effect.gen(function* () {
        desk.model.script.push({ events: [event({ content: "half" })], after: "hang" })
        const response = yield* Effect.promise(() =>
          desk.fetchHandler.handler(requestOf("https://a.example", chat({}, "/chat/stream")))
        )
        const reader = response.body?.getReader()
        yield* Effect.promise(async () => reader?.read())
        yield* until(() => desk.model.received.length === 1)
        yield* Effect.promise(async () => reader?.cancel())
        yield* until(() => desk.model.last.left)
      })
    )
  )
})
