import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Workload } from "../../src/domain/index.ts"
import { type Gateway, jwtOf, NOW, withGateway } from "./Gateway.ts"
import { type Answer, closedSoon, json, reply, type StandIn, standIn } from "./StandIn.ts"

const JWT = jwtOf({ sub: "gw-1" })
const TOKEN = "policy-token-s3cr3t"
const ETAG = '"rev-1"'
const DOCUMENT = '{"version":2}'
const MiB = 1_048_576

const identityAnswer = json(200, { jwt: JWT, expires_at: NOW + 86_400 * 30 })

/** A gateway that has enrolled, and its central; the clock stands still at `NOW`. */
const enrolled = <A, E>(etag: string | null, use: (gateway: Gateway, central: StandIn) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW * 1_000)
      const central = yield* standIn(identityAnswer)
      return yield* withGateway({ running: { url: central.url, etag, token: TOKEN } }, (gateway) =>
        Effect.flatMap(gateway.bootstrap, () => use(gateway, central))
      )
    })
  )

/** Polls once against this answer. */
const pollFor = (answer: Answer, etag: string | null = ETAG) =>
  enrolled(etag, (gateway, central) => {
    central.answerWith(answer)
    return Effect.map(gateway.poll, (polled) => ({ polled, gateway, central }))
  })

const httpDate = (seconds: number): string => DateTime.toDateUtc(DateTime.makeUnsafe(seconds * 1_000)).toUTCString()

describe("a poll sends", () => {
  it.effect("the credential, and the running etag byte for byte", () =>
    Effect.gen(function* () {
      for (const etag of [ETAG, 'W/"weak"', "no-quotes", '"with space, comma"', '"h\u00e9"', '""']) {
        const { central } = yield* pollFor(reply(304), etag)
        const request = central.seen.at(-1)
        assert.strictEqual(request?.headers["if-none-match"], etag)
        assert.strictEqual(request?.headers.authorization, `Bearer ${JWT}`)
        assert.deepStrictEqual([request?.method, request?.url], ["GET", "/v1/config"])
      }
    })
  )

  it.effect("no If-None-Match while the seed runs", () =>
    Effect.gen(function* () {
      const { central } = yield* pollFor(reply(200, { etag: ETAG }, DOCUMENT), null)
      assert.notProperty(central.seen.at(-1)?.headers, "if-none-match")
    })
  )

  it.effect("to a base URL with a path prefix and a trailing slash", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        gateway.running.url = `${central.url}/fleet/`
        central.answerWith(reply(304))
        yield* gateway.poll
        assert.strictEqual(central.seen.at(-1)?.url, "/fleet/v1/config")
      })
    )
  )

  it.effect("nothing before there is an identity", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const central = yield* standIn(reply(304))
        const polled = yield* withGateway({ running: { url: central.url } }, ({ poll }) => poll)
        assert.strictEqual(polled.kind, "network_error")
        assert.lengthOf(central.seen, 0)
      })
    )
  )
})

describe("an answer means", () => {
  it.effect("unchanged, for 304 to a conditional request", () =>
    Effect.gen(function* () {
      const { gateway, polled } = yield* pollFor(reply(304, { etag: ETAG }))
      assert.deepInclude(polled, { kind: "unchanged", offer: 0, message: "", wall: NOW * 1_000 })
      assert.lengthOf(gateway.offers, 0)
    })
  )

  it.effect("an error, for 304 to a request without If-None-Match", () =>
    Effect.gen(function* () {
      const { polled } = yield* pollFor(reply(304, { etag: ETAG }), null)
      assert.strictEqual(polled.kind, "http_error")
      assert.match(polled.message, /304/)
    })
  )

  it.effect("a good revision, for 200 with an ETag: the very bytes are kept", () =>
    Effect.gen(function* () {
      const body = '\n {"version": 2,  "plugins": []}\t'
      const { gateway, polled } = yield* pollFor(reply(200, { etag: 'W/"2"' }, body))
      assert.deepInclude(polled, { kind: "good", etag: 'W/"2"', offer: 1 })
      assert.deepStrictEqual(gateway.offers[0]?.etag, 'W/"2"')
      assert.strictEqual(new TextDecoder().decode(gateway.offers[0]?.bytes), body)
    })
  )

  it.effect("a good revision, for any JSON: whether it is a document is not the protocol's matter", () =>
    Effect.gen(function* () {
      for (const body of ["[]", "null", "1", '"text"', '{"version":1}']) {
        assert.strictEqual((yield* pollFor(reply(200, { etag: ETAG }, body))).polled.kind, "good", body)
      }
    })
  )

  it.effect("a missing ETag, for 200 without one or with an empty one", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { etag: "" }, { etag: "  " }]) {
        const { gateway, polled } = yield* pollFor(reply(200, headers, DOCUMENT))
        assert.strictEqual(polled.kind, "missing_etag")
        assert.lengthOf(gateway.offers, 0)
      }
    })
  )

  it.effect("invalid JSON, for what is no JSON, is cut, is empty, or is not UTF-8", () =>
    Effect.gen(function* () {
      const bodies = ["<html>", '{"version":2', "", "{}{}", new Uint8Array([0x22, 0xff, 0xfe, 0x22])]
      for (const body of bodies) {
        const { gateway, polled } = yield* pollFor(reply(200, { etag: ETAG }, body))
        assert.strictEqual(polled.kind, "invalid_json", String(body))
        assert.lengthOf(gateway.offers, 0)
      }
    })
  )

  it.effect("another status, for 2xx that are not 200, and for redirects that lead nowhere", () =>
    Effect.gen(function* () {
      for (const status of [201, 202, 204, 206, 300, 301, 400, 403, 410, 418, 500, 502, 504]) {
        const { polled } = yield* pollFor(reply(status, { etag: ETAG }))
        assert.strictEqual(polled.kind, "http_error", String(status))
        assert.include(polled.message, String(status))
      }
    })
  )

  it.effect("unauthorized, for 401; not found, for 404: each says what the server said", () =>
    Effect.gen(function* () {
      const unauthorized = yield* pollFor(json(401, { error: "jwt_expired" }))
      assert.strictEqual(unauthorized.polled.kind, "unauthorized")
      assert.include(unauthorized.polled.message, "central answered 401: jwt_expired")
      const missing = yield* pollFor(json(404, { error: "no_config" }))
      assert.strictEqual(missing.polled.kind, "not_found")
      assert.include(missing.polled.message, "no_config")
    })
  )

  it.effect("throttled, for 429 and 503, with the seconds of Retry-After where they mean something", () =>
    Effect.gen(function* () {
      const table: ReadonlyArray<readonly [string | undefined, number]> = [
        [undefined, 0],
        ["5", 5],
        ["0", 0],
        ["-1", 0],
        ["NaN", 0],
        ["Infinity", 0],
        ["1e12", 0],
        ["1.5", 0],
        ["5 minutes", 0],
        ["999999999999999999999", 3_600],
        ["3601", 3_600],
        [httpDate(NOW - 60), 0],
        [httpDate(NOW), 0],
        [httpDate(NOW + 60), 60],
        [httpDate(NOW + 864_000), 3_600]
      ]
      for (const status of [429, 503]) {
        for (const [value, seconds] of table) {
          const { polled } = yield* pollFor(reply(status, value === undefined ? {} : { "retry-after": value }))
          assert.deepInclude(polled, { kind: "throttled", retryAfterSeconds: seconds }, `${status} ${value}`)
        }
      }
    })
  )
})

describe("what a server says about an error", () => {
  it.effect("is its status and its error, or the first 200 characters of anything else", () =>
    Effect.gen(function* () {
      const known = yield* pollFor(json(500, { error: "database_locked", detail: "later" }))
      assert.strictEqual(known.polled.message, "central answered 500: database_locked")
      const html = yield* pollFor(reply(500, {}, `<html>${"x".repeat(5_000)}`))
      assert.strictEqual(html.polled.message, `central answered 500: <html>${"x".repeat(194)}`)
      const silent = yield* pollFor(reply(500))
      assert.strictEqual(silent.polled.message, "central answered 500")
    })
  )

  it.effect("carries no control characters and no flood, wherever it stands", () =>
    Effect.gen(function* () {
      for (const answer of [
        reply(500, {}, "red \u001b[31m\u0007 alert\r\nfake log line"),
        json(500, { error: "red \u001b[31m\u0007 alert\r\nfake log line" })
      ]) {
        const { polled } = yield* pollFor(answer)
        assert.strictEqual(polled.message, "central answered 500: red [31m alert fake log line")
      }
      const flood = yield* pollFor(json(500, { error: "x".repeat(100_000) }))
      assert.isBelow(flood.polled.message.length, 300)
    })
  )

  it.effect("never brings our own credential back into a message or a log", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        central.answerWith((request, response) =>
          reply(500, {}, `headers: ${request.headers.authorization}`)(request, response)
        )
        const { message } = yield* gateway.poll
        assert.notInclude(message, JWT)
        assert.include(message, "headers: Bearer")
        central.answerWith((request, response) => reply(500, {}, request.body)(request, response))
        const failure = yield* Effect.flip(gateway.bootstrap)
        assert.notInclude(failure.message, TOKEN)
        assert.notInclude(gateway.log(), JWT)
        assert.notInclude(gateway.log(), TOKEN)
      })
    )
  )
})

describe("a document over 1 MiB", () => {
  const sized = (size: number) => `"${"x".repeat(size - 2)}"`

  it.effect("is one byte more than 1,048,576", () =>
    Effect.gen(function* () {
      const fits = yield* pollFor(reply(200, { etag: ETAG }, sized(MiB)))
      assert.strictEqual(fits.polled.kind, "good")
      assert.strictEqual(fits.gateway.offers[0]?.bytes.length, MiB)
      const over = yield* pollFor(reply(200, { etag: ETAG }, sized(MiB + 1)))
      assert.strictEqual(over.polled.kind, "document_too_large")
      assert.lengthOf(over.gateway.offers, 0)
    })
  )

  it.effect("is refused unread when Content-Length says so, and the connection is given up", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        // It announces much and sends nothing: whoever waited for it would wait for ever.
        central.answerWith((_request, response) => {
          response.writeHead(200, { etag: ETAG, "content-length": String(2 * MiB) })
          response.flushHeaders()
        })
        const polled = yield* gateway.poll
        assert.strictEqual(polled.kind, "document_too_large")
        yield* closedSoon(central.seen.at(-1)!)
      })
    )
  )

  it.effect("counts before a missing ETag and before the JSON", () =>
    Effect.gen(function* () {
      const { polled } = yield* pollFor(reply(200, {}, "x".repeat(MiB + 1)))
      assert.strictEqual(polled.kind, "document_too_large")
    })
  )

  it.effect("is cut at the cap when it comes in chunks without end", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        let written = 0
        central.answerWith((_request, response) => {
          response.writeHead(200, { etag: ETAG })
          const chunk = Buffer.alloc(65_536, 0x20)
          const pump = () => {
            while (!response.destroyed && written < 512 * MiB) {
              written += chunk.length
              if (!response.write(chunk)) {
                response.once("drain", pump)
                return
              }
            }
          }
          pump()
        })
        const polled = yield* gateway.poll
        assert.strictEqual(polled.kind, "document_too_large")
        yield* closedSoon(central.seen.at(-1)!)
        assert.isBelow(written, 64 * MiB)
      })
    )
  )

  it.effect("is cut at the cap when a small body unpacks into a large one", () =>
    Effect.gen(function* () {
      const { gzipSync } = yield* Effect.promise(() => import("node:zlib"))
      const packed = gzipSync(Buffer.alloc(32 * MiB, 0x20))
      const { polled } = yield* pollFor(reply(200, { etag: ETAG, "content-encoding": "gzip" }, packed))
      assert.strictEqual(polled.kind, "document_too_large")
    })
  )

  it.effect("costs no more when it comes byte by byte", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        const size = 100_000
        central.answerWith((_request, response) => {
          response.writeHead(200, { etag: ETAG, "transfer-encoding": "chunked" })
          response.flushHeaders()
          response.socket!.end("1\r\n1\r\n".repeat(size) + "0\r\n\r\n")
        })
        const started = process.hrtime.bigint()
        const polled = yield* gateway.poll
        assert.strictEqual(polled.kind, "good")
        assert.strictEqual(gateway.offers[0]?.bytes.length, size)
        // An effort that grows with the square of the number of chunks takes a minute here.
        assert.isBelow(Number(process.hrtime.bigint() - started) / 1e9, 10)
      })
    )
  )
})

describe("the status report", () => {
  it.effect("says what runs, with version and platform, and what it works on where that is known", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        central.answerWith(reply(202))
        assert.deepStrictEqual(yield* gateway.report, { supported: true })
        const request = central.seen.at(-1)
        assert.deepStrictEqual([request?.method, request?.url], ["POST", "/v1/gateway/status"])
        assert.strictEqual(request?.headers.authorization, `Bearer ${JWT}`)
        assert.deepStrictEqual(JSON.parse(request?.body ?? ""), {
          remote_config: null,
          version: "1.2.3",
          platform: `${process.platform}-${process.arch}`,
          agents: 3,
          runs: 1
        })
      })
    ).pipe(Effect.provideService(Workload, Effect.succeed({ agents: 3, runs: 1 })))
  )

  it.effect("is not supported by a central that answers 404 or 405", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        for (const status of [404, 405]) {
          central.answerWith(reply(status))
          assert.deepStrictEqual(yield* gateway.report, { supported: false }, String(status))
        }
      })
    )
  )

  it.effect("has failed when central answers with an error, and the failure says which", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        for (const status of [401, 429, 500]) {
          central.answerWith(json(status, { error: "not_now" }))
          const { _tag, message } = yield* Effect.flip(gateway.report)
          assert.deepStrictEqual([_tag, message], ["ReportFailed", `central answered ${status}: not_now`])
        }
      })
    )
  )

  it.effect("has failed when a captive portal says that all is well", () =>
    enrolled(ETAG, (gateway, central) =>
      Effect.gen(function* () {
        central.answerWith(reply(200, { "content-type": "text/html" }, "<h1>Welcome</h1>"))
        assert.match((yield* Effect.flip(gateway.report)).message, /is not central/)
      })
    )
  )
})
