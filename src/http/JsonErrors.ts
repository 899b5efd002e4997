/** Every error that a server answers with is JSON with the right status, also those that no handler made. */
import { Cause, Effect, Option, Predicate } from "effect"
import { HttpServerError, HttpServerResponse } from "effect/http"
import { failureResponse, HttpFailure } from "./HttpFailure.ts"

/**
 * Turns whatever went wrong in `app` into a JSON answer. A failure that nobody foresaw and a defect are logged and
 * answered 500 without their text, which may hold anything. Interruption (a client that left) stays interruption.
 */
export const jsonErrors = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catchCause(app, (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.interrupt
      : Option.match(Option.flatMap(Cause.findErrorOption(cause), foreseen), {
          onSome: (failure) => Effect.succeed(failureResponse(failure)),
          onNone: () => Effect.as(Effect.logError("a request failed", cause), failureResponse(internalError()))
        })
  )

/** {@link jsonErrors}, and answers that are for no cache, but those that say so themselves, and of the type they say. */
export const apiAnswers = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.map(jsonErrors(app), (response) =>
    HttpServerResponse.setHeaders(response, {
      "cache-control": "no-store",
      ...response.headers,
      "x-content-type-options": "nosniff"
    })
  )

const internalError = () =>
  new HttpFailure({
    status: 500,
    error: "internal_error",
    detail: "The server failed to answer this request; its log says why."
  })

const foreseen = (error: unknown): Option.Option<HttpFailure> => {
  if (Predicate.isTagged(error, "HttpFailure") && error instanceof HttpFailure) return Option.some(error)
  return HttpServerError.isHttpServerError(error) ? ofServer(error.reason) : Option.none()
}

const ofServer = (reason: HttpServerError.HttpServerErrorReason): Option.Option<HttpFailure> => {
  switch (reason._tag) {
    case "RouteNotFound":
      return Option.some(
        new HttpFailure({ status: 404, error: "not_found", detail: "There is no such route on this server." })
      )
    case "RequestParseError":
      return Option.some(
        reason.reason === "BodyTooLarge"
          ? new HttpFailure({
              status: 413,
              error: "body_too_large",
              detail: "The body is larger than this route takes."
            })
          : new HttpFailure({
              status: 400,
              error: "body_unreadable",
              detail: "The body is not valid JSON, or was cut off."
            })
      )
    case "InternalError":
    case "ResponseError":
      return Option.none()
  }
}
