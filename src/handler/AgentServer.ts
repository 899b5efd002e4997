/**
 * The agents of a folder and the chat with them, for whatever serves `Request → Response`: the daemon's own code, without
 * its fleet, its login and its doors.
 *
 * @ref LLP 0025#one-handler [implements]: the same routes, the same answers
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Option, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { wiring } from "../../machines/index.ts"
import { agentHandler, agentsLayer, chatLayer, ModelClient } from "../agents/index.ts"
import { Home, Version } from "../domain/index.ts"
import { keyAccountLayer } from "../login/index.ts"
import { Journal, Switchboard, Uptime } from "../statechart/index.ts"

export interface AgentServerOptions {
  /** An OpenAI-compatible API: https, or http on loopback. */
  readonly baseUrl: string
  readonly apiKey?: string
  /** The model that is to answer; left out, the provider chooses. */
  readonly model?: string
  /** Other models that may answer when that one cannot, in order. */
  readonly fallbackModels?: ReadonlyArray<string>
  /** What requests must show as `Authorization: Bearer …`; null where the host itself lets nobody else in. */
  readonly token: string | null
  /** What agents keep, and `soul.md`; default: `HOLDFAST_HOME`, else `~/.holdfast`. */
  readonly home?: string
}

/** Answers requests; an aborted one ends what it began. */
export interface AgentHandler {
  readonly handler: (request: Request) => Promise<Response>
  /** Ends the services. */
  readonly dispose: () => Promise<void>
}

/**
 * Answers `/chat`, `/chat/stream`, `/agents`, `/health` and `/version` over the agents in `AGENTS_PATH`, else `agents` in the
 * home. Starts nothing before the first request. Packages that agents import must be there: only the daemon installs.
 */
export const agentServer = ({
  apiKey,
  baseUrl,
  fallbackModels = [],
  home,
  model,
  token
}: AgentServerOptions): AgentHandler => {
  const models = Effect.succeed({ requested: model ?? null, fallbacks: fallbackModels })
  const base = Layer.mergeAll(
    home === undefined ? Home.layer : Home.layerOf(home),
    Version.layer,
    FetchHttpClient.layer,
    Journal.layer,
    Switchboard.layer(wiring),
    Uptime.layer,
    keyAccountLayer({ baseUrl, apiKey: Option.map(Option.fromUndefinedOr(apiKey), (key) => Redacted.make(key)) })
  ).pipe(Layer.provideMerge(NodeServices.layer))
  const services = chatLayer(models).pipe(
    Layer.provideMerge(Layer.mergeAll(agentsLayer(), ModelClient.layer)),
    Layer.provideMerge(base)
  )
  return agentHandler({ services, models, token: token === null ? null : Redacted.make(token) })
}
