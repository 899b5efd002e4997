import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { atDesk, type Desk } from "./InProcess.ts"
import { API_TOKEN, healthy, standIn, writeStatus } from "./Gateway.ts"

const statusJson = (desk: Desk) =>
  Effect.map(desk.run(["status", "--json"]), ({ code, err, out }) => {
    expect({ code, err }).toEqual({ code: 0, err: "" })
    return JSON.parse(out)
  })

const digest = (text: string) =>
  Effect.promise(async () =>
    Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toString("hex")
  )

const DOCUMENT = JSON.stringify({
  version: 2,
  sinks: { central: { plugin: "@holdfast/central", config: { url: "https://c.example.com", identity: {} } } }
})

const slot = Effect.fnUntraced(function* (desk: Desk, name: string, etag: string | null, promoted: boolean) {
  const folder = `home/state/config-control/${name}`
  yield* desk.write(`${folder}/document.json`, DOCUMENT)
  yield* desk.write(`${folder}/record.json`, JSON.stringify({ etag, digest: yield* digest(DOCUMENT) }))
  if (promoted) yield* desk.write(`${folder}/promoted`, "2026-11-21T10:00:00.000Z")
})

const activate = (desk: Desk, name: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.symlink(name, desk.path("home/state/config-control/active")))

describe("the status of a machine whose daemon does not run", () => {
  it.live("that never joined is healthy, and asking makes no file", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect(yield* statusJson(desk)).toMatchObject({
          overall: "healthy",
          remote_config: null,
          daemon: { state: "stopped", pid: null },
          identity: { state: "unjoined" }
        })
        expect(yield* desk.files).toEqual([])
      })
    )
  )

  it.live("that has only its joining intent says how to start the daemon", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.run(["join", "https://c.example.com"], { stdin: "s3cret-policy" })
        const status = yield* statusJson(desk)
        expect(status).toMatchObject({ overall: "degraded", identity: { state: "seeded" } })
        expect(status.remote_config).toMatchObject({ running_etag: null, last_known_good: null })
        expect(status.diagnostics[0]).toMatchObject({
          kind: "daemon_stopped",
          repair: [expect.stringContaining("holdfast daemon")]
        })
        expect(JSON.stringify(status)).not.toContain("s3cret-policy")
      })
    )
  )

  it.live("names the revision that the next start runs, what is known good, and the identity", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* slot(desk, "a", null, false)
        yield* slot(desk, "b", '"e1"', true)
        yield* activate(desk, "b")
        yield* desk.write("home/state/config-control/state.json", JSON.stringify({ version: 1, quarantine: [] }))
        yield* desk.write(
          "home/state/identity.json",
          JSON.stringify({
            version: 1,
            identities: {
              "https://c.example.com": { jwt: "a.b.c", expires_at: 1_800_000_000, obtained_at: 1, gateway_id: "gw_7" }
            }
          })
        )
        const status = yield* statusJson(desk)
        expect(status).toMatchObject({
          identity: { gateway_id: "gw_7", expires_at: "2027-01-15T08:00:00.000Z", state: "enrolled" },
          config_layers: { central: { source: "slot", slot: "b", etag: '"e1"', url: "https://c.example.com" } },
          remote_config: {
            running_etag: '"e1"',
            probation: null,
            last_known_good: { etag: '"e1"', slot: "b", promoted_at: "2026-11-21T10:00:00.000Z" }
          }
        })
        expect(JSON.stringify(status)).not.toContain("a.b.c")
        const { out } = yield* desk.run(["status"])
        expect(out).toContain('would run    revision "e1" from slot b')
      })
    )
  )

  it.live("tells a rollback and what is remembered of it, and does not obey control characters", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* slot(desk, "a", null, false)
        yield* activate(desk, "a")
        const bad = '"\u001b[31mbad"'
        const state = {
          version: 1,
          quarantine: [
            {
              etag: bad,
              digest: "x",
              environment: "e",
              reason: "probation_expired",
              recorded_at: 0,
              attempts: 1,
              retry_at: 3_600_000
            }
          ],
          last_rollback: { etag: bad, reason: "probation_expired", at: 0, detail: "no confirmed poll within 120 s" }
        }
        yield* desk.write("home/state/config-control/state.json", JSON.stringify(state))
        expect((yield* statusJson(desk)).remote_config).toMatchObject({
          last_rollback: { etag: bad, reason: "probation_expired" },
          bad_etag: { etag: bad, retry_at: "1970-01-01T01:00:00.000Z" }
        })
        const { out } = yield* desk.run(["status"])
        expect(out).toContain("probation_expired")
        expect(out).not.toContain("\u001b")
      })
    )
  )

  it.live("names the other revision when the active one is remembered as bad, for the next start goes back to it", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* slot(desk, "a", '"good"', true)
        yield* slot(desk, "b", '"bad"', false)
        yield* activate(desk, "b")
        const entry = {
          etag: '"bad"',
          digest: "x",
          environment: "e",
          reason: "crash_loop",
          recorded_at: 0,
          attempts: 1
        }
        const state = { version: 1, quarantine: [entry], last_rollback: { etag: '"bad"', reason: "crash_loop", at: 0 } }
        yield* desk.write("home/state/config-control/state.json", JSON.stringify(state))
        expect((yield* statusJson(desk)).remote_config).toMatchObject({
          running_etag: '"good"',
          last_known_good: { etag: '"good"', slot: "a" },
          last_rollback: { etag: '"bad"' }
        })
      })
    )
  )

  it.live("whose state.json cannot be read is degraded, and says so", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* slot(desk, "b", '"e1"', true)
        yield* activate(desk, "b")
        yield* desk.write("home/state/config-control/state.json", "{")
        const status = yield* statusJson(desk)
        expect(status.overall).toBe("degraded")
        expect(status.diagnostics.map(({ kind }: { kind: string }) => kind)).toContain("state_lost")
      })
    )
  )

  it.live("whose own config.json is broken names every problem of it", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("home/config.json", JSON.stringify({ version: 3, plugns: [] }))
        const status = yield* statusJson(desk)
        expect(status.overall).toBe("degraded")
        expect(status.diagnostics[0]).toMatchObject({ kind: "local_layer_unusable" })
        expect(status.diagnostics[0].message).toMatch(/\/plugns.*\/version/)
      })
    )
  )
})

describe("the status of a machine whose daemon runs", () => {
  it.live("is what the daemon says, asked with this home's token", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(desk, () => [200, healthy])
        expect(yield* statusJson(desk)).toEqual(healthy)
        expect(asked).toMatchObject([{ method: "GET", url: "/status", authorization: `Bearer ${API_TOKEN}` }])
        const { out } = yield* desk.run(["status"])
        expect(out).toContain("Holdfast 0.1.0: healthy")
        expect(out).toContain('runs         revision "abc" from slot b')
      })
    )
  )

  it.live("falls back to the files when nobody listens where the daemon said", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("home/state/api-token", API_TOKEN)
        yield* writeStatus(desk, { ...healthy, daemon: { ...healthy.daemon, api_url: "http://127.0.0.1:9" } })
        expect(yield* statusJson(desk)).toMatchObject({ daemon: { state: "stopped" } })
      })
    )
  )

  it.live("is what it wrote last, and degraded, when it does not answer as it should", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, () => [401, { error: "unauthorized", detail: "Send this server's token." }])
        const status = yield* statusJson(desk)
        expect(status).toMatchObject({ overall: "degraded", daemon: { state: "running" } })
        expect(status.diagnostics[0]).toMatchObject({
          kind: "api_unanswered",
          message: expect.stringContaining("HTTP 401")
        })
      })
    )
  )

  it.live("is what it wrote last while its API is not open", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* writeStatus(desk, { ...healthy, daemon: { ...healthy.daemon, state: "starting" } })
        const status = yield* statusJson(desk)
        expect(status).toMatchObject({ overall: "degraded", daemon: { state: "starting" } })
      })
    )
  )

  it.live("never sends the token to another machine, whatever the file says", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("home/state/api-token", API_TOKEN)
        yield* writeStatus(desk, { ...healthy, daemon: { ...healthy.daemon, api_url: "http://192.0.2.1:7071" } })
        expect((yield* statusJson(desk)).diagnostics[0]).toMatchObject({ kind: "api_unanswered" })
      })
    )
  )

  it.live("does not believe a file whose process is gone", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        // Above every process id that Linux hands out.
        yield* writeStatus(desk, { ...healthy, daemon: { ...healthy.daemon, pid: 2 ** 30 } })
        expect(yield* statusJson(desk)).toMatchObject({ daemon: { state: "stopped" } })
      })
    )
  )
})
