import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Metric } from "effect"
import { Measures } from "../../src/daemon/Measures.ts"
import { Version } from "../../src/domain/index.ts"
import { exposition } from "../../src/telemetry/index.ts"
import { parseExposition, valueOf } from "./Exposition.ts"

interface Move {
  readonly instance?: string
  readonly event?: string
  readonly uptime?: number
  readonly visible?: Readonly<Record<string, unknown>>
}

/** Measures that are told what machines do, and read as Prometheus reads them. */
const listening = Effect.gen(function* () {
  const layer = Measures.layer.pipe(
    Layer.provide(Version.layerOf("1.2.3")),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
  )
  const context = yield* Layer.build(layer)
  const measures = Context.get(context, Measures)
  const move = (machine: string, from: string, to: string, move: Move = {}) =>
    measures.transition({
      machine,
      instance: null,
      at: 0,
      uptime: 0,
      event: "E",
      cause: "start",
      from,
      to,
      changed: true,
      visible: {},
      ...move
    })
  const value = (name: string, labels?: Record<string, string>) =>
    Effect.map(Effect.provide(exposition, Layer.succeedContext(context)), (text) =>
      valueOf(parseExposition(text), name, labels)
    )
  return { measures, move, value }
})

describe("what machines do becomes figures:", () => {
  it.effect("instances are counted in each state that they are in, until they are gone", () =>
    Effect.gen(function* () {
      const { measures, move, value } = yield* listening
      const inState = (state: string) => value("holdfast_machine_state", { machine: "run", state })
      move("run", "", "starting", { instance: "1" })
      move("run", "", "starting", { instance: "2" })
      assert.strictEqual(yield* inState("starting"), 2)
      move("run", "starting", "tail.on,work.busy", { instance: "1" })
      move("run", "tail.on,work.busy", "tail.on,work.busy", { instance: "1" })
      assert.deepStrictEqual(
        yield* Effect.all([inState("starting"), inState("tail.on"), inState("work.busy")]),
        [1, 1, 1]
      )
      measures.gone("run", "1")
      measures.gone("run", "2")
      measures.gone("run", "2")
      assert.deepStrictEqual(
        yield* Effect.all([inState("starting"), inState("tail.on"), inState("work.busy")]),
        [0, 0, 0]
      )
      assert.isUndefined(yield* inState("never"))
    })
  )

  for (const [how, path, seconds] of [
    ["promoted", ["probation.using", "probation.promoting.marking", "probation.promoting.finishing"], 20],
    ["rolled_back", ["probation.using", "rollingBack.intent", "rollingBack.flipping", "restarting"], 30],
    ["kept", ["probation.holding", "rollingBack.staying", "steady.idle"], 20],
    ["slot_corrupt", ["probation.promoting.reviewing", "restarting"], 10],
    [null, ["probation.using", "closing.timing", "closed"], 0]
  ] as const) {
    it.effect(`a probation over ${path.join(", ")} ${how === null ? "has not ended" : `ended ${how}`}`, () =>
      Effect.gen(function* () {
        const { move, value } = yield* listening
        const after = how === "promoted" ? ["probation.promoting.retiring", "steady.idle"] : []
        const all = ["settling", ...path, ...after]
        for (const [index, to] of all.slice(1).entries()) {
          move("configApply", all[index] ?? "", to, { uptime: 1_000 + index * 10_000 })
        }
        for (const ended of ["promoted", "rolled_back", "kept", "slot_corrupt"]) {
          const counted = yield* value("holdfast_probation_duration_seconds_count", { ended })
          assert.strictEqual(counted, ended === how ? 1 : undefined, ended)
        }
        if (how !== null) {
          assert.strictEqual(yield* value("holdfast_probation_duration_seconds_sum", { ended: how }), seconds)
        }
      })
    )
  }

  it.effect("a poll lasts from its request to its answer, and one that the end cut short is none", () =>
    Effect.gen(function* () {
      const { measures, move, value } = yield* listening
      const polled = (from: number, until: number, to: string, event = "xstate.done.actor.0") => {
        move("configPull", "pull.waiting,reports.idle", "pull.polling.asking,reports.idle", { uptime: from })
        move("configPull", "pull.polling.asking,reports.idle", "pull.polling.asking,reports.sending", {
          uptime: from + 1
        })
        move("configPull", "pull.polling.asking,reports.idle", to, { uptime: until, event, visible: { failures: 2 } })
      }
      polled(0, 40, "pull.waiting,reports.idle")
      polled(1_000, 3_000, "pull.refreshing,reports.idle")
      polled(5_000, 5_010, "pull.waiting,reports.idle", "xstate.error.actor.0")
      polled(6_000, 7_000, "pull.stopped,reports.idle")
      yield* measures.polled({
        kind: "throttled",
        etag: "",
        offer: 0,
        retryAfterSeconds: 0,
        message: "",
        wall: 0,
        jitter: 0
      })
      assert.strictEqual(yield* value("holdfast_poll_duration_seconds_count"), 3)
      assert.closeTo((yield* value("holdfast_poll_duration_seconds_sum")) ?? 0, 2.05, 1e-9)
      for (const answer of ["unauthorized", "failed", "throttled"]) {
        assert.strictEqual(yield* value("holdfast_polls_total", { answer }), 1, answer)
      }
      assert.strictEqual(yield* value("holdfast_poll_ladder_level"), 2)
    })
  )

  it.effect("verdicts are counted once, also that of a revision that is told again when it is promoted", () =>
    Effect.gen(function* () {
      const { measures, value } = yield* listening
      const say = (verdict: string, detail = "") => {
        const event = { type: "REPORT_DUE", etag: "x", verdict, detail }
        measures.sent("configPull", event)
        measures.sent("daemon", event)
      }
      say("applied")
      say("applied", "promoted")
      say("config_invalid", "promoted")
      say("made_up")
      assert.strictEqual(yield* value("holdfast_apply_verdicts_total", { verdict: "applied" }), 1)
      assert.strictEqual(yield* value("holdfast_apply_verdicts_total", { verdict: "config_invalid" }), 1)
    })
  )

  it.effect("rollbacks are counted under the reason that the note names", () =>
    Effect.gen(function* () {
      const { measures, move, value } = yield* listening
      yield* measures.noted({ event: "config.rollback", detail: "crash_loop" })
      yield* measures.noted({ event: "config.applied", detail: "crash_loop" })
      yield* measures.noted({ event: "config.rollback" })
      move("configApply", "boot.recordingCorrupt", "boot.rereading")
      move("configApply", "boot.recordingCorrupt", "boot.flipping")
      for (const [reason, times] of [
        ["crash_loop", 1],
        ["slot_corrupt", 1],
        ["probation_expired", 0]
      ] as const) {
        assert.strictEqual(yield* value("holdfast_rollbacks_total", { reason }), times, reason)
      }
    })
  )

  it.effect("each phase of a login counts once, and again in the next flow", () =>
    Effect.gen(function* () {
      const { move, value } = yield* listening
      const show = (id: string, phase: string) =>
        move("deviceLogin", "flow.pending.waiting", "flow.pending.polling", { visible: { flow: { id, phase } } })
      for (const phase of ["requesting", "waiting", "waiting", "exchanging", "ok", "ok"]) show("1", phase)
      show("2", "requesting")
      show("2", "a phase of no list")
      move("deviceLogin", "loading", "signedOut", { visible: { flow: null } })
      for (const [phase, times] of [
        ["requesting", 2],
        ["waiting", 1],
        ["exchanging", 1],
        ["ok", 1],
        ["error", 0]
      ] as const) {
        assert.strictEqual(yield* value("holdfast_login_phases_total", { phase }), times, phase)
      }
    })
  )

  it.effect("a run counts when its verdict is written down, and not again when it is taken up with it", () =>
    Effect.gen(function* () {
      const { move, value } = yield* listening
      const visible = { verdict: "failed" }
      move("run", "judging", "recording", { visible })
      move("run", "recording", "recordingAgain", { visible })
      move("run", "recordingAgain", "recording", { visible })
      move("run", "recording", "cleaning", { visible })
      move("run", "cleaning", "cleaningAgain", { visible })
      move("run", "cleaningAgain", "cleaning", { visible })
      move("run", "", "cleaning", { visible: { verdict: "succeeded" } })
      for (const [verdict, times] of [
        ["failed", 1],
        ["succeeded", 0],
        ["unknown", 0]
      ] as const) {
        assert.strictEqual(yield* value("holdfast_runs_total", { verdict }), times, verdict)
      }
    })
  )

  it.effect("output of runs is counted in bytes, its lag by read, its gaps by reason", () =>
    Effect.gen(function* () {
      const { measures, value } = yield* listening
      assert.strictEqual(yield* value("holdfast_run_output_bytes_total"), 0)
      assert.isUndefined(yield* value("holdfast_run_output_lag_seconds_count"))
      measures.output.delivered(1_000, 260)
      measures.output.delivered(24, 4_000)
      measures.output.gap("replaced")
      assert.strictEqual(yield* value("holdfast_run_output_bytes_total"), 1_024)
      assert.strictEqual(yield* value("holdfast_run_output_lag_seconds_count"), 2)
      assert.closeTo((yield* value("holdfast_run_output_lag_seconds_sum")) ?? 0, 4.26, 1e-9)
      assert.strictEqual(yield* value("holdfast_run_output_lag_seconds_bucket", { le: "0.275" }), 1)
      assert.strictEqual(yield* value("holdfast_run_output_gaps_total", { reason: "replaced" }), 1)
      assert.strictEqual(yield* value("holdfast_run_output_gaps_total", { reason: "truncated" }), 0)
    })
  )
})
