/** The token of this machine's own API: made once, 0600, read by the commands. */
import { Effect, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { Home } from "../domain/index.ts"
import { DurableFiles } from "../storage/index.ts"

const NAME = "api-token"

/** Reads `state/api-token`, or makes it. On a disk that cannot be written it lives as long as the process. */
export const apiToken = Effect.gen(function* () {
  const home = yield* Home
  const files = yield* DurableFiles
  const random = yield* SecureRandom.SecureRandom
  const known = yield* files.read(home.apiToken)
  const text = Option.isSome(known) ? new TextDecoder().decode(known.value).trim() : ""
  if (/^[A-Za-z0-9_-]{32,}$/.test(text)) return Redacted.make(text)
  const token = Base64Url.encode(yield* random.randomBytes(32))
  yield* files.makeDirectory(home.state).pipe(
    Effect.andThen(files.write(home.state, NAME, token)),
    Effect.catchTag("StorageError", (error) => Effect.logWarning(error.message))
  )
  return Redacted.make(token)
})
