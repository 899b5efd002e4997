/**
 * One turn of a conversation: the model is asked, calls agents, and answers.
 *
 * A fold over at most four answers within one request: nothing outlives it, nothing comes from outside but its
 * interruption, and so no statechart decides here.
 *
 * @ref LLP 0025#why-no-statechart [explains]: what a turn may do next follows from its round and the last answer alone
 */
import { Effect, FileSystem, Layer, Path, Result } from "effect"
import { Agents, type AgentTool, type CallContext, Home } from "../domain/index.ts"
import { randomId } from "../http/index.ts"
import { Chat, type ChatListener, type ChatOutcome, type ChatReply, NOBODY, type ToldCall } from "./Chat.ts"
import { bounded, logOf, readyCall, resultText, toldCall } from "./ChatCall.ts"
import { historyMessages } from "./ChatHistory.ts"
import type { ChatModels } from "./ChatModels.ts"
import type { ChatRequest } from "./ChatRequest.ts"
import type { ModelAnswer } from "./ModelAnswer.ts"
import { type AskFailure, ModelClient, ModelFailed } from "./ModelClient.ts"
import { callingMessage, type ModelMessage, type ToolCall } from "./ModelWire.ts"

/** Rounds in which the model may call agents; the answer after the last one is made without them. */
export const ROUNDS_MAX = 3
/** Calls of one round that are made. */
export const CALLS_MAX = 16

const SOUL = "You are a helpful assistant. Use the tools that you are given where they help, and say what they did."

const make = Effect.fnUntraced(function* (models: ChatModels) {
  const agents = yield* Agents
  const client = yield* ModelClient
  const fs = yield* FileSystem.FileSystem
  const soulFile = (yield* Path.Path).join((yield* Home).root, "soul.md")

  const soul = fs.readFileString(soulFile).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "NotFound",
      () => Effect.succeed("")
    ),
    Effect.catch(({ message }) => Effect.as(Effect.logWarning(`${soulFile} cannot be read: ${message}`), "")),
    Effect.map((text) => (text.trim() === "" ? SOUL : text))
  )

  /** The first of the models that answers; another one only where it is configured, and nothing has been told yet. */
  const ask = Effect.fnUntraced(function* (
    messages: ReadonlyArray<ModelMessage>,
    tools: ReadonlyArray<AgentTool>,
    candidates: ReadonlyArray<string | null>,
    listener: ChatListener
  ) {
    let isTold = false
    const onText = (text: string) => {
      isTold = true
      return listener.onText(text)
    }
    const attempt = (at: number): Effect.Effect<Answered, AskFailure> => {
      const model = candidates[at] ?? null
      const rest = candidates.slice(at)
      return client.ask({ model, messages, tools, stream: listener !== NOBODY }, onText).pipe(
        Effect.map((answer) => ({ answer, model, rest })),
        Effect.catchIf(
          (failure) => failure._tag === "ModelFailed" && PASSED_ON.has(failure.code) && rest.length > 1 && !isTold,
          (failure) => Effect.andThen(Effect.logWarning(`another model is asked: ${failure.message}`), attempt(at + 1))
        )
      )
    }
    return yield* attempt(0)
  })

  const perform = Effect.fnUntraced(function* (call: ToolCall, tools: ReadonlyArray<AgentTool>, context: CallContext) {
    const ready = readyCall(call, tools)
    if (Result.isFailure(ready)) return bounded(ready.failure)
    return resultText(yield* agents.call(ready.success.tool.name, ready.success.args, context))
  })

  const turn = Effect.fn("Chat.turn")(function* (request: ChatRequest, listener: ChatListener) {
    const sessionId = request.sessionId ?? (yield* randomId(16))
    const context: CallContext = { userId: null, sessionId }
    const { fallbacks, requested } = yield* models
    const { tools } = yield* agents.roster
    const messages: Array<ModelMessage> = [
      { role: "system", content: [yield* soul, ...(yield* agents.systemContexts(context))].join("\n\n") },
      ...historyMessages(request.history),
      { role: "user", content: request.userInput }
    ]
    const logs: Array<string> = []
    let candidates: ReadonlyArray<string | null> = [requested, ...fallbacks.filter((name) => name !== requested)]
    for (let round = 0; ; round++) {
      const mayCall = round < ROUNDS_MAX
      const { answer, model, rest } = yield* ask(messages, mayCall ? tools : [], candidates, listener)
      candidates = rest
      if (!mayCall || answer.calls.length === 0) {
        if (answer.text.trim() === "") return yield* emptyAnswer(answer)
        if (SHORT.has(answer.finish ?? "")) logs.push(`[model] The answer is not whole (${answer.finish}).`)
        const reply: ChatReply = {
          response: answer.text,
          session_id: sessionId,
          agent_logs: logs.join("\n"),
          model: answer.model ?? model,
          requested_model: requested,
          voice_mode: false
        }
        const outcome: ChatOutcome = { reply, streamed: answer.streamed }
        return outcome
      }
      messages.push(callingMessage(answer.text, answer.calls))
      const told: Array<ToldCall> = []
      for (const [at, call] of answer.calls.entries()) {
        const result = at < CALLS_MAX ? yield* perform(call, tools, context) : TOO_MANY
        messages.push({ role: "tool", tool_call_id: call.id, content: result })
        told.push(toldCall(call, result))
      }
      logs.push(logOf(told))
      yield* listener.onRound(told)
    }
  })

  return Chat.of({ turn })
})

interface Answered {
  readonly answer: ModelAnswer
  readonly model: string | null
  /** The models that are left, the one that answered first. */
  readonly rest: ReadonlyArray<string | null>
}

/** Failures of a model, not of the account or of the request: another model may do. */
const PASSED_ON: ReadonlySet<ModelFailed["code"]> = new Set([
  "model_rate_limited",
  "model_unknown",
  "model_unavailable"
])

/** Why an answer ends before the model was done. */
const SHORT: ReadonlySet<string> = new Set(["length", "content_filter"])

const TOO_MANY = `The call was not made: ${CALLS_MAX} calls at once are the most. Call it again alone.`

const emptyAnswer = ({ calls }: ModelAnswer) =>
  new ModelFailed({
    code: "model_answer_empty",
    message:
      calls.length > 0
        ? `The model still called agents after ${ROUNDS_MAX} rounds, and gave no answer: ask for less at once, or pick another model.`
        : "The model gave no answer: ask again, or pick another model.",
    retryAfterSeconds: null
  })

/** `Chat` with these models. */
export const chatLayer = (
  models: ChatModels
): Layer.Layer<Chat, never, Agents | ModelClient | Home | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Chat, make(models))
