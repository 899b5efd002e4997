import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import { adminLink } from "../../src/central-server/index.ts"
import { request, sendRaw } from "../http/RawHttp.ts"
import { type Answer, bearer, documentFor, errorOf, type Fixture, json, makeToken, withCentral } from "./Fixture.ts"

const JSON_TYPE = expect.stringMatching(/^application\/json/)

/** The admin token, as commands and programs find it. */
const adminToken = ({ directory }: Fixture) =>
  FileSystem.FileSystem.use((fs) => fs.readFileString(`${directory}/admin-token`)).pipe(
    Effect.provide(NodeServices.layer)
  )

/** Asks with the admin token. */
const asAdmin = (fixture: Fixture) =>
  Effect.map(
    adminToken(fixture),
    (token): Fixture["ask"] =>
      (method, route, init = {}) =>
        fixture.ask(method, route, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } })
  )

const document = (bytes: Uint8Array, headers: Record<string, string>): RequestInit => ({
  body: new TextDecoder().decode(bytes),
  headers: { "content-type": "application/json", ...headers }
})

const bodyOf = ({ body }: Answer) => JSON.parse(body)

describe("the doors of central", () => {
  it.effect("let nobody look at the fleet without the token, and gateways in without one", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { ask, bootstrap, admin } = fixture
        for (const [method, route] of [
          ["GET", "/"],
          ["GET", "/fleet"],
          ["GET", "/fleet/events"],
          ["GET", "/metrics"],
          ["GET", "/tokens"],
          ["POST", "/tokens"],
          ["PUT", "/configs/fleet"],
          ["POST", "/gateways/gw_x/revoke"],
          ["GET", "/nothing"]
        ] as const) {
          expect(errorOf(yield* ask(method, route)), route).toEqual([401, JSON_TYPE, "unauthorized"])
        }
        const jwt = yield* bootstrap(yield* makeToken(admin))
        expect((yield* ask("GET", "/fleet", bearer(jwt))).status).toBe(401)
        expect(bodyOf(yield* ask("GET", "/health"))).toEqual({ status: "ok", version: expect.any(String) })
        const page = yield* ask("GET", "/", { headers: { accept: "text/html" } })
        expect([page.status, page.body]).toEqual([401, expect.stringContaining("holdfast central open --data DIR")])
        expect((yield* (yield* asAdmin(fixture))("GET", "/fleet")).status).toBe(200)
      })
    )
  )

  it.effect("know the name of the external URL and no other, but gateways may call central what they like", () =>
    withCentral(
      (fixture) =>
        Effect.gen(function* () {
          const port = Number(new URL(fixture.central.url).port)
          const authorization = `Bearer ${yield* adminToken(fixture)}`
          const from = (line: string, headers: Record<string, string>) =>
            Effect.promise(() =>
              sendRaw(port, request(line, { authorization, ...headers }, line.startsWith("PUT") ? "{}" : ""))
            )
          expect((yield* from("GET /fleet", { host: "central.example" })).status).toBe(200)
          expect((yield* from("GET /fleet", { host: "evil.example" })).status).toBe(403)
          expect((yield* from("GET /v1/config", { host: "evil.example" })).status).toBe(401)
          // A proxy that puts its own name into Host does not make the page foreign, nor another page known.
          const put = (origin: string) => from("PUT /configs/fleet", { host: `127.0.0.1:${port}`, origin })
          expect((yield* put("https://central.example")).status).toBe(428)
          expect((yield* put("https://evil.example")).status).toBe(403)
          const forwarded = { "x-forwarded-host": "central.example", "x-forwarded-proto": "https" }
          expect((yield* from("GET /fleet", { host: "evil.example", ...forwarded })).status).toBe(403)
        }),
      { externalUrl: "https://central.example", behindProxy: true }
    )
  )

  it.effect("open to a browser by a link that is made without asking the server, and works once", () =>
    withCentral(
      (fixture) =>
        Effect.gen(function* () {
          const link = yield* Effect.provide(adminLink(fixture.directory), NodeServices.layer)
          expect(link).toEqual({
            url: expect.stringMatching(/^https:\/\/central\.example\/x\/open\?ticket=[\w.-]+$/),
            expires_in_seconds: 60
          })
          const route = link.url.slice("https://central.example/x".length)
          const ticket = route.slice("/open?ticket=".length)
          const cookie = `holdfast_${new URL(fixture.central.url).port}`
          // What opens the door is not what is kept in the browser.
          expect((yield* fixture.ask("GET", "/fleet", { headers: { cookie: `${cookie}=${ticket}` } })).status).toBe(401)
          expect((yield* fixture.ask("HEAD", route)).status).toBe(200)
          const first = yield* fixture.ask("GET", route)
          const [session = ""] = (first.headers.get("set-cookie") ?? "").split(";")
          expect(first.headers.get("set-cookie")).toMatch(/HttpOnly; Secure; SameSite=Strict$/)
          expect((yield* fixture.ask("GET", "/fleet", { headers: { cookie: session } })).status).toBe(200)
          expect((yield* fixture.ask("GET", route)).status).toBe(410)

          const late = yield* Effect.provide(adminLink(fixture.directory), NodeServices.layer)
          yield* TestClock.adjust("60 seconds")
          expect((yield* fixture.ask("GET", late.url.slice("https://central.example/x".length))).status).toBe(410)
        }),
      { externalUrl: "https://central.example/x", behindProxy: true }
    )
  )
})

describe("saving over the API", () => {
  it.effect("wants to know what the admin has seen, and tells the slower of two", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const ask = yield* asAdmin(fixture)
        const { url } = fixture.central
        const put = (query: number, headers: Record<string, string>) =>
          ask("PUT", "/configs/fleet", document(documentFor(url, { query }), headers))
        expect(errorOf(yield* put(1, {}))).toEqual([428, JSON_TYPE, "revision_missing"])
        const first = yield* put(1, { "if-none-match": "*" })
        expect([first.status, bodyOf(first)]).toEqual([
          200,
          { seq: 1, etag: expect.any(String), forced: false, warnings: [] }
        ])
        const { etag } = bodyOf(first)
        expect(bodyOf(yield* put(2, { "if-match": etag }))).toMatchObject({ seq: 2 })
        const slower = yield* put(3, { "if-match": etag })
        expect(errorOf(slower)).toEqual([412, JSON_TYPE, "revision_changed"])
        expect(bodyOf(slower).newest).toMatchObject({ seq: 2, saved_by: "api" })
        expect(errorOf(yield* put(3, { "if-none-match": "*" }))).toEqual([412, JSON_TYPE, "revision_changed"])

        const { revisions } = bodyOf(yield* ask("GET", "/configs/fleet/revisions"))
        expect(revisions).toMatchObject([{ seq: 2 }, { seq: 1, etag }])
        expect(bodyOf(yield* ask("GET", "/configs/fleet/revisions?before=2")).revisions).toHaveLength(1)
        const bytes = yield* ask("GET", "/configs/fleet/revisions/1")
        expect([bytes.body, bytes.headers.get("etag")]).toEqual([
          new TextDecoder().decode(documentFor(url, { query: 1 })),
          etag
        ])
        for (const route of ["/configs/fleet/revisions/9", "/configs/fleet/revisions/x", "/configs/none/revisions"]) {
          expect((yield* ask("GET", route)).status, route).toBe(404)
        }

        const back = json({ seq: 1 }, { "if-match": revisions[0].etag })
        expect(bodyOf(yield* ask("POST", "/configs/fleet/rollback", back))).toMatchObject({ seq: 3, etag })
        // Whose answer was lost may ask again; whoever has seen another revision may not.
        expect(bodyOf(yield* ask("POST", "/configs/fleet/rollback", back))).toMatchObject({ seq: 3, etag })
        const outdated = json({ seq: 2 }, { "if-match": revisions[0].etag })
        expect(errorOf(yield* ask("POST", "/configs/fleet/rollback", outdated))).toEqual([
          412,
          JSON_TYPE,
          "revision_changed"
        ])
      })
    )
  )

  it.effect("says what speaks against a document, before and when it is saved, and can be forced", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const ask = yield* asAdmin(fixture)
        const away = documentFor("https://elsewhere.example")
        // Whatever others have stored, a server knows how it is reached.
        const stored = new DatabaseSync(`${fixture.directory}/central.sqlite`)
        stored.exec("UPDATE settings SET value = 'https://elsewhere.example' WHERE key = 'external_url'")
        stored.close()
        const own = document(documentFor(fixture.central.url), {})
        expect(bodyOf(yield* ask("POST", "/configs/fleet/check", own)).objections).toEqual([])
        const objections = [
          { pointer: "/sinks/central/config/url", message: expect.any(String), consequence: expect.any(String) }
        ]
        expect(bodyOf(yield* ask("POST", "/configs/fleet/check", document(away, {})))).toEqual({
          objections,
          unchanged: false
        })
        const refused = yield* ask("PUT", "/configs/fleet", document(away, { "if-none-match": "*" }))
        expect(errorOf(refused)).toEqual([422, JSON_TYPE, "config_refused"])
        expect(bodyOf(refused).objections).toEqual(objections)
        const forced = yield* ask("PUT", "/configs/fleet?force=true", document(away, { "if-none-match": "*" }))
        expect(bodyOf(forced)).toMatchObject({ seq: 1, forced: true, warnings: [expect.any(String)] })
        const broken = document(new TextEncoder().encode("{"), { "if-none-match": "*" })
        expect((yield* ask("PUT", "/configs/other", broken)).status).toBe(422)
        expect((yield* ask("PUT", "/configs/other", { ...broken, headers: { "if-none-match": "*" } })).status).toBe(415)
        const huge = document(new Uint8Array(2 * 1_048_576 + 1).fill(32), { "if-none-match": "*" })
        expect((yield* ask("PUT", "/configs/other", huge)).status).toBe(413)
      })
    )
  )

  it.effect("makes, lists and ends tokens, and ends gateways", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const ask = yield* asAdmin(fixture)
        const made = yield* ask("POST", "/tokens", json({ config: "fleet", expires_in_seconds: 60 }))
        const { id, token } = bodyOf(made)
        expect(made.status).toBe(201)
        yield* fixture.bootstrap(token)
        const listed = yield* ask("GET", "/tokens")
        expect(bodyOf(listed).tokens).toMatchObject([{ id, config: "fleet", gateways: 1, revoked_at: null }])
        expect(listed.body).not.toContain(token)
        expect((yield* ask("POST", `/tokens/${id}/revoke`)).status).toBe(204)
        expect((yield* ask("POST", "/tokens/tok_none/revoke")).status).toBe(404)
        expect((yield* ask("POST", "/tokens", json({ config: "no such/name" }))).status).toBe(422)

        const [gateway] = bodyOf(yield* ask("GET", "/fleet")).gateways
        expect(bodyOf(yield* ask("GET", `/gateways/${gateway.id}`)).gateway).toMatchObject({ standing: "unconfigured" })
        expect((yield* ask("POST", `/gateways/${gateway.id}/revoke`)).status).toBe(204)
        expect(bodyOf(yield* ask("GET", `/gateways/${gateway.id}`)).gateway).toMatchObject({ standing: "revoked" })
        expect((yield* ask("GET", "/gateways/gw_none")).status).toBe(404)
      })
    )
  )
})

describe("the fleet", () => {
  it.effect("is sent again only when something has changed, also by another process", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, central } = fixture
        const ask = yield* asAdmin(fixture)
        // What a start tidies up is over.
        yield* TestClock.adjust("1 minute")
        const first = yield* ask("GET", "/fleet")
        expect(bodyOf(first)).toMatchObject({
          central: { external_url: central.url, certificate_expires_at: null, warnings: [] },
          configs: [],
          gateways: []
        })
        const known = { headers: { "if-none-match": first.headers.get("etag") ?? "" } }
        yield* TestClock.adjust("10 seconds")
        expect((yield* ask("GET", "/fleet", known)).status).toBe(304)
        yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const second = yield* ask("GET", "/fleet", known)
        expect([second.status, bodyOf(second).configs[0].name]).toEqual([200, "fleet"])
        expect(bodyOf(second).now).toBe("1970-01-01T00:01:10.000Z")
      })
    )
  )

  it.effect("tells who listens that something has changed, once a second at most, and of nothing else", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const authorization = `Bearer ${yield* adminToken(fixture)}`
        const stream = yield* Effect.promise(() =>
          fetch(`${fixture.central.url}/fleet/events`, { headers: { authorization } })
        )
        expect(stream.headers.get("content-type")).toMatch(/^text\/event-stream/)
        const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
        let said = ""
        const until = (text: string) =>
          Effect.promise(async () => {
            while (!said.includes(text)) said += (await reader.read()).value ?? ""
          })
        yield* until("event: hello")
        yield* until("\n\n")
        yield* TestClock.adjust("5 seconds")
        yield* makeToken(fixture.admin)
        yield* makeToken(fixture.admin)
        yield* TestClock.adjust("1 second")
        yield* until("event: changed")
        yield* TestClock.adjust("5 seconds")
        const ask = yield* asAdmin(fixture)
        expect((yield* ask("GET", "/metrics")).body).toContain("holdfast_central_event_streams 1\n")
        yield* makeToken(fixture.admin)
        yield* TestClock.adjust("1 second")
        yield* Effect.promise(async () => {
          while (said.split("event: changed").length < 3) said += (await reader.read()).value ?? ""
        })
        expect(said.match(/^event: .*$/gm)).toEqual(["event: hello", "event: changed", "event: changed"])
        yield* Effect.promise(() => reader.cancel())
      })
    )
  )
})

describe("the metrics of central", () => {
  it.effect("count requests by what they were for, revisions, and gateways by where they stand", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, ask, bootstrap, central } = fixture
        const { etag } = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const jwt = yield* bootstrap(yield* makeToken(admin))
        yield* ask("GET", "/v1/config", bearer(jwt))
        for (let i = 0; i < 3; i++) yield* ask("GET", "/v1/config", bearer(jwt, { "if-none-match": etag }))
        yield* ask("GET", "/v1/config", bearer("forged"))
        const text = (yield* (yield* asAdmin(fixture))("GET", "/metrics")).body
        for (const line of [
          'holdfast_central_requests_total{route="bootstrap",status="200"} 1',
          'holdfast_central_requests_total{route="poll",status="200"} 1',
          'holdfast_central_requests_total{route="poll",status="304"} 3',
          'holdfast_central_requests_total{route="poll",status="401"} 1',
          'holdfast_central_request_duration_seconds_count{route="poll"} 5',
          'holdfast_central_revisions{config="fleet"} 1',
          "holdfast_central_event_streams 0"
        ]) {
          expect(text.split("\n")).toContain(line)
        }
        expect(text).toMatch(/holdfast_central_gateways\{config="fleet",standing="\w+"\} 1\n/)
        expect(text).toMatch(/holdfast_central_database_bytes\{file="wal"\} [1-9]/)
        expect(text).not.toContain(jwt)
      })
    )
  )
})
