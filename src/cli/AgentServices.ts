/** The layers of `holdfast agent`: the folder and its files, and agents that run in processes of this command's own. */
import { Effect, Layer, Logger, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { documentHere } from "./AgentDocument.ts"
import { homeLayer } from "./LocalServices.ts"

export const loadAgents = Effect.promise(() => import("../agents/index.ts"))

/** Commands say themselves what is noteworthy; only errors are logged, on stderr. */
const quiet = Layer.mergeAll(
  Layer.succeed(Logger.LogToStderr, true),
  Layer.succeed(References.MinimumLogLevel, "Error")
)

/** The folder of agents and its records. */
export const agentStore = Layer.unwrap(Effect.map(loadAgents, ({ AgentStore }) => AgentStore.layer)).pipe(
  Layer.provideMerge(documentHere),
  Layer.provideMerge(homeLayer),
  Layer.provideMerge(quiet)
)

/** The lock under which packages of agents are installed. */
const coreLock = Layer.unwrap(
  Effect.map(
    Effect.promise(() => import("../boundary/index.ts")),
    ({ coreLockLayer }) => coreLockLayer
  )
)

/** What agent files need, found out and installed. */
export const agentPackages = Layer.unwrap(Effect.map(loadAgents, ({ AgentPackages }) => AgentPackages.layer)).pipe(
  Layer.provide(coreLock),
  Layer.provideMerge(agentStore)
)

/** The agents of the daemon, with its folder and its limits, and processes that end with the command. */
export const agentsHere = Layer.unwrap(
  Effect.promise(() =>
    Promise.all([import("../agents/index.ts"), import("../statechart/index.ts"), import("../../machines/index.ts")])
  ).pipe(
    Effect.map(([{ daemonAgentsLayer }, { Journal, Switchboard, Uptime }, { wiring }]) =>
      daemonAgentsLayer.pipe(
        Layer.provide(Layer.mergeAll(Journal.layer, Switchboard.layer(wiring), Uptime.layer, coreLock))
      )
    )
  )
).pipe(Layer.provideMerge(agentStore))

/** Brings what a source names onto this machine. */
export const fetcher = Layer.unwrap(
  Effect.map(
    Effect.promise(() => import("../plugins/index.ts")),
    ({ PluginFetcher }) => PluginFetcher.layer.pipe(Layer.provide(FetchHttpClient.layer))
  )
)
