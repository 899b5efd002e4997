/** The status of this machine, from the machines that run it. */
import { DateTime, Effect, Option } from "effect"
import { Identity } from "../central/index.ts"
import {
  DEGRADING_KINDS,
  type EffectiveConfig,
  engineDiagnostics,
  ignoredKeys,
  layerDiagnostics,
  remoteConfigOf,
  revisionDiagnostics,
  RunningConfig
} from "../config/index.ts"
import {
  type Diagnostic,
  Home,
  normaliseUrl,
  PluginHost,
  type PluginState,
  type Status,
  Version
} from "../domain/index.ts"
import { Journal, Uptime } from "../statechart/index.ts"
import { configView } from "./Control.ts"
import { Fleet, type RunningMachines } from "./Fleet.ts"

/** What only the process itself knows. */
export interface ProcessFacts {
  readonly startedAt: DateTime.Utc
  readonly apiUrl: string | null
}

const diagnostic = (kind: string, message: string, ...repair: readonly [string, ...Array<string>]): Diagnostic => ({
  severity: "error",
  kind,
  message,
  repair
})

const processDiagnostics = Effect.fnUntraced(function* (
  { daemon, join, pull }: RunningMachines,
  plugins: ReadonlyArray<PluginState>,
  identityStorage: string | null
) {
  const daemonContext = (yield* daemon.current).context
  const pullContext = (yield* pull.current).context
  const joinSnapshot = yield* join.current
  return [
    ...(joinSnapshot.context.problem === null
      ? []
      : [
          diagnostic(
            "identity_failing",
            `this machine has no valid identity yet: ${joinSnapshot.context.problem}`,
            "It is tried again by itself. If the token was revoked or used up: holdfast join URL with a new one."
          )
        ]),
    ...(pullContext.problem === null
      ? []
      : [
          diagnostic(
            "poll_failing",
            `the last poll did not succeed (${pullContext.failures} in a row): ${pullContext.problem}`,
            "It is tried again by itself; what runs goes on."
          )
        ]),
    ...(identityStorage === null
      ? []
      : [
          diagnostic(
            "storage_failing",
            identityStorage,
            "The identity is used from memory meanwhile; a restart before it can be stored loses it."
          )
        ]),
    ...(daemonContext.apiProblem === null
      ? []
      : [
          diagnostic(
            "api_unavailable",
            `the daemon's own API is not open: ${daemonContext.apiProblem}`,
            "Free the port or set HOLDFAST_PORT, then restart the daemon. Polling goes on meanwhile."
          )
        ]),
    ...plugins
      .filter(({ state }) => state === "failed")
      .map(({ message, name }) =>
        diagnostic(
          "plugin_failed",
          `plugin ${name} did not start: ${message ?? "no reason was given"}`,
          "Correct its settings, or remove it from the configuration; everything else runs."
        )
      )
  ]
})

const layersOf = (config: EffectiveConfig, home: Home["Service"]): Status["config_layers"] => ({
  central:
    config.boot.running.source === "none"
      ? null
      : {
          source: config.boot.running.source,
          slot: config.boot.running.slot,
          etag: config.boot.running.etag,
          url: Option.match(config.central, { onNone: () => null, onSome: ({ url }) => normaliseUrl(url) })
        },
  local: { path: home.localConfig, used: config.localUsed, dropped: config.dropped }
})

const daemonState = (state: string): Status["daemon"]["state"] =>
  state.startsWith("booting")
    ? "starting"
    : state.startsWith("running")
      ? "running"
      : state.startsWith("stopping")
        ? "stopping"
        : "stopped"

/** The whole status; waits for boot evaluation. */
export const currentStatus = Effect.fnUntraced(function* ({ apiUrl, startedAt }: ProcessFacts) {
  const fleet = yield* Fleet
  const machines = yield* fleet.machines
  const home = yield* Home
  const host = yield* PluginHost
  const identity = yield* Identity
  const config = yield* (yield* RunningConfig).effective
  const apply = (yield* machines.apply.current).context
  const join = yield* machines.join.current
  const states = yield* (yield* Journal).states
  const plugins = yield* host.states
  const byId = Object.fromEntries(states.map(({ machine, state }) => [machine, state]))
  const diagnostics = [
    ...engineDiagnostics(apply),
    ...layerDiagnostics(config),
    ...(yield* processDiagnostics(machines, plugins, yield* identity.storageProblem)),
    ...revisionDiagnostics(apply.state),
    ...ignoredKeys(config.document)
  ]
  const status: Status = {
    overall: diagnostics.some(({ kind }) => DEGRADING_KINDS.has(kind)) ? "degraded" : "healthy",
    diagnostics,
    daemon: {
      state: daemonState(byId["daemon"] ?? ""),
      pid: globalThis.process.pid,
      started_at: DateTime.formatIso(startedAt),
      api_url: apiUrl,
      version: yield* Version,
      last_start: apply.start,
      safe_start: config.boot.safeStart,
      time_scale: (yield* Uptime).timeScale
    },
    identity: {
      ...(yield* identity.status),
      state: byId["join"] ?? "idle",
      ...(join.context.problem === null ? {} : { problem: join.context.problem })
    },
    remote_config: remoteConfigOf(yield* configView),
    config_layers: layersOf(config, home),
    plugins: plugins.map(({ name, state, version }) => ({ name, version, state })),
    machines: byId
  }
  return status
})
