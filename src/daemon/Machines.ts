/** Starts the machines of the daemon and hands each its services. */
import { Deferred, Effect, Exit, type Redacted, Ref, Scope, Stream } from "effect"
import {
  CONFIG_APPLY_VISIBLE,
  CONFIG_PULL_VISIBLE,
  ConfigApply,
  ConfigPull,
  Daemon,
  DAEMON_VISIBLE,
  DEVICE_LOGIN_VISIBLE,
  DeviceLogin,
  Join,
  JOIN_VISIBLE,
  type PluginProblem
} from "../../machines/index.ts"
import { Identity, PullLoop } from "../central/index.ts"
import { ApplyEngine, RunningConfig, trustJoinedAuthorities } from "../config/index.ts"
import { LoginTasks } from "../login/index.ts"
import { PluginHost, type PluginState, type Status } from "../domain/index.ts"
import { interpret, Uptime } from "../statechart/index.ts"
import type { StorageError } from "../storage/index.ts"
import { serveApi } from "./Api.ts"
import { CoreLockWatch } from "./CoreLockWatch.ts"
import { Fleet } from "./Fleet.ts"
import { startIngest } from "./Ingesting.ts"
import { LazyAgents } from "./LazyAgents.ts"
import { LazyRuns } from "./LazyRuns.ts"
import { Measures } from "./Measures.ts"
import { tidyPlugins } from "./PluginGarbage.ts"
import { Tidings } from "./Tidings.ts"

/** How the process ends. */
export interface Ending {
  readonly code: number
  readonly reason: string
  readonly cut: string | null
}

export interface MachineOptions {
  readonly jitter: number
  readonly port: number
  readonly token: Effect.Effect<Redacted.Redacted<string>, StorageError>
  readonly status: Effect.Effect<Status>
  /** Where the API's URL is noted once it listens. */
  readonly apiUrl: Ref.Ref<string | null>
  /** Writes status.json now. */
  readonly writeStatus: Effect.Effect<void, never, Fleet>
}

const problemsOf = (states: ReadonlyArray<PluginState>): ReadonlyArray<PluginProblem> =>
  states
    .filter(({ state }) => state === "failed")
    .map(({ message, name }) => ({ plugin: name, message: message ?? "no reason was given" }))

/** Runs until the Daemon machine says how the process ends. */
export const runMachines = Effect.fnUntraced(function* (options: MachineOptions) {
  const engine = yield* ApplyEngine
  const identity = yield* Identity
  const pulls = yield* PullLoop
  const running = yield* RunningConfig
  const host = yield* PluginHost
  const fleet = yield* Fleet
  const uptime = yield* Uptime
  const measures = yield* Measures
  const { hear } = yield* Tidings
  const ingest = yield* startIngest
  const ending = yield* Deferred.make<Ending>()
  const apiScope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))

  const apply = yield* interpret({ machine: ConfigApply, visible: CONFIG_APPLY_VISIBLE }, undefined, {
    tasks: engine.tasks,
    actions: {
      note: ({ detail, etag, event }) =>
        Effect.logInfo(event).pipe(
          Effect.tap(() =>
            Effect.sync(() =>
              hear({
                kind: "noted",
                event,
                ...(etag === undefined ? {} : { etag }),
                ...(detail === undefined ? {} : { detail })
              })
            )
          ),
          Effect.annotateLogs({
            ...(etag === undefined || etag === null ? {} : { config_etag: etag }),
            ...(detail === undefined ? {} : { detail })
          }),
          Effect.andThen(measures.noted({ event, ...(detail === undefined ? {} : { detail }) }))
        )
    }
  })
  yield* Effect.forkScoped(measures.follow(apply))
  const join = yield* interpret({ machine: Join, visible: JOIN_VISIBLE }, undefined, {
    tasks: identity.tasks,
    actions: {}
  })
  const pull = yield* interpret({ machine: ConfigPull, visible: CONFIG_PULL_VISIBLE }, undefined, {
    tasks: pulls.tasks,
    actions: {
      pollNoted: ({ answer, failures }) =>
        Effect.andThen(
          measures.polled(answer),
          answer.kind === "unchanged" || answer.kind === "good"
            ? Effect.logDebug("config_poll").pipe(Effect.annotateLogs({ answer: answer.kind }))
            : Effect.logWarning(POLL_EVENTS[answer.kind] ?? "config_poll_http_error").pipe(
                Effect.annotateLogs({
                  detail: answer.message,
                  consecutive_failures: failures,
                  ...(answer.retryAfterSeconds > 0 ? { retry_after_seconds: answer.retryAfterSeconds } : {})
                })
              )
        )
    }
  })
  const login = yield* interpret({ machine: DeviceLogin, visible: DEVICE_LOGIN_VISIBLE }, undefined, yield* LoginTasks)
  yield* login.changes.pipe(
    Stream.map(({ context: { flow } }) => flow),
    Stream.changesWith((before, after) => before?.id === after?.id && before?.phase === after?.phase),
    Stream.runForEach((flow) =>
      flow === null
        ? Effect.void
        : Effect.logInfo(`login ${flow.phase}`).pipe(
            Effect.annotateLogs({ flow: flow.id, ...(flow.code === null ? {} : { code: flow.code }) })
          )
    ),
    Effect.forkScoped
  )
  const daemon = yield* interpret(
    { machine: Daemon, visible: DAEMON_VISIBLE },
    { jitter: options.jitter },
    {
      tasks: {
        openApi: () =>
          Effect.flatMap(options.token, (token) =>
            serveApi({
              port: options.port,
              token,
              status: options.status,
              listening: (url) => Effect.andThen(Ref.set(options.apiUrl, url), options.writeStatus)
            })
          ).pipe(Effect.provideService(Scope.Scope, apiScope), Effect.as(undefined)),
        loadPlugins: (input) =>
          Effect.flatMap(running.effective, ({ document, trees }) => host.load(document, { ...input, trees })).pipe(
            Effect.map((states) => ({ problems: problemsOf(states) })),
            Effect.tap(({ problems }) =>
              Effect.sync(() => hear({ kind: "plugins", failed: problems.map(({ plugin }) => plugin) }))
            )
          ),
        closePlugins: () => Effect.as(host.close, undefined),
        closeApi: () => Effect.as(Scope.close(apiScope, Exit.void), undefined),
        flush: () =>
          Effect.flatMap(fleet.machines, (machines) => ingest.end(machines.daemon)).pipe(
            Effect.andThen(options.writeStatus),
            Effect.as(undefined)
          )
      },
      actions: {
        announce: ({ detail, phase }) =>
          Effect.logInfo(`daemon ${phase}`).pipe(Effect.annotateLogs(detail === undefined ? {} : { detail })),
        exit: (how) => Effect.asVoid(Deferred.succeed(ending, how))
      }
    }
  )
  yield* fleet.started({ apply, join, pull, daemon, login, ingest: ingest.machine })

  // Not before the line to central is up: a disk that is slow to forget keeps nobody waiting.
  yield* daemon.until((snapshot) => snapshot.hasTag("running")).pipe(Effect.andThen(tidyPlugins), Effect.forkScoped)

  // Runs come last: whatever becomes of them, the line to central is up.
  const { runs } = yield* LazyRuns
  yield* daemon
    .until((snapshot) => snapshot.hasTag("running"))
    .pipe(
      Effect.andThen(ingest.begin(daemon, join)),
      Effect.andThen(runs.open),
      Effect.andThen(ingest.tellEndedRuns),
      Effect.forkScoped
    )

  const coreLock = yield* CoreLockWatch
  yield* daemon
    .until((snapshot) => snapshot.hasTag("running"))
    .pipe(Effect.andThen(coreLock.open), Effect.andThen(options.writeStatus), Effect.forkScoped)

  const agents = yield* LazyAgents
  yield* daemon.until((snapshot) => snapshot.hasTag("running")).pipe(Effect.andThen(agents.open), Effect.forkScoped)

  // What runs is frozen as soon as boot evaluation is over; tasks that need it wait for it.
  yield* daemon
    .until((snapshot) => snapshot.context.boot !== null)
    .pipe(
      // Boot evaluation may just have carried a join out: its authorities come before the first request.
      Effect.tap(trustJoinedAuthorities),
      Effect.flatMap(({ context }) => (context.boot === null ? Effect.void : running.freeze(context.boot))),
      Effect.forkScoped
    )

  yield* uptime.gaps.pipe(
    Stream.runForEach((lost) =>
      Effect.logWarning("the process was suspended or starved").pipe(
        Effect.annotateLogs({ lost_ms: Math.round(lost) }),
        Effect.andThen(apply.send({ type: "GAP" }, "clock")),
        Effect.andThen(pull.send({ type: "GAP" }, "clock"))
      )
    ),
    Effect.forkScoped
  )
  return { daemon, ending: Deferred.await(ending) }
})

const POLL_EVENTS: Readonly<Record<string, string>> = {
  document_too_large: "config_document_too_large",
  missing_etag: "config_missing_etag",
  invalid_json: "config_invalid_json",
  unauthorized: "config_poll_auth_failed",
  throttled: "config_poll_throttled"
}
