import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import type { CentralHttp } from "../../src/central/index.ts"
import { withGateway } from "./Gateway.ts"
import { certificate, key } from "./SelfSigned.ts"
import { type Answer, closedSoon, reply, type StandIn, standIn } from "./StandIn.ts"

const SECRET = "the-credential"
const bearer = Redacted.make(SECRET)

const withHttp = <A, E>(
  answer: Answer,
  use: (http: CentralHttp["Service"], central: StandIn) => Effect.Effect<A, E>
): Effect.Effect<A, unknown> =>
  Effect.scoped(Effect.flatMap(standIn(answer), (central) => withGateway({}, ({ http }) => use(http, central))))

const get = (http: CentralHttp["Service"], url: string) =>
  http.request({ method: "GET", url: `${url}/v1/config`, bearer })

const text = (body: Uint8Array | null) => (body === null ? null : new TextDecoder().decode(body))

/** Writes these bytes instead of an answer, and ends the connection unless told otherwise. */
const raw =
  (bytes: string, end = true): Answer =>
  (_request, response) => {
    if (end) response.socket!.end(bytes)
    else response.socket!.write(bytes)
  }

/** Asks, waits until the request has arrived, and lets 30 simulated seconds pass. */
const askPastTheDeadline = (http: CentralHttp["Service"], central: StandIn) =>
  Effect.gen(function* () {
    const arrived = central.next()
    const asking = yield* Effect.forkChild(Effect.flip(get(http, central.url)))
    const request = yield* Effect.promise(() => arrived)
    yield* TestClock.adjust("29 seconds")
    assert.isUndefined(asking.pollUnsafe())
    yield* TestClock.adjust("1 seconds")
    return { error: yield* Fiber.join(asking), request }
  })

describe("a server that does not answer in time", () => {
  const silent: Answer = () => {}
  const afterHeaders: Answer = (_request, response) => {
    response.writeHead(200, { etag: '"1"' })
    response.flushHeaders()
  }
  const dripping: Answer = (_request, response) => {
    response.writeHead(200, { etag: '"1"' })
    const drip = setInterval(() => response.write("x"), 100)
    response.once("close", () => clearInterval(drip))
  }
  for (const [what, answer] of [
    ["is silent", silent],
    ["stops after its headers", afterHeaders],
    ["drips byte after byte", dripping]
  ] as const) {
    it.effect(`and ${what} is given up after 30 s, its connection closed`, () =>
      withHttp(answer, (http, central) =>
        Effect.gen(function* () {
          const { error, request } = yield* askPastTheDeadline(http, central)
          assert.strictEqual(error._tag, "CentralUnreachable")
          assert.match(error.message, /^central at http:\/\/127\.0\.0\.1:\d+ did not answer within 30 s\. Check/)
          yield* closedSoon(request)
        })
      )
    )
  }

  it.live("does not hold up whoever stops waiting", () =>
    withHttp(silent, (http, central) =>
      Effect.gen(function* () {
        const arrived = central.next()
        const asking = yield* Effect.forkChild(get(http, central.url))
        const request = yield* Effect.promise(() => arrived)
        yield* Fiber.interrupt(asking).pipe(Effect.timeout("500 millis"))
        yield* closedSoon(request)
      })
    )
  )
})

describe("a server that lies about its length", () => {
  it.live("by announcing more than it sends is an error, not a short body", () =>
    withHttp(raw('HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 1000\r\n\r\n{"version":2}'), (http, central) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(get(http, central.url))
        assert.match(error.message, /cannot be reached/)
      })
    )
  )

  it.live("by announcing less than it sends spoils neither this answer nor the next one", () =>
    withHttp(
      raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\nsmuggled", false),
      (http, central) =>
        Effect.gen(function* () {
          assert.strictEqual(text((yield* get(http, central.url)).body), "{}")
          central.answerWith(reply(200, {}, "next"))
          assert.strictEqual(text((yield* get(http, central.url)).body), "next")
        })
    )
  )

  it.live("by breaking off its chunks is an error", () =>
    withHttp(raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), (http, central) =>
      Effect.flip(get(http, central.url))
    )
  )

  it.live("by a length that is no number is an error", () =>
    withHttp(raw("HTTP/1.1 200 OK\r\nContent-Length: NaN\r\n\r\n{}"), (http, central) =>
      Effect.flip(get(http, central.url))
    )
  )
})

describe("a connection that fails says what to check, when it", () => {
  it.live("is reset", () =>
    withHttp(
      (_request, response) => void response.socket!.resetAndDestroy(),
      (http, central) =>
        Effect.gen(function* () {
          const { message } = yield* Effect.flip(get(http, central.url))
          assert.match(
            message,
            /^central at http:\/\/127\.0\.0\.1:\d+ cannot be reached \((ECONNRESET|UND_ERR_SOCKET)\)\. Check/
          )
        })
    )
  )

  it.live("is refused", () =>
    withHttp(reply(200), (http) =>
      Effect.gen(function* () {
        const closed = yield* Effect.scoped(standIn())
        const { message } = yield* Effect.flip(get(http, closed.url))
        assert.include(message, "(ECONNREFUSED)")
      })
    )
  )

  it.live("leads to a name that nobody knows", () =>
    withHttp(reply(200), (http) =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(get(http, "http://central.invalid"))
        assert.match(message, /^central at http:\/\/central\.invalid cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/)
      })
    )
  )

  it.live("answers something that is not HTTP", () =>
    withHttp(raw("SSH-2.0-OpenSSH_9.9\r\n"), (http, central) =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(get(http, central.url))
        assert.match(message, /cannot be reached \(Response does not match the HTTP\/1\.1 protocol/)
      })
    )
  )

  it.live("presents a certificate that nobody vouches for: no byte of the request is sent", () =>
    withHttp(reply(200), (http) =>
      Effect.gen(function* () {
        let requests = 0
        const server = yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const made = createServer({ cert: certificate, key }, (_request, response) => {
              requests++
              response.end()
            })
            await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve))
            return made
          }),
          (made) => Effect.sync(() => made.close())
        )
        const { port } = server.address() as AddressInfo
        const { message } = yield* Effect.flip(get(http, `https://127.0.0.1:${port}`))
        assert.match(message, /cannot be reached \((DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)\)/)
        assert.strictEqual(requests, 0)
      }).pipe(Effect.scoped)
    )
  )
})

describe("a redirect", () => {
  it.live("to another origin is refused, and the credential never arrives there", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const thief = yield* standIn(reply(200, { etag: '"1"' }, "{}"))
        for (const status of [301, 302, 303, 307, 308]) {
          for (const location of [
            `${thief.url}/v1/config`,
            thief.url.replace("http:", ""),
            "https://127.0.0.1/",
            "http://["
          ]) {
            yield* withHttp(reply(status, { location }), (http, central) =>
              Effect.gen(function* () {
                const { message } = yield* Effect.flip(get(http, central.url))
                assert.match(message, /redirects to another place .* which is refused/)
                const posted = yield* Effect.flip(
                  http.request({
                    method: "POST",
                    url: `${central.url}/v1/identity/bootstrap`,
                    json: { bootstrap_token: SECRET }
                  })
                )
                assert.match(posted.message, /which is refused/)
              })
            )
          }
        }
        assert.lengthOf(thief.seen, 0)
      })
    )
  )

  it.live("within the origin is followed with method, body and credential", () =>
    withHttp(
      (request, response) =>
        (request.url === "/v1/config" ? reply(307, { location: "/moved/here?x=1" }) : reply(200, {}, "arrived"))(
          request,
          response
        ),
      (http, central) =>
        Effect.gen(function* () {
          const answer = yield* http.request({
            method: "POST",
            url: `${central.url}/v1/config`,
            bearer,
            json: { a: 1 }
          })
          assert.strictEqual(text(answer.body), "arrived")
          const last = central.seen.at(-1)
          assert.deepStrictEqual([last?.method, last?.url, last?.body], ["POST", "/moved/here?x=1", '{"a":1}'])
          assert.strictEqual(last?.headers.authorization, `Bearer ${SECRET}`)
        })
    )
  )

  it.live("in circles ends", () =>
    withHttp(reply(302, { location: "/v1/config" }), (http, central) =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(get(http, central.url))
        assert.match(message, /redirects in circles/)
        assert.isBelow(central.seen.length, 10)
      })
    )
  )
})

describe("an answer", () => {
  it.live("of an error may be as large as it likes: its body is not held", () =>
    withHttp(reply(500, {}, Buffer.alloc(2_000_000, 0x78)), (http, central) =>
      Effect.gen(function* () {
        const { body, status } = yield* get(http, central.url)
        assert.deepStrictEqual([status, body], [500, null])
      })
    )
  )

  it.live("that was read to its end leaves the connection for the next request", () =>
    withHttp(
      (request, response) => reply(200, {}, request.headers["x-n"] as string)(request, response),
      (http, central) =>
        Effect.gen(function* () {
          for (let n = 0; n < 5; n++) {
            yield* http.request({ method: "GET", url: central.url, headers: { "x-n": String(n) } })
          }
          // Two, because a connection may be handed back a moment after the answer.
          assert.isAtMost(new Set(central.seen.map(({ connection }) => connection)).size, 2)
        })
    )
  )
})
