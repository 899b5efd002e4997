/** The status of this machine, from the machines that run it. */
import { DateTime, Effect } from "effect"
import { Identity } from "../central/index.ts"
import { RunningConfig } from "../config/index.ts"
import { Home, PluginHost, Version } from "../domain/index.ts"
import { ProviderSettings } from "../login/index.ts"
import { Journal, Uptime } from "../statechart/index.ts"
import { configView } from "./Control.ts"
import { CoreLockWatch } from "./CoreLockWatch.ts"
import { Fleet } from "./Fleet.ts"
import { statusOf } from "./StatusView.ts"

/** What only the process itself knows. */
export interface ProcessFacts {
  readonly startedAt: DateTime.Utc
  readonly apiUrl: string | null
}

/** The whole status; waits for boot evaluation. */
export const currentStatus = Effect.fnUntraced(function* ({ apiUrl, startedAt }: ProcessFacts) {
  const machines = yield* (yield* Fleet).machines
  const identity = yield* Identity
  const config = yield* (yield* RunningConfig).effective
  const states = yield* (yield* Journal).states
  return statusOf({
    apply: (yield* machines.apply.current).context,
    join: (yield* machines.join.current).context,
    pull: (yield* machines.pull.current).context,
    daemon: (yield* machines.daemon.current).context,
    login: (yield* machines.login.current).context,
    provider: yield* Effect.match((yield* ProviderSettings).provider, {
      onFailure: ({ message, setting }) => ({ message, setting }),
      onSuccess: () => null
    }),
    ingest: (yield* machines.ingest.current).context,
    states: Object.fromEntries(states.map(({ machine, state }) => [machine, state])),
    config,
    view: yield* configView,
    plugins: yield* (yield* PluginHost).states,
    coreLock: yield* (yield* CoreLockWatch).seen,
    identity: yield* identity.status,
    identityStorage: yield* identity.storageProblem,
    pid: globalThis.process.pid,
    startedAt: DateTime.formatIso(startedAt),
    apiUrl,
    version: yield* Version,
    timeScale: (yield* Uptime).timeScale,
    localPath: (yield* Home).localConfig
  })
})
