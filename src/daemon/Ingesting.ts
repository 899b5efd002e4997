/**
 * Tells central what happened here: runs the machine Ingest, and hands it every tiding.
 *
 * @ref LLP 0029#the-daemon [implements]: when it begins and ends, and how no run is forgotten
 */
import { Effect, FileSystem, Metric, Option, Path, Schedule, Stream } from "effect"
import { type Daemon, Ingest, INGEST_VISIBLE, type Join } from "../../machines/index.ts"
import { Uplink } from "../central/index.ts"
import { Home } from "../domain/index.ts"
import { randomId } from "../http/index.ts"
import { interpret, type Interpreter } from "../statechart/index.ts"
import { ingestBatches, ingestBytes, ingestRows, ingestRowsLost } from "../telemetry/index.ts"
import { LazyRuns } from "./LazyRuns.ts"
import { runRow } from "./News.ts"
import { type Tiding, Tidings } from "./Tidings.ts"

/** The daemon's end waits so long for the last rows, at most: a little longer than the machine. */
const END_PATIENCE = "3 seconds"
/** Runs that cannot be read, which they say themselves, are asked for again after so long. */
const RUNS_AGAIN = "10 seconds"

/** Starts the machine; `begin` once the daemon runs, `end` as its last work. */
export const startIngest = Effect.gen(function* () {
  const uplink = yield* Uplink
  const tidings = yield* Tidings
  const { runs } = yield* LazyRuns
  const fs = yield* FileSystem.FileSystem
  const runsFolder = (yield* Path.Path).join((yield* Home).state, "runs")

  /** As the machine asks for it; the gauge then says what is on the disk, whatever became of it. */
  const gauged = <A, E, R>(task: Effect.Effect<A, E, R>) =>
    Effect.ensuring(
      task,
      Effect.flatMap(uplink.bytes, (bytes) => Metric.update(ingestBytes, bytes))
    )

  const machine = yield* interpret({ machine: Ingest, visible: INGEST_VISIBLE }, undefined, {
    tasks: {
      store: (input) => gauged(uplink.tasks.store(input)),
      send: (input) => gauged(uplink.tasks.send(input)),
      seal: (input) => gauged(uplink.tasks.seal(input))
    },
    actions: {
      forgetRows: () => uplink.forget,
      sendNoted: ({ answer: { kind, message } }) =>
        Effect.andThen(
          Metric.update(ingestBatches(kind), 1),
          kind === "accepted"
            ? Effect.logDebug("ingest_sent")
            : Effect.logWarning(`ingest_${kind}`).pipe(Effect.annotateLogs({ detail: message }))
        )
    }
  })
  yield* uplink.onLost((signal, rows) => Metric.update(ingestRowsLost(signal), rows))

  const tell = Effect.fnUntraced(function* (tiding: Tiding) {
    if ("news" in tiding) {
      yield* uplink.recordEvent({ id: yield* randomId(8), at: tiding.at, ...tiding.news })
      yield* Metric.update(ingestRows("events"), 1)
    } else {
      const row = Option.flatMapNullishOr(yield* Effect.option(runs.get(tiding.endedRun)), runRow)
      if (Option.isNone(row)) return
      yield* uplink.recordRun(row.value)
      yield* Metric.update(ingestRows("runs"), 1)
    }
    yield* machine.send({ type: "RECORDED" }, "machines")
  })

  /** Runs that ended while nobody could write it down: each is told again, and written unless it was before. */
  const tellEndedRuns = Effect.gen(function* () {
    // What cannot be told counts as yes.
    if (!(yield* Effect.orElseSucceed(fs.exists(runsFolder), () => true))) return
    const known = yield* Effect.retry(runs.list, Schedule.spaced(RUNS_AGAIN))
    const rows = known.toReversed().flatMap((view) => runRow(view) ?? [])
    yield* Effect.forEach(rows, uplink.recordRun, { discard: true })
    if (rows.length > 0) yield* machine.send({ type: "RECORDED" }, "start")
  })

  return {
    machine,
    tellEndedRuns,
    /** Takes tidings from now on; as long as the scope is open. */
    begin: Effect.fnUntraced(function* (daemon: Interpreter<typeof Daemon>, join: Interpreter<typeof Join>) {
      yield* machine.send({ type: "BEGIN", central: yield* hasCentral(daemon) }, "start")
      yield* Effect.forkScoped(Effect.forever(Effect.flatMap(tidings.take, tell)))
      yield* join.changes.pipe(
        Stream.filter((snapshot) => snapshot.matches("enrolled")),
        Stream.runForEach(() => machine.send({ type: "IDENTITY_READY" }, "machine join")),
        Effect.forkScoped
      )
    }),
    /** The last tidings reach the disk. */
    end: Effect.fnUntraced(function* (daemon: Interpreter<typeof Daemon>) {
      yield* machine.send({ type: "BEGIN", central: yield* hasCentral(daemon) }, "start")
      yield* Effect.forEach(yield* tidings.takeAll, tell, { discard: true })
      yield* machine.send({ type: "END" }, "shutdown")
      yield* Effect.timeoutOption(
        machine.until((snapshot) => snapshot.hasTag("ended")),
        END_PATIENCE
      )
    })
  }
})

const hasCentral = (daemon: Interpreter<typeof Daemon>) =>
  Effect.map(daemon.current, ({ context: { boot, leaving } }) => boot !== null && boot.running.central && !leaving)
