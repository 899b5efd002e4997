import { request } from "node:http"
import { afterEach, describe, expect, it } from "vitest"
import type { StandInOptions } from "../login/StandInProvider.ts"
import { LoginMachine } from "./LoginMachine.ts"
import { type Environment, eventually, sleep } from "./Processes.ts"

let machine: LoginMachine

const start = async (options: StandInOptions = {}, env: Environment = {}): Promise<LoginMachine> => {
  machine = await LoginMachine.start(options, env)
  return machine
}

afterEach(() => machine.remove())

describe("a device-code login", { timeout: 60_000 }, () => {
  it("gives five who ask at once the same code, and asks the provider for one", async () => {
    const { provider } = await start()
    const codes = await Promise.all(Array.from({ length: 5 }, () => machine.login()))
    expect(new Set(codes.map(({ flow_id, user_code }) => `${flow_id} ${user_code}`)).size).toBe(1)
    expect(provider.count("code")).toBe(1)
    expect(await machine.login()).toMatchObject({ flow_id: codes[0]?.flow_id })
    provider.enter(codes[0]?.user_code ?? "", "octocat")
    const { before, end } = await machine.outcome()
    expect(end).toEqual({ status: "ok", message: "Signed in as octocat.", copilot_username: "octocat" })
    expect(before).toEqual(new Set(["pending"]))
    expect(provider.tooSoon).toBe(0)
    expect(machine.file().mode).toBe(0o600)
  })

  it("is not taken for expired while its token is being exchanged, for five seconds and past its deadline", async () => {
    const { provider } = await start({ expiresIn: 20 })
    provider.script.exchange.push({ delayMs: 5_000 })
    const { user_code } = await machine.login()
    provider.enter(user_code, "octocat")
    const { before, end } = await machine.outcome()
    expect(before).toEqual(new Set(["pending"]))
    expect(end.status).toBe("ok")
  })

  it("is not undone by the poll of an older flow that is answered after a switch", async () => {
    const { provider } = await start()
    provider.account("hubot")
    provider.script.token.push({ delayMs: 2_500 })
    const first = await machine.login()
    provider.enter(first.user_code, "octocat")
    await eventually("a poll in flight", () => (provider.count("token") === 1 ? true : undefined))
    const second = await machine.login("/login/switch")
    expect(second.flow_id).not.toBe(first.flow_id)
    await sleep(3_000)
    expect(await machine.poll()).toEqual({ status: "pending" })
    expect(await machine.status()).toMatchObject({
      id: second.flow_id,
      phase: "waiting",
      account: { state: "signed_out" }
    })
    provider.enter(second.user_code, "hubot")
    expect((await machine.outcome()).end).toMatchObject({ status: "ok", copilot_username: "hubot" })
  })

  it("does not show the result of the flow before it", async () => {
    const { provider } = await start()
    provider.enter((await machine.login()).user_code, "no-subscription")
    expect((await machine.outcome()).end).toMatchObject({
      status: "error",
      code: "no_access",
      copilot_username: "no-subscription"
    })
    provider.script.code.push({ delayMs: 1_000 })
    const second = machine.login("/login/switch")
    await sleep(300)
    expect(await machine.poll()).toEqual({ status: "pending" })
    await second
    expect(await machine.poll()).toEqual({ status: "pending" })
  })

  it("never uses a refresh token for another account than its own, and each one once", async () => {
    const { provider } = await start({ sessionSeconds: 61 })
    provider.account("hubot", { refreshable: false })
    provider.enter((await machine.login()).user_code, "octocat")
    await machine.outcome()
    provider.revokeTokens()
    expect((await machine.ask("POST", "/login/retry")).json).toMatchObject({ status: "ok" })
    expect(provider.count("refresh")).toBe(1)
    provider.enter((await machine.login("/login/switch")).user_code, "hubot")
    expect((await machine.outcome()).end).toMatchObject({ copilot_username: "hubot" })
    expect(machine.file().text).not.toContain("ghr_")
    provider.revokeTokens()
    expect((await machine.ask("POST", "/login/retry")).json).toMatchObject({ status: "error", code: "unauthorized" })
    expect(provider.count("refresh")).toBe(1)
    expect(provider.misusedRefresh).toBe(0)
    expect((await machine.ask("POST", "/logout")).json).toEqual({ signed_out: true })
    expect((await machine.ask("POST", "/logout")).json).toEqual({ signed_out: false })
  })

  it("heals by itself once an account without a subscription has one", async () => {
    const { provider } = await start()
    const account = provider.account("newcomer", { access: false })
    provider.enter((await machine.login()).user_code, "newcomer")
    expect((await machine.outcome()).end).toMatchObject({ code: "no_access", copilot_username: "newcomer" })
    expect((await machine.ask("GET", "/health")).json).toMatchObject({
      copilot: "no_access",
      status: "unauthenticated"
    })
    account.access = true
    expect((await machine.ask("GET", "/models")).status).toBe(200)
    expect((await machine.ask("GET", "/health")).json).toMatchObject({ copilot: "✓", status: "ok" })
    expect(await machine.poll()).toMatchObject({ status: "ok", copilot_username: "newcomer" })
    expect(provider.count("refresh")).toBe(0)
  })

  it("lists the models of the account, and remembers the one that was picked", async () => {
    const { provider } = await start()
    provider.enter((await machine.login()).user_code, "octocat")
    await machine.outcome()
    const pick = (model: string | null) =>
      machine.ask("POST", "/models/set", {
        body: JSON.stringify({ model }),
        headers: { "content-type": "application/json" }
      })
    expect(await pick("gpt-stand-on")).toMatchObject({ status: 422, json: { error: "unknown_model" } })
    expect((await pick("zzz")).json["detail"]).toMatch(/of that name\. GET \/models lists them\.$/)
    expect((await pick("gpt-stand-in")).json).toEqual({ model: "gpt-stand-in" })
    await machine.kill()
    expect((await machine.ask("GET", "/models")).json).toMatchObject({ model: "gpt-stand-in" })
    expect((await machine.ask("GET", "/health")).json).toMatchObject({ model: "gpt-stand-in" })
    // The provider has ended the session before its time: one exchange, and on.
    const exchanges = provider.count("exchange")
    provider.script.models.push({ status: 401, body: {} })
    expect((await machine.ask("GET", "/models")).status).toBe(200)
    expect(provider.count("exchange")).toBe(exchanges + 1)
  })

  it("forgets the model that was picked, for this and later processes, without asking anybody", async () => {
    const plugins = [{ name: "@holdfast/agents", config: { model: "of-the-document" } }]
    machine = await LoginMachine.start({}, {}, () => ({ version: 2, plugins }))
    const { provider } = machine
    provider.enter((await machine.login()).user_code, "octocat")
    await machine.outcome()
    const pick = (model: string | null) =>
      machine.ask("POST", "/models/set", {
        body: JSON.stringify({ model }),
        headers: { "content-type": "application/json" }
      })
    const health = async () => (await machine.ask("GET", "/health")).json
    await pick("gpt-stand-in")
    expect(await health()).toMatchObject({ model: "gpt-stand-in" })
    const asked = provider.count("models")
    for (const _ of [1, 2]) expect(await pick(null)).toMatchObject({ status: 200, json: { model: null } })
    expect(provider.count("models")).toBe(asked)
    expect(await health()).toMatchObject({ model: "of-the-document" })
    await machine.kill()
    expect(await health()).toMatchObject({ model: "of-the-document" })
    expect((await machine.ask("GET", "/models")).json).toMatchObject({ model: null })
  })

  it("outlives a daemon that is killed in each of its phases, with one code entered in total", async () => {
    const { provider } = await start()
    provider.script.code.push({ delayMs: 5_000 })
    const lost = machine.login().catch(() => undefined)
    await eventually("the request for a code", () => (provider.count("code") === 1 ? true : undefined))
    await machine.kill()
    await lost
    // Nobody had seen a code yet.
    const { flow_id, user_code } = await machine.login()
    await machine.kill()
    expect(await machine.status()).toMatchObject({ id: flow_id, phase: "waiting", user_code })
    provider.script.token.push({ delayMs: 5_000, body: { error: "authorization_pending" } })
    const polls = provider.count("token")
    await eventually("a poll in flight", () => (provider.count("token") > polls ? true : undefined))
    await machine.kill()
    provider.enter(user_code, "octocat")
    provider.script.exchange.push({ delayMs: 5_000 })
    await eventually("an exchange in flight", () => (provider.count("exchange") === 1 ? true : undefined))
    expect(await machine.status()).toMatchObject({ id: flow_id, phase: "exchanging" })
    await machine.kill()
    expect((await machine.outcome()).end).toMatchObject({ status: "ok", copilot_username: "octocat" })
    await machine.kill()
    expect(await machine.poll()).toMatchObject({ status: "ok" })
    expect(await machine.status()).toMatchObject({ id: flow_id, phase: "ok", account: { state: "ready" } })
    expect(provider.codes.length).toBe(1)
    expect(provider.tooSoon).toBe(0)
  })

  it("goes on over web pages, 429 and cut connections, and keeps what it has", async () => {
    const { provider } = await start()
    provider.script.code.push({ status: 502, body: "<h1>Bad gateway</h1>" })
    provider.script.token.push(
      { status: 502, body: "<h1>Bad gateway</h1>" },
      { status: 429, headers: { "retry-after": "3" }, body: {} },
      { cut: true },
      { body: { error: "slow_down", interval: 7 } }
    )
    provider.script.exchange.push(
      { status: 503, body: "<h1>Unavailable</h1>" },
      { status: 403, body: { message: "rate limited" } }
    )
    const { user_code } = await machine.login()
    provider.enter(user_code, "octocat")
    expect((await machine.outcome(40_000)).end.status).toBe("ok")
    expect(provider.count("token")).toBe(5)
    expect(provider.count("exchange")).toBe(3)
    expect(provider.count("refresh")).toBe(0)
    expect(provider.tooSoon).toBe(0)
  })

  it("ends with the provider's own word when it is declined", async () => {
    const { provider } = await start()
    provider.enter((await machine.login()).user_code, null)
    expect((await machine.outcome()).end).toMatchObject({ status: "error", code: "access_denied" })
    provider.script.code.push({ status: 400, body: { error: "device_flow_disabled" } })
    expect(await machine.ask("POST", "/login")).toMatchObject({ status: 502, json: { error: "device_flow_disabled" } })
    provider.script.code.push({ body: { user_code: "AAAA-BBBB" } })
    expect(await machine.ask("POST", "/login")).toMatchObject({ status: 502, json: { error: "bad_answer" } })
  })

  it("expires when nobody enters the code", async () => {
    const { provider } = await start({ expiresIn: 15 })
    await machine.login()
    expect((await machine.outcome()).end).toMatchObject({ status: "expired" })
    const polls = provider.count("token")
    await sleep(1_000)
    expect(provider.count("token")).toBe(polls)
  })

  it("keeps every secret where it belongs", async () => {
    const marker = "MARKER7391"
    const { gateway, provider } = await start({ marker }, { HOLDFAST_LOG_LEVEL: "trace" })
    const { user_code } = await machine.login()
    provider.enter(user_code, "octocat")
    await machine.outcome()
    provider.revokeTokens()
    for (const [method, path] of [
      ["POST", "/login/retry"],
      ["GET", "/models"],
      ["GET", "/health"],
      ["GET", "/status"],
      ["GET", "/login/status"],
      ["GET", "/metrics"],
      ["GET", "/machines"]
    ] as const) {
      expect((await machine.ask(method, path)).status, path).toBe(200)
    }
    await machine.login("/login/switch")
    const cli = await gateway.run("login", "status", "--json")
    await gateway.stop()
    const holders = gateway.files(marker).filter(({ contains }) => contains)
    expect(holders.map(({ path }) => path)).toEqual(["state/login.json"])
    expect(machine.file().mode).toBe(0o600)
    expect([...machine.said, cli.stdout, cli.stderr].filter((text) => text.includes(marker))).toEqual([])
    expect(gateway.log).not.toContain(marker)
    expect(gateway.log).not.toContain(user_code)
    expect(gateway.files(user_code).filter(({ contains }) => contains)).toEqual([])
  })

  it("is not needed for an API with a key of its own", async () => {
    machine = await LoginMachine.start({}, {}, (url) => ({
      version: 2,
      plugins: [
        {
          name: "@holdfast/agents",
          config: { provider: { kind: "openai-compatible", base_url: `${url}/`, api_key: "key-of-its-own" } }
        }
      ]
    }))
    const { gateway, provider } = machine
    provider.script.models.push({ body: { data: [{ id: "local-model" }] } })
    expect((await machine.ask("GET", "/models")).json).toEqual({ models: [{ id: "local-model" }], model: null })
    expect(provider.received.at(-1)?.authorization).toBe("Bearer key-of-its-own")
    expect((await machine.ask("GET", "/health")).json).toMatchObject({ status: "ok", copilot: null })
    expect(await machine.ask("POST", "/login")).toMatchObject({ status: 409, json: { error: "no_login_needed" } })
    expect(gateway.log).not.toContain("key-of-its-own")
  })

  it("does not begin where the environment has a token, which is never written down", async () => {
    const { gateway, provider } = await start({}, { GITHUB_TOKEN: "ghp_MARKER5520" })
    for (const path of ["/login", "/login/switch", "/logout"]) {
      expect(await machine.ask("POST", path)).toMatchObject({ status: 409, json: { error: "token_from_environment" } })
    }
    expect((await machine.ask("POST", "/login/retry")).json).toMatchObject({ status: "error", code: "unauthorized" })
    expect(provider.received.at(-1)?.authorization).toBe("Bearer ghp_MARKER5520")
    expect(gateway.files("MARKER5520").filter(({ contains }) => contains)).toEqual([])
  })
})

describe("the routes of the login", { timeout: 60_000 }, () => {
  it("refuse in JSON, each for its reason", async () => {
    await start()
    const api = await machine.up()
    const refused = async (method: string, path: string, options: RequestInit = {}) => {
      const { json, status } = await machine.ask(method, path, options)
      return [status, json["error"]]
    }
    const json = { "content-type": "application/json" }
    expect(await refused("GET", "/login")).toEqual([405, "method_not_allowed"])
    expect(await refused("DELETE", "/logout")).toEqual([405, "method_not_allowed"])
    expect(await refused("POST", "/login/nowhere")).toEqual([404, "not_found"])
    expect(await refused("POST", "/login/retry")).toEqual([401, "not_signed_in"])
    expect((await machine.ask("POST", "/login/retry")).json["detail"]).toMatch(/nothing to try again: holdfast login$/)
    expect(await refused("GET", "/models")).toEqual([401, "not_signed_in"])
    expect(await refused("POST", "/login", { body: "x", headers: { "content-type": "text/plain" } })).toEqual([
      415,
      "body_not_json"
    ])
    expect(await refused("POST", "/models/set", { body: "{", headers: json })).toEqual([400, "body_unreadable"])
    expect(await refused("POST", "/models/set", { body: "{}", headers: json })).toEqual([422, "body_invalid"])
    expect(await refused("POST", "/login", { headers: { origin: "https://elsewhere.example" } })).toEqual([
      403,
      "origin_not_allowed"
    ])
    expect(await refused("POST", "/login", { headers: { authorization: "Bearer wrong" } })).toEqual([
      401,
      "unauthorized"
    ])
    expect(await tooLarge(api, machine)).toEqual([413, "body_too_large"])
    expect(await foreignHost(api)).toEqual([403, "host_not_allowed"])
    expect((await machine.ask("POST", "/login/poll", { body: "{}", headers: json })).json).toMatchObject({
      status: "error",
      code: "no_flow"
    })
    expect((await machine.ask("POST", "/login/cancel")).json).toEqual({ cancelled: false })
    expect((await machine.ask("POST", "/logout")).json).toEqual({ signed_out: false })
  })
})

const tooLarge = async (_api: string, { ask }: LoginMachine) => {
  const { json, status } = await ask.call(machine, "POST", "/login", {
    body: `{"x":"${"a".repeat(17 * 1_048_576)}"}`,
    headers: { "content-type": "application/json" }
  })
  return [status, json["error"]]
}

/** A Host header of one's own is more than `fetch` allows. */
const foreignHost = (api: string) =>
  new Promise((resolve, reject) => {
    request(`${api}/login`, { method: "POST", headers: { host: "rebound.example" } }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => resolve([response.statusCode, (JSON.parse(text) as { error: string }).error]))
    })
      .on("error", reject)
      .end()
  })
