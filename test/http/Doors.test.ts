import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import {
  HttpFailure,
  jsonErrors,
  listen,
  mountRoutes,
  newSession,
  readJson,
  Shown,
  withDoors
} from "../../src/http/index.ts"
import { type RawAnswer, request, sendRaw } from "./RawHttp.ts"

const TOKEN = "s3cr3t-t0k3n"
const authorization = `Bearer ${TOKEN}`

const Routes = mountRoutes([
  HttpRouter.route(
    "GET",
    "/open",
    Effect.map(Shown, (shown) => HttpServerResponse.jsonUnsafe({ shown }))
  ),
  HttpRouter.route("GET", "/thing/:id", Effect.succeed(HttpServerResponse.text("thing"))),
  HttpRouter.route(
    "POST",
    "/thing/:id",
    Effect.map(readJson(Schema.Struct({ size: Schema.Int }), { maxBytes: 1000 }), ({ size }) =>
      HttpServerResponse.jsonUnsafe({ size })
    )
  ),
  HttpRouter.route("GET", "/refused", Effect.fail(new HttpFailure({ status: 409, error: "busy", detail: "later" }))),
  HttpRouter.route("GET", "/bug", Effect.die(new Error(`holds ${TOKEN}`)))
])
const More = mountRoutes([HttpRouter.route("PUT", "/more", Effect.succeed(HttpServerResponse.empty()))])

const startServer = Effect.gen(function* () {
  const { port, server } = yield* listen({ host: "127.0.0.1", port: 0 })
  const app = yield* HttpRouter.toHttpEffect(Layer.merge(Routes, More))
  const doors = withDoors({
    token: Redacted.make(TOKEN),
    knownHosts: ["Gateway.Example"],
    isOpen: (method, path) => method === "GET" && path === "/open",
    cookie: "holdfast_1"
  })
  yield* HttpServer.serveEffect(jsonErrors(doors(app))).pipe(Effect.provideService(HttpServer.HttpServer, server))
  return port
})

const ask = (...parts: ReadonlyArray<string>): Effect.Effect<RawAnswer> =>
  Effect.scoped(
    Effect.gen(function* () {
      const port = yield* Effect.orDie(startServer)
      return yield* Effect.promise(() => sendRaw(port, ...parts))
    })
  )

const errorOf = ({ body, headers, status }: RawAnswer) => {
  expect(headers["content-type"]).toMatch(/^application\/json/)
  return [status, JSON.parse(body).error]
}

describe("the host door", () => {
  it.effect.each(["localhost", "127.0.0.1:7071", "[::1]:7071", "gateway.example", "GATEWAY.EXAMPLE:80"])(
    "lets %s in",
    (host) =>
      Effect.map(ask(request("GET /thing/1", { host, authorization })), (answer) => {
        expect([answer.status, answer.body]).toEqual([200, "thing"])
      })
  )

  it.effect.each(["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "gateway.example.evil"])(
    "keeps %j out, even with the token",
    (host) =>
      Effect.map(ask(request("GET /thing/1", { host, authorization })), (answer) => {
        expect(errorOf(answer)).toEqual([403, "host_not_allowed"])
      })
  )
})

describe("the origin door", () => {
  const body = '{"size":1}'

  it.effect.each([
    { origin: "http://evil.example" },
    { origin: "http://localhost:1" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" }
  ])("refuses a write with %j", (headers) =>
    Effect.map(ask(request("POST /thing/1", { authorization, ...headers }, body)), (answer) => {
      expect(errorOf(answer)).toEqual([403, "origin_not_allowed"])
    })
  )

  it.effect.each([{}, { origin: "http://localhost" }, { "sec-fetch-site": "same-origin" }])(
    "lets a write with %j through",
    (headers) =>
      Effect.map(ask(request("POST /thing/1", { authorization, ...headers }, body)), (answer) => {
        expect([answer.status, answer.body]).toEqual([200, body])
      })
  )

  it.effect("does not look at reads", () =>
    Effect.map(ask(request("GET /thing/1", { authorization, origin: "http://evil.example" })), ({ status }) => {
      expect(status).toBe(200)
    })
  )
})

describe("the token door", () => {
  it.effect.each([
    undefined,
    "Bearer",
    "Bearer wrong",
    `Basic ${TOKEN}`,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`
  ])("refuses %s", (authorization) =>
    Effect.map(ask(request("GET /thing/1", { authorization })), (answer) => {
      expect(errorOf(answer)).toEqual([401, "unauthorized"])
      expect(answer.headers["www-authenticate"]).toBe("Bearer")
      expect(answer.body).not.toContain(TOKEN)
    })
  )

  it.effect("hides which routes exist", () =>
    Effect.map(ask(request("GET /nowhere")), (answer) => {
      expect(errorOf(answer)).toEqual([401, "unauthorized"])
    })
  )

  it.effect("lets an open route know what was shown", () =>
    Effect.gen(function* () {
      expect((yield* ask(request("GET /open?x=1", { authorization }))).body).toBe('{"shown":"token"}')
      expect((yield* ask(request("GET /open"))).body).toBe('{"shown":"none"}')
      expect((yield* ask(request("GET /open", { authorization: "Bearer wrong" }))).body).toBe('{"shown":"none"}')
    })
  )
})

describe("a session", () => {
  const body = '{"size":1}'
  const withSession = (line: string, headers: Record<string, string> = {}) =>
    Effect.flatMap(newSession(Redacted.make(TOKEN)), (session) =>
      ask(
        request(
          line,
          { cookie: `a=b; holdfast_1=${Redacted.value(session)}; c="d"`, ...headers },
          line.startsWith("POST") ? body : ""
        )
      )
    )
  const own = [{}, { "sec-fetch-site": "same-origin", origin: "http://localhost" }, { "sec-fetch-site": "none" }]
  const foreign = [
    { origin: "http://evil.example" },
    { origin: "http://localhost:1" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" }
  ]

  it.effect("opens the token door, and an open route knows of it", () =>
    Effect.gen(function* () {
      expect((yield* withSession("GET /open")).body).toBe('{"shown":"session"}')
      for (const headers of own) {
        expect((yield* withSession("GET /thing/1", headers)).status).toBe(200)
        expect((yield* withSession("POST /thing/1", headers)).body).toBe(body)
      }
    })
  )

  it.effect("counts for pages of this server alone, reading and writing", () =>
    Effect.gen(function* () {
      for (const headers of foreign) {
        for (const line of ["GET /thing/1", "POST /thing/1", "GET /open"]) {
          expect([line, headers, ...errorOf(yield* withSession(line, headers))]).toEqual([
            line,
            headers,
            403,
            "origin_not_allowed"
          ])
        }
      }
      expect(errorOf(yield* withSession("GET /thing/1", { host: "evil.example" }))).toEqual([403, "host_not_allowed"])
    })
  )

  it.effect("lets a person come from elsewhere, but not with something to write", () =>
    Effect.gen(function* () {
      for (const site of ["same-site", "cross-site"]) {
        const come = { "sec-fetch-site": site, "sec-fetch-mode": "navigate" }
        expect((yield* withSession("GET /thing/1", come)).status).toBe(200)
        expect(errorOf(yield* withSession("POST /thing/1", come))).toEqual([403, "origin_not_allowed"])
      }
    })
  )

  it.effect("of another token, of another cookie, or none, stays out", () =>
    Effect.gen(function* () {
      const other = Redacted.value(yield* newSession(Redacted.make("other")))
      const right = Redacted.value(yield* newSession(Redacted.make(TOKEN)))
      for (const cookie of [`holdfast_1=${other}`, `holdfast_2=${right}`, `holdfast_1=${TOKEN}`, "holdfast_1", ""]) {
        expect([cookie, ...errorOf(yield* ask(request("GET /thing/1", { cookie })))]).toEqual([
          cookie,
          401,
          "unauthorized"
        ])
      }
    })
  )
})

describe("errors are JSON", () => {
  it.effect.each([
    ["GET /nowhere", 404, "not_found"],
    ["GET /refused", 409, "busy"],
    ["GET /bug", 500, "internal_error"],
    ["DELETE /thing/1", 405, "method_not_allowed"],
    ["PROPFIND /thing/1", 405, "method_not_allowed"],
    ["GET /more", 405, "method_not_allowed"]
  ] as const)("%s answers %s %s", ([line, status, error]) =>
    Effect.map(ask(request(line, { authorization })), (answer) => {
      expect(errorOf(answer)).toEqual([status, error])
      expect(answer.body).not.toContain(TOKEN)
    })
  )

  it.effect("and 405 says which methods there are", () =>
    Effect.map(ask(request("DELETE /thing/1", { authorization })), ({ headers }) => {
      expect(headers.allow).toBe("GET, HEAD, POST")
    })
  )

  it.effect.each(["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"])("for the malformed request %j", (text) =>
    Effect.map(ask(text), (answer) => {
      expect(errorOf(answer)).toEqual([400, "request_malformed"])
    })
  )

  it.effect("for headers that are too large", () =>
    Effect.map(ask(request("GET /open", { padding: "x".repeat(100_000) })), (answer) => {
      expect(errorOf(answer)).toEqual([431, "headers_too_large"])
    })
  )
})

describe("a body", () => {
  const post = (headers: Record<string, string | undefined>, body: string) =>
    ask(request("POST /thing/1", { authorization, ...headers }, body))

  it.effect.each([
    ["{", 400, "body_unreadable"],
    ['{"size":"x"}', 422, "body_invalid"],
    ["[]", 422, "body_invalid"]
  ] as const)("%s answers %s %s", ([body, status, error]) =>
    Effect.map(post({}, body), (answer) => {
      expect(errorOf(answer)).toEqual([status, error])
    })
  )

  it.effect("of another type answers 415", () =>
    Effect.map(post({ "content-type": "text/plain" }, "{}"), (answer) => {
      expect(errorOf(answer)).toEqual([415, "body_not_json"])
    })
  )

  it.effect("that announces too much is refused before it is read", () =>
    Effect.map(post({ "content-length": "1001" }, "{"), (answer) => {
      expect(errorOf(answer)).toEqual([413, "body_too_large"])
    })
  )

  it.effect("that grows too large while it streams is refused before its end", () => {
    const chunk = `400\r\n${"x".repeat(1024)}\r\n`
    const head = request("POST /thing/1", { authorization, "transfer-encoding": "chunked" })
    return Effect.map(ask(head, chunk, chunk), (answer) => {
      expect(errorOf(answer)).toEqual([413, "body_too_large"])
    })
  })
})

describe("a port", () => {
  it.effect("that is taken is refused with what to do", () =>
    Effect.gen(function* () {
      const port = yield* startServer
      const failure = yield* Effect.flip(listen({ host: "127.0.0.1", port }))
      expect(failure.code).toBe("EADDRINUSE")
      expect(failure.message).toMatch(/choose another port, or 0/)
    })
  )
})
