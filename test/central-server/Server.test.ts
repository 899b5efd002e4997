import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { readJwt } from "../../src/domain/index.ts"
import { bearer, documentFor, errorOf, json, makeToken, withCentral } from "./Fixture.ts"

const JSON_TYPE = expect.stringMatching(/^application\/json/)

const ROUTES = [
  ["GET", "/v1/config"],
  ["POST", "/v1/identity/refresh"]
] as const

describe("bootstrap", () => {
  it.effect("gives every machine that shows the token an identity of its own", () =>
    withCentral(({ admin, ask, bootstrap }) =>
      Effect.gen(function* () {
        const token = yield* makeToken(admin)
        expect(token).toMatch(/^hf_[A-Za-z0-9_-]{43}$/)
        const answer = yield* ask("POST", "/v1/identity/bootstrap", json({ bootstrap_token: token }))
        expect(answer.status).toBe(200)
        const body = JSON.parse(answer.body)
        expect(body).toEqual({ jwt: expect.any(String), expires_at: 30 * 86_400 })
        const first = readJwt(body.jwt)
        expect(first).toMatchObject({ success: { sub: expect.stringMatching(/^gw_/), exp: 30 * 86_400 } })
        expect(readJwt(yield* bootstrap(token))).not.toEqual(first)
      })
    )
  )

  it.effect("refuses tokens that are unknown, revoked or expired, and says which", () =>
    withCentral(({ admin, ask }) =>
      Effect.gen(function* () {
        const attempt = (token: string) => ask("POST", "/v1/identity/bootstrap", json({ bootstrap_token: token }))
        expect(errorOf(yield* attempt("hf_guess"))).toEqual([401, JSON_TYPE, "token_unknown"])

        const revoked = yield* admin.createToken({ config: "fleet" })
        yield* admin.revokeToken(revoked.id)
        expect(errorOf(yield* attempt(Redacted.value(revoked.token)))).toEqual([401, JSON_TYPE, "token_revoked"])

        const brief = yield* admin.createToken({ config: "fleet", expiresInSeconds: 60 })
        yield* TestClock.adjust("59 seconds")
        expect((yield* attempt(Redacted.value(brief.token))).status).toBe(200)
        yield* TestClock.adjust("1 second")
        expect(errorOf(yield* attempt(Redacted.value(brief.token)))).toEqual([401, JSON_TYPE, "token_expired"])
      })
    )
  )

  it.effect("refuses bodies that are none", () =>
    withCentral(({ ask }) =>
      Effect.gen(function* () {
        const post = (init: RequestInit) => ask("POST", "/v1/identity/bootstrap", init)
        expect(errorOf(yield* post({ body: "{" }))).toEqual([415, JSON_TYPE, "body_not_json"])
        expect(errorOf(yield* post({ ...json({}), body: "{" }))).toEqual([400, JSON_TYPE, "body_unreadable"])
        expect(errorOf(yield* post(json({})))).toEqual([422, JSON_TYPE, "body_invalid"])
        expect(errorOf(yield* post(json({ bootstrap_token: "" })))).toEqual([422, JSON_TYPE, "body_invalid"])
        expect(errorOf(yield* post(json({ bootstrap_token: "x".repeat(70_000) })))).toEqual([
          413,
          JSON_TYPE,
          "body_too_large"
        ])
      })
    )
  )
})

describe("refresh", () => {
  it.effect("renews an identity of the same gateway, also for a year after it expired", () =>
    withCentral(({ admin, ask, bootstrap }) =>
      Effect.gen(function* () {
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const sub = (text: string) => JSON.parse(atob(text.split(".")[1] ?? "")).sub
        yield* TestClock.adjust("394 days")
        const answer = yield* ask("POST", "/v1/identity/refresh", bearer(jwt))
        expect(answer.status).toBe(200)
        const renewed = JSON.parse(answer.body)
        expect(sub(renewed.jwt)).toBe(sub(jwt))
        expect(renewed.expires_at).toBe((394 + 30) * 86_400)

        yield* TestClock.adjust("2 days")
        expect(errorOf(yield* ask("POST", "/v1/identity/refresh", bearer(jwt)))).toEqual([
          401,
          JSON_TYPE,
          "identity_expired"
        ])
        expect((yield* ask("POST", "/v1/identity/refresh", bearer(renewed.jwt))).status).toBe(200)
      })
    )
  )

  it.effect("keeps to the grace and the lifetime that central was started with", () =>
    withCentral(
      ({ admin, ask, bootstrap }) =>
        Effect.gen(function* () {
          const jwt = yield* bootstrap(yield* makeToken(admin))
          yield* TestClock.adjust("3609 seconds")
          expect(errorOf(yield* ask("GET", "/v1/config", bearer(jwt)))).toEqual([401, JSON_TYPE, "identity_expired"])
          expect((yield* ask("POST", "/v1/identity/refresh", bearer(jwt))).status).toBe(200)
          yield* TestClock.adjust("2 seconds")
          expect((yield* ask("POST", "/v1/identity/refresh", bearer(jwt))).status).toBe(401)
        }),
      { identity: { lifetimeSeconds: 3600, refreshGraceSeconds: 10 } }
    )
  )

  it.effect("and polls are refused to identities that are forged, of another central, missing or revoked", () =>
    withCentral(({ admin, ask, bootstrap, central }) =>
      Effect.gen(function* () {
        yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const [head = "", payload = "", signature = ""] = jwt.split(".")
        const forged = btoa(JSON.stringify({ ...JSON.parse(atob(payload)), sub: "gw_other" })).replace(/=+$/, "")
        const unsigned = `${btoa('{"alg":"none"}').replace(/=+$/, "")}.${payload}.`
        const elsewhere = yield* withCentral((other) => Effect.flatMap(makeToken(other.admin), other.bootstrap))
        for (const [method, route] of ROUTES) {
          for (const bad of [`${head}.${forged}.${signature}`, unsigned, elsewhere, "x", `${head}.${payload}`]) {
            expect(errorOf(yield* ask(method, route, bearer(bad)))).toEqual([401, JSON_TYPE, "identity_invalid"])
          }
          expect(errorOf(yield* ask(method, route))).toEqual([401, JSON_TYPE, "identity_missing"])
          expect((yield* ask(method, route, bearer(jwt))).status).toBe(200)
        }
        const [gateway] = yield* admin.listGateways
        yield* admin.revokeGateway(gateway!.id)
        for (const [method, route] of ROUTES) {
          expect(errorOf(yield* ask(method, route, bearer(jwt)))).toEqual([401, JSON_TYPE, "gateway_revoked"])
        }
      })
    )
  )
})

describe("config", () => {
  it.effect("serves the exact bytes with a strong etag, and 304 to who has them", () =>
    withCentral(({ admin, ask, bootstrap, central }) =>
      Effect.gen(function* () {
        const text = `  ${new TextDecoder().decode(documentFor(central.url, { query: "é\\u00e9" }))}\r\n\n`
        const { etag } = yield* admin.putConfig("fleet", new TextEncoder().encode(text), { force: false })
        expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const whole = yield* ask("GET", "/v1/config", bearer(jwt))
        expect([whole.status, whole.body, whole.headers.get("etag")]).toEqual([200, text, etag])
        expect(whole.headers.get("content-type")).toBe("application/json")

        for (const headers of [{}, { "cache-control": "no-cache", pragma: "no-cache" }]) {
          const same = yield* ask("GET", "/v1/config", bearer(jwt, { ...headers, "if-none-match": etag }))
          expect([same.status, same.body, same.headers.get("etag")]).toEqual([304, "", etag])
        }
        for (const other of ['"old"', etag.slice(1, -1), `"${etag}"`]) {
          expect((yield* ask("GET", "/v1/config", bearer(jwt, { "if-none-match": other }))).status).toBe(200)
        }
        const listed = bearer(jwt, { "if-none-match": `"old", W/${etag}` })
        expect((yield* ask("GET", "/v1/config", listed)).status).toBe(304)
      })
    )
  )

  it.effect("that another process saves is seen by the next poll", () =>
    withCentral(({ admin, ask, bootstrap, central }) =>
      Effect.gen(function* () {
        const jwt = yield* bootstrap(yield* makeToken(admin))
        expect(errorOf(yield* ask("GET", "/v1/config", bearer(jwt)))).toEqual([404, JSON_TYPE, "config_not_found"])
        const first = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const poll = (etag: string) => ask("GET", "/v1/config", bearer(jwt, { "if-none-match": etag }))
        expect((yield* poll(first.etag)).status).toBe(304)
        const second = yield* admin.putConfig("fleet", documentFor(central.url, { query: 2 }), { force: false })
        const changed = yield* poll(first.etag)
        expect([changed.status, changed.headers.get("etag")]).toEqual([200, second.etag])
        expect((yield* poll(second.etag)).status).toBe(304)
      })
    )
  )

  it.effect("of one name never goes to a gateway of another", () =>
    withCentral(({ admin, ask, bootstrap, central }) =>
      Effect.gen(function* () {
        yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const jwt = yield* bootstrap(yield* makeToken(admin, "lab"))
        expect((yield* ask("GET", "/v1/config", bearer(jwt))).status).toBe(404)
      })
    )
  )

  it.effect("and every other route answers errors in JSON", () =>
    withCentral(({ ask }) =>
      Effect.gen(function* () {
        expect(errorOf(yield* ask("GET", "/v1/nothing"))).toEqual([404, JSON_TYPE, "not_found"])
        expect(errorOf(yield* ask("POST", "/v1/ingest/logs", json({})))).toEqual([401, JSON_TYPE, "identity_missing"])
        const wrong = yield* ask("DELETE", "/v1/config")
        expect(errorOf(wrong)).toEqual([405, JSON_TYPE, "method_not_allowed"])
        expect(wrong.headers.get("allow")).toBe("GET, HEAD")
      })
    )
  )
})

describe("a central", () => {
  it.effect("keeps tokens, documents, keys and gateways over a restart", () =>
    withCentral(({ admin, bootstrap, central, directory, stop }) =>
      Effect.gen(function* () {
        const { etag } = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const token = yield* makeToken(admin)
        const jwt = yield* bootstrap(token)
        yield* stop
        yield* withCentral(
          (again) =>
            Effect.gen(function* () {
              const init = bearer(jwt, { "if-none-match": etag })
              expect((yield* again.ask("GET", "/v1/config", init)).status).toBe(304)
              expect((yield* again.ask("POST", "/v1/identity/refresh", bearer(jwt))).status).toBe(200)
              expect(yield* again.bootstrap(token)).toMatch(/^ey/)
            }),
          { data: directory }
        )
      })
    )
  )

  it.effect("is alone on its directory, beside commands and until it ends", () =>
    withCentral(({ admin, central, directory, stop }) =>
      Effect.gen(function* () {
        const second = withCentral(({ central }) => Effect.succeed(central.url), { data: directory })
        expect(yield* Effect.flip(second)).toMatchObject({
          _tag: "LockHeld",
          message: expect.stringMatching(
            /^a central already runs on this directory: process \d+ .*central\.lock\. Use that/
          )
        })
        expect((yield* admin.check("fleet", documentFor(central.url))).objections).toEqual([])
        yield* stop
        expect(yield* second).not.toBe(central.url)
      })
    )
  )

  it.effect("refuses an external URL that is none", () =>
    Effect.map(Effect.flip(withCentral(() => Effect.void, { externalUrl: "central.example" })), (failure) => {
      expect(failure).toMatchObject({ _tag: "CentralUrlInvalid", message: expect.stringMatching(/http or https URL/) })
    })
  )
})
