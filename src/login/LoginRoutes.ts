/** The login's part of the daemon's API. */
import { Effect, Option, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import type { LoginRefused, NoModelAccess, NotSignedIn, ProviderUnavailable } from "../domain/index.ts"
import { HttpFailure, readJson, readOptionalJson } from "../http/index.ts"
import type { LoginControl } from "./LoginControl.ts"
import type { Models } from "./Models.ts"

const Nothing = Schema.Struct({})
const CancelBody = Schema.Struct({ flow_id: Schema.optionalKey(Schema.String) })
const PickBody = Schema.Struct({ model: Schema.NullOr(Schema.NonEmptyString) })

/** Signing in, out and over, and the models of whoever is signed in. */
export const loginRoutes = (login: LoginControl, models: Models["Service"]) =>
  [
    post("/login", login.start({ force: false })),
    post("/login/switch", login.start({ force: true })),
    post("/login/poll", login.result),
    post("/login/retry", login.retry),
    HttpRouter.route(
      "POST",
      "/login/cancel",
      Effect.gen(function* () {
        const { flow_id } = yield* readOptionalJson(CancelBody)
        return HttpServerResponse.jsonUnsafe({ cancelled: yield* login.cancel(flow_id) })
      })
    ),
    post(
      "/logout",
      Effect.flatMap(login.logout, ({ problem, signedOut }) =>
        problem === null
          ? Effect.succeed({ signed_out: signedOut })
          : Effect.fail(
              new HttpFailure({
                status: 500,
                error: "storage_failed",
                detail: `Nobody is signed in to this process any more, but the token is still on the disk: ${problem}`
              })
            )
      )
    ),
    HttpRouter.route("GET", "/login/status", Effect.map(login.status, HttpServerResponse.jsonUnsafe)),
    HttpRouter.route(
      "GET",
      "/models",
      Effect.gen(function* () {
        const listed = yield* Effect.mapError(models.list, refusal)
        return HttpServerResponse.jsonUnsafe({ models: listed, model: Option.getOrNull(yield* models.picked) })
      })
    ),
    HttpRouter.route(
      "POST",
      "/models/set",
      Effect.gen(function* () {
        const { model } = yield* readJson(PickBody)
        yield* (model === null ? models.forget : models.pick(model)).pipe(Effect.mapError(refusal))
        return HttpServerResponse.jsonUnsafe({ model })
      })
    )
  ] as const

const post = <E extends LoginRefused | HttpFailure>(path: HttpRouter.PathInput, work: Effect.Effect<unknown, E>) =>
  HttpRouter.route(
    "POST",
    path,
    Effect.gen(function* () {
      yield* readOptionalJson(Nothing)
      return HttpServerResponse.jsonUnsafe(yield* Effect.mapError(work, refusal))
    })
  )

type Refusal =
  | LoginRefused
  | NotSignedIn
  | NoModelAccess
  | ProviderUnavailable
  | HttpFailure
  | { readonly _tag: "UnknownModel" | "StorageError"; readonly message: string }

const STATUS: Readonly<Record<string, number>> = {
  token_from_environment: 409,
  no_login_needed: 409,
  cancelled: 409,
  not_signed_in: 401
}

const refusal = (error: Refusal): HttpFailure => {
  switch (error._tag) {
    case "HttpFailure":
      return error
    case "LoginRefused":
      return failure(STATUS[error.code] ?? 502, error.code, error.message)
    case "NotSignedIn":
      return failure(401, "not_signed_in", error.message)
    case "NoModelAccess":
      return failure(403, "no_access", error.message)
    case "ProviderUnavailable":
      return failure(502, "provider_unavailable", error.message)
    case "UnknownModel":
      return failure(422, "unknown_model", error.message)
    case "StorageError":
      return failure(500, "storage_failed", error.message)
  }
}

const failure = (status: number, error: string, detail: string) => new HttpFailure({ status, error, detail })
