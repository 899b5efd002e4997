import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Admin } from "../../src/central-server/index.ts"
import { bearer, documentFor, json, makeToken, withCentral } from "./Fixture.ts"

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))

describe("saving a document", () => {
  it.effect("gives one etag per content, and a new revision per change", () =>
    withCentral(({ admin, central }) =>
      Effect.gen(function* () {
        const put = (query: number) => admin.putConfig("fleet", documentFor(central.url, { query }), { force: false })
        const first = yield* put(1)
        expect(first).toEqual({ etag: expect.stringMatching(/^"/), forced: false, warnings: [] })
        expect((yield* put(1)).etag).toBe(first.etag)
        expect((yield* admin.listConfigs)[0]).toMatchObject({ name: "fleet", revisions: 1 })
        expect((yield* put(2)).etag).not.toBe(first.etag)
        expect((yield* put(1)).etag).toBe(first.etag)
        expect(yield* admin.listConfigs).toEqual([
          { name: "fleet", etag: first.etag, forced: false, revisions: 3, saved_at: "1970-01-01T00:00:00.000Z" }
        ])
        expect((yield* admin.getConfig("fleet")).bytes).toEqual(documentFor(central.url, { query: 1 }))
      })
    )
  )

  it.effect("accepts every spelling of this server's own URL", () =>
    withCentral(
      ({ admin }) =>
        Effect.gen(function* () {
          for (const url of ["http://localhost:70/x", "http://[::1]:70/x/", "http://127.0.0.1:70/x//"]) {
            expect((yield* admin.putConfig("fleet", documentFor(url), { force: false })).forced).toBe(false)
          }
        }),
      { externalUrl: "http://127.0.0.1:70/x/" }
    )
  )

  it.effect("accepts a foreign client's central sink, and plugins that are pinned", () =>
    withCentral(({ admin, central }) =>
      Effect.gen(function* () {
        const document = {
          version: 2,
          plugins: [
            { name: "@holdfast/runs" },
            { name: "@other/central" },
            { name: "x", version: "1.0.0", artifact_hash: "ab", source: "git+https://h/x" }
          ],
          sinks: {
            line: { plugin: "@other/central", config: { url: central.url, identity: {}, more: 1 } },
            x: { plugin: "x" }
          }
        }
        expect((yield* admin.putConfig("fleet", bytes(document), { force: false })).forced).toBe(false)
      })
    )
  )

  const sink = (url: string) => ({ plugin: "@holdfast/central", config: { url, identity: {} } })
  it.effect.each([
    ["not JSON", () => "{", "", /not valid JSON/],
    ["no object", () => "[]", "", /must be a JSON object/],
    ["another version", (url: string) => ({ version: 1, sinks: { c: sink(url) } }), "/version", /exactly 2/],
    [
      "an unknown key",
      (url: string) => ({ version: 2, sinks: { c: sink(url) }, sink: 1 }),
      "/sink",
      /did you mean `sinks`/
    ],
    [
      "too many bytes",
      (url: string) => ({ version: 2, sinks: { c: sink(url) }, query: "x".repeat(1_048_576) }),
      "",
      /at most 1048576/
    ],
    ["no central sink", () => ({ version: 2 }), "/sinks", /has no central sink/],
    [
      "two central sinks",
      (url: string) => ({ version: 2, sinks: { a: sink(url), b: sink(url) } }),
      "/sinks",
      /2 central sinks \(`a`, `b`\)/
    ],
    [
      "a central sink of another server",
      () => ({ version: 2, sinks: { c: sink("http://127.0.0.1:1") } }),
      "/sinks/c/config/url",
      /points at http:\/\/127.0.0.1:1, but this server is/
    ],
    [
      "an unpinned plugin",
      (url: string) => ({ version: 2, plugins: [{ name: "x", version: "1" }], sinks: { c: sink(url) } }),
      "/plugins/0",
      /lacks artifact_hash, source/
    ],
    [
      "a sink of an unlisted plugin",
      (url: string) => ({ version: 2, sinks: { c: sink(url), x: { plugin: "x" } } }),
      "/sinks/x/plugin",
      /not listed/
    ]
  ] as const)("refuses a document with %s, until it is forced", ([, make, pointer, message]) =>
    withCentral(({ admin, central }) =>
      Effect.gen(function* () {
        const document = bytes(make(central.url))
        const refused = yield* Effect.flip(admin.putConfig("fleet", document, { force: false }))
        expect(refused).toMatchObject({
          _tag: "ConfigRefused",
          problems: [{ pointer, message: expect.stringMatching(message) }]
        })
        expect(refused.message).toMatch(/--force/)
        expect(yield* admin.listConfigs).toEqual([])

        const forced = yield* admin.putConfig("fleet", document, { force: true })
        expect(forced).toMatchObject({ forced: true, warnings: [expect.stringMatching(message)] })
        expect(yield* admin.listConfigs).toMatchObject([{ forced: true, etag: forced.etag }])
        expect((yield* admin.getConfig("fleet")).bytes).toEqual(document)
      })
    )
  )

  it.effect("is refused before central knows its own URL", () =>
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const refused = yield* Admin.use((admin) =>
        Effect.flip(admin.putConfig("fleet", documentFor("http://127.0.0.1:1"), { force: false }))
      ).pipe(Effect.provide(Admin.layer(`${directory}/new`)))
      expect(refused.message).toMatch(/never started on this directory: start it once/)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect.each(["", "a/b", "../x", "-x", "é", "x".repeat(65)])("refuses the name %j", (name) =>
    withCentral(({ admin, central }) =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(admin.putConfig(name, documentFor(central.url), { force: true }))
        expect(failure.message).toMatch(/A config name has/)
        expect((yield* Effect.flip(admin.createToken({ config: name }))).message).toMatch(/A config name has/)
      })
    )
  )
})

describe("policy tokens", () => {
  it.effect("are listed without their secret, and stored as a digest only", () =>
    withCentral(({ admin, directory }) =>
      Effect.gen(function* () {
        const { id, token } = yield* admin.createToken({ config: "fleet", expiresInSeconds: 60 })
        yield* admin.revokeToken(id)
        expect(yield* admin.listTokens).toEqual([
          {
            id,
            config: "fleet",
            created_at: "1970-01-01T00:00:00.000Z",
            expires_at: "1970-01-01T00:01:00.000Z",
            revoked_at: "1970-01-01T00:00:00.000Z"
          }
        ])
        const fs = yield* FileSystem.FileSystem
        for (const name of yield* fs.readDirectory(directory)) {
          const stored = Buffer.from(yield* fs.readFile(`${directory}/${name}`)).toString("latin1")
          expect(stored).not.toContain(Redacted.value(token))
        }
      }).pipe(Effect.provide(NodeServices.layer))
    )
  )

  it.effect("and gateways that are not there cannot be revoked", () =>
    withCentral(({ admin }) =>
      Effect.gen(function* () {
        expect((yield* Effect.flip(admin.revokeToken("tok_x"))).message).toMatch(/no token with this id/)
        expect((yield* Effect.flip(admin.revokeGateway("gw_x"))).message).toMatch(/no gateway with this id/)
        expect((yield* Effect.flip(admin.getConfig("x"))).message).toMatch(/no document with this name/)
        expect((yield* Effect.flip(admin.createToken({ config: "x", expiresInSeconds: 0 }))).message).toMatch(
          /1 second/
        )
      })
    )
  )
})

describe("the directory", () => {
  it.effect("is closed to others, and so are its files", () =>
    withCentral(({ admin, directory }) =>
      Effect.gen(function* () {
        yield* makeToken(admin)
        const fs = yield* FileSystem.FileSystem
        const modeOf = (path: string) => Effect.map(fs.stat(path), ({ mode }) => mode & 0o777)
        expect(yield* modeOf(directory)).toBe(0o700)
        const names = yield* fs.readDirectory(directory)
        expect(names.sort()).toEqual(["central.sqlite", "central.sqlite-shm", "central.sqlite-wal"])
        for (const name of names) expect(yield* modeOf(`${directory}/${name}`)).toBe(0o600)
      }).pipe(Effect.provide(NodeServices.layer))
    )
  )

  it.effect("that holds something else is refused with what to do", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const open = Effect.flip(Admin.use(({ listTokens }) => listTokens).pipe(Effect.provide(Admin.layer(directory))))
      yield* fs.writeFileString(`${directory}/central.sqlite`, "this is no database at all".repeat(100))
      expect(yield* open).toMatchObject({ code: 26, message: expect.stringMatching(/not a database: put a backup/) })
      const taken = `${directory}/file`
      yield* fs.writeFileString(taken, "")
      const failure = yield* Effect.flip(
        Admin.use(({ listTokens }) => listTokens).pipe(Effect.provide(Admin.layer(`${taken}/x`)))
      )
      expect(failure).toMatchObject({
        _tag: "DatabaseError",
        message: expect.stringMatching(/Check the --data directory/)
      })
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("the list of gateways", () => {
  it.effect("tells what each runs and why", () =>
    withCentral(({ admin, ask, bootstrap, central }) =>
      Effect.gen(function* () {
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const view = Effect.map(admin.listGateways, ([gateway]) => gateway!)
        const poll = (etag?: string) =>
          Effect.andThen(
            ask("GET", "/v1/config", bearer(jwt, etag === undefined ? {} : { "if-none-match": etag })),
            TestClock.adjust("2 seconds")
          )
        const report = (remote_config: unknown) =>
          Effect.map(
            ask("POST", "/v1/gateway/status", {
              ...json({ remote_config, version: "1.2.3" }),
              headers: { authorization: `Bearer ${jwt}`, "content-type": "application/json" }
            }),
            ({ status }) => expect(status).toBe(204)
          )
        expect((yield* view).why).toBe('no document is registered for "fleet"')
        const { etag: a } = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        expect(yield* view).toMatchObject({ running_etag: null, last_seen: null, why: "has not yet fetched" })

        yield* poll()
        expect(yield* view).toMatchObject({ running_etag: null, why: "never reported", last_seen: expect.any(String) })
        yield* poll(a)
        expect(yield* view).toMatchObject({
          running_etag: a,
          on_probation: null,
          why: "runs the newest revision, and has not yet reported whether it is promoted"
        })

        yield* report({
          running_etag: a,
          probation: { etag: a, applied_at: null, remaining_seconds: 9, attempts_left: 5 }
        })
        expect(yield* view).toMatchObject({
          on_probation: true,
          why: "runs the newest revision, on probation",
          version: "1.2.3"
        })
        yield* report({ running_etag: a, probation: null })
        yield* poll(a)
        expect(yield* view).toMatchObject({ running_etag: a, on_probation: false, why: "runs the newest revision" })

        const { etag: b } = yield* admin.putConfig("fleet", documentFor("http://127.0.0.1:1"), { force: true })
        expect((yield* view).why).toBe("has not yet fetched the newest revision")
        const last_rollback = {
          etag: b,
          reason: "probation_expired",
          at: "2030-01-01T00:00:00.000Z",
          detail: "no poll"
        }
        yield* report({ running_etag: a, last_rollback })
        expect(yield* view).toMatchObject({
          running_etag: a,
          newest_etag: b,
          last_rollback,
          why: `rolled back from ${b} (probation_expired): no poll`
        })

        const { etag: c } = yield* admin.putConfig("fleet", bytes("{}"), { force: true })
        const last_attempt = {
          etag: c,
          verdict: "config_invalid",
          reason: "/version: is required",
          at: "2030-01-01T00:00:01.000Z"
        }
        yield* report({ running_etag: a, last_rollback, last_attempt })
        expect((yield* view).why).toBe(`did not apply ${c} (config_invalid): /version: is required`)

        yield* poll(c)
        expect(yield* view).toMatchObject({ running_etag: c, running_forced: true })
        yield* admin.revokeGateway((yield* view).id)
        expect(yield* view).toMatchObject({ revoked: true, why: "its identity was revoked" })
      })
    )
  )

  it.effect("takes no report without an identity, nor one of the wrong shape", () =>
    withCentral(({ admin, ask, bootstrap }) =>
      Effect.gen(function* () {
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const post = (body: unknown, authorization: string) =>
          Effect.map(ask("POST", "/v1/gateway/status", json(body, { authorization })), ({ status }) => status)
        expect(yield* post({ remote_config: null }, "Bearer x")).toBe(401)
        expect(yield* post({ remote_config: 7 }, `Bearer ${jwt}`)).toBe(422)
        expect(yield* post({ remote_config: null }, `Bearer ${jwt}`)).toBe(204)
      })
    )
  )
})
