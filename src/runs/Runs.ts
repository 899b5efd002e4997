/**
 * The runs of this machine: asked for, watched, cancelled, and taken up again after a restart.
 *
 * @ref LLP 0019#the-service [implements]: one machine per run, one at a time for each agent
 */
import {
  Clock,
  Context,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Option,
  Path,
  Ref,
  Schedule,
  Schema,
  Scope,
  Semaphore,
  SynchronizedRef
} from "effect"
import { Run, RUN_VISIBLE } from "../../machines/index.ts"
import { isoTime, RunRequest, type RunView } from "../domain/index.ts"
import type { StorageError } from "../storage/index.ts"
import { randomId } from "../http/index.ts"
import { interpret, type Interpreter, type Journal, type Switchboard, type Uptime } from "../statechart/index.ts"
import type { OutputPlace } from "./Backend.ts"
import { type BackendChoice, Backends } from "./Backends.ts"
import { choiceOf, foundRecord, limitLeft, newRecord, workOf } from "./RunBegin.ts"
import { RunListener } from "./RunListener.ts"
import { invalid, notRunning, notWritten, RunRefused, unavailable, unknownRun, unreadable } from "./RunRefused.ts"
import { makeRunOutput, type RunOutput } from "./RunOutput.ts"
import { checkRunIds } from "./RunPaths.ts"
import { type RunRecord, RunStore } from "./RunStore.ts"
import { collectedView, makeRunWork, takeTurn } from "./RunWork.ts"
import { Tails } from "./Tails.ts"

/** Signs of life are told to the machine at most this often, ms. */
const ALIVE_EVERY_MS = 5_000
/** A backend that cannot be had, or cannot say yet what work it has, is asked again after so long; so are the records. */
const BACKEND_AGAIN = "10 seconds"
const LOCAL: BackendChoice = { kind: "local" }
/** Ended runs that are remembered. */
const KEPT = 1_000

/** A run in this process. */
interface Live {
  readonly record: Ref.Ref<RunRecord>
  /** Writes it down; one at a time. */
  readonly update: (change: (record: RunRecord) => RunRecord) => Effect.Effect<void, StorageError>
  readonly output: RunOutput
  readonly machine: Interpreter<typeof Run>
  /** How many read the output. */
  readonly readers: Ref.Ref<number>
}

/** A run that nothing can be done about until its backend can be had. */
interface Waiting {
  readonly record: RunRecord
  readonly reason: string
}

type Needs = Journal | Switchboard | Uptime

export class Runs extends Context.Service<
  Runs,
  {
    /** Takes every open run up again; from then on runs may be submitted. They are left to themselves when the scope closes. */
    readonly open: Effect.Effect<void, never, Scope.Scope | Needs>
    readonly submit: (request: unknown) => Effect.Effect<RunView, RunRefused>
    /** Newest first, without their summaries, which may be long. Every run, or why not every one is known. */
    readonly list: Effect.Effect<ReadonlyArray<RunView>, RunRefused>
    readonly get: (runId: string) => Effect.Effect<RunView, RunRefused>
    /** Asks for the end of a run; one that has ended stays as it is. */
    readonly cancel: (runId: string) => Effect.Effect<RunView, RunRefused>
    /** Where the output of a run lies. */
    readonly place: (runId: string) => Effect.Effect<OutputPlace, RunRefused>
    /** As long as the scope is open the output stays, for ten seconds after the verdict at most. */
    readonly hold: (runId: string) => Effect.Effect<void, never, Scope.Scope>
    /** Waits until the run has its verdict. */
    readonly ended: (runId: string) => Effect.Effect<RunView, RunRefused>
  }
>()("holdfast/runs/Runs") {
  static readonly layer = Layer.effect(
    Runs,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const store = yield* RunStore
      const tails = yield* Tails
      const backends = yield* Backends
      const listener = yield* RunListener
      const live = yield* Ref.make<ReadonlyMap<string, Live>>(new Map())
      const ended = yield* Ref.make<ReadonlyMap<string, RunRecord>>(new Map())
      const waiting = yield* Ref.make<ReadonlyMap<string, Waiting>>(new Map())
      /** Why not every run is known. */
      const unread = yield* Ref.make(Option.none<RunRefused>())
      const turns = yield* SynchronizedRef.make<ReadonlyMap<string, Semaphore.Semaphore>>(new Map())
      const room = yield* Ref.make(
        Option.none<{ readonly scope: Scope.Scope; readonly context: Context.Context<Needs> }>()
      )

      /** Settings that cannot be read are refused to whoever submits; what runs already is taken up all the same. */
      const concurrency = Effect.orElseSucceed(backends.concurrency, () => 1)

      const turnOf = (companyId: string, agentId: string) =>
        SynchronizedRef.modifyEffect(turns, (known) => {
          const key = `${companyId}/${agentId}`
          const found = known.get(key)
          return found === undefined
            ? concurrency.pipe(
                Effect.flatMap(Semaphore.make),
                Effect.map((made) => [made, new Map(known).set(key, made)] as const)
              )
            : Effect.succeed([found, known] as const)
        })

      const launch = Effect.fnUntraced(function* (first: RunRecord) {
        const { context, scope: parent } = yield* Effect.flatMap(Ref.get(room), Effect.fromOption).pipe(
          Effect.mapError(() => notRunning())
        )
        const backend = yield* backends.of(choiceOf(first))
        const scope = yield* Scope.fork(parent)
        const record = yield* Ref.make(first)
        const oneWriter = yield* Semaphore.make(1)
        const output = yield* makeRunOutput().pipe(Effect.provideService(FileSystem.FileSystem, fs))
        const work = workOf(first)
        const turn = yield* turnOf(work.companyId, work.agentId)
        const machine = yield* Ref.make(Option.none<Interpreter<typeof Run>>())
        const aliveAt = yield* Ref.make(0)
        const readers = yield* Ref.make(0)
        const alive = Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const before = yield* Ref.get(aliveAt)
          const running = yield* Ref.get(machine)
          if (now - before < ALIVE_EVERY_MS || Option.isNone(running)) return
          yield* Ref.set(aliveAt, now)
          yield* running.value.send({ type: "ALIVE" }, "output")
        })
        const update = (change: (record: RunRecord) => RunRecord) =>
          oneWriter.withPermits(1)(
            Effect.gen(function* () {
              const next = change(yield* Ref.get(record))
              yield* store.put(next)
              yield* Ref.set(record, next)
            })
          )
        const handlers = yield* makeRunWork({
          work,
          backend,
          tails,
          output,
          listener,
          turn,
          record: Ref.get(record),
          update,
          alive,
          readers: Ref.get(readers),
          scope
        }).pipe(Effect.provideService(FileSystem.FileSystem, fs), Effect.provideService(Path.Path, path))
        // What runs already, or may, has had its turn.
        if (first.begun && first.view.verdict === null) yield* Effect.forkIn(takeTurn(turn, scope), scope)
        const running = yield* interpret(
          { machine: Run, visible: RUN_VISIBLE, instance: work.runId },
          {
            limitMs: yield* limitLeft(first, work),
            graceMs: work.graceSeconds * 1_000,
            begun: first.begun,
            adopted: first.started,
            cancelled: first.cancelled,
            verdict: first.view.verdict,
            message: first.view.message
          },
          handlers
        ).pipe(Effect.provideContext(context), Effect.provideService(Scope.Scope, scope))
        yield* Ref.set(machine, Option.some(running))
        yield* Ref.update(live, (known) =>
          new Map(known).set(work.runId, { record, update, output, machine: running, readers })
        )
        yield* running
          .until((snapshot) => snapshot.matches("closed"))
          .pipe(
            Effect.andThen(Effect.flatMap(Ref.get(record), bury)),
            Effect.andThen(Scope.close(scope, Exit.void)),
            Effect.forkIn(parent)
          )
        return running
      })

      /** A run that has ended leaves the machines and stays in the list. */
      const bury = Effect.fnUntraced(function* (record: RunRecord) {
        const id = record.view.run_id
        yield* Ref.update(ended, (known) => new Map(known).set(id, record))
        yield* Ref.update(live, (known) => new Map([...known].filter(([run]) => run !== id)))
        const all = yield* Ref.get(ended)
        for (const old of [...all.keys()].slice(0, Math.max(0, all.size - KEPT))) {
          yield* Effect.ignore(store.remove(old))
          yield* Ref.update(ended, (known) => new Map([...known].filter(([run]) => run !== old)))
        }
      })

      /** Of a run whose backend cannot be had nothing is known, and nothing is concluded: it waits for it. */
      const takeUp = Effect.fnUntraced(function* (record: RunRecord) {
        const id = record.view.run_id
        const tryIt = launch(record).pipe(
          Effect.as(true),
          Effect.catchTag("BackendFailed", ({ message }) =>
            Effect.as(
              Ref.update(waiting, (known) => new Map(known).set(id, { record, reason: message })),
              false
            )
          ),
          Effect.catchTag("RunRefused", ({ message }) => Effect.as(Effect.logError(message), true))
        )
        if (yield* tryIt) return
        yield* Effect.logWarning("run_waits_for_backend").pipe(Effect.annotateLogs({ run: id }))
        yield* Effect.repeat(Effect.delay(tryIt, BACKEND_AGAIN), { until: (done) => done }).pipe(
          Effect.andThen(Ref.update(waiting, (known) => new Map([...known].filter(([run]) => run !== id)))),
          Effect.forkScoped
        )
      })

      /** Work whose record was lost, or could not be read: it is taken up all the same, with what the work itself says. */
      const adoptOthers = Effect.fn("Runs.adoptOthers")(
        function* (choice: BackendChoice) {
          const backend = yield* backends.of(choice)
          for (const found of yield* backend.list) {
            if (yield* store.has(found.runId)) continue
            yield* Effect.logWarning("run_without_record").pipe(
              Effect.annotateLogs({ run: found.runId, backend: choice.kind })
            )
            const record = foundRecord(found, choice, isoTime(yield* Clock.currentTimeMillis))
            yield* store.put(record)
            yield* takeUp(record)
          }
        },
        (adopted) =>
          Effect.tapError(adopted, ({ message }) => Effect.logWarning(message)).pipe(
            Effect.catchIf(isRetryable, () =>
              Effect.retry(Effect.delay(adopted, BACKEND_AGAIN), {
                schedule: Schedule.forever,
                while: isRetryable
              })
            )
          ),
        Effect.catch(({ message }) => Effect.logWarning(message))
      )

      /** Whether every run is known now; what cannot be read keeps nothing else from going on. */
      const takeUpRecords = Effect.gen(function* () {
        const { records, unread: problems } = yield* store.all
        for (const record of records) {
          if (Option.isSome(yield* Effect.option(recordOf(record.view.run_id)))) continue
          if (record.view.verdict !== null && record.cleaned) yield* bury(record)
          else {
            yield* Effect.logInfo("run_adopted").pipe(Effect.annotateLogs({ run: record.view.run_id }))
            yield* takeUp(record)
          }
        }
        const problem = Option.map(Option.fromUndefinedOr(problems[0]), unreadable)
        const before = yield* Ref.getAndSet(unread, problem)
        if (Option.isSome(problem) && problem.value.message !== Option.getOrUndefined(before)?.message) {
          yield* Effect.logError(problem.value.message)
        }
        return Option.isNone(problem)
      })

      const everyRunIsKnown = Effect.flatMap(
        Ref.get(unread),
        Option.match({ onNone: () => Effect.void, onSome: Effect.fail })
      )

      const open = Effect.gen(function* () {
        const scope = yield* Effect.scope
        const context = yield* Effect.context<Needs>()
        yield* Ref.set(room, Option.some({ scope, context }))
        const isWhole = yield* takeUpRecords
        const preferred = yield* Effect.orElseSucceed(backends.preferred, () => LOCAL)
        // Before every record is read, no work is known to be without one.
        const whole = isWhole
          ? Effect.succeed(true)
          : Effect.repeat(Effect.delay(takeUpRecords, BACKEND_AGAIN), { until: (known) => known })
        yield* whole.pipe(
          Effect.andThen(Effect.forEach(preferred.kind === "local" ? [LOCAL] : [LOCAL, preferred], adoptOthers)),
          Effect.forkScoped
        )
      }).pipe(Effect.withSpan("Runs.open"))

      const submit = Effect.fn("Runs.submit")(function* (input: unknown) {
        // One that is not known may be of that id, or have the turn of that agent.
        yield* everyRunIsKnown
        const request = yield* Schema.decodeUnknownEffect(RunRequest)(input).pipe(Effect.mapError(invalid))
        const runId = request.runId ?? (yield* randomId(12))
        yield* checkRunIds({ ...request, runId }).pipe(Effect.mapError(invalid))
        if (request.prompt.includes("\u0000")) {
          return yield* invalid({ message: "the prompt holds a NUL byte: leave it out" })
        }
        if (Option.isSome(yield* Effect.option(recordOf(runId)))) {
          return yield* new RunRefused({
            code: "run_exists",
            message: `There is a run ${runId} already: take another id.`
          })
        }
        const choice = yield* Effect.mapError(Effect.tap(backends.preferred, backends.of), unavailable)
        const record = newRecord({ ...request, runId }, choice, isoTime(yield* Clock.currentTimeMillis))
        yield* store.put(record).pipe(Effect.mapError(notWritten))
        yield* Effect.catchTag(launch(record), "BackendFailed", (error) => Effect.fail(unavailable(error)))
        return yield* get(runId)
      })

      const viewOf = Effect.fnUntraced(function* ({ machine, output, record }: Live) {
        const snapshot = yield* machine.current
        const known = yield* Ref.get(record)
        if (known.view.verdict !== null) return known.view
        const shown: RunView = {
          ...collectedView(known, yield* output.collected),
          state: stateOf(snapshot.value),
          stale: snapshot.hasTag("stale")
        }
        return shown
      })

      const find = Effect.fnUntraced(function* (runId: string) {
        const found = (yield* Ref.get(live)).get(runId)
        if (found !== undefined) return found
        const waits = (yield* Ref.get(waiting)).get(runId)
        if (waits !== undefined) return yield* unavailable({ message: waits.reason })
        yield* everyRunIsKnown
        return yield* unknownRun()
      })

      const recordOf = Effect.fnUntraced(function* (runId: string) {
        const record = (yield* Ref.get(ended)).get(runId) ?? (yield* Ref.get(waiting)).get(runId)?.record
        return record ?? (yield* Effect.flatMap(find(runId), (found) => Ref.get(found.record)))
      })

      const get = Effect.fnUntraced(function* (runId: string) {
        const record = (yield* Ref.get(ended)).get(runId)
        if (record !== undefined) return record.view
        const waits = (yield* Ref.get(waiting)).get(runId)
        return waits === undefined ? yield* Effect.flatMap(find(runId), viewOf) : waitingView(waits)
      })

      return Runs.of({
        open,
        submit,
        get,
        list: Effect.gen(function* () {
          yield* everyRunIsKnown
          const running = yield* Effect.forEach([...(yield* Ref.get(live)).values()], viewOf)
          const over = [...(yield* Ref.get(ended)).values()].map(({ view }) => view)
          const others = [...(yield* Ref.get(waiting)).values()].map(waitingView)
          return [...over, ...others, ...running]
            .map((view) => ({ ...view, summary: null }))
            .toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1))
        }),
        cancel: Effect.fn("Runs.cancel")(function* (runId) {
          if ((yield* Ref.get(ended)).has(runId)) return yield* get(runId)
          const { machine, update } = yield* find(runId)
          yield* update((before) => ({ ...before, cancelled: true })).pipe(Effect.mapError(notWritten))
          yield* machine.ask({ type: "CANCEL" })
          return yield* get(runId)
        }),
        place: Effect.fnUntraced(function* (runId) {
          const record = yield* recordOf(runId)
          const { agent_id, company_id, run_id } = record.view
          const { place } = yield* Effect.mapError(backends.of(choiceOf(record)), unavailable)
          return yield* place({ companyId: company_id, agentId: agent_id, runId: run_id })
        }),
        hold: Effect.fnUntraced(function* (runId) {
          const known = (yield* Ref.get(live)).get(runId)
          if (known === undefined) return
          yield* Effect.acquireRelease(
            Ref.update(known.readers, (count) => count + 1),
            () => Ref.update(known.readers, (count) => count - 1)
          )
        }),
        ended: Effect.fnUntraced(function* (runId) {
          const known = (yield* Ref.get(live)).get(runId)
          if (known !== undefined) yield* known.machine.until((snapshot) => snapshot.hasTag("closed"))
          return yield* get(runId)
        })
      })
    })
  )
}

const waitingView = ({ reason, record: { view } }: Waiting): RunView =>
  view.verdict === null ? { ...view, state: "waiting", message: `it waits for its backend: ${reason}` } : view

const isRetryable = (error: { readonly _tag: string; readonly retryable?: boolean }): boolean =>
  error._tag === "StorageError" || error.retryable === true

/** The first state of a run, for people. */
const stateOf = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "object" && value !== null ? (Object.keys(value)[0] ?? "") : ""
