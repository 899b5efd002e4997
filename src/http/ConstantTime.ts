/** Comparing secrets without telling how much of them was right. */
import { Effect, Redacted } from "effect"
import { sha256Hex } from "../storage/index.ts"

/** Whether two secrets are equal. Takes the same time wherever they differ, and whatever their lengths. */
export const equalSecrets = (a: Redacted.Redacted<string>, b: Redacted.Redacted<string>): Effect.Effect<boolean> =>
  Effect.map(Effect.all([digest(a), digest(b)]), ([left, right]) => equalDigests(left, right))

/** Whether two strings of one length are equal, in time that depends on the length alone. */
export const equalDigests = (a: string, b: string): boolean => {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

const digest = (secret: Redacted.Redacted<string>) => sha256Hex(new TextEncoder().encode(Redacted.value(secret)))
