import { once } from "node:events"
import { DatabaseSync } from "node:sqlite"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Admin, Database } from "../../src/central-server/index.ts"
import { bearer, documentFor, json, makeToken, withCentral } from "./Fixture.ts"

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))

const pinned = (source: string) => ({ name: "x", version: "1.0.0", artifact_hash: "ab".repeat(32), source })

describe("saving a document", () => {
  it.effect("gives one etag per content, and a new revision per change", () =>
    withCentral(({ admin, central }) =>
      Effect.gen(function* () {
        const put = (query: number) => admin.putConfig("fleet", documentFor(central.url, { query }), { force: false })
        const first = yield* put(1)
        expect(first).toEqual({ seq: 1, etag: expect.stringMatching(/^"/), forced: false, warnings: [] })
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
            { name: "x", version: "1.0.0", artifact_hash: "ab".repeat(32), source: "git+https://h/x" }
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
      "a plugin that is listed twice",
      (url: string) => ({
        version: 2,
        plugins: [{ name: "@holdfast/runs" }, { name: "@holdfast/runs" }],
        sinks: { c: sink(url) }
      }),
      "/plugins/1/name",
      /listed already at \/plugins\/0/
    ],
    [
      "settings of a wrong type for a bundled plugin",
      (url: string) => ({
        version: 2,
        plugins: [{ name: "@holdfast/runs", config: { concurrency: "x" } }],
        sinks: { c: sink(url) }
      }),
      "/plugins/0/config/concurrency",
      /integer/
    ],
    [
      "a secret in the source of a plugin",
      (url: string) => ({ version: 2, plugins: [pinned("https://u:pass@h/x.tgz")], sinks: { c: sink(url) } }),
      "/plugins/0",
      /^(?!.*pass@).*source_forbidden: The source .*has a password or a token in it/
    ],
    [
      "the path of a machine as the source of a plugin",
      (url: string) => ({ version: 2, plugins: [pinned("/opt/x")], sinks: { c: sink(url) } }),
      "/plugins/0",
      /source_forbidden: .*a document may never name/
    ],
    [
      "a hash that no artifact can have",
      (url: string) => ({
        version: 2,
        plugins: [{ ...pinned("git+https://h/x"), artifact_hash: "ab" }],
        sinks: { c: sink(url) }
      }),
      "/plugins/0",
      /64 lower-case hex digits/
    ],
    [
      "a key that is spelt wrongly",
      (url: string) => ({ version: 2, plugin: [], sinks: { c: sink(url) } }),
      "/plugin",
      /did you mean `plugins`\?( |$)/
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
          objections: [{ pointer, message: expect.stringMatching(message) }]
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
            revoked_at: "1970-01-01T00:00:00.000Z",
            gateways: 0
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
        expect(names.sort()).toEqual([
          "admin-token",
          "central.lock",
          "central.pid.json",
          "central.sqlite",
          "central.sqlite-shm",
          "central.sqlite-wal"
        ])
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
        // A detail that repeats the reason says nothing.
        yield* report({ running_etag: a, last_rollback: { ...last_rollback, detail: last_rollback.reason } })
        expect((yield* view).why).toBe(`rolled back from ${b} (probation_expired)`)

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
        expect(yield* view).toMatchObject({ running_etag: c, running_revision: 3, running_forced: true })
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

describe("the history of a config", () => {
  it.effect("lets exactly one of two admins win who save at once, and tells the other who was faster", () =>
    withCentral(({ admin, central, directory }) =>
      Effect.gen(function* () {
        const { etag: seen } = yield* admin.putConfig("fleet", documentFor(central.url), {
          force: false,
          expect: "none"
        })
        const save = (query: number, service: Admin["Service"]) =>
          service.putConfig("fleet", documentFor(central.url, { query }), {
            force: false,
            expect: seen,
            savedBy: "page"
          })
        // Over connections of their own, as two processes have them.
        const results = yield* Admin.use((other) =>
          Effect.all(
            [1, 2, 3, 4, 5, 6].map((query) => Effect.result(save(query, query % 2 === 0 ? admin : other))),
            {
              concurrency: "unbounded"
            }
          )
        ).pipe(Effect.provide(Admin.layer(directory)), Effect.provide(NodeServices.layer))
        const won = results.filter(({ _tag }) => _tag === "Success")
        expect(won).toHaveLength(1)
        const lost = results.find(({ _tag }) => _tag === "Failure")
        expect(lost).toMatchObject({ failure: { _tag: "RevisionChanged", newest: { seq: 2, saved_by: "page" } } })
        // Sent again, for its answer was lost: that is saved already.
        expect(yield* save(1, admin)).toMatchObject({ seq: 2 })
        const first = yield* Effect.flip(
          admin.putConfig("fleet", documentFor(central.url, { query: 9 }), { force: false, expect: "none" })
        )
        expect(first).toMatchObject({ _tag: "RevisionChanged", newest: { seq: 2 } })
        const none = yield* Effect.flip(
          admin.putConfig("other", documentFor(central.url), { force: false, expect: seen })
        )
        expect(none).toMatchObject({ _tag: "RevisionChanged", newest: null })
      })
    )
  )

  it.effect("brings earlier bytes back as a new revision", () =>
    withCentral(({ admin, central }) =>
      Effect.gen(function* () {
        const put = (query: number) => admin.putConfig("fleet", documentFor(central.url, { query }), { force: false })
        const first = yield* put(1)
        expect((yield* Effect.flip(admin.rollback("fleet", { force: false }))).message).toMatch(/nothing to go back to/)
        yield* put(2)
        expect(yield* admin.rollback("fleet", { force: false })).toMatchObject({ seq: 3, etag: first.etag })
        yield* put(3)
        expect(yield* admin.rollback("fleet", { force: false, seq: 2, savedBy: "api" })).toMatchObject({ seq: 5 })
        expect((yield* admin.history("fleet")).map(({ restores, saved_by, seq }) => [seq, restores, saved_by])).toEqual(
          [
            [5, 2, "api"],
            [4, null, "command"],
            [3, 1, "command"],
            [2, null, "command"],
            [1, null, "command"]
          ]
        )
        expect((yield* admin.history("fleet", { before: 3, limit: 1 })).map(({ seq }) => seq)).toEqual([2])
        expect(yield* admin.diff("fleet", 1, 2)).toMatchObject({
          changes: [{ pointer: "/query", kind: "changed", before: "1", after: "2" }],
          lines: expect.arrayContaining(['-  "query": 1', '+  "query": 2'])
        })
        expect((yield* Effect.flip(admin.rollback("fleet", { force: false, seq: 9 }))).message).toMatch(/no revision 9/)
        expect(yield* Effect.flip(admin.history("x"))).toMatchObject({ reason: "not_found" })
        expect(yield* admin.check("fleet", bytes({}))).toMatchObject({
          unchanged: false,
          objections: [{ pointer: "/version" }]
        })
        expect(yield* admin.check("fleet", documentFor(central.url, { query: 2 }))).toEqual({
          objections: [],
          unchanged: true
        })
      })
    )
  )

  it.effect("counts gateways for the newest revision with the bytes that they run, and keeps what they ran", () =>
    withCentral(({ admin, ask, bootstrap, central }) =>
      Effect.gen(function* () {
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const put = (query: number) => admin.putConfig("fleet", documentFor(central.url, { query }), { force: false })
        const poll = (headers: Record<string, string>) =>
          Effect.andThen(ask("GET", "/v1/config", bearer(jwt, headers)), TestClock.adjust("1 minute"))
        const a = yield* put(1)
        yield* poll({})
        yield* poll({ "if-none-match": a.etag })
        yield* poll({ "if-none-match": a.etag })
        const b = yield* put(2)
        yield* poll({ "if-none-match": b.etag })
        yield* admin.rollback("fleet", { force: false })
        // A proxy on the way weakened it.
        yield* poll({ "if-none-match": `W/${a.etag}` })
        const { configs, gateways } = yield* admin.fleet
        expect(configs[0]?.newest.map(({ convergence, seq }) => [seq, convergence.unconfirmed])).toEqual([
          [3, 1],
          [2, 0],
          [1, 0]
        ])
        expect(gateways).toMatchObject([{ standing: "unconfirmed", running_since: "1970-01-01T00:04:00.000Z" }])
        expect(configs[0]?.standings).toEqual({ unconfirmed: 1 })
        const { tenures } = yield* admin.gatewayDetail(gateways[0]?.id ?? "")
        expect(tenures.map(({ etag, since, until }) => [etag, since.slice(14, 19), until?.slice(14, 19)])).toEqual([
          [a.etag, "04:00", undefined],
          [b.etag, "03:00", "04:00"],
          [a.etag, "01:00", "03:00"],
          [null, "00:00", "01:00"]
        ])
      })
    )
  )
})

describe("a database that cannot be used", () => {
  it.effect("because another process writes, or because its disk is full, is named as such", () =>
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const failures = yield* Database.use((database) =>
        Effect.gen(function* () {
          const write = (text: string) =>
            Effect.flip(database.execute("INSERT INTO settings VALUES (?, ?)", text.slice(0, 9), text))
          const other = new DatabaseSync(`${directory}/central.sqlite`)
          other.exec("BEGIN IMMEDIATE")
          const locked = yield* write("locked")
          other.exec("ROLLBACK")
          other.close()
          // What SQLite says of a disk that is full, it says of a file that may not grow.
          yield* database.query(Schema.Unknown, "PRAGMA max_page_count = 1")
          const full = yield* write("x".repeat(1_000_000))
          yield* database.query(Schema.Unknown, "PRAGMA max_page_count = 1000000")
          yield* database.execute("INSERT INTO settings VALUES ('a', 'b')")
          return [locked, full]
        })
      ).pipe(Effect.provide(Database.layer(directory, { busyMillis: 20 })))
      expect(failures).toMatchObject([
        { code: 5, message: expect.stringMatching(/Another process has been writing .*: try again/) },
        { code: 13, message: expect.stringMatching(/disk is full: free some space/) }
      ])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("because it is of a newer version says what to do", () =>
    withCentral(({ admin, central, directory }) =>
      Effect.gen(function* () {
        const other = new DatabaseSync(`${directory}/central.sqlite`)
        other.exec("PRAGMA user_version = 99")
        other.close()
        const open = Admin.use(({ listTokens }) => listTokens).pipe(Effect.provide(Admin.layer(directory)))
        expect((yield* Effect.flip(open)).message).toMatch(/newer version \(format 99\): use that version/)
        expect((yield* admin.putConfig("fleet", documentFor(central.url), { force: false })).seq).toBe(1)
      }).pipe(Effect.provide(NodeServices.layer))
    )
  )

  it.live(
    "does not grow without end while others read it all the time",
    () =>
      withCentral(({ admin, directory }) =>
        Effect.gen(function* () {
          const reader = new Worker(READ_ALL_THE_TIME, { eval: true, workerData: `${directory}/central.sqlite` })
          yield* Effect.promise(() => once(reader, "message"))
          const fs = yield* FileSystem.FileSystem
          let written = 0
          let largest = 0
          // Without a look at it, the log holds all that was written. How soon it is begun anew, the readers' turns decide.
          while (written < 20_000_000 || largest > written / 2) {
            expect(written).toBeLessThan(300_000_000)
            yield* admin.putConfig("fleet", bytes("x".repeat(100_000) + written), { force: true })
            written += 100_000
            largest = Math.max(largest, Number((yield* fs.stat(`${directory}/central.sqlite-wal`)).size))
          }
          yield* Effect.promise(() => reader.terminate())
        }).pipe(Effect.provide(NodeServices.layer))
      ),
    60_000
  )
})

/** Two readers, one of which is always in the middle of a read. */
const READ_ALL_THE_TIME = `
const { DatabaseSync } = require("node:sqlite")
const { parentPort, workerData } = require("node:worker_threads")
const begin = () => {
  const rows = new DatabaseSync(workerData).prepare("SELECT * FROM settings, sqlite_schema").iterate()
  rows.next()
  return rows
}
const open = [begin(), begin()]
parentPort.postMessage("reading")
for (let turn = 0; ; turn++) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  open[turn % 2].return()
  open[turn % 2] = begin()
}`
