/**
 * Chat, agents, version and health as one fetch handler, for a host that is no daemon: the daemon's own routes.
 *
 * @ref LLP 0025#one-handler [implements]: the same routes, the same answers
 */
import { Context, Effect, Layer, type Redacted, type Scope } from "effect"
import { HttpEffect, HttpRouter, type HttpServerRequest, type HttpServerResponse } from "effect/http"
import { Agents, ModelAccount, Version } from "../domain/index.ts"
import { apiAnswers, mountRoutes, withToken } from "../http/index.ts"
import { Chat } from "./Chat.ts"
import { accountHealth } from "./ChatHealth.ts"
import type { ChatModels } from "./ChatModels.ts"
import { chatRoutes, isOpenToAll } from "./ChatRoutes.ts"

export interface HandlerOptions<E> {
  readonly services: Layer.Layer<Agents | Chat | ModelAccount | Version, E>
  readonly models: ChatModels
  /** What a request must show as `Authorization: Bearer …`; null where the host lets nobody else in. */
  readonly token: Redacted.Redacted<string> | null
}

class App extends Context.Service<
  App,
  {
    readonly answer: Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      never,
      HttpServerRequest.HttpServerRequest | Scope.Scope
    >
  }
>()("holdfast/agents/ChatHandler/App") {}

export const agentHandler = <E>({ models, services, token }: HandlerOptions<E>) => {
  const app = Layer.effect(
    App,
    Effect.gen(function* () {
      const account = yield* ModelAccount
      const health = Effect.gen(function* () {
        const { requested } = yield* Effect.orElseSucceed(models, () => ({ requested: null }))
        const { isMissing, shown } = accountHealth(yield* account.status, true, requested)
        return {
          status: isMissing ? ("unauthenticated" as const) : ("ok" as const),
          shown: { ...shown, remote_config: null, reasons: [] }
        }
      })
      const routes = chatRoutes({
        agents: yield* Agents,
        chat: yield* Chat,
        account,
        version: yield* Version,
        health,
        closing: Effect.never
      })
      const door = withToken({ token, isOpen: isOpenToAll })
      return App.of({ answer: apiAnswers(door(yield* HttpRouter.toHttpEffect(mountRoutes(routes)))) })
    })
  ).pipe(Layer.provide(services))
  return HttpEffect.toWebHandlerLayerWith(app, {
    toHandler: (context) => Effect.succeed(Context.get(context, App).answer)
  })
}
