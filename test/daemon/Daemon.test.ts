import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { createServer as createSecureServer } from "node:https"
import * as net from "node:net"
import { join } from "node:path"
import { jwtOf } from "../central/Gateway.ts"
import { certificate, key } from "../central/SelfSigned.ts"
import { type Answer, json, reply, standIn } from "../central/StandIn.ts"
import { request, sendRaw } from "../http/RawHttp.ts"
import { apiOf, put, running, scoped, SEED, seedFor, startDaemon, statusOf, takenPort } from "./Daemon.ts"

const TOKEN = "policy-token-s3cr3t"
const JWT = jwtOf({ sub: "gw-1" })

const kinds = ({ diagnostics }: { readonly diagnostics: ReadonlyArray<{ readonly kind: string }> }) =>
  diagnostics.map(({ kind }) => kind)

/** A central that enrols everybody and has no configuration for anybody. */
const enrolling: Answer = (asked, response) =>
  (asked.url === "/v1/identity/bootstrap"
    ? json(200, { jwt: JWT, expires_at: Math.floor(Date.now() / 1_000) + 86_400 })
    : reply(404))(asked, response)

const healthOf = (port: number) =>
  Effect.map(
    Effect.promise(() => sendRaw(port, request("GET /health"))),
    ({ body, status }) => [status, JSON.parse(body) as unknown]
  )

describe("a daemon on a machine that never joined", () => {
  it.live("is healthy, says how to reach it, and ends with 0 on SIGTERM", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const daemon = yield* startDaemon(home)
        const status = yield* daemon.until(running)
        assert.deepInclude(status, { overall: "healthy", diagnostics: [], remote_config: null })
        assert.deepInclude(status.daemon, { pid: daemon.pid, version: "0.1.0", last_start: "first", time_scale: 1 })
        assert.isNull(status.config_layers.central)
        const { port, token } = apiOf(home, status)
        assert.deepStrictEqual(yield* healthOf(port), [200, { status: "unauthenticated", version: "0.1.0" }])
        const file = join(home, "state/run/status.json")
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        assert.strictEqual(statSync(join(home, "state/api-token")).mode & 0o777, 0o600)
        assert.notInclude(readFileSync(file, "utf8"), token)
        yield* daemon.kill("SIGTERM")
        const ended = yield* daemon.ended
        assert.deepInclude(ended, { code: 0, signal: null })
        assert.isBelow(ended.after, 2_000)
        const last = statusOf(home)
        assert.deepInclude(last?.daemon, { state: "stopped", pid: null, api_url: null })
        assert.isFalse(readdirSync(join(home, "state/run")).includes("daemon.pid.json"))
      })
    )
  )

  it.live("knows the next time that it ended in order, and keeps its API token", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const first = yield* startDaemon(home)
        const { token } = apiOf(home, yield* first.until(running))
        yield* first.kill("SIGINT")
        assert.strictEqual((yield* first.ended).code, 0)
        const second = yield* startDaemon(home)
        const status = yield* second.until(running)
        assert.strictEqual(status.daemon.last_start, "explained")
        assert.strictEqual(apiOf(home, status).token, token)
      })
    )
  )

  it.live("goes without a local layer that cannot be understood, and says where it is wrong", () =>
    scoped((home) =>
      Effect.gen(function* () {
        put(home, "config.json", '{"version":2,"plugin":[]}')
        const status = yield* (yield* startDaemon(home)).until(running)
        assert.strictEqual(status.overall, "degraded")
        assert.deepStrictEqual(kinds(status), ["local_layer_unusable", "provider_invalid"])
        assert.include(status.diagnostics[0]?.message, "/plugin: is not a known key")
      })
    )
  )
})

describe("a daemon that cannot have all it wants", () => {
  it.live("says of a model provider that cannot be used what to correct, and where that is written", () => {
    const provider = { kind: "openai-compatible", base_url: "https://u:hidden@example.com/v1" }
    const plugins = [{ name: "@holdfast/agents", config: { provider } }]
    const heard = (home: string, env: Record<string, string> = {}) =>
      Effect.gen(function* () {
        const { diagnostics, overall } = yield* (yield* startDaemon(home, env)).until(running)
        assert.strictEqual(overall, "degraded")
        const [found, ...others] = diagnostics.filter(({ kind }) => kind === "provider_invalid" || /storage/.test(kind))
        assert.isEmpty(others)
        assert.notMatch(`${found?.message} ${found?.repair.join()}`, /hidden|policy token|login|memory/)
        return [found?.kind, found?.message, found?.repair.join()].join(" ")
      })
    return Effect.gen(function* () {
      const local = yield* scoped((home) => {
        put(home, "config.json", JSON.stringify({ version: 2, plugins }))
        return heard(home)
      })
      assert.match(local, /^provider_invalid the model provider cannot be used: provider\.base_url holds a user name/)
      assert.match(
        local,
        /Correct provider\.base_url of @holdfast\/agents in config\.json, then: holdfast daemon restart$/
      )
      const unused = yield* scoped((home) => {
        put(home, "config.json", JSON.stringify({ version: 2, plugins: [{ ...plugins[0], config: { modle: "x" } }] }))
        return heard(home)
      })
      assert.match(unused, /^provider_invalid .* not known which provider is meant\. Mend config\.json, of which/)
      const served = yield* scoped((home) =>
        Effect.gen(function* () {
          const central = yield* standIn(enrolling)
          const seed = JSON.parse(seedFor(central.url, TOKEN)) as object
          put(home, SEED, JSON.stringify({ ...seed, plugins }))
          return yield* heard(home)
        })
      )
      assert.match(served, /Correct provider\.base_url of @holdfast\/agents in the configuration that central serves/)
      const named = yield* scoped((home) => heard(home, { HOLDFAST_GITHUB_URL: "http://github.example" }))
      assert.match(named, /Correct HOLDFAST_GITHUB_URL where the daemon is started, and start it again\.$/)
    })
  })

  it.live("goes on polling without its API when the port is taken, and says so", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const central = yield* standIn(enrolling)
        put(home, SEED, seedFor(central.url, TOKEN))
        const port = yield* takenPort
        const daemon = yield* startDaemon(home, { HOLDFAST_PORT: String(port) })
        const status = yield* daemon.until(
          ({ daemon, machines }) => daemon.state === "running" && /waiting,/.test(machines["configPull"] ?? "")
        )
        assert.deepInclude(status, { overall: "degraded" })
        assert.isNull(status.daemon.api_url)
        const problem = status.diagnostics.find(({ kind }) => kind === "api_unavailable")
        assert.include(problem?.message, `port ${port} (EADDRINUSE)`)
        assert.include(problem?.repair.join(), "HOLDFAST_PORT")
        const poll = status.diagnostics.find(({ kind }) => kind === "poll_failing")
        assert.strictEqual(
          poll?.message,
          "the last poll brought no configuration: central answered 404. No configuration is registered for this machine."
        )
        assert.isTrue(
          central.seen.some(({ headers, url }) => url === "/v1/config" && headers.authorization === `Bearer ${JWT}`)
        )
        yield* daemon.kill("SIGTERM")
        assert.strictEqual((yield* daemon.ended).code, 0)
      })
    )
  )

  it.live("gives way to the one that holds the lock, and names it", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const first = yield* startDaemon(home)
        yield* first.until(running)
        const second = yield* startDaemon(home)
        assert.strictEqual((yield* second.ended).code, 1)
        assert.match(second.output(), new RegExp(`a daemon already runs for this home: process ${first.pid} \\(since `))
        assert.match(second.output(), /Use that one, or stop it first\./)
        const status = statusOf(home)
        assert.deepInclude(status?.daemon, { pid: first.pid, state: "running" })
        assert.deepStrictEqual((yield* healthOf(apiOf(home, status!).port))[0], 200)
      })
    )
  )

  it.live("says what a setting must be, and ends with 1", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const refusal = (env: Record<string, string>) =>
          Effect.gen(function* () {
            const daemon = yield* startDaemon(home, env)
            assert.strictEqual((yield* daemon.ended).code, 1)
            return daemon.output()
          })
        const [port, scale] = yield* Effect.all(
          [refusal({ HOLDFAST_PORT: "abc" }), refusal({ HOLDFAST_TEST_TIME_SCALE: "fast" })],
          { concurrency: 2 }
        )
        assert.match(port, /HOLDFAST_PORT must be a whole number from 0 to 65535/)
        assert.match(
          scale,
          /^holdfast: HOLDFAST_TEST_TIME_SCALE must be a number from 1 to 100\. Correct it, or unset it\.\n$/
        )
      })
    )
  )

  it.live("has no home that it could use: it names the path and what to do, and ends with 1", () =>
    scoped((home) =>
      Effect.gen(function* () {
        put(home, "file", "in the way")
        const daemon = yield* startDaemon(join(home, "file", "home"))
        assert.strictEqual((yield* daemon.ended).code, 1)
        assert.include(daemon.output(), `HOLDFAST_HOME ${join(home, "file", "home")} cannot be used.`)
        assert.notInclude(daemon.output(), "    at ")
      })
    )
  )
})

describe("simulated time", () => {
  it.live("is refused with a central that is not on loopback", () =>
    scoped((home) =>
      Effect.gen(function* () {
        put(home, SEED, seedFor("https://central.invalid", TOKEN))
        const daemon = yield* startDaemon(home, { HOLDFAST_TEST_TIME_SCALE: "10" })
        assert.strictEqual((yield* daemon.ended).code, 1)
        assert.match(daemon.output(), /HOLDFAST_TEST_TIME_SCALE is for tests .* not for central\.invalid\. Unset it\./)
      })
    )
  )

  it.live("is named in status and log where it is allowed", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const central = yield* standIn(enrolling)
        put(home, SEED, seedFor(central.url, TOKEN))
        const daemon = yield* startDaemon(home, { HOLDFAST_TEST_TIME_SCALE: "10" })
        assert.strictEqual((yield* daemon.until(running)).daemon.time_scale, 10)
        assert.include(daemon.output(), "simulated time")
      })
    )
  )
})

describe("a daemon that is asked to stop", () => {
  it.live("does so within two seconds, whatever connections are open", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const daemon = yield* startDaemon(home)
        const { port } = apiOf(home, yield* daemon.until(running))
        const open = (bytes: string) =>
          Effect.acquireRelease(
            Effect.promise(async () => {
              const socket = net.connect(port, "127.0.0.1")
              socket.on("error", () => {})
              await new Promise<void>((resolve) => socket.once("connect", () => resolve()))
              socket.write(bytes)
              return socket
            }),
            (socket) => Effect.sync(() => socket.destroy())
          )
        yield* open("")
        yield* open(request("GET /version", { connection: "keep-alive" }))
        yield* open("POST /restart HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        yield* open("GET /health HT")
        yield* Effect.sleep("50 millis")
        yield* daemon.kill("SIGTERM")
        const ended = yield* daemon.ended
        assert.deepInclude(ended, { code: 0 })
        assert.isBelow(ended.after, 2_000)
      })
    )
  )

  it.live("does so although central keeps it waiting", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const central = yield* standIn((asked, response) => {
          if (asked.url !== "/v1/config") enrolling(asked, response)
        })
        put(home, SEED, seedFor(central.url, TOKEN))
        const daemon = yield* startDaemon(home)
        yield* daemon.until(({ machines }) => machines["configPull"]?.includes("polling") === true)
        yield* daemon.kill("SIGTERM")
        const ended = yield* daemon.ended
        assert.deepInclude(ended, { code: 0 })
        assert.isBelow(ended.after, 2_500)
      })
    )
  )
})

describe("a daemon with a central", () => {
  it.live("says why it has no identity, degraded, and goes on", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const central = yield* standIn(json(401, { error: "token_revoked" }))
        put(home, SEED, seedFor(central.url, TOKEN))
        const daemon = yield* startDaemon(home)
        const status = yield* daemon.until((found) => running(found) && found.identity.problem !== undefined)
        assert.strictEqual(status.overall, "degraded")
        const problem = status.diagnostics.find(({ kind }) => kind === "identity_failing")
        assert.include(problem?.message, "central answered 401: token_revoked")
        assert.include(problem?.repair.join(), "holdfast join")
        assert.deepInclude(status.remote_config, { running_etag: null, probation: null })
      })
    )
  )

  it.live("prints no secret, however much it logs", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const central = yield* standIn(enrolling)
        put(home, SEED, seedFor(central.url, TOKEN))
        const daemon = yield* startDaemon(home, { HOLDFAST_LOG_LEVEL: "trace" })
        const status = yield* daemon.until(
          (found) =>
            running(found) &&
            found.identity.gateway_id === "gw-1" &&
            daemon.output().includes("central.identity.acquired")
        )
        const { token } = apiOf(home, status)
        yield* daemon.kill("SIGTERM")
        yield* daemon.ended
        const log = readFileSync(join(home, "logs/daemon.log"), "utf8")
        const shown = `${daemon.output()} ${log} ${JSON.stringify(statusOf(home))}`
        assert.include(shown, "central.identity.acquired")
        for (const secret of [TOKEN, JWT, token]) assert.notInclude(shown, secret)
      })
    )
  )

  it.live("trusts the authority that the person who joined it vouched for, and no other", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const server = yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const expires_at = Math.floor(Date.now() / 1_000) + 86_400
            const made = createSecureServer({ cert: certificate, key }, (asked, response) => {
              const known = asked.url === "/v1/identity/bootstrap"
              response.writeHead(known ? 200 : 404)
              response.end(known ? JSON.stringify({ jwt: JWT, expires_at }) : "")
            })
            await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve))
            return made
          }),
          (made) =>
            Effect.sync(() => {
              made.closeAllConnections()
              made.close()
            })
        )
        put(home, SEED, seedFor(`https://127.0.0.1:${(server.address() as net.AddressInfo).port}`, TOKEN))
        const stranger = yield* startDaemon(home)
        const before = yield* stranger.until(({ identity }) => identity.problem !== undefined)
        assert.include(before.identity.problem, "DEPTH_ZERO_SELF_SIGNED_CERT")
        yield* stranger.kill("SIGTERM")
        yield* stranger.ended
        put(home, "state/trust.json", JSON.stringify({ version: 1, ca: certificate }))
        const known = yield* startDaemon(home)
        yield* known.until(({ identity }) => identity.gateway_id === "gw-1")
      })
    )
  )
})

describe("a daemon whose files are damaged", () => {
  it.live("boots, says what was lost, and keeps the unreadable state for whoever wants to know", () =>
    scoped((home) =>
      Effect.gen(function* () {
        put(home, "state/config-control/state.json", '{"version":1,"quarant')
        put(home, "state/identity.json", "\u0000\u0001")
        put(home, "state/config-control/join.json", "{")
        put(home, "state/api-token", "short")
        put(home, "state/run/status.json", "[")
        const daemon = yield* startDaemon(home)
        const status = yield* daemon.until(running)
        assert.strictEqual(status.remote_config, null)
        assert.strictEqual(
          readFileSync(join(home, "state/config-control/state.json.unreadable"), "utf8"),
          '{"version":1,"quarant'
        )
        assert.match(apiOf(home, status).token, /^[A-Za-z0-9_-]{43}$/)
      })
    )
  )
})
