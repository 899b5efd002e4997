/**
 * Chat, agents, version and health as one fetch handler, for a host that is no daemon: the daemon's own routes.
 *
 * @ref LLP 0025#one-handler [implements]: the same routes, the same answers
 */
import { Context, Effect, Layer, Option, type Redacted, type Scope } from "effect"
import { HttpEffect, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Agents, ModelAccount, Version } from "../domain/index.ts"
import {
  bearerToken,
  type Credential,
  equalSecrets,
  HttpFailure,
  jsonErrors,
  mountRoutes,
  Shown
} from "../http/index.ts"
import { Chat } from "./Chat.ts"
import { accountHealth } from "./ChatHealth.ts"
import type { ChatModels } from "./ChatModels.ts"
import { chatRoutes } from "./ChatRoutes.ts"

export interface HandlerOptions<E> {
  readonly services: Layer.Layer<Agents | Chat | ModelAccount | Version, E>
  readonly models: ChatModels
  /** What a request must show as `Authorization: Bearer …`; null where the host lets nobody else in. */
  readonly token: Redacted.Redacted<string> | null
}

/** Answers requests; an aborted one ends what it began. */
export interface AgentHandler {
  readonly handler: (request: Request) => Promise<Response>
  /** Ends the services. */
  readonly dispose: () => Promise<void>
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

export const agentHandler = <E>({ models, services, token }: HandlerOptions<E>): AgentHandler => {
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
      return App.of({ answer: plain(behindDoor(token, yield* HttpRouter.toHttpEffect(mountRoutes(routes)))) })
    })
  ).pipe(Layer.provide(services))
  return HttpEffect.toWebHandlerLayerWith(app, {
    toHandler: (context) => Effect.succeed(Context.get(context, App).answer)
  })
}

/** Whoever shows the token may all; without it there is the version, and the short health. */
const behindDoor = <E, R>(
  token: Redacted.Redacted<string> | null,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) =>
  Effect.gen(function* () {
    const { headers, method, url } = yield* HttpServerRequest.HttpServerRequest
    const bearer = bearerToken(headers.authorization)
    const isShown = token === null || (Option.isSome(bearer) && (yield* equalSecrets(bearer.value, token)))
    const path = url.split("?", 1)[0] ?? url
    const isOpen = (method === "GET" || method === "HEAD") && (path === "/version" || path === "/health")
    if (!isShown && !isOpen) return yield* UNAUTHORIZED
    return yield* Effect.provideService(app, Shown, isShown ? "token" : ("none" satisfies Credential))
  })

const UNAUTHORIZED = new HttpFailure({
  status: 401,
  error: "unauthorized",
  detail: "Send this server's token as `Authorization: Bearer …`.",
  headers: { "www-authenticate": "Bearer" }
})

const plain = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.map(jsonErrors(app), (response) =>
    HttpServerResponse.setHeaders(response, {
      "cache-control": "no-store",
      ...response.headers,
      "x-content-type-options": "nosniff"
    })
  )
