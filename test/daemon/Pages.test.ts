import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { catalogue } from "../../machines/index.ts"
import { request, sendRaw } from "../http/RawHttp.ts"
import { cookieOf, linkOf, listenTo, signIn, visit } from "./Browser.ts"
import { apiOf, type Daemon, running, scoped, startDaemon, statusOf } from "./Daemon.ts"

const started = (home: string, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const daemon = yield* startDaemon(home, env)
    const status = yield* daemon.until(running)
    return { daemon, status, api: apiOf(home, status) }
  })

const ended = (daemon: Daemon) => Effect.andThen(daemon.kill("SIGTERM"), daemon.ended)

const get = (port: number, path: string, headers: Record<string, string> = {}) =>
  Effect.promise(() => sendRaw(port, request(`GET ${path}`, headers)))

describe("a one-time link", () => {
  it.live("signs one browser in, once, and says everything that makes its cookie safe", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api } = yield* started(home)
        const url = yield* Effect.promise(() => linkOf(api))
        assert.strictEqual(url.origin, `http://127.0.0.1:${api.port}`)
        const first = yield* Effect.promise(() => visit(api.port, url))
        assert.strictEqual(first.status, 200)
        assert.match(first.headers["content-type"] ?? "", /^text\/html/)
        assert.include(first.body, '<meta http-equiv="refresh" content="0; url=./">')
        const [, ...attributes] = (first.headers["set-cookie"] ?? "").split("; ")
        assert.sameMembers(attributes, ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"])
        assert.match(cookieOf(first), new RegExp(`^holdfast_${api.port}=\\d+\\.[\\w-]{43}\\.[\\w-]{43}$`))
        assert.strictEqual((yield* get(api.port, "/status", { cookie: cookieOf(first) })).status, 200)

        const second = yield* Effect.promise(() => visit(api.port, url))
        assert.strictEqual(second.status, 410)
        assert.include(second.body, "holdfast open")
        for (const answer of [first, second]) {
          assert.notInclude(answer.body, url.searchParams.get("ticket") ?? "?")
          assert.include(answer.headers["content-security-policy"], "frame-ancestors 'none'")
          assert.deepInclude(answer.headers, {
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store"
          })
        }
        assert.isUndefined(second.headers["set-cookie"])
      })
    )
  )

  it.live("is not used up by a look at its head, by a wrong one, or by a foreign Host", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api } = yield* started(home)
        const url = yield* Effect.promise(() => linkOf(api))
        const path = `${url.pathname}${url.search}`
        const head = yield* Effect.promise(() => sendRaw(api.port, request(`HEAD ${path}`)))
        assert.deepStrictEqual([head.status, head.body, head.headers["set-cookie"]], [200, "", undefined])
        for (const wrong of ["/open", "/open?ticket=", "/open?ticket=wrong", `${path}x`]) {
          assert.strictEqual((yield* get(api.port, wrong)).status, 410, wrong)
        }
        assert.strictEqual((yield* get(api.port, path, { host: "evil.example" })).status, 403)
        assert.strictEqual((yield* Effect.promise(() => visit(api.port, url))).status, 200)
      })
    )
  )

  it.live("is made for the token alone: neither for a stranger nor for a browser that is signed in", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api } = yield* started(home)
        const cookie = yield* Effect.promise(() => signIn(api))
        const ask = (headers: Record<string, string>) =>
          Effect.map(
            Effect.promise(() => sendRaw(api.port, request("POST /open", headers))),
            ({ body, status }) => [status, JSON.parse(body).error]
          )
        assert.deepStrictEqual(yield* ask({}), [401, "unauthorized"])
        assert.deepStrictEqual(yield* ask({ cookie }), [403, "token_needed"])
        const authorization = `Bearer ${api.token}`
        assert.deepStrictEqual(yield* ask({ authorization, origin: "http://evil.example" }), [
          403,
          "origin_not_allowed"
        ])
      })
    )
  )
})

describe("the pages", () => {
  it.live("are for whoever is signed in; a person who is not is told how", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api } = yield* started(home)
        const cookie = yield* Effect.promise(() => signIn(api))
        const paths = [
          "/",
          "/chat",
          "/machines",
          "/machines/events",
          "/machines/join.svg",
          "/machines/coverage.json",
          "/web/app.js"
        ]
        for (const path of paths) {
          const stranger = yield* get(api.port, path)
          assert.deepStrictEqual([stranger.status, JSON.parse(stranger.body).error], [401, "unauthorized"], path)
          const person = yield* get(api.port, path, { accept: "text/html,*/*" })
          assert.strictEqual(person.status, 401, path)
          assert.include(person.body, "<code>holdfast open</code>")
          for (const headers of [{ origin: "http://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
            const foreign = yield* get(api.port, path, { cookie, ...headers })
            assert.deepStrictEqual([foreign.status, JSON.parse(foreign.body).error], [403, "origin_not_allowed"], path)
          }
          assert.strictEqual((yield* get(api.port, path, { cookie, host: "evil.example" })).status, 403, path)
          if (path === "/machines/events") {
            const head = yield* Effect.promise(() => sendRaw(api.port, request(`HEAD ${path}`, { cookie })))
            assert.deepStrictEqual(
              [head.status, head.headers["content-type"], head.body],
              [200, "text/event-stream", ""]
            )
          }
          const method = yield* Effect.promise(() => sendRaw(api.port, request(`PUT ${path}`, { cookie })))
          const allowed = path === "/chat" ? "GET, HEAD, POST" : "GET, HEAD"
          assert.deepStrictEqual([method.status, method.headers["allow"]], [405, allowed], path)
        }
        for (const path of ["/machines/nothing.svg", "/machines/..%2fapp.html", "/web/app.html"]) {
          const missing = yield* get(api.port, path, { cookie })
          assert.deepStrictEqual([missing.status, JSON.parse(missing.body).error], [404, "not_found"], path)
        }
      })
    )
  )

  it.live("take the cookie for the token everywhere else", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api, daemon } = yield* started(home)
        const cookie = yield* Effect.promise(() => signIn(api))
        assert.include((yield* get(api.port, "/health", { cookie })).body, "reasons")
        const origin = `http://localhost:1`
        const post = (headers: Record<string, string>) =>
          Effect.promise(() => sendRaw(api.port, request("POST /stop", { cookie, ...headers }, "{}")))
        assert.strictEqual((yield* post({ origin })).status, 403)
        assert.strictEqual((yield* post({ origin: "http://localhost" })).status, 202)
        assert.strictEqual((yield* daemon.ended).code, 0)
      })
    )
  )

  it.live("know a browser again after a restart, until the token is another", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const first = yield* started(home)
        const env = { HOLDFAST_PORT: String(first.api.port) }
        const cookie = yield* Effect.promise(() => signIn(first.api))
        const link = yield* Effect.promise(() => linkOf(first.api))
        yield* ended(first.daemon)
        const second = yield* started(home, env)
        assert.strictEqual((yield* get(second.api.port, "/status", { cookie })).status, 200)
        assert.strictEqual((yield* Effect.promise(() => visit(second.api.port, link))).status, 410)
        yield* ended(second.daemon)
        rmSync(join(home, "state/api-token"))
        const third = yield* started(home, env)
        assert.strictEqual((yield* get(third.api.port, "/status", { cookie })).status, 401)
      })
    )
  )

  it.live("leave neither tickets nor cookies in any log", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api, daemon } = yield* started(home, { HOLDFAST_LOG_LEVEL: "trace" })
        const link = yield* Effect.promise(() => linkOf(api))
        const [, session = ""] = cookieOf(yield* Effect.promise(() => visit(api.port, link))).split("=")
        const cookie = `holdfast_${api.port}=${session}`
        yield* Effect.promise(() => visit(api.port, link))
        yield* get(api.port, "/nowhere", { cookie })
        yield* get(api.port, "/status", { cookie: `${cookie}x` })
        yield* ended(daemon)
        const shown = `${daemon.output()} ${readFileSync(join(home, "logs/daemon.log"), "utf8")} ${JSON.stringify(statusOf(home))}`
        for (const secret of [link.searchParams.get("ticket") ?? "", session, ...session.split("."), api.token]) {
          assert.notInclude(shown, secret)
        }
      })
    )
  )
})

/** Machines that there are as often as there are runs, or agents. */
const OF_EACH: ReadonlySet<string> = new Set(["agentHost", "run", "tailer"])

describe("the machines", () => {
  it.live("are named in the order of the catalogue, each with its state", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api, daemon } = yield* started(home)
        const authorization = `Bearer ${api.token}`
        const ask = Effect.map(get(api.port, "/machines", { authorization, accept: "*/*" }), ({ body }) =>
          JSON.parse(body)
        )
        const { machines } = yield* ask
        assert.deepStrictEqual(
          machines.map(({ document, id, title }: any) => ({ id, title, document })),
          catalogue.map(({ document, id, title }) => ({ id, title, document }))
        )
        for (const { id, states } of machines) assert.lengthOf(states, OF_EACH.has(id) ? 0 : 1)

        // Both are of one moment as soon as nothing moves any more.
        const differ = Effect.gen(function* () {
          const { machines: now } = yield* ask
          const status = yield* daemon.until(running)
          return now.filter(({ id, states }: any) => states[0]?.state !== status.machines[id])
        })
        let last = yield* differ
        for (let turn = 0; turn < 50 && last.length > 0; turn++) last = yield* Effect.delay(differ, "100 millis")
        assert.deepStrictEqual(last, [])
      })
    )
  )

  it.live("are told of live: first all until now, then each transition, who caused it and what was taken", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api, daemon, status } = yield* started(home)
        const cookie = yield* Effect.promise(() => signIn(api))
        const stream = yield* listenTo(api.port, cookie)
        yield* stream.until((heard) => heard.length > 0)
        assert.deepInclude(stream.headers, { "content-type": "text/event-stream", "cache-control": "no-store" })
        const hello = stream.heard[0]
        assert.strictEqual(hello?.event, "hello")
        const { entries, machines, ...process } = hello?.data ?? {}
        assert.deepStrictEqual(process, {
          version: "0.1.0",
          pid: daemon.pid,
          started_at: status.daemon.started_at
        })
        assert.deepStrictEqual(
          machines.map(({ id }: any) => id),
          catalogue.map(({ id }) => id)
        )
        const boot = entries.find(({ event }: any) => event === "BOOT_EVALUATED")
        assert.deepInclude(boot, {
          machine: "daemon",
          instance: null,
          cause: "machine configApply",
          from: "booting.evaluating",
          changed: true,
          transitions: [
            "booting.evaluating · BOOT_EVALUATED",
            "booting.evaluated · always #2",
            "booting.connecting · always"
          ]
        })
        assert.isTrue(entries.some(({ cause }: any) => cause === "task openApi"))
        assert.deepStrictEqual(
          entries.filter(({ event }: any) => event === "xstate.init").map(({ cause }: any) => cause),
          catalogue.filter(({ id }) => !OF_EACH.has(id)).map(() => "start")
        )

        yield* Effect.promise(() => sendRaw(api.port, request("POST /config/retry", { cookie }, '{"etag":"x"}')))
        yield* stream.until((heard) => heard.some(({ data }) => data.event === "POLL_NOW"))
        const retry = stream.heard.find(({ data }) => data.event === "RETRY")
        assert.strictEqual(retry?.event, "transition")
        assert.deepInclude(retry?.data, { machine: "configApply", cause: "operator" })
        const all = [...entries, ...stream.heard.slice(1).map(({ data }) => data)]
        assert.lengthOf(new Set(all.map((entry) => JSON.stringify(entry))), all.length)
      })
    )
  )

  it.live("are told of until the end, which no listener delays", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const { api, daemon } = yield* started(home)
        const cookie = yield* Effect.promise(() => signIn(api))
        const streams = yield* Effect.all([
          listenTo(api.port, cookie),
          listenTo(api.port, cookie),
          listenTo(api.port, cookie, "::1")
        ])
        for (const { until } of streams) yield* until((heard) => heard.length > 0)
        const end = yield* ended(daemon)
        assert.strictEqual(end.code, 0)
        assert.isBelow(end.after, 1_000)
        for (const stream of streams) {
          assert.strictEqual(yield* stream.ended, "in order")
          const stop = stream.heard.find(({ data }) => data.event === "STOP_REQUESTED")
          assert.deepInclude(stop?.data, { machine: "daemon", cause: "signal" })
          assert.isTrue(stream.heard.some(({ data }) => data.to === "stopping.recording"))
        }
      })
    )
  )
})
