/** A browser's session: a cookie that proves itself, so that it outlives the process that gave it. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Clock, Effect, Redacted, Result } from "effect"
import { Mac } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { HttpServerResponse } from "effect/http"
import { randomSecret } from "./RandomSecret.ts"

/** How long a session lasts, in seconds: 30 days. */
export const SESSION_SECONDS = 2_592_000

/** Cookies know hosts and no ports: each server on a machine needs a name of its own. */
export const sessionCookie = (port: number): string => `holdfast_${port}`

/**
 * A new session: `<expiry in s since 1970>.<nonce>.<HMAC-SHA256 of both>`. The server's token is the key, so that a new
 * token ends every session.
 */
export const newSession = Effect.fnUntraced(function* (token: Redacted.Redacted<string>) {
  const expires = Math.floor((yield* Clock.currentTimeMillis) / 1_000) + SESSION_SECONDS
  const claim = `${expires}.${Redacted.value(yield* randomSecret)}`
  const tag = yield* withKey(token, (mac, key) => mac.sign(key, bytesOf(claim)))
  return Redacted.make(`${claim}.${Base64Url.encode(tag)}`)
})

/** Whether this is a session that the token's holder gave, and that has not expired. Compares in constant time. */
export const isSession = Effect.fnUntraced(function* (
  token: Redacted.Redacted<string>,
  session: Redacted.Redacted<string>
) {
  const [, claim = "", expires, text = ""] = SHAPE.exec(Redacted.value(session)) ?? []
  const tag = Result.getOrUndefined(Base64Url.decode(text))
  if (expires === undefined || tag === undefined) return false
  const genuine = yield* withKey(token, (mac, key) => mac.verify(key, tag, bytesOf(claim)))
  return genuine && Number(expires) * 1_000 > (yield* Clock.currentTimeMillis)
})

/** The answer, with the session in a cookie that no script reads and no other site makes a browser send. */
export const setSession = (
  response: HttpServerResponse.HttpServerResponse,
  cookie: string,
  session: Redacted.Redacted<string>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, cookie, Redacted.value(session), {
    httpOnly: true,
    sameSite: "strict",
    path: "/",
    maxAge: `${SESSION_SECONDS} seconds`
  })

const SHAPE = /^((\d{1,12})\.[\w-]{22,64})\.([\w-]{43})$/

const bytesOf = (text: string) => new TextEncoder().encode(text)

const withKey = <A>(
  token: Redacted.Redacted<string>,
  use: (mac: Mac.Mac["Service"], key: Mac.Key) => Effect.Effect<A, unknown>
): Effect.Effect<A> =>
  Effect.gen(function* () {
    const key = yield* Mac.key(Mac.hmacSha256, bytesOf(Redacted.value(token)))
    return yield* use(yield* Mac.Mac, key)
  }).pipe(
    // Only keys that are empty and algorithms that are missing fail, and there are neither.
    Effect.orDie,
    Effect.provide(NodeCrypto.layerMac)
  )
