/**
 * What central counts and measures of itself.
 *
 * @ref LLP 0014#central [implements]: names, labels and where each figure comes from
 */
import { Clock, Context, DateTime, Effect, FileSystem, Layer, Metric, Path } from "effect"
import { type FleetView, STANDINGS, Version } from "../domain/index.ts"
import { computed, exposition } from "../telemetry/index.ts"

/** What a request was for. */
export type RequestKind = "bootstrap" | "refresh" | "poll" | "status" | "ingest" | "admin" | "other"

/** What is said beside the fleet when somebody asks. */
export interface Figures {
  readonly fleet: FleetView
  /** Directory of the database. */
  readonly data: string
}

/** The figures of one central. */
export class CentralMetrics extends Context.Service<
  CentralMetrics,
  {
    /** A request was answered. `since` is of the clock that nobody sets, in nanoseconds. */
    readonly answered: (kind: RequestKind, status: number, since: bigint) => void
    /** Rows of a signal that gateways sent were stored. */
    readonly ingested: (signal: string, rows: number) => void
    /** A stream of events was opened (1) or ended (-1). */
    readonly streams: (by: 1 | -1) => void
    /** Everything, as Prometheus reads it. */
    readonly text: (figures: Figures) => Effect.Effect<string, never, FileSystem.FileSystem | Path.Path>
  }
>()("holdfast/central-server/CentralMetrics") {
  static readonly layer = Layer.effect(
    CentralMetrics,
    Effect.gen(function* () {
      // Of its own: several centrals in one process count apart.
      const registry = new Map()
      const context = Context.make(Metric.MetricRegistry, registry)
      const clock = yield* Clock.Clock
      const { memoryUsage, versions } = globalThis.process
      const { performance } = globalThis.process.getBuiltinModule("node:perf_hooks")
      computed(residentBytes, context, () => memoryUsage.rss())
      computed(eventLoopSeconds, context, () => performance.eventLoopUtilization().active / 1_000)
      Metric.withAttributes(buildInfo, { version: yield* Version, node: versions.node }).updateUnsafe(1, context)
      streams.updateUnsafe(0, context)

      const counters = new Map<string, Metric.Counter<number>>()
      const series = (kind: RequestKind, status: number): Metric.Counter<number> => {
        const key = `${kind} ${status}`
        const known = counters.get(key) ?? Metric.withAttributes(requests, { route: kind, status: String(status) })
        counters.set(key, known)
        return known
      }

      return CentralMetrics.of({
        answered: (kind, status, since) => {
          series(kind, status).updateUnsafe(1, context)
          const seconds = Number(clock.monotonicTimeNanosUnsafe() - since) / 1e9
          durations[kind].updateUnsafe(seconds, context)
        },
        ingested: (signal, rows) => Metric.withAttributes(ingestRows, { signal }).updateUnsafe(rows, context),
        streams: (by) => streams.modifyUnsafe(by, context),
        text: Effect.fn("CentralMetrics.text")(function* ({ data, fleet }) {
          const set = (gauge: Metric.Gauge<number>, attributes: Record<string, string>, value: number) =>
            Metric.withAttributes(gauge, attributes).updateUnsafe(value, context)
          for (const { name, revisions: count, standings } of fleet.configs) {
            set(revisions, { config: name }, count)
            for (const standing of STANDINGS) set(gateways, { config: name, standing }, standings[standing] ?? 0)
          }
          set(startedAt, {}, secondsOf(fleet.central.started_at))
          const ends = fleet.central.certificate_expires_at
          if (ends !== null) set(certificateExpires, {}, secondsOf(ends))
          set(warnings, {}, fleet.central.warnings.length)
          for (const [file, name] of FILES) set(databaseBytes, { file }, yield* sizeOf(data, name))
          return yield* Effect.provideService(exposition, Metric.MetricRegistry, registry)
        })
      })
    })
  )
}

const FILES = [
  ["database", "central.sqlite"],
  ["wal", "central.sqlite-wal"]
] as const

/** 0 for a file that is not there. */
const sizeOf = Effect.fnUntraced(function* (directory: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(directory, name)
  return yield* Effect.map(fs.stat(file), ({ size }) => Number(size)).pipe(Effect.orElseSucceed(() => 0))
})

const secondsOf = (iso: string): number => DateTime.toEpochMillis(DateTime.makeUnsafe(iso)) / 1_000

const seconds = { unit: "seconds" }
const bytes = { unit: "bytes" }

const requests = Metric.counter("holdfast_central_requests_total", {
  description: "Requests that were answered, by what they were for and the status of the answer.",
  incremental: true
})

const requestSeconds = Metric.histogram("holdfast_central_request_duration_seconds", {
  description: "From the head of a request to its answer, by what it was for.",
  attributes: seconds,
  boundaries: [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]
})

const durationOf = (route: RequestKind) => Metric.withAttributes(requestSeconds, { route })
const durations = {
  bootstrap: durationOf("bootstrap"),
  refresh: durationOf("refresh"),
  poll: durationOf("poll"),
  status: durationOf("status"),
  ingest: durationOf("ingest"),
  admin: durationOf("admin"),
  other: durationOf("other")
}

const ingestRows = Metric.counter("holdfast_central_ingest_rows_total", {
  description: "Rows that gateways sent and that were stored, by signal.",
  incremental: true
})

const gateways = Metric.gauge("holdfast_central_gateways", {
  description: "Gateways by where they stand towards the newest revision of their config."
})

const revisions = Metric.gauge("holdfast_central_revisions", {
  description: "Revisions that were saved, by config."
})

const streams = Metric.gauge("holdfast_central_event_streams", { description: "Open streams of events of the fleet." })

const warnings = Metric.gauge("holdfast_central_warnings", {
  description: "Things that need an admin; GET /fleet says which."
})

const certificateExpires = Metric.gauge("holdfast_central_certificate_expires_timestamp_seconds", {
  description: "When the certificate that is served ends.",
  attributes: seconds
})

const databaseBytes = Metric.gauge("holdfast_central_database_bytes", {
  description: "Size of the database and of its write-ahead log.",
  attributes: bytes
})

const residentBytes = Metric.gauge("holdfast_central_resident_memory_bytes", {
  description: "Memory that the process holds.",
  attributes: bytes
})

const eventLoopSeconds = Metric.gauge("holdfast_central_event_loop_active_seconds", {
  description: "For how long the event loop was busy since the process started; its rate is the share of a core.",
  attributes: seconds
})

const startedAt = Metric.gauge("holdfast_central_start_time_seconds", {
  description: "When this central started.",
  attributes: seconds
})

const buildInfo = Metric.gauge("holdfast_central_build_info", {
  description: "Always 1; which Holdfast and which Node run is in the labels."
})
