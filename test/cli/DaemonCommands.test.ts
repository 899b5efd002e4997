import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { rmSync } from "node:fs"
import { CREDENTIAL_NOT_ACCEPTED, type Status } from "../../src/domain/index.ts"
import { healthy, standIn } from "./Gateway.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const bad = {
  version: 1,
  quarantine: [
    { etag: '"bad"', digest: "x", environment: "e", reason: "crash_loop", recorded_at: 0, attempts: 1, retry_at: 1 }
  ],
  last_attempt: { etag: '"bad"', verdict: "applied", at: 0, attempt: 1 }
}

describe("health", () => {
  it.live("of a daemon that does not run is exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["health"])
        expect(said.code).toBe(1)
        expect(JSON.parse(said.out)).toMatchObject({ status: "stopped" })
      })
    )
  )

  for (const [status, code] of [
    ["ok", 0],
    ["unauthenticated", 0],
    ["degraded", 1]
  ] as const) {
    it.live(`${status} is exit code ${code}, and what the daemon says`, () =>
      atDesk((desk) =>
        Effect.gen(function* () {
          const { asked } = yield* standIn(desk, () => [200, { status, version: "0.1.0", reasons: [] }])
          const said = yield* desk.run(["health"])
          expect(said).toMatchObject({ code, err: "" })
          expect(JSON.parse(said.out)).toEqual({ status, version: "0.1.0", reasons: [] })
          expect(asked[0]?.url).toBe("/health")
        })
      )
    )
  }
})

describe("daemon restart", () => {
  it.live("without a daemon says how to start one: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect(yield* desk.run(["daemon", "restart"])).toMatchObject({
          code: 1,
          err: expect.stringContaining("holdfast daemon")
        })
      })
    )
  )

  it.live("asks the live daemon, and with --normal to end safe start", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(desk, () => [202, { accepted: true }])
        expect((yield* desk.run(["daemon", "restart"])).code).toBe(0)
        expect((yield* desk.run(["daemon", "restart", "--normal"])).code).toBe(0)
        expect(asked.map(({ body, method, url }) => [method, url, body])).toEqual([
          ["POST", "/restart", { reason: "operator" }],
          ["POST", "/restart", { reason: "operator", normal: true }]
        ])
      })
    )
  )
})

describe("config retry", () => {
  it.live("asks the live daemon", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(desk, () => [200, { etag: '"bad"', known: true }])
        expect(yield* desk.run(["config", "retry", "bad"])).toMatchObject({ code: 0, err: "" })
        expect(asked).toMatchObject([{ method: "POST", url: "/config/retry", body: { etag: "bad" } }])
      })
    )
  )

  it.live("without a daemon takes its place, with or without the quotes", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        for (const etag of ["bad", '"bad"']) {
          yield* desk.write("home/state/config-control/state.json", JSON.stringify(bad))
          expect(yield* desk.run(["config", "retry", etag])).toMatchObject({ code: 0, err: "" })
          expect(JSON.parse(yield* desk.read("home/state/config-control/state.json"))).toEqual({
            digest: expect.stringMatching(/^[0-9a-f]{64}$/),
            version: 1,
            quarantine: []
          })
        }
      })
    )
  )

  it.live("of a revision of which nothing is remembered is exit code 1, and changes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect((yield* desk.run(["config", "retry", "other"])).code).toBe(1)
        expect(yield* desk.files).toEqual([])
        yield* desk.write("home/state/config-control/state.json", JSON.stringify(bad))
        expect((yield* desk.run(["config", "retry", "other"])).code).toBe(1)
        expect(JSON.parse(yield* desk.read("home/state/config-control/state.json"))).toEqual(bad)
      })
    )
  )
})

describe("join with a live daemon", () => {
  const restarting = (status: Status) => (desk: Desk) =>
    standIn(desk, ({ url }, restart) => {
      if (url === "/restart") restart()
      return [200, status]
    })

  it.live("has it restart, and reports the first revision that it runs", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* restarting(healthy)(desk)
        const said = yield* desk.run(["join", "https://c.example.com", "--json"], { stdin: "token" })
        expect(said.code).toBe(0)
        expect(JSON.parse(said.out)).toMatchObject({ daemon: "restarting", revision: '"abc"' })
        expect(asked[0]).toMatchObject({ method: "POST", url: "/restart", body: { reason: "joined" } })
      })
    )
  )

  it.live("ends at once where central refuses the token, and says what to do: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const problem = `central answered 401: token_revoked. ${CREDENTIAL_NOT_ACCEPTED}`
        yield* restarting({
          ...healthy,
          identity: { gateway_id: null, expires_at: null, state: "seeded", problem },
          remote_config: { running_etag: null }
        })(desk)
        const said = yield* desk.run(["join", "https://c.example.com", "--json"], { stdin: "token" })
        expect(said.code).toBe(1)
        const { message, refused } = JSON.parse(said.out)
        expect(refused).toBe(true)
        expect(message).toMatch(
          /^Not joined: central answered 401: token_revoked\. The credential is not accepted\. \w/
        )
        expect(message).toContain("Join with another one: holdfast join URL --token-file FILE")
        // The same once the daemon has taken the intent up.
        const { document } = JSON.parse(yield* desk.read("home/state/config-control/join.json"))
        yield* desk.write("home/state/config-control/seed.json", JSON.stringify(document))
        for (const file of ["join.json", "join.bak.json"]) {
          rmSync(desk.path("home", "state", "config-control", file))
        }
        const again = yield* desk.run(["join", "https://c.example.com", "--json"], { stdin: "token" })
        expect(again.code).toBe(1)
        expect(JSON.parse(again.out)).toMatchObject({ already_joined: true, refused: true, message })
      })
    )
  )

  it.live("says why nothing was applied", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const last_attempt = {
          etag: '"x"',
          verdict: "config_invalid",
          reason: "/plugns",
          at: "2026-11-21T10:00:00.000Z"
        }
        yield* restarting({ ...healthy, remote_config: { running_etag: null, last_attempt } })(desk)
        const said = yield* desk.run(["join", "https://c.example.com"], { stdin: "token" })
        expect(said).toMatchObject({ code: 0, out: expect.stringContaining("(config_invalid): /plugns") })
      })
    )
  )

  it.live("leaves it alone with --no-daemon", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* restarting(healthy)(desk)
        const said = yield* desk.run(["join", "https://c.example.com", "--no-daemon"], { stdin: "token" })
        expect(said).toMatchObject({ code: 0, out: expect.stringContaining("holdfast daemon") })
        expect(asked).toEqual([])
        // Asked again without the flag, the waiting intent is taken up.
        yield* desk.run(["join", "https://c.example.com"], { stdin: "token" })
        expect(asked[0]?.url).toBe("/restart")
      })
    )
  )
})
