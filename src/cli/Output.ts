/** What commands print: results on stdout, everything else on stderr. */
import { Console, Effect, FileSystem, Predicate, Schema, Stdio, Stream } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { Refused } from "./Failures.ts"

/** Text that others wrote, as one line without control or formatting characters. */
export const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim()

/** A line of the command's result. */
export const print = (line: string): Effect.Effect<void> => Console.log(line)

/** A line for the person at the terminal: never part of the result. */
export const note = (line: string): Effect.Effect<void> => Console.error(line)

/** One JSON document on one line. */
export const printJson = (value: unknown): Effect.Effect<void> => Console.log(jsonText(value))

/** One JSON document, indented. */
export const printPretty = (value: unknown): Effect.Effect<void> => Console.log(jsonText(value, 2))

/** JSON leaves characters as they are that a terminal takes for orders. */
const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)

/** Bytes as they are. */
export const printBytes = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const stdio = yield* Stdio.Stdio
  yield* Stream.run(Stream.make(bytes), stdio.stdout()).pipe(
    Effect.catch((error) =>
      // Whoever reads the output may stop when he has seen enough.
      reasonOf(error) === "EPIPE"
        ? Effect.void
        : Effect.fail(new Refused({ message: `Standard output cannot be written: ${reasonOf(error)}.` }))
    )
  )
})

/** Lines in columns, each as wide as its widest cell; the first row is the heading. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** Why a file operation failed, in the system's own words. */
export const reasonOf = (error: PlatformError): string => {
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  const code = Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : undefined
  switch (code ?? error.reason._tag) {
    case "ENOENT":
    case "NotFound":
      return "there is no such file"
    case "EACCES":
    case "EPERM":
    case "PermissionDenied":
      return "permission denied"
    case "EISDIR":
    case "BadResource":
      return "it is a directory"
    default:
      return code ?? error.message
  }
}

/** The bytes of a file that the command line names; `-` is standard input. */
export const readInput = Effect.fnUntraced(function* (file: string, what: string) {
  if (file === "-") return yield* readStdin
  const fs = yield* FileSystem.FileSystem
  return yield* fs
    .readFile(file)
    .pipe(
      Effect.mapError(
        (error) => new Refused({ message: `${what} ${file} cannot be read: ${reasonOf(error)}. Check the path.` })
      )
    )
})

/** Standard input to its end. */
export const readStdin = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  const chunks = yield* Stream.runCollect(stdio.stdin).pipe(
    Effect.mapError((error) => new Refused({ message: `Standard input cannot be read: ${reasonOf(error)}.` }))
  )
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
})

/** A document of ours or of a server, from text; `None` for anything else. */
export const decodeJson = <A>(schema: Schema.ConstraintDecoder<A>) =>
  Schema.decodeUnknownOption(Schema.fromJsonString(schema))
