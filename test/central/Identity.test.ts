import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { refreshInMs } from "../../src/central/index.ts"
import { sha256Hex } from "../../src/storage/index.ts"
import { layerRecording, makeRecording } from "../storage/RecordingFileSystem.ts"
import { DAY, type Gateway, type GatewayOptions, HOUR, jwtOf, NOW, scratchHome, withGateway } from "./Gateway.ts"
import { json, reply, type StandIn, standIn } from "./StandIn.ts"

const TOKEN = "policy-token-s3cr3t"
const JWT = jwtOf({ sub: "gw-1" })
const REFRESHED = jwtOf({ sub: "gw-1", jti: "second" })
const MONTH = 30 * DAY

const granted = (jwt = JWT, expires_at: unknown = NOW + MONTH) => json(200, { jwt, expires_at })

/** A gateway with a policy token that has just started, and its central; the clock stands still at `NOW`. */
const starting = <A, E>(
  use: (gateway: Gateway, central: StandIn) => Effect.Effect<A, E, FileSystem.FileSystem>,
  options: GatewayOptions = {}
): Effect.Effect<A, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW * 1_000)
      const central = yield* standIn(granted())
      const running = { url: central.url, token: TOKEN, ...options.running }
      return yield* withGateway({ ...options, running }, (gateway) => use(gateway, central))
    })
  )

const current = (gateway: Gateway) =>
  Effect.map(gateway.identity.current, (known) =>
    Option.isNone(known) ? null : { ...known.value, jwt: Redacted.value(known.value.jwt) }
  )

describe("bootstrap", () => {
  it.effect("trades the policy token for an identity, which is used and stored in both files", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        assert.deepInclude(yield* gateway.load, { kind: "none", token: true })
        const answer = yield* gateway.bootstrap
        assert.deepInclude(answer, { refreshInMs: 2_000_000_000, expiryUnknown: false })
        const [request] = central.seen
        assert.deepStrictEqual([request?.method, request?.url], ["POST", "/v1/identity/bootstrap"])
        assert.deepStrictEqual(JSON.parse(request?.body ?? ""), { bootstrap_token: TOKEN })
        assert.notProperty(request?.headers, "authorization")
        const known = yield* current(gateway)
        assert.deepStrictEqual(known, {
          jwt: JWT,
          expires_at: NOW + MONTH,
          obtained_at: NOW,
          gateway_id: "gw-1",
          bootstrap_token_fp: yield* sha256Hex(new TextEncoder().encode(TOKEN))
        })
        assert.deepStrictEqual(yield* gateway.identity.status, {
          gateway_id: "gw-1",
          expires_at: "2026-01-31T00:00:00.000Z"
        })
        const fs = yield* FileSystem.FileSystem
        for (const name of ["identity.json", "identity.bak.json"]) {
          const file = `${gateway.state}/${name}`
          assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
          const text = yield* fs.readFileString(file)
          assert.include(text, JWT)
          assert.notInclude(text, TOKEN)
        }
      })
    )
  )

  it.effect("refuses an answer that is no identity, and says what is wrong with it", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        const table = [
          [granted("a.b"), /a JWT has three parts, this one has 2/],
          [granted("a.b.c.d"), /this one has 4/],
          [granted("..."), /three parts/],
          [granted("a.%%%.c"), /payload of the JWT is not a JSON object/],
          [granted(jwtOf([])), /payload of the JWT is not a JSON object/],
          [granted(jwtOf({})), /names no gateway \(no `sub`\)/],
          [granted(jwtOf({ sub: "" })), /names no gateway/],
          [granted(jwtOf({ sub: 7 })), /names no gateway/],
          [json(200, { jwt: "", expires_at: 1 }), /is not an identity/],
          [json(200, { expires_at: 1 }), /is not an identity/],
          [json(200, { jwt: JWT }), /is not an identity/],
          [granted(JWT, "tomorrow"), /is not an identity/],
          [json(200, []), /is not an identity/],
          [reply(200, {}, "<html>"), /is not an identity/],
          [reply(200, {}, ""), /is not an identity/],
          [reply(200, {}, "x".repeat(1_100_000)), /is not an identity/],
          [reply(204), /is not an identity/],
          [json(404, { error: "not_found" }), /central answered 404: not_found/],
          [json(500, { error: "broken" }), /central answered 500: broken/]
        ] as const
        for (const [answer, message] of table) {
          central.answerWith(answer)
          const failure = yield* Effect.flip(gateway.bootstrap)
          assert.strictEqual(failure._tag, "IdentityFailed")
          assert.match(failure.message, message)
          assert.notInclude(failure.message, JWT)
        }
        assert.isNull(yield* current(gateway))
        assert.deepStrictEqual((yield* gateway.store.read).source, "none")
      })
    )
  )

  it.effect("says that the credential itself was refused, for 401 and 403", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        for (const status of [401, 403]) {
          central.answerWith(json(status, { error: "It was revoked." }))
          const failure = yield* Effect.flip(gateway.bootstrap)
          assert.strictEqual(failure._tag, "CredentialRefused")
          assert.strictEqual(
            failure.message,
            `central answered ${status}: It was revoked. The credential is not accepted.`
          )
        }
      })
    )
  )

  it.effect("needs a token, and says how to get one", () =>
    starting(
      (gateway, central) =>
        Effect.gen(function* () {
          const failure = yield* Effect.flip(gateway.bootstrap)
          assert.strictEqual(failure._tag, "CredentialRefused")
          assert.include(failure.message, "holdfast join URL")
          assert.lengthOf(central.seen, 0)
        }),
      { running: { token: null } }
    )
  )

  it.effect("takes an expiry in the past, in milliseconds, or in the next decade but one as unknown", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        for (const expiry of [0, -1, NOW - 1, NOW, NOW * 1_000, (NOW + MONTH) * 1_000, NOW + 11 * 365 * DAY, 1e300]) {
          central.answerWith(granted(JWT, expiry))
          const answer = yield* gateway.bootstrap
          assert.deepInclude(answer, { expiryUnknown: true, refreshInMs: 2_000_000_000 }, String(expiry))
          assert.isNull((yield* gateway.identity.status).expires_at)
        }
        central.answerWith(granted(JWT, NOW + HOUR))
        assert.deepInclude(yield* gateway.bootstrap, { expiryUnknown: false, refreshInMs: (HOUR / 2) * 1_000 })
      })
    )
  )
})

describe("refresh", () => {
  it.effect("shows the identity and takes the new one", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        yield* gateway.bootstrap
        yield* TestClock.setTime((NOW + HOUR) * 1_000)
        central.answerWith(granted(REFRESHED, NOW + 2 * MONTH))
        yield* gateway.refresh
        const request = central.seen.at(-1)
        assert.deepStrictEqual([request?.method, request?.url, request?.body], ["POST", "/v1/identity/refresh", ""])
        assert.strictEqual(request?.headers.authorization, `Bearer ${JWT}`)
        const known = yield* current(gateway)
        assert.deepInclude(known, { jwt: REFRESHED, obtained_at: NOW + HOUR, gateway_id: "gw-1" })
        assert.strictEqual(known?.bootstrap_token_fp, yield* sha256Hex(new TextEncoder().encode(TOKEN)))
      })
    )
  )

  it.effect("keeps the gateway id when the new identity names none", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        yield* gateway.bootstrap
        central.answerWith(granted(jwtOf({ jti: "no sub" })))
        yield* gateway.refresh
        assert.strictEqual((yield* current(gateway))?.gateway_id, "gw-1")
      })
    )
  )

  it.effect("keeps the identity there is when it fails", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        yield* gateway.bootstrap
        for (const [answer, tag] of [
          [json(401, { error: "revoked" }), "CredentialRefused"],
          [json(500, { error: "broken" }), "IdentityFailed"],
          [granted("a.b"), "IdentityFailed"]
        ] as const) {
          central.answerWith(answer)
          assert.strictEqual((yield* Effect.flip(gateway.refresh))._tag, tag)
          assert.strictEqual((yield* current(gateway))?.jwt, JWT)
        }
      })
    )
  )

  it.effect("is refused without an identity", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(gateway.refresh))._tag, "CredentialRefused")
        assert.lengthOf(central.seen, 0)
      })
    )
  )
})

describe("a restart", () => {
  /** What a second process finds of the identity that the first one got. */
  const restarted = <A, E>(
    change: (running: Gateway["running"]) => void,
    use: (gateway: Gateway) => Effect.Effect<A, E>
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW * 1_000)
        const central = yield* standIn(granted())
        const root = yield* scratchHome
        const running = { url: central.url, token: TOKEN }
        yield* withGateway({ root, running }, ({ bootstrap }) => bootstrap)
        return yield* withGateway({ root, running }, (gateway) => {
          change(gateway.running)
          return use(gateway)
        })
      })
    ).pipe(Effect.provide(NodeServices.layer))

  it.effect("finds the identity, and when it is to be refreshed", () =>
    restarted(
      () => {},
      (gateway) =>
        Effect.gen(function* () {
          yield* TestClock.setTime((NOW + 10 * DAY) * 1_000)
          assert.deepInclude(yield* gateway.load, { kind: "ready", token: true, refreshInMs: 19 * DAY * 1_000 })
          assert.strictEqual((yield* current(gateway))?.jwt, JWT)
        })
    )
  )

  it.effect("without the token, or with a trailing slash, is no difference", () =>
    Effect.gen(function* () {
      yield* restarted(
        (running) => void (running.token = null),
        (gateway) => Effect.map(gateway.load, (found) => assert.deepInclude(found, { kind: "ready", token: false }))
      )
      yield* restarted(
        (running) => void (running.url += "//"),
        (gateway) => Effect.map(gateway.load, (found) => assert.deepInclude(found, { kind: "ready", token: true }))
      )
    })
  )

  it.effect("with another token, or another central, means to enrol again", () =>
    Effect.gen(function* () {
      yield* restarted(
        (running) => void (running.token = "another"),
        (gateway) =>
          Effect.gen(function* () {
            assert.deepInclude(yield* gateway.load, { kind: "none", token: true })
            assert.isNull(yield* current(gateway))
          })
      )
      yield* restarted(
        (running) => void (running.url = `${running.url}/other`),
        (gateway) =>
          Effect.gen(function* () {
            assert.strictEqual((yield* gateway.load).kind, "none")
            // The other central's identity stays: a rollback may need it.
            yield* gateway.bootstrap
            assert.lengthOf(Object.keys((yield* gateway.store.read).file.identities), 2)
          })
      )
    })
  )

  it.effect("without any central fails with the reason", () =>
    starting(
      (gateway) =>
        Effect.gen(function* () {
          assert.match((yield* Effect.flip(gateway.load)).message, /names no central/)
        }),
      { running: { url: null } }
    )
  )
})

describe("a disk that is full", () => {
  const full = makeRecording()
  const disk = layerRecording(full, "/")

  it.effect("keeps the identity in use and says so, until a write succeeds again", () =>
    starting(
      (gateway, central) =>
        Effect.gen(function* () {
          full.fault = (call) => (/^(create|write) /.test(call) ? "ENOSPC" : undefined)
          yield* gateway.bootstrap
          assert.strictEqual((yield* current(gateway))?.jwt, JWT)
          assert.match((yield* gateway.identity.storageProblem) ?? "", /the disk is full\. Free space/)
          assert.include(gateway.log(), "the disk is full")
          assert.strictEqual((yield* gateway.store.read).source, "none")
          central.answerWith(granted(REFRESHED))
          yield* gateway.refresh
          assert.strictEqual(central.seen.at(-1)?.headers.authorization, `Bearer ${JWT}`)
          full.fault = () => undefined
          yield* gateway.refresh
          assert.isNull(yield* gateway.identity.storageProblem)
          assert.strictEqual((yield* gateway.store.read).source, "main")
        }),
      { disk: Layer.suspend(() => disk) }
    )
  )

  it.effect("or cannot be read now leaves the identity in memory in use", () =>
    starting(
      (gateway) =>
        Effect.gen(function* () {
          yield* gateway.bootstrap
          full.fault = (call) => (call.startsWith("read ") ? "EMFILE" : undefined)
          assert.strictEqual((yield* Effect.flip(gateway.load))._tag, "StorageError")
          assert.strictEqual((yield* current(gateway))?.jwt, JWT)
          full.fault = () => undefined
        }),
      { disk: Layer.suspend(() => disk) }
    )
  )
})

describe("secrets", () => {
  it.effect("appear in no log line, at any level, whatever happens", () =>
    starting((gateway, central) =>
      Effect.gen(function* () {
        yield* gateway.load
        yield* gateway.bootstrap
        central.answerWith(granted(REFRESHED))
        yield* gateway.refresh
        central.answerWith(reply(304))
        yield* gateway.poll
        yield* Effect.exit(gateway.report)
        central.answerWith(granted("x.y"))
        yield* Effect.exit(gateway.bootstrap)
        yield* Effect.exit(gateway.refresh)
        yield* gateway.load
        assert.include(gateway.log(), "central.identity.acquired")
        for (const how of ["bootstrapped", "refreshed", "loaded"]) assert.include(gateway.log(), how)
        const shown = `${gateway.log()} ${JSON.stringify(yield* gateway.identity.current)} ${String(yield* gateway.store.read)}`
        for (const secret of [TOKEN, JWT, REFRESHED, ...JWT.split(".")]) assert.notInclude(shown, secret)
      })
    )
  )
})

describe("refreshInMs", () => {
  it("leaves 24 h or half of the life, whichever is shorter", () => {
    const table: ReadonlyArray<readonly [life: number, age: number, expected: number]> = [
      [MONTH, 0, MONTH - DAY],
      [MONTH, 28 * DAY, DAY],
      [MONTH, 29 * DAY, 0],
      [MONTH, MONTH + DAY, 0],
      [2 * DAY, 0, DAY],
      [DAY, 0, DAY / 2],
      [HOUR, 0, HOUR / 2],
      [HOUR, HOUR / 4, HOUR / 4],
      [2, 0, 1],
      // The clock was set back: never later than a whole life, never before now.
      [HOUR, -DAY, DAY + HOUR / 2]
    ]
    for (const [life, age, expected] of table) {
      const entry = { obtained_at: NOW, expires_at: NOW + life }
      assert.strictEqual(refreshInMs(entry, NOW + age), Math.min(expected * 1_000, 2_000_000_000), `${life} at ${age}`)
    }
  })

  it("waits as long as a timer can where the expiry is unknown", () => {
    assert.strictEqual(refreshInMs({ obtained_at: NOW, expires_at: 0 }, NOW), 2_000_000_000)
  })
})
