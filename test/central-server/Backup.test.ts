import { truncateSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Option } from "effect"
import { TestClock } from "effect/testing"
import { backUp, prepareRestore } from "../../src/central-server/index.ts"
import { bearer, documentFor, errorOf, json, makeToken, withCentral } from "./Fixture.ts"

const restore = (data: string, file: string) =>
  Effect.flatMap(prepareRestore(data, file), ({ apply, backup, found }) =>
    Effect.map(apply, (restored) => ({ ...restored, backup, found }))
  ).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const backup = (data: string, file: string) => Effect.provide(backUp(data, file), NodeServices.layer)

const files = Effect.provide(FileSystem.FileSystem, NodeServices.layer)

const idOf = (jwt: string): string => JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()).sub

const spoil =
  (sql: string) =>
  (file: string): void => {
    const database = new DatabaseSync(file)
    database.exec(`PRAGMA foreign_keys = OFF; ${sql}`)
    database.close()
  }

/** A user that is not the superuser, by number. */
const SOMEBODY = 65_534

/** Cuts the file off, after its first pages. */
const cutOff = (file: string): void => truncateSync(file, 20_000)

const overwrite = (file: string): void => writeFileSync(file, "text".repeat(2000))

describe("a backup", () => {
  it.effect("is one closed file, made while the server writes, and brings everything back", () =>
    withCentral(({ admin, ask, bootstrap, central, directory }) =>
      Effect.gen(function* () {
        const jwt = yield* bootstrap(yield* makeToken(admin))
        const { etag } = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const file = `${directory}/backup.sqlite`
        expect(yield* backup(directory, file)).toEqual({
          backed_up_at: "1970-01-01T00:00:00.000Z",
          configs: 1,
          revisions: 1,
          tokens: 1,
          gateways: 1,
          rows: 0
        })
        const fs = yield* files
        expect((yield* fs.stat(file)).mode & 0o777).toBe(0o600)
        expect((yield* fs.readDirectory(directory)).filter((name) => name.startsWith("backup"))).toEqual([
          "backup.sqlite"
        ])
        yield* admin.putConfig("fleet", documentFor(central.url, { query: 2 }), { force: false })
        const done = yield* restore(directory, file)
        expect(done).toMatchObject({ found: "same", still_revoked: { gateways: 0, tokens: 0 } })
        // The server runs all the while, and serves what was put back at once.
        const answer = yield* ask("GET", "/v1/config", bearer(jwt))
        expect([answer.status, answer.headers.get("etag")]).toEqual([200, etag])
        expect((yield* admin.fleet).warnings).toEqual([expect.stringMatching(/A backup of 1970-01-01.* was put back/)])
        // What was there is kept, and is a backup itself.
        expect(yield* restore(directory, done.kept ?? "")).toMatchObject({ backup: { revisions: 2 } })
      })
    )
  )

  it.effect("that is put back knows the gateways of the lost time again, and none of other times", () =>
    withCentral(({ admin, ask, bootstrap, central, directory }) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("10 days")
        const before = yield* bootstrap(yield* makeToken(admin))
        const a = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const file = `${directory}/backup.sqlite`
        yield* backup(directory, file)
        yield* TestClock.adjust("1 day")
        // A token and machines of the lost time; one of them is ended in it.
        const token = yield* makeToken(admin)
        const since = yield* bootstrap(token)
        const ended = yield* bootstrap(yield* makeToken(admin))
        yield* admin.revokeGateway(idOf(ended))
        yield* admin.revokeGateway(idOf(before))
        const b = yield* admin.putConfig("fleet", documentFor(central.url, { query: 2 }), { force: false })
        yield* TestClock.adjust("1 day")
        expect((yield* restore(directory, file)).still_revoked).toEqual({ gateways: 2, tokens: 0 })

        const poll = (jwt: string, etag = a.etag) => ask("GET", "/v1/config", bearer(jwt, { "if-none-match": etag }))
        expect((yield* poll(since)).status).toBe(304)
        expect(errorOf(yield* poll(ended))).toEqual([401, expect.any(String), "gateway_revoked"])
        expect(errorOf(yield* poll(before))).toEqual([401, expect.any(String), "gateway_revoked"])
        // Its token is lost with its secret: it admits nobody.
        const joining = yield* ask("POST", "/v1/identity/bootstrap", json({ bootstrap_token: token }))
        expect(joining.status).toBe(401)
        const refreshed = yield* ask("POST", "/v1/identity/refresh", bearer(since))
        expect(refreshed.status).toBe(200)

        // It runs what is not known here, until it has fetched what is.
        expect((yield* poll(since, b.etag)).headers.get("etag")).toBe(a.etag)
        yield* TestClock.adjust("2 seconds")
        const standings = (yield* admin.listGateways).map(({ id, standing }) => [id, standing])
        expect(standings).toContainEqual([idOf(since), "ahead"])
        expect(standings).toContainEqual([idOf(ended), "revoked"])

        // A gateway whose row is gone without a restore is not taken in: its identity is of no lost time.
        yield* TestClock.adjust("1 day")
        const late = yield* bootstrap(yield* makeToken(admin))
        const database = new DatabaseSync(`${directory}/central.sqlite`)
        database.prepare("DELETE FROM gateways WHERE id = ?").run(idOf(late))
        database.close()
        expect(errorOf(yield* poll(late))).toEqual([401, expect.any(String), "gateway_unknown"])
      })
    )
  )

  it.effect("takes the place of a damaged file, which is kept, and of none", () =>
    withCentral(({ admin, central, directory }) =>
      Effect.gen(function* () {
        yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const file = `${directory}/backup.sqlite`
        yield* backup(directory, file)
        const fs = yield* files
        const other = yield* fs.makeTempDirectory()
        yield* fs.writeFileString(`${other}/central.sqlite`, "no database".repeat(1000))
        yield* fs.writeFileString(`${other}/central.sqlite-wal`, "no log")
        const done = yield* restore(other, file)
        expect(done).toMatchObject({ found: "damaged", backup: { revisions: 1 } })
        expect(yield* fs.readFileString(done.kept ?? "")).toContain("no database")
        expect((yield* fs.readDirectory(other)).toSorted()).toEqual([
          expect.stringMatching(/^central-before-.*\.sqlite$/),
          expect.stringMatching(/^central-before-.*\.sqlite-wal$/),
          "central.sqlite"
        ])
        expect(yield* restore(`${other}/new`, file)).toMatchObject({ found: "nothing", kept: null })
        expect((yield* fs.stat(`${other}/new/central.sqlite`)).mode & 0o777).toBe(0o600)
        yield* fs.remove(other, { recursive: true })
      })
    )
  )

  it.effect("that the superuser puts back is of whoever owns the directory", (context) =>
    withCentral(({ admin, central, directory }) =>
      Effect.gen(function* () {
        if (process.getuid?.() !== 0) return context.skip("only the superuser can give files away")
        yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const file = `${directory}/backup.sqlite`
        yield* backup(directory, file)
        const fs = yield* files
        const other = yield* fs.makeTempDirectory()
        yield* fs.chown(other, SOMEBODY, SOMEBODY)
        const owners = Effect.gen(function* () {
          const names = (yield* fs.readDirectory(other)).map((name) => `${other}/${name}`)
          return yield* Effect.forEach(names, (name) => Effect.map(fs.stat(name), ({ gid, uid }) => [uid, gid]))
        })
        const theirs = [Option.some(SOMEBODY), Option.some(SOMEBODY)]
        yield* restore(other, file)
        expect(yield* owners).toEqual([theirs])
        // The copy of what was there, of a sound central and of a damaged one.
        yield* restore(other, file)
        expect(yield* owners).toEqual([theirs, theirs])
        yield* TestClock.adjust("1 second")
        yield* fs.writeFileString(`${other}/central.sqlite`, "no database".repeat(1000))
        yield* restore(other, file)
        expect(yield* owners).toEqual([theirs, theirs, theirs])
        yield* fs.remove(other, { recursive: true })
      })
    )
  )

  it.effect.each([
    ["is no database", "not a database", overwrite],
    ["is a database of something else", "not one of a central", spoil("DROP TABLE tokens")],
    ["holds another document than it says", "not the one of its etag", spoil("UPDATE revisions SET bytes = x'00'")],
    ["has a config that cannot be one", "whose name cannot be one", spoil("UPDATE revisions SET config = '../x'")],
    ["refers to what is not there", "refers to none", spoil("DELETE FROM tokens")],
    [
      "is of a newer version",
      /^\S+backup\.sqlite was written by a newer version \(format 99\): restore it with that/,
      spoil("PRAGMA user_version = 99")
    ],
    ["is cut off", /damaged|malformed/, cutOff]
  ] as const)("that %s is refused before anything is touched", ([, message, make]) =>
    withCentral(({ admin, bootstrap, central, directory }) =>
      Effect.gen(function* () {
        yield* bootstrap(yield* makeToken(admin))
        yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
        const file = `${directory}/backup.sqlite`
        yield* backup(directory, file)
        const fs = yield* files
        make(file)
        const before = yield* admin.fleet
        const names = yield* fs.readDirectory(directory)
        const failure = yield* Effect.flip(restore(directory, file))
        expect(failure.message).toMatch(message)
        expect(yield* admin.fleet).toEqual(before)
        expect(yield* fs.readDirectory(directory)).toEqual(names)
      })
    )
  )
})
