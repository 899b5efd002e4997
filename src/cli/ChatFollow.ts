/** One turn of the chat in the terminal. */
import { Effect, Option, Ref, Schema, Stream, Terminal } from "effect"
import { Sse } from "effect/encoding"
import { ErrorBody } from "../domain/index.ts"
import { callLine, harmless, otherModel, shortAnswer } from "./ChatText.ts"
import type { ChatQuestion } from "./DaemonClient.ts"
import { Refused } from "./Failures.ts"
import { decodeJson, note, plain, printBytes } from "./Output.ts"
import { withLiveDaemon } from "./WithDaemon.ts"

const LINE_MAX = 200

const Delta = Schema.Struct({ text: Schema.String })
const Round = Schema.Struct({ calls: Schema.Array(Schema.Struct({ agent: Schema.String, result: Schema.String })) })
const Reply = Schema.Struct({
  response: Schema.String,
  session_id: Schema.String,
  agent_logs: Schema.String,
  model: Schema.NullOr(Schema.String),
  requested_model: Schema.NullOr(Schema.String),
  voice_mode: Schema.Boolean,
  streamed: Schema.Boolean
})

/** The end of a whole answer, as the daemon says it. */
export type ChatReply = typeof Reply.Type

/** Who is told of an answer while it comes. */
export interface ChatTeller {
  readonly text: (text: string) => Effect.Effect<void, Refused>
  readonly calls: (calls: (typeof Round.Type)["calls"]) => Effect.Effect<void, Refused>
  readonly end: (reply: ChatReply) => Effect.Effect<void, Refused>
  /** The answer is not whole, and nothing more comes. */
  readonly broken: Effect.Effect<void, Refused>
}

/** Waits for the end of the answer alone. */
export const silentTeller: ChatTeller = {
  text: () => Effect.void,
  calls: () => Effect.void,
  end: () => Effect.void,
  broken: Effect.void
}

/** The answer to standard output as it comes, all else to standard error; `told` is the text since the last call. */
export const makeTeller = Effect.gen(function* () {
  const terminal = yield* Terminal.Terminal
  const told = yield* Ref.make("")
  const lastChar = yield* Ref.make("\n")
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof printBytes>>>()

  const write = Effect.fnUntraced(function* (text: string) {
    if (text === "") return
    yield* Ref.set(lastChar, text.slice(-1))
    yield* Effect.provideContext(printBytes(new TextEncoder().encode(text)), context)
  })
  const text = (piece: string) =>
    Effect.andThen(
      write(harmless(piece)),
      Ref.update(told, (before) => before + piece)
    )
  const endLine = Effect.flatMap(Ref.get(lastChar), (last) => (last === "\n" ? Effect.void : write("\n")))

  const calls: ChatTeller["calls"] = Effect.fnUntraced(function* (made) {
    yield* endLine
    yield* Ref.set(told, "")
    const columns = yield* terminal.columns
    for (const call of made) yield* note(callLine(call, columns > 0 ? Math.min(columns, LINE_MAX) : LINE_MAX))
  })

  const end: ChatTeller["end"] = Effect.fnUntraced(function* ({ agent_logs, model, requested_model, response }) {
    const before = yield* Ref.get(told)
    // What was told as it came is the answer; where it is not, the answer counts.
    if (!response.startsWith(before)) yield* endLine
    yield* write(harmless(response.startsWith(before) ? response.slice(before.length) : response))
    yield* endLine
    for (const words of [shortAnswer(agent_logs), otherModel(model, requested_model)]) {
      if (words !== null) yield* note(words)
    }
  })

  const teller: ChatTeller = { text, calls, end, broken: endLine }
  return { teller, told: Ref.get(told) }
})

/** Asks the live daemon, and tells what comes. An interruption ends what the daemon does for this question. */
export const followTurn = Effect.fnUntraced(function* (question: ChatQuestion, teller: ChatTeller) {
  const end = yield* Ref.make(Option.none<ChatReply>())

  const take = Effect.fnUntraced(function* ({ data, event }: Sse.Event) {
    switch (event) {
      case "delta":
        return yield* teller.text((yield* read(Delta, data)).text)
      case "agent":
        return yield* teller.calls((yield* read(Round, data)).calls)
      case "done":
        return yield* Ref.set(end, Option.some(yield* read(Reply, data)))
      case "error":
        return yield* whyNot(data)
    }
  })

  yield* withLiveDaemon("only it talks with a model")((daemon, client) =>
    client.chat(daemon, question).pipe(
      Stream.decodeText(),
      Stream.pipeThroughChannel(Sse.decode()),
      Stream.runForEach((event) => (event._tag === "Event" ? take(event) : Effect.void)),
      Effect.catchTag(["SseError", "Retry"], () => Effect.fail(unreadable()))
    )
  ).pipe(Effect.onError(() => Effect.ignore(teller.broken)))
  const reply = yield* Ref.get(end)
  if (Option.isNone(reply)) {
    yield* teller.broken
    return yield* new Refused({
      message: "The daemon ended before the answer was whole. Ask again; holdfast status says whether it runs."
    })
  }
  yield* teller.end(reply.value)
  return reply.value
})

const read = <A>(schema: Schema.ConstraintDecoder<A>, data: string): Effect.Effect<A, Refused> =>
  Effect.mapError(Effect.fromOption(decodeJson(schema)(data)), unreadable)

const unreadable = () =>
  new Refused({
    message:
      "The daemon answers in a way that this version does not understand. It probably runs another version: " +
      "holdfast daemon restart"
  })

const NoAccess = Schema.Struct({
  no_copilot_access: Schema.Literal(true),
  copilot_username: Schema.NullOr(Schema.String)
})

const whyNot = Effect.fnUntraced(function* (data: string) {
  const noAccess = decodeJson(NoAccess)(data)
  if (Option.isSome(noAccess)) {
    const { copilot_username } = noAccess.value
    return yield* new Refused({
      message:
        `${copilot_username === null ? "This account" : `The account ${plain(copilot_username)}`} has no access to models. ` +
        "Sign it up, then: holdfast login retry. Another account: holdfast login switch"
    })
  }
  const { detail, error } = yield* read(ErrorBody, data)
  return yield* new Refused({ message: plain(detail ?? error) })
})
