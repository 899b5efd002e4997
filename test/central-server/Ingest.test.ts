import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { Database, IngestLedger } from "../../src/central-server/index.ts"
import { batchPreimage } from "../../src/domain/index.ts"
import { bearer, errorOf, type Fixture, makeToken, withCentral } from "./Fixture.ts"

const JSON_TYPE = expect.stringMatching(/^application\/json/)

interface Sent {
  readonly signal?: string
  readonly stream?: string
  readonly position?: number
  /** The id that is claimed, where it is another than the batch's own. */
  readonly id?: string
  readonly place?: boolean
  readonly jwt?: string
  readonly headers?: Record<string, string>
}

const idOf = (body: string, { position = 1, signal = "events", stream = "s" }: Sent): string =>
  createHash("sha256")
    .update(batchPreimage({ signal, stream, position }, new TextEncoder().encode(body)))
    .digest("hex")
    .slice(0, 32)

const lines = (...rows: ReadonlyArray<unknown>): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("")

/** Over a connection of its own, as another process would have it. */
const layer = (directory: string) =>
  IngestLedger.layer.pipe(Layer.provide(Database.layer(directory)), Layer.provide(NodeServices.layer))

/** A joined gateway, and how it sends batches and central lists rows. */
const withGateway = <A, E>(
  use: (
    tools: Fixture & {
      readonly send: (body: string, sent?: Sent) => ReturnType<Fixture["ask"]>
      readonly rows: (signal?: string) => Effect.Effect<ReadonlyArray<unknown>>
      readonly ledger: () => number
    }
  ) => Effect.Effect<A, E>
) =>
  withCentral((fixture) =>
    Effect.gen(function* () {
      const jwt = yield* fixture.bootstrap(yield* makeToken(fixture.admin))
      const send = (body: string, sent: Sent = {}) => {
        const headers = bearer(sent.jwt ?? jwt, {
          "content-type": "application/x-ndjson",
          "x-holdfast-batch-id": sent.id ?? idOf(body, sent),
          ...(sent.place === false
            ? {}
            : { "x-holdfast-stream": sent.stream ?? "s", "x-holdfast-position": String(sent.position ?? 1) }),
          ...sent.headers
        })
        return fixture.ask("POST", `/v1/ingest/${sent.signal ?? "events"}`, { ...headers, body })
      }
      const ledgerLayer = layer(fixture.directory)
      const rows = (signal?: string) =>
        IngestLedger.use((ledger) => ledger.list({ signal, limit: 20_000 })).pipe(
          Effect.map((found) => found.map(({ row }) => row)),
          Effect.provide(ledgerLayer),
          Effect.orDie
        )
      const ledger = () => {
        const database = new DatabaseSync(`${fixture.directory}/central.sqlite`)
        const [found] = database.prepare("SELECT count(*) AS entries FROM ingest_batches").all()
        database.close()
        return Number(found?.["entries"])
      }
      return yield* use({ ...fixture, send, rows, ledger })
    })
  )

const at = (minute: number): string => `2026-11-22T10:${String(minute).padStart(2, "0")}:00.000Z`

describe("a batch", () => {
  it.effect("is stored and answered 202, and sent again it is answered 202 and stored once", () =>
    withGateway(({ ledger, rows, send }) =>
      Effect.gen(function* () {
        const body = lines({ id: "one", at: at(1) }, { at: at(2), type: "without id" })
        expect((yield* send(body)).status).toBe(202)
        expect((yield* send(body)).status).toBe(202)
        expect(yield* rows()).toEqual([
          { at: at(2), type: "without id" },
          { id: "one", at: at(1) }
        ])
        expect(ledger()).toBe(1)
      })
    )
  )

  it.effect("that comes before an earlier one is listed after it, by when things happened", () =>
    withGateway(({ rows, send }) =>
      Effect.gen(function* () {
        yield* send(lines({ id: "late", at: at(9) }), { position: 2 })
        yield* send(lines({ id: "early", at: at(3) }), { position: 1 })
        expect(yield* rows()).toEqual([
          { id: "late", at: at(9) },
          { id: "early", at: at(3) }
        ])
      })
    )
  )

  it.effect("brings no row twice that another batch has brought", () =>
    withGateway(({ ledger, rows, send }) =>
      Effect.gen(function* () {
        yield* send(lines({ id: "run-1" }), { signal: "runs", stream: "before" })
        yield* send(lines({ id: "run-1" }, { id: "run-2" }), { signal: "runs", stream: "after" })
        expect(yield* rows("runs")).toHaveLength(2)
        expect(yield* rows("events")).toHaveLength(0)
        expect(ledger()).toBe(2)
      })
    )
  )

  it.effect("that was cut at the end of a line on its way is not taken for the whole", () =>
    withGateway(({ rows, send }) =>
      Effect.gen(function* () {
        const whole = lines({ id: "one" }, { id: "two" })
        const cut = whole.slice(0, whole.indexOf("\n") + 1)
        expect(errorOf(yield* send(cut, { id: idOf(whole, {}) }))).toEqual([400, JSON_TYPE, "batch_damaged"])
        expect(yield* rows()).toEqual([])
        expect((yield* send(whole)).status).toBe(202)
      })
    )
  )

  it.effect("of a foreign client is taken at its word, but every line must be JSON, or nothing is stored", () =>
    withGateway(({ rows, send }) =>
      Effect.gen(function* () {
        const foreign = { id: "0123456789abcdef0123456789abcdef", place: false }
        const answer = yield* send(`{"a":1}\n{"a":\n`, foreign)
        expect(errorOf(answer)).toEqual([422, JSON_TYPE, "row_invalid"])
        expect(JSON.parse(answer.body).detail).toMatch(/^Line 2 is not a JSON value/)
        expect(yield* rows()).toEqual([])
        expect((yield* send(`{"a":1}\n{"a":2}`, foreign)).status).toBe(202)
        expect(yield* rows()).toEqual([{ a: 2 }, { a: 1 }])
      })
    )
  )

  it.effect("is refused with the reason when it is too long, too large, of no signal, unnamed or another type", () =>
    withGateway(({ ledger, send }) =>
      Effect.gen(function* () {
        const small = lines({ id: "one" })
        const tests: ReadonlyArray<readonly [string, Sent, number, string]> = [
          ["1\n".repeat(5_001), {}, 413, "batch_too_long"],
          [`"${"x".repeat(4 * 1_048_576)}"`, {}, 413, "body_too_large"],
          [small, { signal: "logs" }, 404, "signal_unknown"],
          [small, { id: "ABC" }, 400, "batch_id_invalid"],
          [small, { headers: { "x-holdfast-position": "first" } }, 400, "batch_place_invalid"],
          [small, { headers: { "content-type": "application/json" } }, 415, "body_not_ndjson"],
          [small, { jwt: "a.b.c" }, 401, "identity_invalid"]
        ]
        for (const [body, sent, status, error] of tests) {
          expect(errorOf(yield* send(body, sent))).toEqual([status, JSON_TYPE, error])
        }
        expect((yield* send("1\n".repeat(5_000))).status).toBe(202)
        expect(ledger()).toBe(1)
      })
    )
  )

  it.effect("of a gateway that was revoked is refused", () =>
    withGateway(({ admin, send }) =>
      Effect.gen(function* () {
        expect((yield* send(lines({ id: "one" }))).status).toBe(202)
        for (const { id } of yield* admin.listGateways) yield* admin.revokeGateway(id)
        expect(errorOf(yield* send(lines({ id: "two" })))).toEqual([401, JSON_TYPE, "gateway_revoked"])
      })
    )
  )
})

describe("a list of 200,000 rows", () => {
  const ROWS = 200_000
  /** Of 20 gateways and one that has long been silent; one in 999 is a run, one in seven says no time. */
  const FILL = `INSERT INTO ingest_rows (gateway_id, signal, key, at, received_at, body)
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${ROWS - 1})
    SELECT CASE WHEN n < 5 THEN 'silent' ELSE 'gateway-' || (n % 20) END, iif(n % 999 = 4, 'runs', 'events'), n,
      iif(n % 7 = 0, NULL, iif(n < 5, n, n * 7919 % ${ROWS})), n, n FROM numbers`

  it.live("takes moments, of all or of a gateway or a signal, and is in order", () =>
    withGateway(({ directory }) =>
      Effect.gen(function* () {
        const ledger = yield* IngestLedger
        const database = new DatabaseSync(`${directory}/central.sqlite`, { enableForeignKeyConstraints: false })
        database.exec(FILL)
        const sorted = database.prepare(`SELECT body FROM ingest_rows
          WHERE gateway_id = coalesce(?, gateway_id) AND +signal = coalesce(?, signal)
          ORDER BY +coalesce(at, received_at) DESC, id DESC LIMIT 100`)
        for (const gatewayId of [undefined, "gateway-3", "silent"]) {
          for (const signal of [undefined, "events", "runs"]) {
            const expected = sorted.all(gatewayId ?? null, signal ?? null).map((row) => row["body"])
            let best = Number.POSITIVE_INFINITY
            for (let time = 0; time < 5; time++) {
              const begin = performance.now()
              const found = yield* ledger.list({ gatewayId, signal, limit: 100 })
              best = Math.min(best, performance.now() - begin)
              expect(found.map(({ row }) => String(row))).toEqual(expected)
            }
            const which = `${gatewayId ?? "all gateways"}, ${signal ?? "both signals"}`
            console.log(`${expected.length} of ${ROWS} rows (${which}): ${best.toFixed(1)} ms`)
            expect(best).toBeLessThan(40)
          }
        }
        database.close()
      }).pipe(Effect.provide(layer(directory)))
    )
  )
})

describe("what central keeps", () => {
  const batchOf = (gatewayId: string, batchId: string, from: number, count: number) => ({
    gatewayId,
    signal: "events",
    batchId,
    place: null,
    bytes: 1,
    rows: Array.from({ length: count }, (_, index) => ({ key: `${from + index}`, at: null, body: `${from + index}` }))
  })

  it.effect("are the newest 10,000 rows of each gateway and signal, and nothing older than 90 days", () =>
    withGateway(({ admin, directory, ledger, send }) =>
      Effect.gen(function* () {
        yield* send(lines({ id: "very old" }))
        yield* TestClock.adjust("89 days")
        const service = yield* IngestLedger
        const gatewayId = (yield* admin.listGateways)[0]?.id ?? ""
        for (let batch = 0; batch < 3; batch++) {
          yield* service.take(batchOf(gatewayId, `${batch}`, batch * 4_000, 4_000))
        }
        const pruning = yield* Effect.forkChild(service.prune)
        // The disk is real, the clock is not: each step is waited for.
        const until = (done: Effect.Effect<boolean, unknown>): Effect.Effect<void, unknown> =>
          Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), done), { until: (isDone) => isDone, times: 200 })
        const count = Effect.map(service.list({ limit: 20_000 }), (found) => found.length)
        yield* until(Effect.map(count, (left) => left === 10_000))
        expect(yield* count).toBe(10_000)
        const [oldest] = (yield* service.list({ limit: 20_000 })).slice(-1)
        expect(oldest?.row).toBe(2_000)
        expect(ledger()).toBe(4)
        yield* TestClock.adjust("2 days")
        yield* until(Effect.sync(() => ledger() === 3))
        expect(ledger()).toBe(3)
        yield* Fiber.interrupt(pruning)
      }).pipe(Effect.provide(layer(directory)))
    )
  )
})
