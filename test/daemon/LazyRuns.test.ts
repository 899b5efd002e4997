import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { request, sendRaw } from "../http/RawHttp.ts"
import { apiOf, type Daemon, running, scoped, startDaemon } from "./Daemon.ts"

const ask = Effect.fnUntraced(function* (home: string, daemon: Daemon, line: string, body = "") {
  const { port, token } = apiOf(home, yield* daemon.until(running))
  return yield* Effect.promise(() => sendRaw(port, request(line, { authorization: `Bearer ${token}` }, body)))
})

const runOf = (script: string) =>
  JSON.stringify({
    companyId: "c",
    agentId: "a",
    runId: "r",
    prompt: "",
    retain: true,
    command: { kind: "exec", argv: ["sh", "-c", script] }
  })

describe("runs that are loaded when somebody has some", () => {
  it.live("are there for who asks first, and leave nothing where nobody does", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const daemon = yield* startDaemon(home)
        const answers = yield* Effect.all([ask(home, daemon, "GET /runs"), ask(home, daemon, "GET /runs")], {
          concurrency: 2
        })
        for (const { body, status } of answers) {
          assert.strictEqual(status, 200)
          assert.deepStrictEqual(JSON.parse(body), { runs: [] })
        }
        const nobody = yield* ask(home, daemon, "GET /runs/nobody")
        assert.strictEqual(nobody.status, 404)
        assert.include(nobody.body, "holdfast run list")
        assert.isFalse(existsSync(join(home, "state/runs")))
      })
    )
  )

  it.live("are not told as none when they cannot be read, and keep the daemon from nothing else", () =>
    scoped((home) =>
      Effect.gen(function* () {
        mkdirSync(join(home, "state/runs"), { recursive: true })
        writeFileSync(join(home, "state/runs/records"), "")
        const daemon = yield* startDaemon(home)
        const { body, status } = yield* ask(home, daemon, "GET /runs")
        assert.strictEqual(status, 500)
        assert.strictEqual(JSON.parse(body).error, "storage_failed")
        assert.include(body, "Not every run of this machine can be read: listing ")
        assert.strictEqual((yield* ask(home, daemon, "GET /status")).status, 200)
      })
    )
  )

  it.live("are taken up by the next daemon, of which nobody asks anything", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const first = yield* startDaemon(home)
        const { status } = yield* ask(home, first, "POST /runs", runOf("echo one; sleep 2; echo two"))
        assert.strictEqual(status, 201)
        const read = Effect.sync(() => readFileSync(join(home, "state/runs/records/r.json"), "utf8"))
        yield* Effect.repeat(Effect.delay(read, 20), { until: (text) => text.includes('"started":true') })
        yield* first.kill("SIGKILL")
        yield* first.ended
        yield* startDaemon(home)
        const last = yield* Effect.repeat(Effect.delay(read, 50), {
          times: 300,
          until: (text) => !text.includes('"verdict":null')
        })
        assert.include(last, '"verdict":"succeeded"')
        assert.include(last, '"bytes":8')
      })
    )
  )
})
