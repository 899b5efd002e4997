/** What speaks against a request, as the answer that says so. */
import { Effect } from "effect"
import { type HttpServerError, HttpServerResponse } from "effect/http"
import { formatProblem } from "../domain/index.ts"
import { HttpFailure } from "../http/index.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import type { AdminRefused, ConfigRefused, RevisionChanged } from "./Refused.ts"

/** Everything that a route for admins may fail with. */
type Failures =
  | AdminRefused
  | ConfigRefused
  | RevisionChanged
  | DatabaseError
  | HttpFailure
  | HttpServerError.HttpServerError

/**
 * A database that cannot be used is logged and answered 503 and not 500: a gateway on probation takes it as contact, so
 * that a full disk here does not roll back a fleet.
 */
export const unavailable = (error: DatabaseError): Effect.Effect<never, HttpFailure> =>
  Effect.andThen(
    Effect.logError(error.message),
    Effect.fail(
      new HttpFailure({
        status: 503,
        error: "storage_unavailable",
        detail: "Central's database cannot be used right now; its log says why."
      })
    )
  )

/** Refusals of what an admin asked for. */
export const adminAnswer = <R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, Failures, R>) =>
  Effect.catchTags(handler, {
    AdminRefused: ({ message, reason }) =>
      Effect.fail(
        reason === "not_found"
          ? new HttpFailure({ status: 404, error: "not_found", detail: message })
          : new HttpFailure({ status: 422, error: "request_invalid", detail: message })
      ),
    ConfigRefused: ({ objections }) =>
      Effect.succeed(
        refusal(422, {
          error: "config_refused",
          detail: `This document is not accepted: ${objections.map(formatProblem).join("; ")}. Mend it, or save it with force.`,
          objections
        })
      ),
    RevisionChanged: ({ message, newest }) =>
      Effect.succeed(refusal(412, { error: "revision_changed", detail: message, newest })),
    DatabaseError: unavailable
  })

const refusal = (status: number, body: object) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })
