/**
 * What is counted and measured, and how Prometheus is told.
 *
 * @ref LLP 0014#metrics [implements]: names, units, labels and buckets
 */
import { Context, Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import {
  APPLY_VERDICTS,
  GAP_REASONS,
  INGEST_ANSWERS,
  LOGIN_PHASES,
  POLL_ANSWERS,
  ROLLBACK_REASONS,
  RUN_VERDICTS
} from "../../machines/index.ts"
import { CALL_FAILURES, INGEST_SIGNALS } from "../domain/index.ts"

/** How a poll of central ended: an answer of the table, or `failed` when there was none to look up in it. */
export const POLL_OUTCOMES = [...POLL_ANSWERS, "failed"] as const

/** How a probation ended; `kept` has nowhere to roll back to, and `slot_corrupt` found its slot changed or gone. */
export const PROBATION_ENDS = ["promoted", "rolled_back", "kept", "slot_corrupt"] as const

/** One series per value of a label. */
const labelled = <const Value extends string, Input, State>(
  metric: Metric.Metric<Input, State>,
  label: string,
  values: ReadonlyArray<Value>
) => {
  const series = new Map(values.map((value) => [value, Metric.withAttributes(metric, { [label]: value })]))
  return (value: Value): Metric.Metric<Input, State> => series.get(value) ?? metric
}

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const seconds = { unit: "seconds" }

export const verdicts = labelled(
  counter("holdfast_apply_verdicts_total", "Answers of the apply engine to offered revisions."),
  "verdict",
  APPLY_VERDICTS
)

export const lastAttempt = labelled(
  Metric.gauge("holdfast_apply_last_attempt_timestamp_seconds", {
    description: "When a revision last got this verdict, as state.json remembers it over restarts.",
    attributes: seconds
  }),
  "verdict",
  APPLY_VERDICTS
)

export const rollbacks = labelled(
  counter("holdfast_rollbacks_total", "Revisions that this process gave up, by reason."),
  "reason",
  ROLLBACK_REASONS
)

export const lastRollback = labelled(
  Metric.gauge("holdfast_last_rollback_timestamp_seconds", {
    description: "When a revision was last given up, as state.json remembers it over restarts.",
    attributes: seconds
  }),
  "reason",
  ROLLBACK_REASONS
)

export const probations = labelled(
  Metric.histogram("holdfast_probation_duration_seconds", {
    description: "Elapsed time on probation in the process that ended it, by how it ended.",
    attributes: seconds,
    boundaries: [1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600]
  }),
  "ended",
  PROBATION_ENDS
)

export const polls = labelled(
  counter("holdfast_polls_total", "Polls of central that ended, by what the answer was."),
  "answer",
  POLL_OUTCOMES
)

export const pollSeconds = Metric.histogram("holdfast_poll_duration_seconds", {
  description: "From the request of a poll to its answer.",
  attributes: seconds,
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})

export const ladderLevel = Metric.gauge("holdfast_poll_ladder_level", {
  description: "Failed polls in a row, at most 4: the rung of the ladder of waits."
})

export const machineState = Metric.gauge("holdfast_machine_state", {
  description: "Instances of a machine in each of its states; one that it was never in is not listed."
})

export const loginPhases = labelled(
  counter("holdfast_login_phases_total", "Phases that flows of the device-code login came into."),
  "phase",
  LOGIN_PHASES
)

export const runs = labelled(
  counter("holdfast_runs_total", "Runs whose verdict this process wrote down."),
  "verdict",
  RUN_VERDICTS
)

export const runOutputBytes = Metric.counter("holdfast_run_output_bytes_total", {
  description: "Bytes of the output of runs that were delivered.",
  attributes: { unit: "bytes" },
  incremental: true
})

export const runOutputLag = Metric.histogram("holdfast_run_output_lag_seconds", {
  description: "For how long at most lines of the output of runs were there before they were delivered, by read.",
  attributes: seconds,
  // A file is looked at every 250 ms, 1 s or 5 s; the bounds lie around these.
  boundaries: [0.05, 0.1, 0.2, 0.275, 0.3, 0.4, 0.6, 1, 1.1, 1.5, 2.5, 5, 5.5, 10, 30, 60, 300]
})

export const runOutputGaps = labelled(
  counter("holdfast_run_output_gaps_total", "Parts of the output of runs that were not delivered, by reason."),
  "reason",
  GAP_REASONS
)

/** How a call of an agent ended: with its answer, or why not. */
export const CALL_OUTCOMES = ["answered", ...CALL_FAILURES] as const

export const agentCalls = labelled(
  counter("holdfast_agent_calls_total", "Calls of agents that ended, by how."),
  "outcome",
  CALL_OUTCOMES
)

export const ingestRows = labelled(
  counter("holdfast_ingest_rows_total", "Rows that were recorded to be told to central."),
  "signal",
  INGEST_SIGNALS
)

export const ingestRowsLost = labelled(
  counter("holdfast_ingest_rows_lost_total", "Rows that central will never get, and is told of as a gap."),
  "signal",
  INGEST_SIGNALS
)

export const ingestBatches = labelled(
  counter("holdfast_ingest_batches_total", "Batches of rows that were sent, by what became of them."),
  "answer",
  INGEST_ANSWERS
)

export const ingestBytes = Metric.gauge("holdfast_ingest_spool_bytes", {
  description: "Bytes of rows on the disk that central has not taken.",
  attributes: { unit: "bytes" }
})

export const logLinesDropped = counter("holdfast_log_lines_dropped_total", "Log lines that could not be written.")

export const buildInfo = Metric.gauge("holdfast_build_info", {
  description: "Always 1; which Holdfast and which Node run is in the labels."
})

export const uptimeSeconds = Metric.gauge("holdfast_uptime_seconds", {
  description: "Since the daemon's process started.",
  attributes: seconds
})

export const residentBytes = Metric.gauge("holdfast_resident_memory_bytes", {
  description: "Memory that the daemon's process holds.",
  attributes: { unit: "bytes" }
})

/** A gauge whose value is asked for when somebody looks. */
export const computed = (gauge: Metric.Gauge<number>, context: Context.Context<never>, value: () => number): void => {
  Metric.registerUnsafe(gauge, context, { get: () => ({ value: value() }), update: () => {}, modify: () => {} })
}

/** Counters start at 0: a first increase from nothing is not seen as one. */
export const startAtZero = (context: Context.Context<never>): void => {
  for (const verdict of APPLY_VERDICTS) verdicts(verdict).updateUnsafe(0, context)
  for (const reason of ROLLBACK_REASONS) rollbacks(reason).updateUnsafe(0, context)
  for (const outcome of POLL_OUTCOMES) polls(outcome).updateUnsafe(0, context)
  for (const phase of LOGIN_PHASES) loginPhases(phase).updateUnsafe(0, context)
  for (const verdict of RUN_VERDICTS) runs(verdict).updateUnsafe(0, context)
  for (const reason of GAP_REASONS) runOutputGaps(reason).updateUnsafe(0, context)
  for (const outcome of CALL_OUTCOMES) agentCalls(outcome).updateUnsafe(0, context)
  for (const signal of INGEST_SIGNALS) {
    ingestRows(signal).updateUnsafe(0, context)
    ingestRowsLost(signal).updateUnsafe(0, context)
  }
  for (const answer of INGEST_ANSWERS) ingestBatches(answer).updateUnsafe(0, context)
  runOutputBytes.updateUnsafe(0, context)
  logLinesDropped.updateUnsafe(0, context)
  ladderLevel.updateUnsafe(0, context)
}

/** What `GET /metrics` is answered with. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"

/** All metrics as Prometheus reads them, always in the same order. */
export const exposition: Effect.Effect<string> = Effect.map(Metric.MetricRegistry, (registry) => {
  const sorted = [...registry].sort(([a], [b]) => (a < b ? -1 : 1))
  return PrometheusMetrics.formatUnsafe(Context.make(Metric.MetricRegistry, new Map(sorted)))
})
