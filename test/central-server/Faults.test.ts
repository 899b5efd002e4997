/** Central when its database cannot be used: what gateways and admins are told, and that it comes back. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Admin, backUp, prepareRestore, serve } from "../../src/central-server/index.ts"
import { node } from "../support/Program.ts"
import {
  type Answer,
  bearer,
  documentFor,
  errorOf,
  type Fixture,
  json,
  makeAsk,
  makeToken,
  withCentral
} from "./Fixture.ts"

const UNAVAILABLE = [503, "application/json", "storage_unavailable"]

/** A gateway that has joined, and polls. */
const joined = Effect.fnUntraced(function* ({ admin, ask, bootstrap, central }: Fixture) {
  const token = yield* makeToken(admin)
  const jwt = yield* bootstrap(token)
  const { etag } = yield* admin.putConfig("fleet", documentFor(central.url), { force: false })
  const poll = (headers: Record<string, string> = {}) => ask("GET", "/v1/config", bearer(jwt, headers))
  const refresh = ask("POST", "/v1/identity/refresh", bearer(jwt))
  const join = ask("POST", "/v1/identity/bootstrap", json({ bootstrap_token: token }))
  const report = ask("POST", "/v1/gateway/status", json({ remote_config: null }, { authorization: `Bearer ${jwt}` }))
  expect((yield* poll({ "if-none-match": etag })).status).toBe(304)
  return { etag, jwt, poll, unchanged: poll({ "if-none-match": etag }), refresh, join, report }
})

/** Lets the test's time pass until it is done. */
const inTime = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust("100 millis")
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
    }
    return yield* Fiber.join(fiber)
  })

const sql = (file: string, text: string): void => {
  const database = new DatabaseSync(file)
  database.exec(text)
  database.close()
}

/** Another process that holds the write lock, until it is told to end. */
const lock = (file: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(node, ["-e", HOLD, file], { stdio: ["pipe", "pipe", "inherit"] })
      await once(child.stdout, "data")
      return child
    }),
    release
  )

const release = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode !== null) return
    child.stdin?.end()
    await once(child, "exit")
  })

const HOLD = `
const database = new (require("node:sqlite").DatabaseSync)(process.argv[1])
database.exec("BEGIN IMMEDIATE; DELETE FROM settings")
process.stdin.resume().on("end", () => process.exit(0))
console.log("held")`

/** Changes a byte of a text that is somewhere in the file, behind the back of whoever uses it; how to undo it. */
const flip = (file: string, text: string, place = 0): (() => void) => {
  const at = placesOf(file, text)[place] ?? expect.unreachable()
  const write = (byte: string) => {
    const descriptor = openSync(file, "r+")
    writeSync(descriptor, byte, at + 4)
    closeSync(descriptor)
  }
  write("~")
  return () => write(text.charAt(4))
}

/** As {@link flip}, and then something is written: who has the page in memory reads it again. */
const spoil = (file: string, text: string, place = 0): (() => void) => {
  const undo = flip(file, text, place)
  const noticed = () => sql(file, "INSERT INTO restorations VALUES (-1000000000, -1000000000)")
  noticed()
  return () => {
    undo()
    noticed()
  }
}

/** Where in the file a text is; what was written last is in it then, and not in its log. */
const placesOf = (file: string, text: string): ReadonlyArray<number> => {
  sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")
  const bytes = readFileSync(file)
  const places: Array<number> = []
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) places.push(at)
  return places
}

const restore = (data: string, file: string) =>
  Effect.flatMap(prepareRestore(data, file), ({ apply, found }) => Effect.as(apply, found)).pipe(
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )

const backup = (data: string, file: string) => Effect.provide(backUp(data, file), NodeServices.layer)

const start = (data: string) =>
  serve({ data, host: "127.0.0.1", port: 0 }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const freshAdmin = <A, E>(data: string, use: (admin: Admin["Service"]) => Effect.Effect<A, E>) =>
  Admin.use(use).pipe(Effect.provide(Admin.layer(data)), Effect.provide(NodeServices.layer))

const isWhole = ({ body, headers }: Answer): boolean =>
  headers.get("etag") === `"${createHash("sha256").update(body).digest("hex")}"`

describe("while another process holds the database", () => {
  it.effect("unchanged polls are answered at once, what must write waits and is told 503, and then all is stored", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, directory } = fixture
        const gateway = yield* joined(fixture)
        const file = `${directory}/central.sqlite`
        const other = yield* lock(file)
        const joining = yield* Effect.forkChild(Effect.all([gateway.join, gateway.report], { concurrency: 2 }))
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100)))
        const before = performance.now()
        for (let turn = 0; turn < 20; turn++) {
          expect((yield* gateway.unchanged).status).toBe(304)
          yield* TestClock.adjust("100 millis")
        }
        // Each of these who wait would have held up everybody for 5 seconds.
        expect(performance.now() - before).toBeLessThan(4_500)
        expect(joining.pollUnsafe()).toBeUndefined()
        const answers = yield* inTime(Fiber.join(joining))
        expect(answers.map(errorOf)).toEqual([UNAVAILABLE, UNAVAILABLE])
        expect(isWhole(yield* gateway.poll())).toBe(true)
        const failure = yield* inTime(Effect.flip(admin.createToken({ config: "fleet" })))
        expect(failure.message).toMatch(/database is locked\. Another process has been writing for too long: try again/)
        expect((yield* admin.listGateways)[0]).toMatchObject({ last_seen: null })

        yield* release(other)
        expect((yield* gateway.join).status).toBe(200)
        expect((yield* gateway.report).status).toBe(204)
        yield* inTime(Effect.sleep("3 seconds"))
        expect((yield* admin.listGateways)[0]).toMatchObject({ running_etag: null, last_seen: expect.any(String) })
      }).pipe(Effect.scoped)
    )
  )

  it.effect("what waits is done as soon as the other one has finished", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const gateway = yield* joined(fixture)
        const other = yield* lock(`${fixture.directory}/central.sqlite`)
        const joining = yield* Effect.forkChild(
          Effect.all([gateway.join, gateway.join, gateway.report], { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("2 seconds")
        yield* release(other)
        expect((yield* inTime(Fiber.join(joining))).map(({ status }) => status)).toEqual([200, 200, 204])
      }).pipe(Effect.scoped)
    )
  )
})

/** A small file system of its own; undefined where none can be mounted. */
const smallDisk = (): string | undefined => {
  const place = mkdtempSync(join(tmpdir(), "holdfast-mount-"))
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", place]).status === 0) return place
  rmSync(place, { recursive: true, force: true })
  return undefined
}

const unmount = (place: string): void => {
  spawnSync("umount", ["-l", place])
  rmSync(place, { recursive: true, force: true })
}

const canMount = ((): boolean => {
  const place = smallDisk()
  if (place === undefined) return false
  unmount(place)
  return true
})()

// Not a failure in CI either: no package gives the right to mount.
if (!canMount) console.log("skipped: a disk that is full or read-only needs the right to mount")

const onSmallDisk = <A, E>(use: (place: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => smallDisk() ?? expect.unreachable()),
    use,
    (place) => Effect.sync(() => unmount(place))
  )

const fill = (place: string): string => {
  const file = join(place, "filler")
  const descriptor = openSync(file, "w")
  try {
    for (;;) writeSync(descriptor, new Uint8Array(4_096))
  } catch {
    closeSync(descriptor)
    return file
  }
}

describe.skipIf(!canMount)("a disk", () => {
  it.effect("that is full still serves the fleet; who would write is told 503, until there is space", () =>
    onSmallDisk((place) =>
      withCentral(
        (fixture) =>
          Effect.gen(function* () {
            const { admin, central } = fixture
            const gateway = yield* joined(fixture)
            const filler = fill(place)
            const large = documentFor(central.url, { query: "x".repeat(200_000) })
            const failure = yield* Effect.flip(admin.putConfig("fleet", large, { force: false }))
            expect(failure.message).toMatch(/The disk is full: free some space/)
            const answers: Array<Answer> = []
            // What is free in the log of writes is used up first.
            for (let turn = 0; turn < 100 && answers.at(-1)?.status !== 503; turn++) answers.push(yield* gateway.join)
            expect(errorOf(answers.at(-1) ?? expect.unreachable())).toEqual(UNAVAILABLE)
            expect((yield* gateway.unchanged).status).toBe(304)
            expect(yield* gateway.poll()).toMatchObject({ status: 200 })
            expect((yield* gateway.refresh).status).toBe(200)
            const elsewhere = yield* Effect.flip(start(`${place}/another`))
            expect(elsewhere.message).toMatch(/the disk is full/i)

            rmSync(filler)
            expect((yield* gateway.join).status).toBe(200)
            const saved = yield* admin.putConfig("fleet", large, { force: false })
            expect((yield* gateway.unchanged).headers.get("etag")).toBe(saved.etag)
          }),
        { data: `${place}/central` }
      )
    )
  )

  it.effect("that is read-only is named as such to who starts central or administers it", () =>
    onSmallDisk((place) =>
      Effect.gen(function* () {
        const data = `${place}/central`
        yield* start(data)
        expect(spawnSync("mount", ["-o", "remount,ro", place]).status).toBe(0)
        expect((yield* Effect.flip(start(data))).message).toMatch(/the file system is read-only/)
        expect((yield* Effect.flip(start(`${place}/another`))).message).toMatch(/is missing, or read-only/)
        const failure = yield* Effect.flip(freshAdmin(data, (admin) => admin.listTokens))
        expect(failure.message).toMatch(/central\.sqlite failed: the file system is read-only/)
      })
    )
  )
})

describe("bytes that were flipped on the disk", () => {
  it.effect("of a document are served to nobody, and the next revision is", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, central, directory } = fixture
        const gateway = yield* joined(fixture)
        const file = `${directory}/central.sqlite`
        yield* admin.putConfig("fleet", documentFor(central.url, { query: "to be spoilt" }), { force: false })
        spoil(file, "to be spoilt")
        expect(errorOf(yield* gateway.poll())).toEqual(UNAVAILABLE)
        expect(errorOf(yield* gateway.unchanged)).toEqual(UNAVAILABLE)
        const failure = yield* Effect.flip(admin.getConfig("fleet"))
        expect(failure.message).toMatch(/revision 2 of fleet is not the document that was saved\. .*central restore/)
        // A backup of it could not be put back.
        const noBackup = yield* Effect.flip(backup(directory, `${directory}/backup.sqlite`))
        expect(noBackup.message).toMatch(/not the one of its etag .*No backup was made/)
        const next = yield* admin.rollback("fleet", { force: false })
        expect(next).toMatchObject({ seq: 3, etag: gateway.etag })
        expect(isWhole(yield* gateway.poll())).toBe(true)
        expect((yield* gateway.unchanged).status).toBe(304)
      })
    )
  )

  it.effect("of a gateway's row or of its index do not make it a gateway that is not known", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, directory } = fixture
        const gateway = yield* joined(fixture)
        const file = `${directory}/central.sqlite`
        const [{ id } = expect.unreachable()] = yield* admin.listGateways
        const told: Array<number> = []
        for (const place of placesOf(file, id).keys()) {
          const mend = spoil(file, id, place)
          for (const answer of [yield* gateway.poll(), yield* gateway.refresh]) told.push(answer.status)
          mend()
        }
        expect(told.length).toBeGreaterThan(3)
        expect([...new Set(told)].toSorted()).toEqual([200, 503])
        expect(isWhole(yield* gateway.poll())).toBe(true)
      })
    )
  )

  it.effect("of what holds everything else stop central from starting, and make no new signing key", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { directory } = fixture
        yield* joined(fixture)
        const count = placesOf(`${directory}/central.sqlite`, "signing_key").length
        const startSpoilt = (text: string, place: number) => {
          const copy = `${directory}/${text}-${place}`
          mkdirSync(copy)
          copyFileSync(`${directory}/central.sqlite`, `${copy}/central.sqlite`)
          flip(`${copy}/central.sqlite`, text, place)
          return Effect.match(start(copy), { onFailure: ({ message }) => message, onSuccess: () => "started" })
        }
        const told = yield* Effect.forEach(Array.from({ length: count }).keys(), (place) =>
          startSpoilt("signing_key", place)
        )
        const advice = /The file is damaged: put a backup in its place/
        // Its name in the row is not looked at; in the index it is, and then the key cannot be found.
        expect(told.toSorted()).toEqual([expect.stringMatching(advice), "started"])
        expect(yield* startSpoilt("CREATE TABLE", 0)).toMatch(advice)
      })
    )
  )
})

describe("a database file", () => {
  it.effect("that was removed is told from a new central: 503, until a backup is back and central restarted", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, central, directory, stop } = fixture
        const gateway = yield* joined(fixture)
        yield* backup(directory, `${directory}/backup.sqlite`)
        for (const end of ["", "-wal", "-shm"]) rmSync(`${directory}/central.sqlite${end}`)
        const told = yield* Effect.all([
          gateway.unchanged,
          gateway.poll(),
          gateway.refresh,
          gateway.join,
          gateway.report
        ])
        expect(told.map(errorOf)).toEqual(told.map(() => UNAVAILABLE))
        expect((yield* Effect.flip(admin.listGateways)).message).toMatch(/was removed while it was in use: .*restart/)
        const anew = yield* Effect.flip(freshAdmin(directory, (fresh) => fresh.createToken({ config: "fleet" })))
        expect(anew.message).toMatch(/is gone, and there has been a central in this directory .*central restore/)
        expect((yield* Effect.flip(start(directory))).message).toMatch(/every machine has to join again/)

        expect(yield* restore(directory, `${directory}/backup.sqlite`)).toBe("nothing")
        expect(errorOf(yield* gateway.unchanged)).toEqual(UNAVAILABLE)
        expect((yield* Effect.flip(admin.listGateways)).message).toMatch(/was replaced while .*Restart central/)
        yield* stop
        yield* Effect.gen(function* () {
          const again = yield* serve({ data: directory, host: "127.0.0.1", port: 0, externalUrl: central.url })
          const ask = makeAsk(again.url)
          const known = bearer(gateway.jwt, { "if-none-match": gateway.etag })
          expect((yield* ask("GET", "/v1/config", known)).status).toBe(304)
        }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
      })
    )
  )

  it.effect("of a newer version is not opened, and is left as it is", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const gateway = yield* joined(fixture)
        sql(`${fixture.directory}/central.sqlite`, "PRAGMA user_version = 99")
        expect((yield* Effect.flip(start(fixture.directory))).message).toMatch(/newer version \(format 99\): use that/)
        // What runs knows the tables that it knew.
        expect((yield* gateway.unchanged).status).toBe(304)
      })
    )
  )

  it.effect("of yesterday is put back while gateways poll: no answer is wrong, and no identity refused", () =>
    withCentral((fixture) =>
      Effect.gen(function* () {
        const { admin, central, directory } = fixture
        const first = yield* joined(fixture)
        yield* backup(directory, `${directory}/backup.sqlite`)
        yield* TestClock.adjust("1 day")
        const since = yield* Effect.all([joined(fixture), joined(fixture)])
        const newest = yield* admin.putConfig("fleet", documentFor(central.url, { query: 2 }), { force: false })
        const told: Array<Answer> = []
        const state = { ends: false }
        const polling = yield* Effect.forkChild(
          Effect.forEach(
            [first, ...since],
            ({ poll }) =>
              Effect.gen(function* () {
                let etag = ""
                while (!state.ends) {
                  const answer = yield* poll({ "if-none-match": etag })
                  told.push(answer)
                  if (answer.status === 200) etag = answer.headers.get("etag") ?? ""
                }
                return etag
              }),
            { concurrency: 3 }
          )
        )
        const some = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100)))
        yield* some
        expect(yield* restore(directory, `${directory}/backup.sqlite`)).toBe("same")
        yield* some
        state.ends = true
        expect(yield* Fiber.join(polling)).toEqual([first.etag, first.etag, first.etag])
        expect(told.filter(({ status }) => status !== 200 && status !== 304)).toEqual([])
        const served = told.filter(({ status }) => status === 200)
        expect(served.every(isWhole)).toBe(true)
        expect(served.map(({ headers }) => headers.get("etag"))).toContain(newest.etag)
        expect(yield* admin.listGateways).toHaveLength(3)
      })
    )
  )
})
