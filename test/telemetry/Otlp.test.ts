import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Answer, reply } from "../central/StandIn.ts"
import { apiOf, put, running, scoped, SEED, seedFor, startDaemon, takenPort } from "../daemon/Daemon.ts"
import { collector, pairs } from "./CollectorStandIn.ts"
import { parseExposition, valueOf } from "./Exposition.ts"
import { ask, centralFor, promoted, secretsNamed } from "./Fleet.ts"

const often = { OTEL_METRIC_EXPORT_INTERVAL: "200", OTEL_BSP_SCHEDULE_DELAY: "200", OTEL_BLRP_SCHEDULE_DELAY: "200" }

const eventually = (what: string, holds: () => boolean) =>
  Effect.promise(async () => {
    const end = Date.now() + 10_000
    while (!holds()) {
      if (Date.now() > end) throw new Error(`did not happen: ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })

const count = (text: string, part: string): number => text.split(part).length - 1

describe("a daemon that exports over OTLP", () => {
  it.live("sends its traces, metrics and logs under its name, and not one secret", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const secrets = secretsNamed("MARK-secret")
        const central = yield* centralFor(secrets)
        const sink = yield* collector()
        const { first, second } = yield* promoted(home, central, secrets, {
          ...often,
          HOLDFAST_LOG_LEVEL: "debug",
          OTEL_EXPORTER_OTLP_ENDPOINT: `${sink.url}/`,
          OTEL_EXPORTER_OTLP_HEADERS: "x-team=MARK-header%21, authorization=Basic%20MARK-basic",
          OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=te%20st,service.name=ignored",
          OTEL_SERVICE_NAME: "edge"
        })
        const { token } = apiOf(home, yield* second.until(running))
        yield* ask(home, second, "GET /open?ticket=MARK-ticket", { cookie: "a=MARK-cookie" })
        yield* ask(home, second, "GET /status?token=MARK-query")
        yield* eventually("the spans", () =>
          sink.spans().some(({ attributes }) => pairs(attributes)["http.route"] === "/status")
        )
        yield* second.kill("SIGTERM")
        const { code, after } = yield* second.ended
        assert.strictEqual(code, 0)
        assert.isBelow(after, 2_000)

        for (const resource of sink.resources()) {
          assert.deepInclude(resource, {
            "service.name": "edge",
            "service.version": "0.1.0",
            "service.instance.id": "gw-1",
            "deployment.environment": "te st"
          })
        }
        assert.isTrue(sink.seen.every(({ headers }) => headers["x-team"] === "MARK-header!"))
        assert.isTrue(sink.seen.every(({ headers }) => headers["content-type"] === "application/json"))
        assert.isTrue(sink.seen.every(({ headers }) => headers["traceparent"] === undefined))

        // Both processes, to their last word.
        assert.strictEqual(sink.logs().filter((line) => line === "daemon stopped").length, 2)
        assert.include(sink.logs(), "config.probation_cleared")

        const applied = sink.everything().match(/"applied"\}\}\][^}]*?"asDouble":1\b/)
        assert.isNotNull(applied, "the process that applied said so before it ended")
        const polls = sink.metric("holdfast_polls_total")
        assert.isTrue(polls?.sum?.isMonotonic)
        const unchanged = polls?.sum?.dataPoints.find(({ attributes }) => pairs(attributes)["answer"] === "unchanged")
        assert.strictEqual(unchanged?.asDouble, 1)
        assert.strictEqual(sink.metric("holdfast_poll_duration_seconds")?.unit, "s")
        assert.strictEqual(sink.metric("holdfast_probation_duration_seconds")?.histogram?.dataPoints[0]?.count, 1)

        const spans = sink.spans()
        const poll = spans.find(({ name }) => name === "PullLoop.poll")
        assert.isUndefined(poll?.parentSpanId, "each poll is a trace of its own")
        const request = spans.find(({ name, traceId }) => name === "GET" && traceId === poll?.traceId)
        assert.strictEqual(pairs(request?.attributes ?? [])["url.full"], `${central.url}/v1/config`)
        const asked = central.seen.find(({ url }) => url === "/v1/config")
        assert.match(String(asked?.headers["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)

        console.log(
          [
            `${sink.seen.length} requests; ${sink.logs().length} log records, ${spans.length} spans in ${new Set(spans.map(({ traceId }) => traceId)).size} traces`,
            [...new Set(spans.map(({ name }) => name))].join(", ")
          ].join("\n")
        )
        const files = readFileSync(join(home, "logs/daemon.log"), "utf8")
        for (const text of [sink.everything(), first.output(), second.output(), files]) {
          assert.notInclude(text, "MARK")
          for (const secret of [token, secrets.policyToken, secrets.jwt]) assert.notInclude(text, secret)
        }
      })
    )
  )

  it.live("tells of a rollback before the process that made it ends, and the next one knows when", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const secrets = secretsNamed("x")
        const central = yield* centralFor(secrets)
        const sink = yield* collector()
        const env = { ...often, OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, HOLDFAST_TEST_TIME_SCALE: "100" }
        put(home, SEED, seedFor(central.url, secrets.policyToken))
        assert.strictEqual((yield* (yield* startDaemon(home, env)).ended).code, 75)
        central.answerWith(reply(500))
        assert.strictEqual((yield* (yield* startDaemon(home, env)).ended).code, 75)
        const point = (name: string) =>
          sink
            .metric(name)
            ?.sum?.dataPoints.find(({ attributes }) => pairs(attributes)["reason"] === "probation_expired")?.asDouble
        assert.strictEqual(point("holdfast_rollbacks_total"), 1)
        const probation = sink.metric("holdfast_probation_duration_seconds")?.histogram?.dataPoints
        assert.deepStrictEqual(
          probation?.map(({ attributes }) => pairs(attributes)["ended"]),
          ["rolled_back"]
        )
        // The window, and what 24 charges of it cost on a disk that is not a hundred times as fast.
        assert.isAtLeast(probation?.[0]?.sum ?? 0, 119)
        const { body } = yield* ask(home, yield* startDaemon(home), "GET /metrics")
        const reason = { reason: "probation_expired" }
        const when = valueOf(parseExposition(body), "holdfast_last_rollback_timestamp_seconds", reason) ?? 0
        assert.closeTo(when, Date.now() / 1_000, 30)
        const noted = readFileSync(join(home, "logs/daemon.log"), "utf8")
          .split("\n")
          .find((line) => line.includes('"config.rollback"'))
        assert.include(noted, '"detail":"probation_expired"')
      })
    )
  )

  const hangs: Answer = () => {}
  const picky: Answer = (asked, response) => reply(asked.url === "/v1/logs" ? 404 : 200)(asked, response)
  const drips: Answer = (_, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write("x".repeat(65_536)), 5)
    response.on("close", () => clearInterval(timer))
  }
  const elsewhere: Answer = (_, response) => {
    response.writeHead(307, { location: "http://127.0.0.1:1/stolen" })
    response.end()
  }
  for (const [what, answer, said] of [
    ["is not there", null, "cannot be reached (ECONNREFUSED)"],
    ["hangs", hangs, null],
    ["drips for ever", drips, null],
    ["answers 500", reply(500, {}, "<html>MARK</html>"), "answers 500 to POST /v1/"],
    ["answers 429 and names tomorrow", reply(429, { "retry-after": "86400" }), "answers 429 to POST /v1/"],
    ["takes all but logs", picky, "answers 404 to POST /v1/logs"],
    ["answers garbage", reply(200, {}, "\u0000garbage"), null],
    ["sends everybody elsewhere", elsewhere, "answers 307 to POST /v1/"]
  ] as const) {
    it.live(
      `is neither held up nor stopped by a collector that ${what}${said === null ? "" : ", and says so once"}`,
      () =>
        scoped((home) =>
          Effect.gen(function* () {
            const url = answer === null ? `http://127.0.0.1:${yield* freePort}` : (yield* collector(answer)).url
            const env = { ...often, OTEL_EXPORTER_OTLP_ENDPOINT: url }
            const secrets = secretsNamed("x")
            // Join, polls, restart and promotion where the collector takes its time; else start and end are enough.
            const daemon =
              answer === hangs
                ? (yield* promoted(home, yield* centralFor(secrets), secrets, env)).second
                : yield* startDaemon(home, env)
            yield* daemon.until(running)
            if (said !== null) yield* eventually(said, () => daemon.output().includes(said))
            yield* Effect.sleep(500)
            yield* daemon.kill("SIGTERM")
            const { code, after } = yield* daemon.ended
            assert.strictEqual(code, 0)
            assert.isBelow(after, 2_000)
            console.log(`a collector that ${what}: SIGTERM to exit ${after} ms`)
            assert.strictEqual(count(daemon.output(), "OTLP collector"), said === null ? 0 : 1, daemon.output())
            assert.notInclude(daemon.output(), "MARK")
          })
        )
    )
  }

  it.live("says again that all is well when the collector is back", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const sink = yield* collector(reply(503, { "retry-after": "1" }))
        const daemon = yield* startDaemon(home, { ...often, OTEL_EXPORTER_OTLP_ENDPOINT: sink.url })
        yield* eventually("the word of trouble", () => daemon.output().includes("answers 503"))
        sink.answerWith(reply(200, {}, "{}"))
        yield* eventually("the word of peace", () => daemon.output().includes("takes what it is sent again"))
        yield* eventually("what was said meanwhile", () => sink.logs().includes("daemon running"))
      })
    )
  )

  it.live("starts without export, and says why, when a variable cannot be used", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const sink = yield* collector()
        for (const [env, said] of [
          [{ OTEL_EXPORTER_OTLP_ENDPOINT: "MARK:4318" }, "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL"],
          [{ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url.replace("//", "//me:MARK@") }, "without user name and password"],
          [
            { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_EXPORTER_OTLP_HEADERS: "a=%MARK" },
            "OTEL_EXPORTER_OTLP_HEADERS must"
          ],
          [
            { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_EXPORTER_OTLP_HEADERS: "MARK" },
            "OTEL_EXPORTER_OTLP_HEADERS must"
          ],
          [{ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SDK_DISABLED: "TRUE" }, null],
          [{ OTEL_EXPORTER_OTLP_ENDPOINT: " " }, null]
        ] as const) {
          const daemon = yield* startDaemon(home, { ...often, ...env })
          yield* daemon.until(running)
          yield* daemon.kill("SIGTERM")
          assert.strictEqual((yield* daemon.ended).code, 0)
          const warnings = daemon
            .output()
            .split("\n")
            .filter((line) => line.includes("OTEL"))
          assert.strictEqual(warnings.length, said === null ? 0 : 1, daemon.output())
          if (said !== null) assert.include(warnings[0], said)
          assert.notInclude(daemon.output(), "MARK")
        }
        assert.deepStrictEqual(sink.seen, [])
      })
    )
  )

  it.live("goes on with its defaults where a lesser variable cannot be used, and leaves out what is not wanted", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const sink = yield* collector()
        const daemon = yield* startDaemon(home, {
          ...often,
          OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
          OTEL_RESOURCE_ATTRIBUTES: "broken",
          OTEL_BSP_SCHEDULE_DELAY: "soon",
          OTEL_TRACES_EXPORTER: "none"
        })
        yield* eventually("the metrics", () => sink.metric("holdfast_uptime_seconds") !== undefined)
        yield* daemon.kill("SIGTERM")
        assert.strictEqual((yield* daemon.ended).code, 0)
        for (const name of ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_BSP_SCHEDULE_DELAY"]) {
          assert.strictEqual(count(daemon.output(), name), 1, name)
        }
        const [logs, metrics] = sink.resources()
        assert.deepInclude(logs, { "service.name": "holdfast" })
        assert.match(String(logs?.["service.instance.id"]), /^[0-9a-f]{32}$/)
        assert.strictEqual(logs?.["service.instance.id"], metrics?.["service.instance.id"])
        assert.deepStrictEqual(sink.spans(), [])
      })
    )
  )
})

describe("a daemon that does not export", () => {
  it.live("sends central no headers of a trace that there is not", () =>
    scoped((home) =>
      Effect.gen(function* () {
        const secrets = secretsNamed("x")
        const central = yield* centralFor(secrets)
        yield* promoted(home, central, secrets)
        for (const { headers } of central.seen) assert.doesNotHaveAnyKeys(headers, ["traceparent", "b3"])
      })
    )
  )
})

/** A port that nothing listens on. */
const freePort = Effect.scoped(takenPort)
