/** A browser's session: a cookie that proves itself, so that it outlives the process that gave it. */
import { Effect, Redacted } from "effect"
import { HttpServerResponse } from "effect/http"
import { openClaim, sealClaim } from "./Claim.ts"

/** How long a session lasts, in seconds: 30 days. */
export const SESSION_SECONDS = 2_592_000

/** Cookies know hosts and no ports: each server on a machine needs a name of its own. */
export const sessionCookie = (port: number): string => `holdfast_${port}`

// Sessions came before other claims did, and those that were given then stay good.
const PURPOSE = ""

/** A new session, given by the holder of this token. */
export const newSession = (token: Redacted.Redacted<string>): Effect.Effect<Redacted.Redacted<string>> =>
  sealClaim(token, PURPOSE, SESSION_SECONDS)

/** Whether this is a session that the token's holder gave, and that has not expired. Compares in constant time. */
export const isSession = (
  token: Redacted.Redacted<string>,
  session: Redacted.Redacted<string>
): Effect.Effect<boolean> => Effect.map(openClaim(token, PURPOSE, session), (claim) => claim !== undefined)

/** The answer, with the session in a cookie that no script reads and no other site makes a browser send. */
export const setSession = (
  response: HttpServerResponse.HttpServerResponse,
  cookie: string,
  session: Redacted.Redacted<string>,
  options: { readonly secure?: boolean } = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, cookie, Redacted.value(session), {
    httpOnly: true,
    sameSite: "strict",
    path: "/",
    maxAge: `${SESSION_SECONDS} seconds`,
    ...(options.secure === true ? { secure: true } : {})
  })
