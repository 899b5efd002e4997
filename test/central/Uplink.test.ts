import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import type { SendAnswer } from "../../machines/index.ts"
import { SPOOL_BYTES } from "../../src/central/index.ts"
import {
  AT,
  batches,
  batchOf,
  digestOf,
  enrolled,
  event,
  filesOf,
  folder,
  headerOf,
  identityAnswer,
  idsIn,
  JWT,
  life,
  MiB,
  record,
  rowsIn,
  run,
  seal,
  send,
  sendTimes,
  signalOf,
  taken,
  textOf,
  TOKEN
} from "./Batches.ts"
import { type Gateway, NOW, scratchHome, withGateway } from "./Gateway.ts"
import { type Answer, json, reply, type Seen, standIn } from "./StandIn.ts"

const cutInTheMiddle: Answer = (_request, response) => {
  response.writeHead(202, { "content-length": "10" })
  response.write("half", () => response.socket?.destroy())
}
const cutBefore: Answer = (_request, response) => void response.socket?.destroy()

/** What becomes of a batch: it stays as it is, it goes, or it goes and is told as a gap. */
type Fate = "stays" | "goes" | "gap"

const TABLE: ReadonlyArray<readonly [what: string, answer: Answer, kind: SendAnswer["kind"], fate: Fate]> = [
  ["202", taken, "accepted", "goes"],
  ["202 with 2 MiB", reply(202, {}, new Uint8Array(2 * MiB)), "accepted", "goes"],
  ["200", reply(200, {}, "welcome to the network of this hotel"), "failed", "stays"],
  ["201", reply(201), "failed", "stays"],
  ["204", reply(204), "failed", "stays"],
  ["401", json(401, { error: "identity_expired" }), "unauthorized", "stays"],
  ["403", reply(403), "failed", "stays"],
  ["404", reply(404), "unsupported", "stays"],
  ["405", reply(405), "unsupported", "stays"],
  ["400 batch_damaged, once", json(400, { error: "batch_damaged" }), "failed", "stays"],
  ["400 of another kind", json(400, { error: "batch_id_invalid" }), "refused", "gap"],
  ["413", json(413, { error: "batch_too_long" }), "refused", "gap"],
  ["415", json(415, { error: "body_not_ndjson" }), "refused", "gap"],
  ["422", json(422, { error: "row_invalid" }), "refused", "gap"],
  ["422 with 2 MiB", reply(422, {}, new Uint8Array(2 * MiB)), "refused", "gap"],
  ["429", reply(429), "throttled", "stays"],
  ["503", reply(503), "throttled", "stays"],
  ["500 with 2 MiB", reply(500, {}, new Uint8Array(2 * MiB).fill(0x78)), "failed", "stays"],
  ["a connection that ends in the middle of a 202", cutInTheMiddle, "failed", "stays"],
  ["a connection that ends before the answer", cutBefore, "failed", "stays"]
]

describe("a batch that is answered", () => {
  it.effect.each(TABLE)("%s", ([, answer, kind, fate]) =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        yield* record(gateway, "one", "two")
        yield* seal(gateway)
        const [name = ""] = filesOf(gateway)
        const text = textOf(gateway, name)
        central.answerWith(answer)
        const answered = yield* send(gateway)
        assert.strictEqual(answered.kind, kind)
        assert.isBelow(answered.message.length, 400)
        assert.strictEqual(answered.more, fate !== "goes")
        assert.strictEqual(filesOf(gateway).includes(name), fate === "stays")

        central.answerWith(taken)
        assert.strictEqual((yield* send(gateway)).kind, fate === "goes" ? "nothing" : "accepted")
        assert.deepStrictEqual(filesOf(gateway), [])
        const [first, second] = batches(central)
        assert.deepStrictEqual(idsIn(first?.body ?? ""), ["one", "two"])
        if (fate === "stays") {
          assert.deepStrictEqual(batchOf(second), batchOf(first))
          assert.strictEqual(second?.body, text)
        }
        if (fate === "gap") {
          const [gap, ...more] = rowsIn(second?.body ?? "")
          const id = `gap-${first === undefined ? "" : headerOf(first, "stream")}-1`
          assert.deepStrictEqual(gap, { id, at: AT, type: "gap", rows: 2, from: AT, to: AT })
          assert.deepStrictEqual(more, [])
        }
      })
    )
  )

  it.effect("by nobody stays, and goes when there is somebody", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        yield* record(gateway, "one")
        const scope = yield* Scope.make()
        const gone = yield* Effect.provideService(standIn(), Scope.Scope, scope)
        yield* Scope.close(scope, Exit.void)
        gateway.running.url = gone.url
        const answered = yield* send(gateway)
        assert.deepStrictEqual([answered.kind, answered.more], ["failed", true])
        assert.include(answered.message, "ECONNREFUSED")
        gateway.running.url = central.url
        assert.strictEqual((yield* send(gateway)).kind, "accepted")
        assert.deepStrictEqual(filesOf(gateway), [])
      })
    )
  )

  it.effect("with a way to another origin stays, and nothing goes there; within the origin it is followed", () =>
    enrolled((gateway, central) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* record(gateway, "one")
          const elsewhere = yield* standIn(taken)
          central.answerWith(reply(307, { location: `${elsewhere.url}/v1/ingest/events` }))
          const answered = yield* send(gateway)
          assert.strictEqual(answered.kind, "failed")
          assert.include(answered.message, "redirects to another place")
          assert.deepStrictEqual(elsewhere.seen, [])
          assert.lengthOf(filesOf(gateway), 1)

          central.answerWith((request, response) =>
            request.url.startsWith("/v1/ingest/")
              ? reply(307, { location: "/moved" })(request, response)
              : taken(request, response)
          )
          assert.strictEqual((yield* send(gateway)).kind, "accepted")
          const { body, method, url } = central.seen.at(-1) ?? {}
          assert.deepStrictEqual([method, url, idsIn(body ?? "")], ["POST", "/moved", ["one"]])
        })
      )
    )
  )

  it.effect("with Retry-After waits as long as central says, in seconds or until a date", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        yield* record(gateway, "one")
        for (const status of [429, 503]) {
          for (const [value, seconds] of [
            ["120", 120],
            [new Date((NOW + 90) * 1_000).toUTCString(), 90],
            ["soon", 0]
          ] as const) {
            central.answerWith(reply(status, { "retry-after": value }))
            const { kind, retryAfterSeconds } = yield* send(gateway)
            assert.deepStrictEqual([kind, retryAfterSeconds], ["throttled", seconds])
          }
        }
        assert.lengthOf(filesOf(gateway), 1)
      })
    )
  )

  it.effect("batch_damaged three times in a row is told as a gap, of either signal, though they take turns", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        yield* gateway.uplink.recordRun(run("run-1"))
        yield* record(gateway, "one")
        central.answerWith(json(400, { error: "batch_damaged" }))
        const kinds = (yield* sendTimes(gateway, 6)).map(({ kind }) => kind)
        assert.deepStrictEqual(kinds, ["failed", "failed", "failed", "failed", "refused", "refused"])
        central.answerWith(taken)
        assert.deepStrictEqual(
          (yield* sendTimes(gateway, 3)).map(({ kind }) => kind),
          ["accepted", "accepted", "nothing"]
        )
        const gaps = batches(central).slice(-2)
        assert.deepStrictEqual(gaps.map(signalOf), ["events", "runs"])
        for (const { body } of gaps) assert.deepStrictEqual(rowsIn(body)[0]?.["rows"], 1)
      })
    )
  )
})

describe("batches", () => {
  it.effect("carry the identity, their type, and an id that is the digest of what they are", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        yield* record(gateway, "one", "é\u2028")
        yield* send(gateway)
        const [seen] = batches(central)
        assert.isDefined(seen)
        assert.deepStrictEqual([seen.method, seen.url], ["POST", "/v1/ingest/events"])
        assert.strictEqual(seen.headers.authorization, `Bearer ${JWT}`)
        assert.strictEqual(seen.headers["content-type"], "application/x-ndjson")
        assert.strictEqual(headerOf(seen, "batch-id"), digestOf(seen))
      })
    )
  )

  it.effect("of the two signals take turns, each in the order of its positions", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        for (const id of ["1", "2", "3"]) {
          yield* gateway.uplink.recordRun(run(`run-${id}`))
          yield* record(gateway, `event-${id}`)
          yield* seal(gateway)
        }
        assert.deepStrictEqual(
          (yield* sendTimes(gateway, 6)).map(({ more }) => more),
          [true, true, true, true, true, false]
        )
        assert.deepStrictEqual(
          batches(central).map((seen) => [signalOf(seen), headerOf(seen, "position"), ...idsIn(seen.body)]),
          ["1", "2", "3"].flatMap((n) => [
            ["events", n, `event-${n}`],
            ["runs", n, `run-${n}`]
          ])
        )
      })
    )
  )

  it.effect("of a signal that central does not take keep the other from nothing", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        for (const id of ["1", "2"]) {
          yield* gateway.uplink.recordRun(run(`run-${id}`))
          yield* record(gateway, `event-${id}`)
          yield* seal(gateway)
        }
        central.answerWith((request, response) => reply(request.url.endsWith("/events") ? 500 : 202)(request, response))
        const kinds = (yield* sendTimes(gateway, 4)).map(({ kind }) => kind)
        assert.deepStrictEqual(kinds, ["failed", "accepted", "failed", "accepted"])
        assert.lengthOf(filesOf(gateway), 2)
        assert.deepStrictEqual(filesOf(gateway, "runs"), [])
      })
    )
  )

  it.effect("are the same after a restart, byte for byte and by name; what comes then is of another stream", () =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW * 1_000)
        const root = yield* scratchHome
        const central = yield* standIn(identityAnswer)
        const inFirstLife = (gateway: Gateway) =>
          Effect.gen(function* () {
            central.answerWith(cutInTheMiddle)
            yield* record(gateway, "one")
            assert.strictEqual((yield* send(gateway)).kind, "failed")
            // Open when the process ends, as a kill leaves it.
            yield* record(gateway, "two")
          })
        yield* life(central, { root, token: TOKEN }, inFirstLife)
        central.answerWith(taken)
        const inSecondLife = (gateway: Gateway) =>
          Effect.gen(function* () {
            yield* record(gateway, "three")
            yield* sendTimes(gateway, 3)
            assert.deepStrictEqual(filesOf(gateway), [])
          })
        yield* life(central, { root }, inSecondLife)
        const [before, again, left, fresh] = batches(central)
        assert.deepStrictEqual(batchOf(again), batchOf(before))
        assert.deepStrictEqual(
          [left, fresh].map((seen) => idsIn(seen?.body ?? "")),
          [["two"], ["three"]]
        )
        const placeOf = (seen?: Seen) =>
          seen === undefined ? [] : [headerOf(seen, "stream"), headerOf(seen, "position")]
        const [stream = ""] = placeOf(before)
        assert.deepStrictEqual(placeOf(left), [stream, "2"])
        assert.notStrictEqual(placeOf(fresh)[0], stream)
        assert.strictEqual(placeOf(fresh)[1], "3")
        for (const seen of batches(central)) assert.strictEqual(headerOf(seen, "batch-id"), digestOf(seen))
      }).pipe(Effect.provide(NodeServices.layer))
    )
  )
})

describe("runs that were told", () => {
  it.effect("are not told again after a restart, the newest 2,000 of them", () =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW * 1_000)
        const root = yield* scratchHome
        const central = yield* standIn(identityAnswer)
        const ids = Array.from({ length: 2_100 }, (_, index) => `run-${index}`)
        const tell = (gateway: Gateway, some: ReadonlyArray<string>) =>
          Effect.andThen(
            Effect.forEach(some, (id) => gateway.uplink.recordRun(run(id))),
            gateway.uplink.tasks.store(undefined)
          )
        const inFirstLife = (gateway: Gateway) =>
          Effect.gen(function* () {
            central.answerWith(taken)
            for (const part of [ids.slice(0, 1_050), ids.slice(1_050)]) yield* tell(gateway, part)
            yield* send(gateway)
            const remembered = JSON.parse(readFileSync(join(folder(gateway, "runs"), "taken.json"), "utf8"))
            assert.deepStrictEqual(remembered, ids.slice(100))
          })
        yield* life(central, { root, token: TOKEN }, inFirstLife)
        const inSecondLife = (gateway: Gateway) =>
          Effect.gen(function* () {
            assert.deepStrictEqual(yield* tell(gateway, ids.slice(100)), { unsent: false })
            assert.deepStrictEqual(yield* tell(gateway, ["run-2099", "run-2100"]), { unsent: true })
            yield* send(gateway)
          })
        yield* life(central, { root }, inSecondLife)
        assert.deepStrictEqual(
          batches(central).map(({ body }) => idsIn(body)),
          [ids, ["run-2100"]]
        )
      }).pipe(Effect.provide(NodeServices.layer))
    )
  )
})

describe("while central is away", () => {
  it.effect("16 MiB are kept of a signal, and what is more is told as gaps: no row goes unmentioned", () =>
    enrolled((gateway, central) =>
      Effect.gen(function* () {
        let heard = 0
        yield* gateway.uplink.onLost((signal, rows) => Effect.sync(() => (heard += signal === "events" ? rows : 0)))
        central.answerWith(reply(500))
        const ROWS = 3_000
        for (let first = 0; first < ROWS; first += 500) {
          const long = "x".repeat(8_000)
          yield* Effect.forEach(Array.from({ length: 500 }), (_, index) =>
            gateway.uplink.recordEvent(event(`event-${first + index}`, long))
          )
          yield* gateway.uplink.tasks.store(undefined)
          assert.strictEqual((yield* send(gateway)).kind, "failed")
          const onDisk = filesOf(gateway).map((name) => statSync(join(folder(gateway), name)).size)
          const total = onDisk.reduce((sum, bytes) => sum + bytes, 0)
          assert.strictEqual(yield* gateway.uplink.bytes, total)
          assert.isAtMost(total, SPOOL_BYTES)
          assert.isAtMost(Math.max(...onDisk), MiB)
        }
        assert.isAbove(yield* gateway.uplink.bytes, SPOOL_BYTES - 2 * MiB)

        central.answerWith(taken)
        const before = batches(central).length
        yield* Effect.repeat(send(gateway), { while: ({ more }) => more, times: 100 })
        assert.strictEqual(yield* gateway.uplink.bytes, 0)
        const arrived = batches(central)
          .slice(before)
          .flatMap(({ body }) => rowsIn(body))
        const gaps = arrived.filter(({ type }) => type === "gap")
        const told = gaps.reduce((sum, { rows }) => sum + Number(rows), 0)
        assert.isAbove(told, 0)
        assert.strictEqual(heard, told)
        assert.lengthOf(new Set(arrived.map(({ id }) => id)), arrived.length)
        assert.strictEqual(arrived.length - gaps.length + told, ROWS)
        // The newest are there.
        assert.include(
          arrived.map(({ id }) => id),
          `event-${ROWS - 1}`
        )
      })
    )
  )

  it.effect("nothing is asked of it without an identity, or without a central", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const central = yield* standIn(taken)
        yield* withGateway({ running: { url: central.url } }, (gateway) =>
          Effect.gen(function* () {
            yield* record(gateway, "one")
            assert.strictEqual((yield* send(gateway)).kind, "no_identity")
            gateway.running.url = null
            assert.strictEqual((yield* send(gateway)).kind, "no_identity")
            assert.lengthOf(filesOf(gateway), 1)
          })
        )
        assert.deepStrictEqual(central.seen, [])
      })
    )
  )
})
