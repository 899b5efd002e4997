import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { GAP_REASONS, ROLLBACK_REASONS } from "../../machines/index.ts"
import { reply } from "../central/StandIn.ts"
import { apiOf, running, scoped, startDaemon } from "../daemon/Daemon.ts"
import { request, sendRaw } from "../http/RawHttp.ts"
import { parseExposition, valueOf } from "./Exposition.ts"
import { ask, centralFor, ETAG, promoted, secretsNamed } from "./Fleet.ts"

/** What differs between two runs of the same thing: times, memory, and the figures of what took how long. */
const withoutTimings = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !/^holdfast_\w+_(bucket|sum)\b/.test(line))
    .map((line) => line.replace(/^(holdfast_\w+_(?:seconds|bytes)(?:\{.*\})?) .*$/, "$1 *"))
    .join("\n")

describe("GET /metrics", () => {
  it("has no metric of which its document says nothing", () => {
    const read = (file: string) => readFileSync(join(import.meta.dirname, "../..", file), "utf8")
    const document = read("llp/0014-telemetry.spec.md")
    const names = [...read("src/telemetry/Metrics.ts").matchAll(/"(holdfast_\w+)"/g)].map(([, name = ""]) => name)
    assert.isAbove(names.length, 20)
    assert.deepStrictEqual(
      names.filter((name) => !document.includes(`\`${name}\``)),
      []
    )
  })

  it.live("is for who has the token, and text that a scraper reads", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const daemon = yield* startDaemon(home)
        const { port } = apiOf(home, yield* daemon.until(running))
        const closed = yield* Effect.promise(() => sendRaw(port, request("GET /metrics")))
        assert.strictEqual(closed.status, 401)
        const answer = yield* ask(home, daemon, "GET /metrics")
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        const families = parseExposition(answer.body)
        for (const { help, name } of families.values()) {
          assert.match(name, /^holdfast_[a-z_]+$/)
          assert.match(help, /^\S.*\.$/)
        }
        assert.strictEqual(
          valueOf(families, "holdfast_build_info", { version: "0.1.0", node: process.versions.node }),
          1
        )
        const uptime = valueOf(families, "holdfast_uptime_seconds") ?? 0
        assert.isTrue(uptime > 0 && uptime < 30, String(uptime))
        assert.isAbove(valueOf(families, "holdfast_resident_memory_bytes") ?? 0, 10_000_000)
        for (const reason of ROLLBACK_REASONS) {
          assert.strictEqual(valueOf(families, "holdfast_rollbacks_total", { reason }), 0)
        }
        assert.strictEqual(valueOf(families, "holdfast_polls_total", { answer: "unchanged" }), 0)
        assert.strictEqual(valueOf(families, "holdfast_poll_duration_seconds_count"), undefined)
      })
    )
  )

  it.live("tells of a machine that joined and was promoted, and shows no secret", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const secrets = secretsNamed("MARK-one")
        const central = yield* centralFor(secrets)
        const { second } = yield* promoted(home, central, secrets)
        const { body } = yield* ask(home, second, "GET /metrics")
        console.log(body)
        const families = parseExposition(body)
        const states = (machine: string) =>
          (families.get("holdfast_machine_state")?.samples ?? [])
            .filter(({ labels, value }) => labels["machine"] === machine && value > 0)
            .map(({ labels, value }) => [labels["state"], value])
        assert.deepStrictEqual(states("configApply"), [["steady.idle", 1]])
        assert.deepStrictEqual(states("configPull"), [
          ["pull.waiting", 1],
          ["reports.unsupported", 1]
        ])
        assert.deepStrictEqual(states("daemon"), [["running.normal", 1]])
        assert.strictEqual(valueOf(families, "holdfast_polls_total", { answer: "unchanged" }), 1)
        assert.strictEqual(valueOf(families, "holdfast_poll_duration_seconds_count"), 1)
        assert.strictEqual(valueOf(families, "holdfast_poll_ladder_level"), 0)
        assert.strictEqual(valueOf(families, "holdfast_probation_duration_seconds_count", { ended: "promoted" }), 1)
        const applied = valueOf(families, "holdfast_apply_last_attempt_timestamp_seconds", { verdict: "applied" }) ?? 0
        assert.closeTo(applied, Date.now() / 1_000, 30)
        const { policyToken, jwt } = secrets
        for (const secret of [policyToken, jwt, apiOf(home, yield* second.until(running)).token, ETAG]) {
          assert.notInclude(body, secret)
        }
      })
    )
  )

  it.live("prints the same bytes, timings apart, in two runs that differ only in secrets", () =>
    Effect.gen(function* () {
      const run = (mark: string) =>
        scoped((home) =>
          Effect.gen(function* () {
            const secrets = secretsNamed(mark)
            const { second } = yield* promoted(home, yield* centralFor(secrets), secrets)
            const { body } = yield* ask(home, second, "GET /metrics")
            assert.notInclude(body, mark)
            return withoutTimings(body)
          })
        )
      const [one, other] = yield* Effect.all([run("MARK-one"), run("MARK-another-and-longer")])
      assert.strictEqual(one, other)
    })
  )

  it.live("counts what central answers, and how far up the ladder that led", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const secrets = secretsNamed("x")
        const central = yield* centralFor(secrets)
        const { second } = yield* promoted(home, central, secrets)
        const { port, token } = apiOf(home, yield* second.until(running))
        const pollNow = Effect.promise(() =>
          sendRaw(port, request("POST /config/retry", { authorization: `Bearer ${token}` }, '{"etag":"nothing"}'))
        )
        const counted = (answer: string) =>
          Effect.gen(function* () {
            for (let tries = 0; tries < 100; tries++) {
              const families = parseExposition((yield* ask(home, second, "GET /metrics")).body)
              if ((valueOf(families, "holdfast_polls_total", { answer }) ?? 0) > 0) return families
              yield* Effect.sleep(20)
            }
            return yield* Effect.die(new Error(`no poll was answered with ${answer}`))
          })
        central.answerWith(reply(500))
        yield* pollNow
        assert.strictEqual(valueOf(yield* counted("http_error"), "holdfast_poll_ladder_level"), 1)
        central.answerWith(reply(200, { etag: '"bad"' }, "{"))
        yield* pollNow
        assert.strictEqual(valueOf(yield* counted("invalid_json"), "holdfast_poll_ladder_level"), 2)
        central.answerWith(
          reply(200, { etag: '"bad"', "content-type": "application/json" }, '{"version":2,"plugin":1}')
        )
        yield* pollNow
        yield* counted("good")
        const families = yield* Effect.andThen(Effect.sleep(300), counted("good"))
        assert.strictEqual(valueOf(families, "holdfast_poll_ladder_level"), 0)
        assert.strictEqual(valueOf(families, "holdfast_apply_verdicts_total", { verdict: "config_invalid" }), 1)
        assert.strictEqual(valueOf(families, "holdfast_apply_verdicts_total", { verdict: "applied" }), 0)
        // The identity is refused, asked for again, and refused once more.
        central.answerWith(reply(401))
        yield* pollNow
        const refused = yield* counted("unauthorized")
        assert.strictEqual(valueOf(refused, "holdfast_poll_duration_seconds_count"), 5)
      })
    )
  )

  it.live("counts a rollback at boot under its reason, and remembers when over the next start", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const secrets = secretsNamed("x")
        const central = yield* centralFor(secrets)
        const { second } = yield* promoted(home, central, secrets)
        central.answerWith(reply(404))
        yield* second.kill("SIGTERM")
        yield* second.ended
        const slot = join(home, "state/config-control/active/document.json")
        writeFileSync(slot, "{}")
        const at = { reason: "slot_corrupt" }
        for (const counted of [1, 0]) {
          const daemon = yield* startDaemon(home)
          const families = parseExposition((yield* ask(home, daemon, "GET /metrics")).body)
          assert.strictEqual(valueOf(families, "holdfast_rollbacks_total", at), counted)
          const when = valueOf(families, "holdfast_last_rollback_timestamp_seconds", at) ?? 0
          assert.closeTo(when, Date.now() / 1_000, 30)
          yield* daemon.kill("SIGTERM")
          yield* daemon.ended
        }
      })
    )
  )

  it.live("counts a run, and what it wrote, once, whoever else reads it", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const daemon = yield* startDaemon(home)
        const { port, token } = apiOf(home, yield* daemon.until(running))
        const authorization = `Bearer ${token}`
        const run = {
          companyId: "c",
          agentId: "a",
          runId: "r",
          prompt: "",
          retain: true,
          command: { kind: "exec", argv: ["sh", "-c", "echo one; sleep 1; echo three; exit 3"] }
        }
        const submitted = yield* Effect.promise(() =>
          sendRaw(port, request("POST /runs", { authorization }, JSON.stringify(run)))
        )
        assert.strictEqual(submitted.status, 201)
        const log = yield* ask(home, daemon, "GET /runs/r/log", { accept: "text/event-stream" })
        assert.include(log.body, "three")
        const read = Effect.map(ask(home, daemon, "GET /metrics"), ({ body }) => parseExposition(body))
        const families = yield* Effect.repeat(Effect.delay(read, 50), {
          times: 200,
          until: (seen) => valueOf(seen, "holdfast_runs_total", { verdict: "failed" }) === 1
        })
        assert.strictEqual(valueOf(families, "holdfast_runs_total", { verdict: "failed" }), 1)
        assert.strictEqual(valueOf(families, "holdfast_runs_total", { verdict: "succeeded" }), 0)
        assert.strictEqual(valueOf(families, "holdfast_run_output_bytes_total"), 10)
        assert.strictEqual(valueOf(families, "holdfast_run_output_lag_seconds_count"), 2)
        for (const reason of GAP_REASONS) {
          assert.strictEqual(valueOf(families, "holdfast_run_output_gaps_total", { reason }), 0)
        }
      })
    )
  )
})
