/** Asks the daemon's API, and tells a refusal from an absence. */
import type { Away } from "./Login.ts"
import { fieldsOf, textOf } from "./Fields.ts"

/** What came of a request. */
export type Answer<A> =
  | { readonly type: "ok"; readonly value: A }
  /** The daemon says why not; `code` is for programs. */
  | { readonly type: "failed"; readonly words: string; readonly code: string }
  | { readonly type: "away"; readonly why: Away }

/** How long a request that only reads may take. */
export const READ_MS = 15_000

export const ask = async (
  method: string,
  path: string,
  ms: number,
  body?: unknown,
  stop?: AbortSignal
): Promise<Answer<unknown>> => {
  try {
    const late = AbortSignal.timeout(ms)
    const response = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      signal: stop === undefined ? late : AbortSignal.any([late, stop]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const value: unknown = await response.json()
    return response.ok ? { type: "ok", value } : refusalOf(response.status, value)
  } catch (error) {
    // What is no JSON is no daemon's answer; everything else that is thrown here is a connection's end.
    return { type: "away", why: error instanceof SyntaxError ? "odd" : "lost" }
  }
}

/** Either the door is closed to this browser, or the route says why not. */
export const refusalOf = (status: number, value: unknown): Answer<never> => {
  const { detail, error } = fieldsOf(value) ?? {}
  if (error === "unauthorized" || error === "origin_not_allowed") return { type: "away", why: "refused" }
  const code = textOf(error) ?? String(status)
  return { type: "failed", words: textOf(detail) ?? textOf(error) ?? `The daemon answered ${status}.`, code }
}

/** Reads a value into a list of one, or nothing. */
export const read = <A>(answer: Answer<unknown>, reader: (value: unknown) => readonly [A] | null): Answer<A> => {
  if (answer.type !== "ok") return answer
  const found = reader(answer.value)
  return found === null ? { type: "away", why: "odd" } : { type: "ok", value: found[0] }
}
