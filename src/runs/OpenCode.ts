/**
 * What OpenCode prints as NDJSON, read line by line: session, words, usage, and errors of its own.
 *
 * @ref LLP 0019#opencode [implements]: which lines mean what; the exit code stays the only proof of success
 */
import { Option, Schema } from "effect"

/** What is known of an OpenCode run so far. */
export interface OpenCodeResult {
  /** The last one that was named; null after a limit of steps, where going on makes no sense. */
  readonly session: string | null
  /** Everything that it said, joined by blank lines. */
  readonly summary: string
  readonly usage: {
    readonly input: number
    /** With what it reasoned. */
    readonly output: number
    readonly cached: number
    readonly costUsd: number
  }
  /** Of its own error events. */
  readonly error: string | null
  /** The session that it was to go on with is not known there. */
  readonly unknownSession: boolean
  /** It stopped because it may take no more steps. */
  readonly stepLimit: boolean
}

export const OPEN_CODE_NOTHING: OpenCodeResult = {
  session: null,
  summary: "",
  usage: { input: 0, output: 0, cached: 0, costUsd: 0 },
  error: null,
  unknownSession: false,
  stepLimit: false
}

const Count = Schema.optionalKey(Schema.NullOr(Schema.Finite))

const Event = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.String,
    sessionID: Schema.optionalKey(Schema.NullOr(Schema.String)),
    part: Schema.optionalKey(
      Schema.Struct({
        text: Schema.optionalKey(Schema.String),
        reason: Schema.optionalKey(Schema.NullOr(Schema.String)),
        cost: Count,
        tokens: Schema.optionalKey(
          Schema.Struct({
            input: Count,
            output: Count,
            reasoning: Count,
            cache: Schema.optionalKey(Schema.Struct({ read: Count }))
          })
        )
      })
    ),
    error: Schema.optionalKey(Schema.Unknown)
  })
)

const decode = Schema.decodeUnknownOption(Event)

const ErrorShape = Schema.Struct({
  data: Schema.optionalKey(Schema.Struct({ message: Schema.optionalKey(Schema.String) })),
  message: Schema.optionalKey(Schema.String),
  name: Schema.optionalKey(Schema.String),
  code: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite]))
})
const decodeError = Schema.decodeUnknownOption(ErrorShape)

/** Reasons for which a step is the last one, whatever the agent still wanted. */
const LIMITS: ReadonlySet<string> = new Set(["max_turns", "max_steps", "step_limit"])

const UNKNOWN_SESSION = /session not found|unknown session|no such session/i

/** A summary is for people: what is longer is cut. */
export const SUMMARY_MAX = 262_144

/** The result with one more line of standard output. What is no event of OpenCode changes nothing. */
export const readOpenCodeLine = (result: OpenCodeResult, line: string): OpenCodeResult => {
  if (!line.startsWith("{")) return result
  const event = Option.getOrUndefined(decode(line))
  if (event === undefined) return result
  const known = named(result, event.sessionID ?? "")
  switch (event.type) {
    case "text":
      return said(known, event.part?.text ?? "")
    case "step_finish":
      return finished(known, event.part)
    case "error": {
      const message = errorText(event.error)
      return { ...known, error: message, unknownSession: known.unknownSession || UNKNOWN_SESSION.test(message) }
    }
    default:
      return known
  }
}

/** The result with what the program wrote to standard error: the only other place where it names a session unknown. */
export const readOpenCodeErrors = (result: OpenCodeResult, stderr: string): OpenCodeResult =>
  UNKNOWN_SESSION.test(stderr) ? { ...result, unknownSession: true } : result

/** The session to go on with next time, if any. */
export const nextSession = ({ session, stepLimit, unknownSession }: OpenCodeResult): string | null =>
  stepLimit || unknownSession ? null : session

const named = (result: OpenCodeResult, session: string): OpenCodeResult =>
  session === "" || session === result.session ? result : { ...result, session }

const said = (result: OpenCodeResult, text: string): OpenCodeResult => {
  if (text === "" || result.summary.length >= SUMMARY_MAX) return result
  const summary = result.summary === "" ? text : `${result.summary}\n\n${text}`
  return { ...result, summary: summary.slice(0, SUMMARY_MAX) }
}

const finished = (result: OpenCodeResult, part: (typeof Event.Type)["part"]): OpenCodeResult => {
  const { input, output, cached, costUsd } = result.usage
  const tokens = part?.tokens
  return {
    ...result,
    usage: {
      input: input + positive(tokens?.input),
      output: output + positive(tokens?.output) + positive(tokens?.reasoning),
      cached: cached + positive(tokens?.cache?.read),
      costUsd: costUsd + positive(part?.cost)
    },
    stepLimit: result.stepLimit || LIMITS.has(part?.reason ?? "")
  }
}

const positive = (value: number | null | undefined): number => (typeof value === "number" && value > 0 ? value : 0)

const errorText = (error: unknown): string => {
  if (typeof error === "string" && error !== "") return error
  const shape = Option.getOrUndefined(decodeError(error))
  const message = shape?.data?.message ?? shape?.message ?? shape?.name ?? shape?.code
  return message === undefined ? "OpenCode reported an error without words" : String(message)
}
