/** Claims that prove themselves: text that expires, sealed with a server's token, so that nobody needs to remember it. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Clock, Effect, Redacted, Result } from "effect"
import { Mac } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { randomSecret } from "./RandomSecret.ts"

/** A claim that was genuine. */
export interface Claim {
  /** Seconds since 1970. */
  readonly expires: number
  /** No other claim has it. */
  readonly nonce: string
}

/**
 * A new claim: `<expiry in s since 1970>.<nonce>.<HMAC-SHA256 of purpose and both>`. The server's token is the key, so
 * that a new token ends every claim; the purpose keeps a claim of one kind from passing for another.
 */
export const sealClaim = Effect.fnUntraced(function* (
  token: Redacted.Redacted<string>,
  purpose: string,
  seconds: number
) {
  const expires = Math.floor((yield* Clock.currentTimeMillis) / 1_000) + seconds
  const claim = `${expires}.${Redacted.value(yield* randomSecret)}`
  const tag = yield* withKey(token, (mac, key) => mac.sign(key, bytesOf(purpose + claim)))
  return Redacted.make(`${claim}.${Base64Url.encode(tag)}`)
})

/** What a text claims, when the token's holder sealed it for this purpose and it has not expired. In constant time. */
export const openClaim = Effect.fnUntraced(function* (
  token: Redacted.Redacted<string>,
  purpose: string,
  text: Redacted.Redacted<string>
): Effect.fn.Return<Claim | undefined> {
  const [, claim = "", expires, nonce = "", sealed = ""] = SHAPE.exec(Redacted.value(text)) ?? []
  const tag = Result.getOrUndefined(Base64Url.decode(sealed))
  if (expires === undefined || tag === undefined) return undefined
  const genuine = yield* withKey(token, (mac, key) => mac.verify(key, tag, bytesOf(purpose + claim)))
  const now = yield* Clock.currentTimeMillis
  return genuine && Number(expires) * 1_000 > now ? { expires: Number(expires), nonce } : undefined
})

const SHAPE = /^((\d{1,12})\.([\w-]{22,64}))\.([\w-]{43})$/

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
