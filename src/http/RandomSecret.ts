/** Secrets that nobody can guess. */
import { Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url, Hex } from "effect/encoding"

/**
 * 256 random bits as 43 characters that need no quoting in URLs, headers and cookies. It brings its own generator, because
 * building one loads Web Crypto, and most processes never need it.
 */
export const randomSecret: Effect.Effect<Redacted.Redacted<string>> = SecureRandom.SecureRandom.use((random) =>
  random.randomBytes(32)
).pipe(
  Effect.map((bytes) => Redacted.make(Base64Url.encode(bytes))),
  Effect.provide(SecureRandom.layerWebCrypto)
)

/** So many random bytes in hex: a name that nobody has yet, and no secret. */
export const randomId = (bytes: number): Effect.Effect<string> =>
  SecureRandom.SecureRandom.use((random) => random.randomBytes(bytes)).pipe(
    Effect.map(Hex.encode),
    Effect.provide(SecureRandom.layerWebCrypto)
  )
