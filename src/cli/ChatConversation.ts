/** A conversation at the terminal: a line is a question. */
import { Effect, Option, Queue, Stdio, Stream, Terminal } from "effect"
import { followTurn, makeTeller } from "./ChatFollow.ts"
import { type Exchange, harmless, historyOf } from "./ChatText.ts"
import { note } from "./Output.ts"
import { OrderlyEnd } from "./OrderlyEnd.ts"
import { withLiveDaemon } from "./WithDaemon.ts"

/** Until Ctrl-D, or Ctrl-C at the prompt. Ctrl-C during an answer ends that one; a failure is told, and the next may do. */
export const converse = Effect.fnUntraced(function* (session: string | null) {
  yield* withLiveDaemon("only it talks with a model")(() => Effect.void)
  yield* (yield* OrderlyEnd).expected
  yield* note("Ctrl-C ends an answer, Ctrl-D the conversation.")
  const terminal = yield* Terminal.Terminal
  let exchanges: ReadonlyArray<Exchange> = []
  let sessionId = session
  while (true) {
    yield* prompt
    const line = yield* Effect.option(terminal.readLine)
    if (Option.isNone(line)) return yield* note("")
    const question = harmless(line.value).trim()
    if (question === "") continue
    const { teller, told } = yield* makeTeller
    const asked = followTurn({ question, history: historyOf(exchanges), session: sessionId }, teller)
    const answered = yield* Effect.raceFirst(Effect.asSome(asked), Effect.as(keyThatStops, Option.none())).pipe(
      Effect.catch(({ message }) => Effect.as(note(`holdfast: ${message}`), Option.none()))
    )
    if (Option.isSome(answered)) sessionId = answered.value.session_id
    const answer = Option.isSome(answered) ? answered.value.response : yield* told
    // A question that brought nothing is not told again.
    if (answer !== "") exchanges = [...exchanges, { question, answer }]
    // What was typed blindly is forgotten with the reader of the keys, which the terminal keeps for 10 ms.
    yield* Effect.sleep("20 millis")
  }
})

const prompt = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  yield* Effect.ignore(Stream.run(Stream.make("> "), stdio.stderr()))
})

/** Completes with Ctrl-C, Ctrl-D or Esc; while it waits, the terminal sends no signals. */
const keyThatStops = Effect.gen(function* () {
  const keys = yield* (yield* Terminal.Terminal).readInput
  yield* Effect.ignore(Effect.forever(Queue.take(keys)))
}).pipe(Effect.scoped)
