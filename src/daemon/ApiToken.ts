/** The token of this machine's own API: made once, 0600, read by the commands. */
import { Effect, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { Home } from "../domain/index.ts"
import { DurableFiles, isDamage } from "../storage/index.ts"

const NAME = "api-token"

// Its own generator, because building one loads Web Crypto, and this is the only start of a home that needs it.
const secretBytes = SecureRandom.SecureRandom.use((random) => random.randomBytes(32)).pipe(
  Effect.provide(SecureRandom.layerWebCrypto)
)

/** Reads `state/api-token`, or makes it. On a disk that cannot be written it lives as long as the process. */
export const apiToken = Effect.gen(function* () {
  const home = yield* Home
  const files = yield* DurableFiles
  const known = yield* files.read(home.apiToken).pipe(Effect.catchIf(isDamage, () => Effect.succeedNone))
  const text = Option.isSome(known) ? new TextDecoder().decode(known.value).trim() : ""
  if (/^[A-Za-z0-9_-]{32,}$/.test(text)) return Redacted.make(text)
  const token = Base64Url.encode(yield* secretBytes)
  yield* files
    .write(home.state, NAME, token)
    .pipe(Effect.catchTag("StorageError", (error) => Effect.logWarning(error.message)))
  return Redacted.make(token)
})
