/** What a running machine says about itself, as a function of what its machines and services know. Pure. */
import { Option } from "effect"
import type {
  ConfigApplyContext,
  ConfigPullContext,
  DaemonContext,
  DeviceLoginContext,
  IngestContext,
  JoinContext
} from "../../machines/index.ts"
import {
  type ConfigView,
  DEGRADING_KINDS,
  type EffectiveConfig,
  engineDiagnostics,
  ignoredKeys,
  layerDiagnostics,
  remoteConfigOf,
  revisionDiagnostics,
  stagingDiagnostics
} from "../config/index.ts"
import { AGENTS_PLUGIN, type Diagnostic, normaliseUrl, type PluginState, type Status } from "../domain/index.ts"
import { LOCAL_CONFIG } from "../login/index.ts"
import type { CoreLockSeen } from "./CoreLockWatch.ts"

/** Everything that the status is made of, gathered at one moment. */
export interface StatusFacts {
  readonly apply: ConfigApplyContext
  readonly join: Pick<JoinContext, "problem">
  readonly pull: Pick<ConfigPullContext, "failures" | "problem" | "reportProblem">
  readonly daemon: Pick<DaemonContext, "apiProblem">
  readonly login: Pick<DeviceLoginContext, "storageProblem">
  /** Why the model provider cannot be used, and what of the environment or of the plugin's settings names it. */
  readonly provider: { readonly message: string; readonly setting: string } | null
  readonly ingest: Pick<IngestContext, "storeProblem">
  /** The current state of each machine, by id. */
  readonly states: Readonly<Record<string, string>>
  readonly config: EffectiveConfig
  readonly view: ConfigView
  readonly plugins: ReadonlyArray<PluginState>
  readonly coreLock: CoreLockSeen
  readonly identity: Pick<Status["identity"], "gateway_id" | "expires_at">
  /** Why the identity could not be stored, if so. */
  readonly identityStorage: string | null
  readonly pid: number
  /** ISO 8601. */
  readonly startedAt: string
  readonly apiUrl: string | null
  readonly version: string
  readonly timeScale: number
  /** The path of the user's own config.json. */
  readonly localPath: string
}

/** The whole status of a machine whose daemon runs. */
export const statusOf = (facts: StatusFacts): Status => {
  const { apply, config, coreLock, join, localPath, plugins, states, view } = facts
  const diagnostics = [
    ...engineDiagnostics(apply),
    ...layerDiagnostics(config),
    ...processDiagnostics(facts),
    ...coreLock.diagnostics,
    ...stagingDiagnostics(apply, states["configApply"] ?? ""),
    ...revisionDiagnostics(apply.state),
    ...ignoredKeys(config.document)
  ]
  return {
    overall: diagnostics.some(({ kind }) => DEGRADING_KINDS.has(kind)) ? "degraded" : "healthy",
    diagnostics,
    daemon: {
      state: daemonState(states["daemon"] ?? ""),
      pid: facts.pid,
      started_at: facts.startedAt,
      api_url: facts.apiUrl,
      version: facts.version,
      last_start: apply.start,
      safe_start: config.boot.safeStart,
      time_scale: facts.timeScale
    },
    identity: {
      ...facts.identity,
      state: states["join"] ?? "idle",
      ...(join.problem === null ? {} : { problem: join.problem })
    },
    remote_config: remoteConfigOf(view),
    config_layers: layersOf(config, localPath),
    ...(coreLock.status === null ? {} : { core_lock: coreLock.status }),
    plugins: plugins.map(({ name, state, version }) => ({ name, version, state })),
    machines: states
  }
}

const diagnostic = (kind: string, message: string, ...repair: ReadonlyArray<string>): Diagnostic => ({
  severity: "error",
  kind,
  message,
  repair
})

/** There is no credential that central takes, and nothing to get one with: only a person can help. */
const isDead = (state: string): boolean => state === "credentialDead" || state === "reviving"

/** What runs now may name a wrong central: the revision before it may still know where to poll. */
const isOnProbation = (state: string): boolean => state.startsWith("probation")

const processDiagnostics = ({
  config,
  daemon,
  identity,
  identityStorage,
  ingest,
  join,
  login,
  plugins,
  provider,
  pull,
  states
}: StatusFacts): ReadonlyArray<Diagnostic> => [
  ...(join.problem === null
    ? []
    : [
        isDead(states["join"] ?? "")
          ? diagnostic(
              "credential_dead",
              `this machine cannot prove that it belongs to its fleet, and nothing is polled: ${join.problem}`,
              ...(isOnProbation(states["configApply"] ?? "")
                ? [
                    "Wait for the end of probation: unless it is confirmed, this revision is rolled back, and the one before it polls."
                  ]
                : []),
              `Join it again: holdfast join ${Option.match(config.central, { onNone: () => "URL", onSome: ({ url }) => url })} --token-file FILE`
            )
          : diagnostic(
              "identity_failing",
              // The identity that is held is used until central refuses it.
              `${identity.gateway_id === null ? "this machine has no identity yet" : "the identity of this machine could not be refreshed"}: ${join.problem}`,
              "It is tried again by itself. If the token was revoked or used up: holdfast join URL with a new one."
            )
      ]),
  ...(pull.problem === null
    ? []
    : [
        diagnostic(
          "poll_failing",
          // A central that has no document for this machine answers well, and is no failure of the ladder.
          `the last poll ${pull.failures === 0 ? "brought no configuration" : `did not succeed (${pull.failures} in a row)`}: ${pull.problem}`,
          "It is tried again by itself; what runs goes on."
        )
      ]),
  ...(pull.reportProblem === null
    ? []
    : [
        diagnostic(
          "report_failing",
          `central was not told how this machine does: ${pull.reportProblem}`,
          "It is told again after the next poll; until then central shows what it heard last."
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
  ...(login.storageProblem === null
    ? []
    : [
        diagnostic(
          "storage_failing",
          login.storageProblem,
          "The login is used from memory meanwhile; a restart before it can be stored loses it."
        )
      ]),
  ...(provider === null
    ? []
    : [
        diagnostic(
          "provider_invalid",
          `the model provider cannot be used: ${provider.message}`,
          providerRepair(provider.setting, config)
        )
      ]),
  ...(ingest.storeProblem === null
    ? []
    : [
        {
          severity: "info" as const,
          kind: "ingest_impaired",
          message: `what central is told of this machine cannot be written down: ${ingest.storeProblem}`,
          repair: ["It is tried again by itself; what is lost meanwhile is counted, and central is told how much."]
        }
      ]),
  ...(daemon.apiProblem === null
    ? []
    : [
        diagnostic(
          "api_unavailable",
          `the daemon's own API is not open: ${daemon.apiProblem}`,
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

const providerRepair = (setting: string, { localPlugins }: EffectiveConfig): string => {
  if (setting === LOCAL_CONFIG)
    return "Mend config.json, of which this status says what is not used, then: holdfast daemon restart"
  if (setting.startsWith("HOLDFAST_")) return `Correct ${setting} where the daemon is started, and start it again.`
  return localPlugins.includes(AGENTS_PLUGIN)
    ? `Correct ${setting} of ${AGENTS_PLUGIN} in config.json, then: holdfast daemon restart`
    : `Correct ${setting} of ${AGENTS_PLUGIN} in the configuration that central serves to this machine.`
}

const layersOf = (config: EffectiveConfig, localPath: string): Status["config_layers"] => ({
  central:
    config.boot.running.source === "none"
      ? null
      : {
          source: config.boot.running.source,
          slot: config.boot.running.slot,
          etag: config.boot.running.etag,
          url: Option.match(config.central, { onNone: () => null, onSome: ({ url }) => normaliseUrl(url) })
        },
  local: { path: localPath, used: config.localUsed, dropped: config.dropped }
})

const daemonState = (state: string): Status["daemon"]["state"] =>
  state.startsWith("booting")
    ? "starting"
    : state.startsWith("running")
      ? "running"
      : state.startsWith("stopping")
        ? "stopping"
        : "stopped"
