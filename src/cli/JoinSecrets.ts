/** Where the policy token and the certificate authority of a join come from. */
import { Effect, FileSystem, Option, Redacted, Stdio } from "effect"
import { Refused, UsageError } from "./Failures.ts"
import { note, readInput, readStdin, reasonOf } from "./Output.ts"

/** The policy token, from exactly one source: argument, file, or standard input when that is no terminal. */
export const readToken = Effect.fnUntraced(function* ({
  token,
  tokenFile
}: {
  readonly token: Option.Option<string>
  readonly tokenFile: Option.Option<string>
}) {
  if (Option.isSome(token) && Option.isSome(tokenFile)) {
    return yield* new UsageError({
      message: "The token comes from two sources: give it as an argument or by --token-file, not both."
    })
  }
  if (Option.isSome(token) && token.value !== "-") {
    yield* note("warning: a token on the command line stays in the shell's history; --token-file does not.")
    return yield* checkToken(token.value)
  }
  const stdio = yield* Stdio.Stdio
  if (Option.isNone(token) && Option.isNone(tokenFile) && (yield* stdio.stdinIsTerminal)) {
    return yield* new UsageError({
      message: "There is no token: give --token-file FILE, or the token on standard input."
    })
  }
  const bytes = Option.isSome(tokenFile) ? yield* readInput(tokenFile.value, "The token file") : yield* readStdin
  return yield* checkToken(new TextDecoder().decode(bytes))
})

/** What of a token could never be one is a mistake of the command line. */
const checkToken = Effect.fnUntraced(function* (text: string) {
  const token = text.trim()
  if (token === "") {
    return yield* new UsageError({ message: "The token is empty: give the policy token of the fleet." })
  }
  // Never quoted: it is a secret, or the wrong file.
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) {
    return yield* new UsageError({ message: "This is no token: a policy token is one line without spaces." })
  }
  return Redacted.make(token)
})

/** The text of a PEM file, if one is named. */
export const readAuthority = Effect.fnUntraced(function* (file: Option.Option<string>) {
  if (Option.isNone(file)) return Option.none<string>()
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs
    .readFileString(file.value)
    .pipe(
      Effect.mapError(
        (error) =>
          new Refused({ message: `The --ca file ${file.value} cannot be read: ${reasonOf(error)}. Check the path.` })
      )
    )
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    return yield* new Refused({ message: `The --ca file ${file.value} holds no certificate: give one in PEM form.` })
  }
  return Option.some(text)
})
