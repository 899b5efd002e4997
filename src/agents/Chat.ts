/** The chat of this machine: one turn of a conversation at a time. */
import { Context, Effect } from "effect"
import type { ChatRequest } from "./ChatRequest.ts"
import type { AskFailure } from "./ModelClient.ts"

/** How a turn ended, as clients are told. */
export interface ChatReply {
  readonly response: string
  readonly session_id: string
  /** A line per call, `[agent] result`. */
  readonly agent_logs: string
  /** The model that answered, as the provider names it. */
  readonly model: string | null
  /** The model that was to answer; null where the provider chooses. */
  readonly requested_model: string | null
  readonly voice_mode: false
}

/** A reply, and whether it came as the model made it. */
export interface ChatOutcome {
  readonly reply: ChatReply
  readonly streamed: boolean
}

/** What an agent gave in one call, as people are told: at most the first 2,000 characters of it. */
export interface ToldCall {
  readonly agent: string
  readonly result: string
}

/** What is told while a turn goes on. */
export interface ChatListener {
  readonly onText: (text: string) => Effect.Effect<unknown>
  /** The calls of a round, in their order. */
  readonly onRound: (calls: ReadonlyArray<ToldCall>) => Effect.Effect<unknown>
}

/** Nobody listens: answers are asked for as a whole. */
export const NOBODY: ChatListener = { onText: () => Effect.void, onRound: () => Effect.void }

export class Chat extends Context.Service<
  Chat,
  {
    /** An interruption ends the request to the model and the agent that runs. */
    readonly turn: (request: ChatRequest, listener: ChatListener) => Effect.Effect<ChatOutcome, AskFailure>
  }
>()("holdfast/agents/Chat") {}
