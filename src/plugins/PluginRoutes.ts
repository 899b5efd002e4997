/** The plugins' part of the daemon's API. */
import { Effect, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PluginRequest } from "../domain/index.ts"
import { HttpFailure, readJson, Shown } from "../http/index.ts"
import { installPlugin, listPlugins, removePlugin, verifyPlugins } from "./PluginRequests.ts"
import { PluginStore } from "./PluginStore.ts"

const VerifyBody = Schema.Struct({
  name: Schema.optionalKey(Schema.NonEmptyString),
  repair: Schema.optionalKey(Schema.Boolean)
})
const RemoveBody = Schema.Struct({ name: Schema.NonEmptyString })

export const pluginRoutes = (store: PluginStore["Service"]) => {
  const answering = <A, E extends { readonly message: string; readonly reason?: string }>(
    effect: Effect.Effect<A, E, PluginStore>,
    status = 200
  ) =>
    effect.pipe(
      Effect.provideService(PluginStore, store),
      Effect.mapError(
        ({ message, reason }) => new HttpFailure({ status: 422, error: reason ?? "plugin_failed", detail: message })
      ),
      Effect.map((answer) => HttpServerResponse.jsonUnsafe(answer, { status }))
    )
  return [
    HttpRouter.route("GET", "/plugins", answering(Effect.map(listPlugins, (plugins) => ({ plugins })))),
    HttpRouter.route(
      "POST",
      "/plugins/install",
      Effect.andThen(
        tokenOnly,
        Effect.flatMap(readJson(PluginRequest), (request) => answering(installPlugin(request), 201))
      )
    ),
    HttpRouter.route(
      "POST",
      "/plugins/verify",
      Effect.andThen(
        tokenOnly,
        Effect.flatMap(readJson(VerifyBody), (request) =>
          answering(Effect.map(verifyPlugins(request), (plugins) => ({ plugins })))
        )
      )
    ),
    HttpRouter.route(
      "POST",
      "/plugins/remove",
      Effect.andThen(
        tokenOnly,
        Effect.flatMap(readJson(RemoveBody), ({ name }) => answering(removePlugin(name)))
      )
    )
  ] as const
}

/** What is installed may run with the rights of this user: nobody gets that with a page's session. */
const tokenOnly = Effect.gen(function* () {
  if ((yield* Shown) === "token") return
  return yield* new HttpFailure({
    status: 403,
    error: "token_needed",
    detail: "Plugins are installed with the API's token: holdfast plugin install"
  })
})
