/**
 * What goes wrong with a cluster, told apart: its API, and the pods that it cannot run.
 *
 * @ref LLP 0020#errors [implements]
 */
import { Option, Predicate, Schema } from "effect"

/** What an answer of the API, or none, means to whoever asked. */
export const ERROR_KINDS = [
  /** No answer, or one that says that the server has trouble of its own. */
  "transient",
  /** Asked too often. */
  "throttled",
  /** There is something of that name already. */
  "conflict",
  "not_found",
  /** The watch cannot go on from so long ago. */
  "expired",
  /** Whoever asks may not. */
  "forbidden",
  /** The question itself is wrong, or the answer cannot be read. */
  "invalid"
] as const
export type KubernetesErrorKind = (typeof ERROR_KINDS)[number]

/** The cluster's API did not do what it was asked. */
export class KubernetesError extends Schema.TaggedError<KubernetesError>()("KubernetesError", {
  kind: Schema.Literals(ERROR_KINDS),
  /** Of HTTP; null without an answer. */
  status: Schema.NullOr(Schema.Int),
  /** How long the server wants to be left alone, ms. */
  retryAfterMs: Schema.NullOr(Schema.Finite),
  message: Schema.String
}) {}

/** Whether the same question may be answered later. */
export const isTransient = ({ kind }: KubernetesError): boolean => kind === "transient" || kind === "throttled"

/** What an error of the client library looks like: an answer, or none. */
const Thrown = Schema.Struct({
  code: Schema.optional(Schema.Unknown),
  statusCode: Schema.optional(Schema.Int),
  body: Schema.optional(Schema.Unknown),
  headers: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  message: Schema.optional(Schema.String),
  cause: Schema.optional(Schema.Unknown)
})
const asThrown = Schema.decodeUnknownOption(Thrown)

/** The API's own words, `Status` in its documentation. */
const Status = Schema.Struct({ message: Schema.optional(Schema.String), reason: Schema.optional(Schema.String) })
const asStatus = Schema.decodeUnknownOption(Schema.Union([Status, Schema.fromJsonString(Status)]))

const kindOf = (status: number): KubernetesErrorKind => {
  if (status === 401 || status === 403) return "forbidden"
  if (status === 404) return "not_found"
  if (status === 409) return "conflict"
  if (status === 410) return "expired"
  if (status === 429) return "throttled"
  return status === 408 || status >= 500 ? "transient" : "invalid"
}

/** Words of the API may be long, and repeat what they were sent. */
const WORDS = 500
const shortened = (text: string): string => (text.length > WORDS ? `${text.slice(0, WORDS)}…` : text)

const REMEDIES: Partial<Record<KubernetesErrorKind, string>> = {
  transient: "It is asked again.",
  throttled: "It is asked again.",
  forbidden: "Give the daemon's account the rights of examples/kubernetes/rbac.yaml."
}

const said = (what: string, kind: KubernetesErrorKind, words: string): string =>
  [`${what}: ${shortened(words)}`, REMEDIES[kind]].filter((part) => part !== undefined).join(". ")

/** An error of the API from its status and words. */
export const answerError = (
  what: string,
  status: number,
  words: string,
  retryAfterMs: number | null = null
): KubernetesError => {
  const kind = kindOf(status)
  return new KubernetesError({ kind, status, retryAfterMs, message: said(what, kind, `${words} (HTTP ${status})`) })
}

/** Seconds; a date would need the time of day, and the API sends none. */
const retryAfter = (headers: Readonly<Record<string, string>> | undefined): number | null => {
  const seconds = Number(headers?.["retry-after"] ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null
}

const innermost = (cause: unknown, fallback: string): string =>
  Option.match(asThrown(cause), {
    onNone: () => fallback,
    onSome: ({ cause: deeper, code, message }) =>
      deeper === undefined || deeper === null
        ? [message || fallback, Predicate.isString(code) && message?.includes(code) === false ? code : ""]
            .filter((part) => part !== "")
            .join(" ")
        : innermost(deeper, message ?? fallback)
  })

/** What the client library threw. */
export const thrownError = (what: string, thrown: unknown): KubernetesError => {
  const { body, code, headers, message, statusCode } = Option.getOrElse(
    asThrown(thrown),
    () => ({}) as typeof Thrown.Type
  )
  const status = Predicate.isNumber(code) ? code : statusCode
  if (status === undefined) {
    const words = innermost(thrown, "no answer")
    return new KubernetesError({
      kind: "transient",
      status: null,
      retryAfterMs: null,
      message: said(what, "transient", words)
    })
  }
  const answer = Option.flatMap(asStatus(body), ({ message, reason }) => Option.fromUndefinedOr(message ?? reason))
  const words = Option.getOrElse(answer, () => (statusCode === undefined ? "no reason is given" : (message ?? "")))
  return answerError(what, status, words, retryAfter(headers))
}

/** No answer in time. */
export const unanswered = (what: string): KubernetesError =>
  new KubernetesError({
    kind: "transient",
    status: null,
    retryAfterMs: null,
    message: said(what, "transient", "no answer in time")
  })

/** An answer that is not what the API promises. */
export const unreadable = (what: string, words: string): KubernetesError =>
  new KubernetesError({ kind: "invalid", status: null, retryAfterMs: null, message: said(what, "invalid", words) })

/** Why a container waits, where waiting does not help: nothing but another image or configuration will. */
const HOPELESS = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "ErrImageNeverPull",
  "ErrImagePull",
  "ImageInspectError",
  "ImagePullBackOff",
  "InvalidImageName",
  "RegistryUnavailable",
  "RunContainerError"
])

/** Whether a container that waits for this reason waits in vain. */
export const isHopeless = (reason: string): boolean => HOPELESS.has(reason)

/** A reason and its explanation as people read it. */
export const reasoned = (reason: string | undefined, message: string | undefined): string =>
  [reason ?? "", shortened(message ?? "")].filter((part) => part !== "").join(": ") || "no reason is given"
