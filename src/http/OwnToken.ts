/** The bearer token of a server of ours: made once, 0600, read by the commands. */
import { Effect, Option, Path, Redacted } from "effect"
import { DurableFiles, isDamage } from "../storage/index.ts"
import { randomSecret } from "./RandomSecret.ts"

/** Reads `directory/name`, or makes it. On a disk that cannot be written it lives as long as the process. */
export const ownToken = Effect.fnUntraced(function* (directory: string, name: string) {
  const files = yield* DurableFiles
  const known = yield* files
    .read((yield* Path.Path).join(directory, name))
    .pipe(Effect.catchIf(isDamage, () => Effect.succeedNone))
  const token = Option.flatMap(known, (bytes) => tokenIn(new TextDecoder().decode(bytes)))
  if (Option.isSome(token)) return token.value
  const made = yield* randomSecret
  yield* files
    .write(directory, name, Redacted.value(made))
    .pipe(Effect.catchTag("StorageError", (error) => Effect.logWarning(error.message)))
  return made
})

/** The token that a file of {@link ownToken} holds; none in any other text. */
export const tokenIn = (text: string): Option.Option<Redacted.Redacted<string>> => {
  const token = text.trim()
  return /^[A-Za-z0-9_-]{32,}$/.test(token) ? Option.some(Redacted.make(token)) : Option.none()
}
