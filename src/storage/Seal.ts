/**
 * A digest inside a JSON object of ours: a bit that flips in a string or a number leaves valid JSON, and nobody would
 * ever know.
 */
import { Effect, Option } from "effect"
import { sha256Hex } from "./Sha256.ts"

const digestOf = (text: string) => sha256Hex(new TextEncoder().encode(text))

/** A JSON object as text, with the digest (SHA-256, hex) of that text as its first key. */
export const sealed = (text: string, key = "digest"): Effect.Effect<string> =>
  Effect.map(digestOf(text), (digest) => `{"${key}":"${digest}",${text.slice(1)}`)

/** The text that was sealed; `None` if it is not what was written. A text without a seal is taken as it is. */
export const unsealed = Effect.fnUntraced(function* (text: string, key = "digest") {
  const start = `{"${key}":"`
  if (!text.startsWith(start)) return Option.some(text)
  const end = start.length + DIGITS
  const known = `{${text.slice(end + SEPARATOR.length)}`
  const isWhole = text.startsWith(SEPARATOR, end) && (yield* digestOf(known)) === text.slice(start.length, end)
  return isWhole ? Option.some(known) : Option.none<string>()
})

/** Hex digits of a digest, and what follows them. */
const DIGITS = 64
const SEPARATOR = '",'
