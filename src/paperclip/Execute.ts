/**
 * One execution: a run of the same machine, pod command, tailer and verdict as the daemon's, told to the host.
 *
 * @ref LLP 0021#execute [implements]
 */
import type { AdapterExecutionContext, AdapterExecutionResult } from "@paperclipai/adapter-utils"
import { Clock, Deferred, Effect, FileSystem, Option, Result, type Scope } from "effect"
import { isoTime, type RunRequest, type RunView } from "../domain/index.ts"
import { checkRunIds, type RunRefused, type Runs } from "../runs/index.ts"
import { type AdapterConfig, readAdapterConfig } from "./AdapterConfig.ts"
import { unwanted } from "./Cancellation.ts"
import { ADAPTER_TYPE, type AgentRuns, type Clusters } from "./Clusters.ts"
import { fieldsOf, oneOf } from "./Context.ts"
import { type Delivery, makeDelivery } from "./Delivery.ts"
import { hostApi, podEnvironment } from "./PodEnvironment.ts"
import { type PodPlace, podPlace } from "./PodPlace.ts"
import { promptOf } from "./Prompt.ts"
import { cancelledBefore, notStarted, refusedResult, resultOf } from "./Result.ts"
import { type Session, sessionOf } from "./SessionCodec.ts"

/** What is said last must not hold up the result. */
const LAST_WORDS = "10 seconds"
/** The run that begins anew when the session of the first is not known any more. */
const FRESH = "-fresh"

const nowIso = Effect.map(Clock.currentTimeMillis, isoTime)

/** Everything of one execution that its attempts share. */
interface Execution {
  readonly ctx: AdapterExecutionContext
  readonly config: AdapterConfig
  readonly delivery: Delivery
  readonly shared: AgentRuns
  /** When the host wanted the end. */
  readonly stopped: Deferred.Deferred<string>
}

/** Follows a run to its verdict, cancelled as soon as nobody wants it; it may be there already. None: not begun. */
const followed = Effect.fn("followed")(function* (
  { ctx, delivery, shared, stopped }: Execution,
  runId: string,
  request: Effect.Effect<RunRequest>
): Effect.fn.Return<Option.Option<RunView>, RunRefused, Scope.Scope> {
  const { attach, runs } = shared
  yield* attach(runId, delivery.listener)
  const there = yield* known(runs, runId)
  if (Option.isNone(there)) {
    const asked = yield* request
    if (yield* Deferred.isDone(stopped)) return Option.none()
    yield* Effect.sync(() => ctx.onDispatch?.())
    yield* runs.submit(asked)
  } else yield* takenUp(there.value, shared, delivery)
  const state = Effect.map(known(runs, runId), (view) => stateWords(runId, Option.getOrUndefined(view)))
  yield* Effect.forkScoped(delivery.keepAlive(state))
  yield* Deferred.await(stopped).pipe(
    Effect.andThen(runs.cancel(runId)),
    Effect.catch(({ message }) => delivery.say(`the run could not be cancelled: ${message}`)),
    Effect.forkScoped
  )
  return Option.some(yield* runs.ended(runId))
}, Effect.scoped)

/** A run of an earlier process: under way, or over, and then perhaps with output that nobody took. */
const takenUp = Effect.fnUntraced(function* (
  { output, run_id: runId, verdict }: RunView,
  { runs }: AgentRuns,
  { say }: Delivery
) {
  if (verdict === null) return yield* say(`run ${runId} is there already and is taken up`)
  if (output.end === "complete") return
  const { directory, logName } = yield* runs.place(runId)
  yield* say(
    `run ${runId} has ended; of its output the bytes from ${output.bytes} on were not taken: ${directory}/${logName}`
  )
})

const known = (runs: Runs["Service"], runId: string) => Effect.option(runs.get(runId))

const stateWords = (runId: string, view: RunView | undefined): string =>
  view?.stale === true
    ? `run ${runId} is ${view.state}, and nothing was heard of it for five minutes`
    : `run ${runId} is ${view?.state ?? "not known"}`

/** The file that the host keeps an agent's instructions in; one that cannot be read is said, and does not stop it. */
const instructionsOf = Effect.fnUntraced(function* (path: string | undefined, { say }: Delivery) {
  if (path === undefined) return undefined
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(path).pipe(
    Effect.map((text) => ({ path, text })),
    Effect.catch(({ message }) => Effect.as(say(`the instructions cannot be read: ${message}`), undefined))
  )
})

/** Where it works: in the host's work tree if that is on the volume, else where the configuration says. */
const workplace = (context: Readonly<Record<string, unknown>>, config: AdapterConfig, { home, inPods }: PodPlace) => {
  const wanted = oneOf(fieldsOf(context["paperclipWorkspace"]), "cwd")
  const there = wanted === undefined ? undefined : inPods(wanted)
  const own = config.cwd === undefined ? undefined : (inPods(config.cwd) ?? config.cwd)
  return { cwd: there ?? own ?? home, missed: there === undefined ? wanted : undefined }
}

/** A session goes on in the folder that it began in, and nowhere else. */
const resumable = (session: Session | null, cwd: string): string | undefined =>
  session !== null && (session.cwd === undefined || session.cwd === cwd) ? session.sessionId : undefined

const run = Effect.fn("run")(function* (
  ctx: AdapterExecutionContext,
  config: AdapterConfig,
  clusters: Clusters,
  { isNew, stopped }: { readonly isNew: boolean; readonly stopped: Deferred.Deferred<string> }
) {
  const { agent, context, runId } = ctx
  const delivery = yield* makeDelivery(ctx.onLog)
  const ids = { companyId: agent.companyId, agentId: agent.id, name: agent.name }
  const opened = clusters.agent(config, ids, delivery.say).pipe(Effect.asSome)
  const given = Effect.as(Deferred.await(stopped), Option.none())
  const shared = yield* isNew ? Effect.raceFirst(opened, given) : opened
  if (Option.isNone(shared)) return cancelledBefore(yield* nowIso)
  const { cluster, settings } = shared.value
  const execution: Execution = { ctx, config, delivery, shared: shared.value, stopped }

  const place = podPlace(config.root, cluster.library.rootsOf(settings).inPods)
  const { cwd, missed } = workplace(context, config, place)
  if (missed !== undefined) yield* delivery.say(`${missed} is not on the volume that pods see: it works in ${cwd}`)
  const before = sessionOf(ctx.runtime.sessionParams ?? { sessionId: ctx.runtime.sessionId })
  const session = resumable(before, cwd)
  if (before !== null && session === undefined) {
    yield* delivery.say(`session ${before.sessionId} began in ${before.cwd}: a new one begins in ${cwd}`)
  }
  const instructions = yield* instructionsOf(config.instructionsFilePath, delivery)
  const apiUrl = yield* hostApi

  const request = (id: string, resumes: string | undefined): Effect.Effect<RunRequest> =>
    Effect.gen(function* () {
      const prompt = promptOf({ execution: ctx, config, instructions, resumes: resumes !== undefined })
      const command = {
        kind: "opencode" as const,
        ...(config.program === undefined ? {} : { program: config.program }),
        args: config.args
      }
      yield* tellOf(ctx, config, { image: settings.image, cwd, prompt, session: resumes })
      return {
        companyId: agent.companyId,
        agentId: agent.id,
        runId: id,
        prompt: prompt.text,
        command,
        cwd,
        env: podEnvironment({
          execution: ctx,
          place,
          cwd,
          apiUrl,
          own: config.env,
          skipPermissions: config.skipPermissions,
          scratch: cluster.library.SCRATCH_PATHS.temporary
        }),
        ...(config.model === undefined ? {} : { model: config.model }),
        ...(resumes === undefined ? {} : { session: resumes }),
        limits: {
          ...(config.timeoutSeconds > 0 ? { seconds: config.timeoutSeconds } : {}),
          grace_seconds: config.graceSeconds
        },
        retain: config.retain
      }
    })

  const first = yield* followed(execution, runId, request(runId, session))
  if (Option.isNone(first)) return cancelledBefore(yield* nowIso)
  const { session_end, verdict } = first.value
  const isFresh = session !== undefined && session_end === "unknown" && verdict === "failed"
  if (isFresh) yield* delivery.say(`session ${session} is not known there: a new one is begun`)
  const again = `${runId}${FRESH}`
  const second = isFresh ? yield* followed(execution, again, request(again, undefined)) : first
  const view = Option.getOrElse(second, () => first.value)
  if (view.verdict === "succeeded" && view.message !== null) {
    yield* Effect.timeoutOption(delivery.say(view.message), LAST_WORDS)
  }
  const workspace = sessionOf({ ...fieldsOf(context["paperclipWorkspace"]), sessionId: "-" })
  const { cwd: _cwd, sessionId: _id, ...belongings } = workspace ?? { sessionId: "-" }
  return resultOf({
    view,
    model: config.model,
    before,
    place: { cwd, ...belongings },
    isFresh,
    stopped: (yield* Deferred.isDone(stopped)) ? yield* Deferred.await(stopped) : null,
    refused: yield* delivery.refused
  })
})

interface Told {
  readonly image: string
  readonly cwd: string
  readonly prompt: ReturnType<typeof promptOf>
  readonly session: string | undefined
}

/** What the host writes down of the invocation: nothing of the environment, which holds secrets. */
const tellOf = ({ context, onMeta }: AdapterExecutionContext, config: AdapterConfig, told: Told) =>
  onMeta === undefined
    ? Effect.void
    : Effect.tryPromise(() =>
        onMeta({
          adapterType: ADAPTER_TYPE,
          command: config.program ?? "opencode",
          cwd: told.cwd,
          commandArgs: [
            "run",
            "--format",
            "json",
            ...(config.model === undefined ? [] : ["--model", config.model]),
            ...(told.session === undefined ? [] : ["--session", told.session]),
            ...config.args
          ],
          commandNotes: [`Runs as a Kubernetes Job of the image ${told.image}.`],
          prompt: told.prompt.text,
          promptMetrics: told.prompt.metrics,
          context
        })
      ).pipe(Effect.catch((error) => Effect.logWarning("the host did not take what was said of the invocation", error)))

/** Never fails: whatever goes wrong is a result with a message. */
export const execute = Effect.fn("execute")(function* (
  ctx: AdapterExecutionContext,
  clusters: Clusters
): Effect.fn.Return<AdapterExecutionResult, never, FileSystem.FileSystem | Scope.Scope> {
  const { agent, onCancellationReady, runId, signal } = ctx
  const read = yield* Effect.result(
    Effect.gen(function* () {
      yield* checkRunIds({ companyId: agent.companyId, agentId: agent.id, runId })
      return yield* readAdapterConfig(ctx.config)
    })
  )
  if (Result.isFailure(read)) return refusedResult(read.failure.message)
  const isNew = !(yield* clusters.hasRecord(read.success, { companyId: agent.companyId, agentId: agent.id }, runId))
  const inVain = isNew ? notStarted : refusedResult
  const agreed = yield* Effect.result(Effect.tryPromise(() => onCancellationReady?.() ?? Promise.resolve()))
  if (Result.isFailure(agreed)) return inVain("the host did not agree to cancel by its signal")
  if (signal?.aborted === true && isNew) return cancelledBefore(yield* nowIso)
  const stopped = yield* Deferred.make<string>()
  yield* unwanted(ctx).pipe(
    Effect.andThen(nowIso),
    Effect.flatMap((now) => Deferred.succeed(stopped, now)),
    Effect.forkScoped
  )
  return yield* run(ctx, read.success, clusters, { isNew, stopped }).pipe(
    Effect.catchTag("ClusterUnusable", ({ message }) => Effect.succeed(inVain(message))),
    Effect.catchTag("RunRefused", ({ message }) => Effect.succeed(refusedResult(message)))
  )
}, Effect.scoped)
