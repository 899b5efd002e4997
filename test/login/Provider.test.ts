import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted } from "effect"
import { keyAccountLayer } from "../../src/login/index.ts"
import { atLoginDesk, record } from "./Desk.ts"
import type { Scripted } from "./StandInProvider.ts"

describe("a request for a code", () => {
  it.live("is a form with the client, and keeps the codes for the flow", () =>
    atLoginDesk(({ provider, standIn, store }) =>
      Effect.gen(function* () {
        const answer = yield* provider.requestCode({ flow: "f1" })
        assert.deepStrictEqual(answer, { kind: "code", intervalMs: 1, lifeMs: 900_000 })
        assert.deepStrictEqual(Object.keys(standIn.received[0]?.form ?? {}), ["client_id", "scope"])
        const codes = Option.getOrThrow(yield* store.codes("f1"))
        assert.strictEqual(codes.userCode, standIn.codes[0])
        assert.strictEqual(codes.verificationUri, `${standIn.url}/login/device`)
      })
    )
  )

  const code = { device_code: "d", user_code: "AB-CD", verification_uri: "https://example.com/device" }
  const answers: ReadonlyArray<readonly [what: string, scripted: Scripted, expected: object]> = [
    ["without an interval or a life", { body: code }, { kind: "code", intervalMs: Number.NaN, lifeMs: Number.NaN }],
    [
      "with numbers as text",
      { body: { ...code, interval: "7", expires_in: "60" } },
      { kind: "code", intervalMs: 7_000, lifeMs: 60_000 }
    ],
    [
      "with an interval of a thousand years, for the machine to judge",
      { body: { ...code, interval: 1e9, expires_in: 900 } },
      { kind: "code", intervalMs: 1e12, lifeMs: 900_000 }
    ],
    ["without a device code", { body: { ...code, device_code: undefined } }, { kind: "refused", code: "bad_answer" }],
    ["without a user code", { body: { ...code, user_code: "" } }, { kind: "refused", code: "bad_answer" }],
    [
      "with a page that is none",
      { body: { ...code, verification_uri: "javascript:alert(1)" } },
      { kind: "refused", code: "bad_answer" }
    ],
    [
      "that is refused in the provider's own words",
      { status: 400, body: { error: "device_flow_disabled" } },
      { kind: "refused", code: "device_flow_disabled" }
    ],
    [
      "with a code of a strange kind",
      { status: 400, body: { error: "<script>", error_description: "no\u001b[31m" } },
      { kind: "refused", code: "provider_error", message: "no [31m" }
    ],
    [
      "that is a web page",
      { status: 502, body: "<h1>Bad gateway</h1>" },
      { kind: "passing", code: "provider_unavailable", retryAfterMs: 0 }
    ],
    [
      "that asks for a pause",
      { status: 429, headers: { "retry-after": "7" }, body: {} },
      { kind: "passing", retryAfterMs: 7_000 }
    ],
    ["that never comes", { cut: true }, { kind: "passing", code: "provider_unreachable" }]
  ]
  it.live.each(answers)("is understood %s", ([, scripted, expected]) =>
    atLoginDesk(({ provider, standIn }) =>
      Effect.gen(function* () {
        standIn.script.code.push(scripted)
        assert.deepInclude(yield* provider.requestCode({ flow: "f1" }), expected)
      })
    )
  )
})

describe("a poll for the token", () => {
  const answers: ReadonlyArray<readonly [what: string, scripted: Scripted, expected: object]> = [
    ["not yet", { body: { error: "authorization_pending" } }, { kind: "pending" }],
    ["not yet, as a 400", { status: 400, body: { error: "authorization_pending" } }, { kind: "pending" }],
    ["slower", { body: { error: "slow_down", interval: 10 } }, { kind: "slow_down", intervalMs: 10_000 }],
    ["slower, as a 429", { status: 429, body: { error: "slow_down" } }, { kind: "slow_down", intervalMs: Number.NaN }],
    ["too late", { body: { error: "expired_token" } }, { kind: "expired" }],
    ["declined", { body: { error: "access_denied" } }, { kind: "refused", code: "access_denied" }],
    ["an unknown word", { body: { error: "teapot" } }, { kind: "refused", code: "teapot" }],
    ["neither token nor error", { body: { hello: 1 } }, { kind: "passing", code: "bad_answer" }],
    ["a token that is no text", { body: { access_token: 7 } }, { kind: "passing", code: "bad_answer" }],
    ["a list", { body: [1] }, { kind: "passing" }],
    ["a sign-in page of the network", { status: 200, body: "<html>" }, { kind: "passing" }],
    [
      "a redirect elsewhere",
      { status: 302, headers: { location: "https://elsewhere.example/" }, body: {} },
      { kind: "passing" }
    ]
  ]
  it.live.each(answers)("hears: %s", ([, scripted, expected]) =>
    atLoginDesk(({ provider, standIn }) =>
      Effect.gen(function* () {
        yield* provider.requestCode({ flow: "f1" })
        standIn.script.token.push(scripted)
        assert.deepInclude(yield* provider.pollToken({ flow: "f1" }), expected)
      })
    )
  )

  it.live("brings a record of this answer and nothing else, with fields that nobody knows left out", () =>
    atLoginDesk(({ id, provider, standIn, store }) =>
      Effect.gen(function* () {
        yield* provider.requestCode({ flow: "f1" })
        standIn.script.token.push({ body: { access_token: "gho_x", token_type: "bearer", more: { deep: true } } })
        const answer = yield* provider.pollToken({ flow: "f1" })
        assert.deepInclude(answer, { kind: "token" })
        if (answer.kind !== "token") return
        assert.isFalse(answer.token.refreshable)
        const held = Option.getOrThrow(yield* store.token(answer.token.handle))
        assert.deepStrictEqual(Object.keys(held).toSorted(), ["access_token", "obtained_at", "provider"])
        assert.strictEqual(held.provider, id)
      })
    )
  )
})

describe("an exchange", () => {
  it.live("gives a session and the account's name", () =>
    atLoginDesk(({ provider, standIn, store, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("octocat")
        assert.deepStrictEqual(yield* provider.exchange({ handle }), { kind: "session", name: "octocat" })
        assert.match(
          standIn.received.find(({ endpoint }) => endpoint === "exchange")?.authorization ?? "",
          /^token ghu_/
        )
        const session = Option.getOrThrow(yield* store.session(handle))
        assert.strictEqual(session.endpoint, standIn.url)
      })
    )
  )

  it.live("sends tokens that are not of GitHub's apps as Bearer", () =>
    atLoginDesk(({ id, provider, standIn, store }) =>
      Effect.gen(function* () {
        const { handle } = yield* store.hold(record(id, "gho_other"))
        yield* provider.exchange({ handle })
        assert.strictEqual(standIn.received[0]?.authorization, "Bearer gho_other")
      })
    )
  )

  it.live("does without the account's name when nobody says it", () =>
    atLoginDesk(({ provider, standIn, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("octocat")
        standIn.script.user.push({ status: 500, body: {} })
        assert.deepStrictEqual(yield* provider.exchange({ handle }), { kind: "session", name: null })
      })
    )
  )

  it.live("knows an account without a subscription by what the refusal says, with its name", () =>
    atLoginDesk(({ provider, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("no-subscription")
        assert.deepInclude(yield* provider.exchange({ handle }), { kind: "no_access", name: "no-subscription" })
      })
    )
  )

  const session = { token: "tid_x", expires_at: 4e9, endpoints: { api: "https://api.example.com/" } }
  const answers: ReadonlyArray<readonly [what: string, scripted: Scripted, expected: object]> = [
    ["401", { status: 401, body: { message: "Bad credentials" } }, { kind: "unauthorized" }],
    [
      "a 403 that says nothing of a subscription",
      { status: 403, body: { message: "rate limit" } },
      { kind: "passing" }
    ],
    ["a 403 of a proxy", { status: 403, body: "<p>Copilot access denied</p>" }, { kind: "passing" }],
    [
      "a 403 that says so in other words",
      { status: 403, body: { error: "no_subscription" } },
      { kind: "no_access", name: "octocat" }
    ],
    ["404", { status: 404, body: { message: "Not Found" } }, { kind: "passing" }],
    ["500", { status: 500, body: {} }, { kind: "passing", code: "provider_unavailable" }],
    ["429", { status: 429, headers: { "retry-after": "9" }, body: {} }, { kind: "passing", retryAfterMs: 9_000 }],
    ["no token", { body: { ...session, token: "" } }, { kind: "passing", code: "bad_answer" }],
    ["no endpoint", { body: { ...session, endpoints: {} } }, { kind: "passing", code: "bad_answer" }],
    [
      "an endpoint in the clear",
      { body: { ...session, endpoints: { api: "http://api.example.com" } } },
      { kind: "passing", code: "bad_answer" }
    ],
    ["no end", { body: { ...session, expires_at: null } }, { kind: "session" }],
    ["more than asked for", { body: { ...session, annotations: [1], sku: "x" } }, { kind: "session" }]
  ]
  it.live.each(answers)("is classified: %s", ([, scripted, expected]) =>
    atLoginDesk(({ provider, standIn, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("octocat")
        standIn.script.exchange.push(scripted)
        assert.deepInclude(yield* provider.exchange({ handle }), expected)
        assert.strictEqual(standIn.count("refresh"), 0)
      })
    )
  )

  it.live("never sends a token to another provider than its own", () =>
    atLoginDesk(({ provider, standIn, store }) =>
      Effect.gen(function* () {
        const { handle } = yield* store.hold(record("https://github.com https://api.github.com", "ghu_theirs"))
        assert.deepInclude(yield* provider.exchange({ handle }), { kind: "unauthorized" })
        assert.strictEqual(standIn.received.length, 0)
      })
    )
  )
})

describe("a refresh", () => {
  it.live("replaces the record whole, under the same handle", () =>
    atLoginDesk(({ provider, standIn, store, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("octocat")
        const before = Option.getOrThrow(yield* store.token(handle))
        assert.deepStrictEqual(yield* provider.refresh({ handle }), { kind: "refreshed", refreshable: true })
        const after = Option.getOrThrow(yield* store.token(handle))
        assert.notStrictEqual(Redacted.value(after.access_token), Redacted.value(before.access_token))
        standIn.script.refresh.push({ body: { access_token: "ghu_last" } })
        assert.deepStrictEqual(yield* provider.refresh({ handle }), { kind: "refreshed", refreshable: false })
        assert.notProperty(Option.getOrThrow(yield* store.token(handle)), "refresh_token")
        assert.strictEqual(standIn.misusedRefresh, 0)
      })
    )
  )

  it.live("is kept also when nobody waits for it any more: the old token is spent", () =>
    atLoginDesk(({ provider, standIn, store, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("octocat")
        const before = Redacted.value(Option.getOrThrow(yield* store.token(handle)).access_token)
        standIn.script.refresh.push({ delayMs: 200 })
        const waiting = yield* Effect.forkChild(provider.refresh({ handle }))
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(waiting)
        yield* Effect.sleep("400 millis")
        assert.notStrictEqual(Redacted.value(Option.getOrThrow(yield* store.token(handle)).access_token), before)
        assert.deepStrictEqual(yield* provider.refresh({ handle }), { kind: "refreshed", refreshable: true })
      })
    )
  )

  it.live("is refused when the token is spent, and passes when nobody answers", () =>
    atLoginDesk(({ provider, standIn, tokenFor }) =>
      Effect.gen(function* () {
        const handle = yield* tokenFor("octocat")
        standIn.script.refresh.push({ status: 502, body: "<h1>" })
        assert.deepInclude(yield* provider.refresh({ handle }), { kind: "passing" })
        standIn.script.refresh.push({ body: { error: "bad_refresh_token" } })
        assert.deepInclude(yield* provider.refresh({ handle }), { kind: "refused" })
      })
    )
  )
})

describe("the provider's address", () => {
  const named = (provider: Record<string, unknown>) => ({
    version: 2 as const,
    plugins: [{ name: "@holdfast/agents", config: { provider } }]
  })

  it.live("is the environment's before the document's", () =>
    atLoginDesk(
      ({ settings, standIn }) =>
        Effect.gen(function* () {
          assert.deepInclude(yield* settings.provider, { kind: "github", github: standIn.url, clientId: "mine" })
        }),
      {
        document: named({ github_url: "https://ghe.example.com", client_id: "theirs" }),
        env: { HOLDFAST_PROVIDER_CLIENT_ID: "mine" }
      }
    )
  )

  it.live("is refused when it is none, or would carry secrets in the clear", () =>
    Effect.forEach(["nonsense", "http://github.example.com", "https://user:pass@github.com"], (url) =>
      atLoginDesk(
        ({ provider }) =>
          Effect.gen(function* () {
            const answer = yield* provider.requestCode({ flow: "f1" })
            assert.deepInclude(answer, { kind: "refused", code: "provider_invalid" })
          }),
        { env: { HOLDFAST_GITHUB_URL: url } }
      )
    )
  )

  it.live("that is refused is named by what is to be corrected, and keeps the login's file out of it", () =>
    Effect.gen(function* () {
      const refused = (provider: Record<string, unknown>, env: Record<string, string>) =>
        atLoginDesk(
          ({ settings, tasks }) =>
            Effect.gen(function* () {
              assert.deepInclude(yield* tasks.load(undefined), { source: "login", account: null, problem: null })
              return yield* Effect.flip(settings.provider)
            }),
          { document: named(provider), env }
        )
      const key = yield* refused({ kind: "openai-compatible", base_url: "https://u:p@h/v1" }, {})
      assert.deepInclude(key, { setting: "provider.base_url" })
      assert.match(key.message, /^provider\.base_url holds a user name .* give the provider's key as `api_key`\.$/)
      const env = { HOLDFAST_GITHUB_API_URL: "http://h" }
      assert.deepInclude(yield* refused({}, env), { setting: "HOLDFAST_GITHUB_API_URL" })
      assert.deepInclude(yield* refused({ kind: "nothing" }, {}), { setting: "provider" })
    })
  )

  it.live("is nobody's default where the user may have named one in an entry that is not used", () =>
    Effect.gen(function* () {
      for (const unusedPlugins of ["all", ["@holdfast/agents"]] as const) {
        const meant = (document: ReturnType<typeof named> | undefined) =>
          atLoginDesk(({ settings }) => Effect.result(settings.provider), {
            unusedPlugins,
            env: { GITHUB_TOKEN: "gho_1" },
            ...(document === undefined ? {} : { document })
          })
        const unknown = yield* meant(undefined)
        assert.deepInclude(unknown._tag === "Failure" ? unknown.failure : {}, { setting: "config.json" })
        // Central names one, which counts.
        assert.strictEqual((yield* meant(named({ kind: "github" })))._tag, "Success")
      }
    })
  )

  it.live("of the document is named by its own setting where the environment names none", () =>
    atLoginDesk(
      ({ settings }) =>
        Effect.gen(function* () {
          const { message, setting } = yield* Effect.flip(settings.provider)
          assert.strictEqual(setting, "provider.github_url")
          assert.match(message, /^provider\.github_url uses http to ghe\.example, .*use https/)
        }),
      { document: named({ github_url: "http://ghe.example" }), env: { HOLDFAST_GITHUB_URL: "" } }
    )
  )

  it.live("of a host that is no daemon is refused in the words of its own option", () =>
    Effect.gen(function* () {
      const layer = keyAccountLayer({ baseUrl: "https://u:p@h/v1", apiKey: Option.none() })
      const { message } = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.match(message, /^baseUrl holds a user name or password: leave them out, and give .* as `apiKey`\.$/)
    })
  )

  it.live("may be an API that needs no login", () =>
    atLoginDesk(
      ({ settings, tasks }) =>
        Effect.gen(function* () {
          assert.deepInclude(yield* settings.provider, { kind: "openai-compatible", baseUrl: "http://127.0.0.1:9/v1" })
          assert.deepInclude(yield* tasks.load(undefined), { source: "none", account: null })
        }),
      { document: named({ kind: "openai-compatible", base_url: "http://127.0.0.1:9/v1/", api_key: "k" }) }
    )
  )

  it.live("is needed on a machine of its own, and in a fleet where the revision says so", () =>
    Effect.gen(function* () {
      const needed = (options: Parameters<typeof atLoginDesk>[1]) =>
        atLoginDesk(({ settings }) => settings.isNeeded, options)
      assert.isTrue(yield* needed({}))
      assert.isFalse(yield* needed({ hasCentral: true }))
      assert.isTrue(yield* needed({ hasCentral: true, document: named({}) }))
    })
  )
})
