/** What the machine Run has done for it, for one run: its turn, its backend, its output, its verdict on the disk. */
import { Clock, Deferred, Effect, FileSystem, Option, Path, Ref, Schema, type Scope, type Semaphore } from "effect"
import type { EndFacts, Run, RunVerdict, TailFacts, WorkEnd } from "../../machines/index.ts"
import { type EndRecord, EndRecordJson, isoTime, type RunRequest, type RunView } from "../domain/index.ts"
import type { Handlers } from "../statechart/index.ts"
import type { Backend, Work } from "./Backend.ts"
import { nextSession } from "./OpenCode.ts"
import type { RunListener } from "./RunListener.ts"
import type { Collected, RunOutput } from "./RunOutput.ts"
import type { RunRecord } from "./RunStore.ts"
import type { Tail } from "./Tail.ts"
import type { Tails } from "./Tails.ts"

/** How often what was taken in is written down while it grows. */
const CHECKPOINT_EVERY = "2 seconds"
/** Output is not removed under who still reads it, for so long. */
const READERS_PATIENCE = "10 seconds"

export interface RunWorkOptions {
  readonly work: Work
  readonly backend: Backend
  readonly tails: Tails["Service"]
  readonly output: RunOutput
  /** Hears of everything before it is acknowledged. */
  readonly listener: RunListener
  /** One at a time for each agent. */
  readonly turn: Semaphore.Semaphore
  /** What is remembered of the run; `update` writes it down. */
  readonly record: Effect.Effect<RunRecord>
  readonly update: (
    change: (record: RunRecord) => RunRecord
  ) => Effect.Effect<void, { readonly _tag: string; readonly message: string }>
  /** How many read the output right now. */
  readonly readers: Effect.Effect<number>
  /** Something was heard of it. */
  readonly alive: Effect.Effect<void>
  readonly scope: Scope.Scope
}

/** The handlers of one run. */
export const makeRunWork = Effect.fnUntraced(function* ({
  alive,
  backend,
  listener,
  output,
  readers,
  record,
  scope,
  tails,
  turn,
  update,
  work
}: RunWorkOptions) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const tail = yield* Ref.make(Option.none<Tail>())
  const hasEnded = yield* Ref.make(false)
  /** By the backend's word, for work that left no record on the volume. */
  const exited = yield* Ref.make<EndFacts | null>(null)
  const place = yield* backend.place(work)

  // Found by listing: a network volume goes on hiding a name that was asked for before it was there, from everybody.
  const endRecord = Effect.gen(function* () {
    if (!(yield* fs.readDirectory(place.directory)).includes(place.recordName)) return Option.none<EndRecord>()
    const text = yield* fs.readFileString(path.join(place.directory, place.recordName))
    return Schema.decodeUnknownOption(EndRecordJson)(text)
  }).pipe(Effect.orElseSucceed(() => Option.none<EndRecord>()))

  const factsOf = Effect.map(
    endRecord,
    Option.match({
      onNone: (): EndFacts | null => null,
      onSome: ({ exit_code, signal }): EndFacts | null => ({ exitCode: exit_code, signal })
    })
  )

  /** The work may have ended before its output is opened: then it is told as soon as it is. */
  const drain = Effect.gen(function* () {
    const opened = yield* Ref.get(tail)
    if (Option.isNone(opened) || !(yield* Ref.get(hasEnded))) return
    yield* opened.value.drain({ record: Option.getOrNull(yield* endRecord), ended: true })
  })

  const follow = Effect.fn("Run.follow")(function* () {
    const { checkpoint } = yield* record
    const log = path.join(place.directory, place.logName)
    if (checkpoint !== null) yield* output.restore(log, checkpoint)
    const opened = yield* tails.open({ runId: work.runId, ...place, from: checkpoint, isMetered: true }, (batch) =>
      listener.take(work, batch).pipe(Effect.andThen(output.take(batch)), Effect.andThen(alive))
    )
    yield* Ref.set(tail, Option.some(opened))
    yield* drain
    const keep = Effect.flatMap(opened.checkpoint, (at) =>
      Effect.flatMap(record, (known) =>
        at === null || known.checkpoint?.offset === at.offset
          ? Effect.void
          : Effect.ignore(update((before) => ({ ...before, checkpoint: at })))
      )
    )
    yield* Effect.forkScoped(Effect.forever(Effect.delay(keep, CHECKPOINT_EVERY)))
    const outcome = yield* opened.settled
    const errors = yield* Effect.orElseSucceed(
      fs.readFileString(path.join(place.directory, place.stderrName)),
      () => ""
    )
    yield* output.takeErrors(errors)
    if (errors !== "") yield* listener.takeErrors(work, errors)
    const { bytes, gaps, lines } = yield* output.collected
    yield* Effect.ignore(
      update((before) => ({ ...before, view: { ...before.view, output: { bytes, lines, gaps, end: outcome.end } } }))
    )
    const facts: TailFacts = { end: outcome.end, record: yield* factsOf, message: outcome.message }
    return facts
  }, Effect.scoped)

  const handlers: Handlers<typeof Run, never> = {
    tasks: {
      awaitTurn: () => Effect.as(takeTurn(turn, scope), undefined),
      prepare: () => Effect.as(backend.prepare(work), undefined),
      start: () =>
        Effect.gen(function* () {
          // Before the start, so that whoever dies here does not queue, or cancel, what may run already.
          yield* update((before) => ({ ...before, begun: true }))
          yield* backend.start(work)
          const now = isoTime(yield* Clock.currentTimeMillis)
          const elapsed = yield* Clock.monotonicTimeNanos
          yield* update((before) => ({
            ...before,
            started: true,
            started_elapsed_ms: before.started_elapsed_ms ?? Number(elapsed / 1_000_000n),
            request: withoutSecrets(before.request),
            view: { ...before.view, started_at: before.view.started_at ?? now }
          }))
          return undefined
        }),
      watch: () => Effect.tap(backend.watch(work, alive), (end) => Ref.set(exited, exitOf(end))),
      follow,
      stop: () => Effect.as(backend.stop(work), undefined),
      record: ({ message, verdict }) =>
        Effect.gen(function* () {
          const end = (yield* factsOf) ?? (yield* Ref.get(exited))
          const collected = yield* output.collected
          const now = isoTime(yield* Clock.currentTimeMillis)
          yield* update((before) => ({
            ...before,
            view: {
              ...collectedView(before, collected),
              state: "ended",
              verdict,
              message: withReason(message, verdict, collected.openCode),
              exit_code: end?.exitCode ?? before.view.exit_code,
              signal: end?.signal ?? before.view.signal,
              ended_at: now
            }
          }))
          return undefined
        }),
      clean: () =>
        Effect.gen(function* () {
          const {
            request,
            view: { verdict }
          } = yield* record
          yield* Effect.repeat(Effect.delay(readers, "50 millis"), { while: (count) => count > 0 }).pipe(
            Effect.timeoutOrElse({ duration: READERS_PATIENCE, orElse: () => Effect.void })
          )
          // What nobody knows the end of may still run, and nobody would ever look at it again.
          if (verdict === "unknown") yield* backend.stop(work)
          yield* backend.clean(work, { retain: request.retain === true })
          yield* update((before) => ({ ...before, cleaned: true }))
          return undefined
        })
    },
    actions: {
      drainTail: () => Effect.andThen(Ref.set(hasEnded, true), drain)
    }
  }
  return handlers
})

/** Waits for the agent's turn, which is given back when the run's scope closes, whatever becomes of the run. */
export const takeTurn = Effect.fnUntraced(function* (turn: Semaphore.Semaphore, scope: Scope.Scope) {
  const taken = yield* Deferred.make<void>()
  yield* turn
    .withPermits(1)(Effect.andThen(Deferred.succeed(taken, undefined), Effect.never))
    .pipe(Effect.forkIn(scope))
  yield* Deferred.await(taken)
})

/** The view with what has been taken in of the output. */
export const collectedView = ({ request, view }: RunRecord, collected: Collected): RunView => {
  const { bytes, gaps, lines, openCode } = collected
  const { cached, costUsd, input, output } = openCode.usage
  return {
    ...view,
    output: { ...view.output, bytes, lines, gaps },
    ...(request.command.kind === "opencode"
      ? {
          session: nextSession(openCode),
          ...(openCode.unknownSession ? { session_end: "unknown" as const } : {}),
          ...(openCode.stepLimit ? { session_end: "step_limit" as const } : {}),
          summary: openCode.summary === "" ? null : openCode.summary,
          usage: { input, output, cached, cost_usd: costUsd }
        }
      : {})
  }
}

const exitOf = (end: WorkEnd): EndFacts | null => (end.kind === "exited" ? end.end : null)

/** What OpenCode itself says of a failure, beside what is proven. */
const withReason = (message: string | null, verdict: RunVerdict, openCode: Collected["openCode"]): string | null => {
  const reason = openCode.unknownSession ? "it does not know the session that it was to go on with" : openCode.error
  return verdict === "failed" && reason !== null ? `${message}: ${reason}` : message
}

/** Prompt and environment belong to whoever asked for the run: once it has started nobody needs them here. */
const withoutSecrets = ({ env: _env, ...request }: RunRequest): RunRequest => ({ ...request, prompt: "" })
