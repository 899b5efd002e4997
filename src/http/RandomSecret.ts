/** Secrets that nobody can guess. */
import { Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"

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
