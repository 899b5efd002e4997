/** Agents and chat with everything that they need: what `LazyAgents` loads. */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import { Context, Effect, Layer } from "effect"
import { Chat, chatLayer, type ChatModels, daemonAgentsLayer, ModelClient } from "../agents/index.ts"
import { Agents, type CallOutcome } from "../domain/index.ts"
import { agentCalls } from "../telemetry/index.ts"

/** Agents whose calls are counted. */
const countedAgents = Layer.effect(
  Agents,
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const agents = yield* Agents
    const count = (outcome: CallOutcome) =>
      Effect.sync(() => agentCalls(outcome.ok ? "answered" : outcome.failure).updateUnsafe(1, context))
    return Agents.of({ ...agents, call: (...asked) => Effect.tap(agents.call(...asked), count) })
  })
).pipe(Layer.provide(daemonAgentsLayer))

/** The services, until the scope closes. */
export const buildAgents = (models: ChatModels) =>
  Effect.map(
    Layer.build(
      chatLayer(models).pipe(
        Layer.provide(ModelClient.layer),
        Layer.provideMerge(countedAgents),
        Layer.provide(NodeChildProcessSpawner.layer)
      )
    ),
    (built) => ({ agents: Context.get(built, Agents), chat: Context.get(built, Chat) })
  )
