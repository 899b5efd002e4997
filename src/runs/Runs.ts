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
import { absent, type Backend, type OutputPlace, type Work } from "./Backend.ts"
import { Backends } from "./Backends.ts"
import { makeRunOutput, type RunOutput } from "./RunOutput.ts"
import { checkRunIds } from "./RunPaths.ts"
import { type RunRecord, RunStore } from "./RunStore.ts"
import { collectedView, makeRunWork, takeTurn } from "./RunWork.ts"
import { Tails } from "./Tails.ts"

/** Between TERM and KILL when a request does not say. */
const GRACE_SECONDS = 10
/** Signs of life are told to the machine at most this often, ms. */
const ALIVE_EVERY_MS = 5_000
/** Ended runs that are remembered. */
const KEPT = 1_000

/** A run that is asked for and cannot be, or one that is not there. */
export class RunRefused extends Schema.TaggedError<RunRefused>()("RunRefused", {
  code: Schema.Literals([
    "run_invalid",
    "run_exists",
    "run_unknown",
    "storage_failed",
    "not_running",
    "backend_unavailable"
  ]),
  message: Schema.String
}) {}

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

type Needs = Journal | Switchboard | Uptime

export class Runs extends Context.Service<
  Runs,
  {
    /** Takes every open run up again; from then on runs may be submitted. They are left to themselves when the scope closes. */
    readonly open: Effect.Effect<void, never, Scope.Scope | Needs>
    readonly submit: (request: unknown) => Effect.Effect<RunView, RunRefused>
    readonly list: Effect.Effect<ReadonlyArray<RunView>>
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
      const live = yield* Ref.make<ReadonlyMap<string, Live>>(new Map())
      const ended = yield* Ref.make<ReadonlyMap<string, RunRecord>>(new Map())
      const turns = yield* SynchronizedRef.make<ReadonlyMap<string, Semaphore.Semaphore>>(new Map())
      const room = yield* Ref.make(
        Option.none<{ readonly scope: Scope.Scope; readonly context: Context.Context<Needs> }>()
      )

      const turnOf = (companyId: string, agentId: string) =>
        SynchronizedRef.modifyEffect(turns, (known) => {
          const key = `${companyId}/${agentId}`
          const found = known.get(key)
          return found === undefined
            ? Effect.map(Semaphore.make(1), (made) => [made, new Map(known).set(key, made)] as const)
            : Effect.succeed([found, known] as const)
        })

      /** A backend that cannot be had says why to whoever asks it; the run itself is not forgotten. */
      const backendOf = (kind: Backend["kind"]) =>
        backends.of(kind).pipe(
          Effect.catch((reason) => Effect.map(backends.of("local"), (local): Backend => absent(kind, local, reason))),
          Effect.orDie
        )

      const launch = Effect.fnUntraced(function* (first: RunRecord) {
        const { context, scope: parent } = yield* Effect.flatMap(Ref.get(room), Effect.fromOption).pipe(
          Effect.mapError(() => notRunning())
        )
        const scope = yield* Scope.fork(parent)
        const record = yield* Ref.make(first)
        const oneWriter = yield* Semaphore.make(1)
        const output = yield* makeRunOutput().pipe(Effect.provideService(FileSystem.FileSystem, fs))
        const work = workOf(first)
        const backend = yield* backendOf(first.view.backend)
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

      const open = Effect.gen(function* () {
        const scope = yield* Effect.scope
        const context = yield* Effect.context<Needs>()
        yield* Ref.set(room, Option.some({ scope, context }))
        for (const record of yield* store.all) {
          if (record.view.verdict !== null && record.cleaned) yield* bury(record)
          else {
            yield* Effect.logInfo("run_adopted").pipe(Effect.annotateLogs({ run: record.view.run_id }))
            yield* launch(record).pipe(Effect.catch((error) => Effect.logError(error.message)))
          }
        }
      }).pipe(Effect.withSpan("Runs.open"))

      const submit = Effect.fn("Runs.submit")(function* (input: unknown) {
        const request = yield* Schema.decodeUnknownEffect(RunRequest)(input).pipe(
          Effect.mapError(({ message }) => new RunRefused({ code: "run_invalid", message }))
        )
        const runId = request.runId ?? (yield* randomId(12))
        yield* checkRunIds({ ...request, runId }).pipe(
          Effect.mapError(({ message }) => new RunRefused({ code: "run_invalid", message }))
        )
        if (request.prompt.includes("\u0000")) {
          return yield* new RunRefused({ code: "run_invalid", message: "the prompt holds a NUL byte: leave it out" })
        }
        if ((yield* Ref.get(live)).has(runId) || (yield* Ref.get(ended)).has(runId)) {
          return yield* new RunRefused({
            code: "run_exists",
            message: `There is a run ${runId} already: take another id.`
          })
        }
        const kind = yield* Effect.tap(backends.preferred, backends.of).pipe(
          Effect.mapError(({ message }) => new RunRefused({ code: "backend_unavailable", message }))
        )
        const record = newRecord({ ...request, runId }, kind, isoTime(yield* Clock.currentTimeMillis))
        yield* store
          .put(record)
          .pipe(Effect.mapError(({ message }) => new RunRefused({ code: "storage_failed", message })))
        yield* launch(record)
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
        return yield* new RunRefused({
          code: "run_unknown",
          message: "There is no run of that id: GET /runs lists them."
        })
      })

      const get = Effect.fnUntraced(function* (runId: string) {
        const record = (yield* Ref.get(ended)).get(runId)
        return record === undefined ? yield* Effect.flatMap(find(runId), viewOf) : record.view
      })

      return Runs.of({
        open,
        submit,
        get,
        list: Effect.gen(function* () {
          const running = yield* Effect.forEach([...(yield* Ref.get(live)).values()], viewOf)
          const over = [...(yield* Ref.get(ended)).values()].map(({ view }) => view)
          return [...over, ...running].toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1))
        }),
        cancel: Effect.fn("Runs.cancel")(function* (runId) {
          if ((yield* Ref.get(ended)).has(runId)) return yield* get(runId)
          const { machine, update } = yield* find(runId)
          yield* update((before) => ({ ...before, cancelled: true })).pipe(
            Effect.mapError(({ message }) => new RunRefused({ code: "storage_failed", message }))
          )
          yield* machine.ask({ type: "CANCEL" })
          return yield* get(runId)
        }),
        place: (runId) =>
          Effect.flatMap(get(runId), ({ agent_id, backend, company_id, run_id }) =>
            Effect.flatMap(backendOf(backend), ({ place }) =>
              place({ companyId: company_id, agentId: agent_id, runId: run_id })
            )
          ),
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

const notRunning = () =>
  new RunRefused({ code: "not_running", message: "The daemon starts or stops: try again in a moment." })

const newRecord = (
  request: RunRequest & { readonly runId: string },
  kind: Backend["kind"],
  now: string
): RunRecord => ({
  version: 1,
  request,
  begun: false,
  started: false,
  cancelled: false,
  view: {
    company_id: request.companyId,
    agent_id: request.agentId,
    run_id: request.runId,
    backend: kind,
    state: "queued",
    verdict: null,
    message: null,
    exit_code: null,
    signal: null,
    created_at: now,
    started_at: null,
    ended_at: null,
    output: { bytes: 0, lines: 0, end: null, gaps: [] },
    session: null,
    summary: null,
    usage: null,
    stale: false
  },
  checkpoint: null,
  cleaned: false
})

const workOf = ({ request, view }: RunRecord): Work => workFor({ ...request, runId: view.run_id })

/** What a backend is given for a request. */
export const workFor = (request: RunRequest & { readonly runId: string }): Work => ({
  companyId: request.companyId,
  agentId: request.agentId,
  runId: request.runId,
  request,
  argv: argvOf(request),
  graceSeconds: request.limits?.grace_seconds ?? GRACE_SECONDS,
  limitSeconds: request.limits?.seconds ?? 0
})

/** OpenCode reads its prompt from standard input, so that it is in no list of processes. */
const argvOf = ({ command, model, session }: RunRequest): ReadonlyArray<string> =>
  command.kind === "exec"
    ? command.argv
    : [
        "opencode",
        "run",
        "--format",
        "json",
        ...(model === undefined ? [] : ["--model", model]),
        ...(session === undefined ? [] : ["--session", session])
      ]

/** What a run may still take, ms, by the wall clock since it was started; 0: for ever. */
const limitLeft = ({ view }: RunRecord, { limitSeconds }: Work) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    if (limitSeconds === 0) return 0
    const taken = view.started_at === null ? 0 : Math.max(0, now - Date.parse(view.started_at))
    return Math.max(1, limitSeconds * 1_000 - taken)
  })

/** The first state of a run, for people. */
const stateOf = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "object" && value !== null ? (Object.keys(value)[0] ?? "") : ""
