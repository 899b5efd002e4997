import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { request, sendRaw } from "../http/RawHttp.ts"
import { apiOf, running, scoped, startDaemon } from "./Daemon.ts"

describe("the doors of the API", () => {
  it.live("let nobody in without the token, but to /version and the short /health", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const daemon = yield* startDaemon(home)
        const { port, token } = apiOf(
          home,
          yield* daemon.until((found) => running(found) && found.core_lock !== undefined)
        )
        const ask = (line: string, headers: Record<string, string> = {}, body = "") =>
          Effect.promise(async () => {
            const answer = await sendRaw(port, request(line, headers, body))
            return {
              ...answer,
              json: answer.body === "" ? undefined : (JSON.parse(answer.body) as Record<string, unknown>)
            }
          })
        const authorization = `Bearer ${token}`

        assert.deepInclude(yield* ask("GET /version"), { status: 200, json: { version: "0.1.0" } })
        // Nobody has signed in, on a machine of its own, whose agents need that.
        assert.deepInclude(yield* ask("GET /health"), {
          status: 200,
          json: { status: "unauthenticated", version: "0.1.0" }
        })
        assert.hasAllKeys((yield* ask("GET /health", { authorization })).json, [
          "status",
          "version",
          "model",
          "copilot",
          "copilot_username",
          "agents",
          "quarantined",
          "remote_config",
          "core_lock",
          "reasons"
        ])

        const closed = [
          "GET /status",
          "POST /restart",
          "POST /stop",
          "POST /config/retry",
          "POST /health",
          "DELETE /version",
          "GET /nothing",
          "GET /health/../status",
          "GET //health"
        ]
        for (const line of closed) {
          for (const wrong of [
            {},
            { authorization: "Bearer wrong" },
            { authorization: token },
            { authorization: "Bearer " }
          ]) {
            const answer = yield* ask(line, wrong)
            assert.deepStrictEqual([answer.status, answer.json?.["error"]], [401, "unauthorized"], line)
          }
        }

        const whole = yield* ask("GET /status", { authorization })
        assert.deepInclude(whole, { status: 200 })
        assert.notInclude(whole.body, token)
        assert.deepInclude(whole.json, { overall: "healthy", remote_config: null })

        for (const host of ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example"]) {
          const answer = yield* ask("GET /status", { authorization, host })
          assert.deepStrictEqual([answer.status, answer.json?.["error"]], [403, "host_not_allowed"], host)
          assert.strictEqual((yield* ask("GET /version", { host })).status, 403, host)
        }
        for (const origin of ["https://evil.example", "null", "http://localhost:1"]) {
          const answer = yield* ask("POST /restart", { authorization, origin }, "{}")
          assert.deepStrictEqual([answer.status, answer.json?.["error"]], [403, "origin_not_allowed"], origin)
        }

        const missing = yield* ask("GET /nothing", { authorization })
        assert.deepStrictEqual([missing.status, missing.json?.["error"]], [404, "not_found"])
        const method = yield* ask("PUT /status", { authorization })
        assert.deepStrictEqual(
          [method.status, method.json?.["error"], method.headers["allow"]],
          [405, "method_not_allowed", "GET, HEAD"]
        )
        for (const [body, status] of [
          ["{", 400],
          ["[]", 422],
          ['{"etag":""}', 422],
          ['{"etag":"x","more":1}', 200]
        ] as const) {
          assert.strictEqual((yield* ask("POST /config/retry", { authorization }, body)).status, status, body)
        }
        assert.deepStrictEqual((yield* ask("POST /config/retry", { authorization }, '{"etag":"x"}')).json, {
          etag: '"x"',
          known: false
        })
      })
    )
  )

  it.live("open to a planned restart, which ends the process with 75, and to a stop, which ends it with 0", () =>
    scoped((home) =>
      Effect.gen(function* () {
        for (const [route, code] of [
          ["/restart", 75],
          ["/stop", 0]
        ] as const) {
          const daemon = yield* startDaemon(home)
          const { port, token } = apiOf(home, yield* daemon.until(running))
          const line = request(`POST ${route}`, { authorization: `Bearer ${token}` }, "{}")
          assert.strictEqual((yield* Effect.promise(() => sendRaw(port, line))).status, 202)
          assert.strictEqual((yield* daemon.ended).code, code)
        }
      })
    )
  )
})
