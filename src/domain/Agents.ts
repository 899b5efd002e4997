/** Agents: files of a folder that answer tool calls, and what areas offer each other about them. */
import { Context, type Effect, Schema } from "effect"

/** What a model may call an agent. */
export const AgentName = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9_-]+$/), Schema.isMaxLength(64))

/** One agent that can be called, as it says itself. */
export const AgentTool = Schema.Struct({
  name: AgentName,
  description: Schema.String,
  /** JSON Schema of its arguments, of type object. */
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  /** Name of its file in the folder. */
  file: Schema.String
})
export type AgentTool = typeof AgentTool.Type

/** A file, or one class of it, that cannot be used; the others are not affected. */
export const QuarantinedAgent = Schema.Struct({
  file: Schema.String,
  /** Null when the file as a whole is meant. */
  class: Schema.NullOr(Schema.String),
  reason: Schema.String,
  /** Packages of well-known names that are installed for it as soon as a person agrees. */
  installable: Schema.optionalKey(Schema.Array(Schema.String))
})
export type QuarantinedAgent = typeof QuarantinedAgent.Type

/** What the folder holds now. */
export interface AgentRoster {
  /** By file, then as the file has them. */
  readonly tools: ReadonlyArray<AgentTool>
  readonly quarantined: ReadonlyArray<QuarantinedAgent>
}

/** Why a call has no result of the agent's own. */
export const CALL_FAILURES = [
  /** There is no such agent, or its arguments are not what it declares. */
  "unknown_agent",
  "invalid_arguments",
  /** It threw, or its host ended on the way. */
  "failed",
  "exited",
  /** It was ended for taking too long, too much memory, or for saying too much. */
  "deadline",
  "memory",
  "output"
] as const
export type CallFailure = (typeof CALL_FAILURES)[number]

/** How a call ended; a failure's message is for the model and for people, and says what to do. */
export type CallOutcome =
  | { readonly ok: true; readonly output: string }
  | { readonly ok: false; readonly failure: CallFailure; readonly message: string }

/** Whom a call is for. */
export interface CallContext {
  readonly userId: string | null
  readonly sessionId: string
}

/** The agents of this machine. It keeps no state that could change an answer: every call sees the folder as it is now. */
export class Agents extends Context.Service<
  Agents,
  {
    readonly roster: Effect.Effect<AgentRoster>
    /** The same of the files that have been loaded as they are now; starts no process and waits for none. */
    readonly known: Effect.Effect<AgentRoster>
    /** What agents add to the system prompt, in the roster's order; one that fails adds nothing. */
    readonly systemContexts: (context: CallContext) => Effect.Effect<ReadonlyArray<string>>
    /** A person agrees to what is installable for a file: what is said of it from now on; null: nothing is. */
    readonly install: (file: string) => Effect.Effect<string | null>
    /** Runs one call out of process; an interruption ends it. */
    readonly call: (
      name: string,
      args: Readonly<Record<string, unknown>>,
      context: CallContext
    ) => Effect.Effect<CallOutcome>
  }
>()("holdfast/domain/Agents") {}
