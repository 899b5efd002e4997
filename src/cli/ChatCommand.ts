/** `holdfast chat`. */
import { Effect, Option, Stdio } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Home } from "../domain/index.ts"
import { converse } from "./ChatConversation.ts"
import { followTurn, makeTeller, silentTeller } from "./ChatFollow.ts"
import { UsageError } from "./Failures.ts"
import { printJson, readStdin } from "./Output.ts"

/** One turn, or a conversation at the terminal, with the model and the agents of the live daemon. */
export const chatCommand = Command.make(
  "chat",
  {
    message: Argument.String("message").pipe(
      Argument.withDescription("What to ask; - reads it from standard input; without one, a conversation"),
      Argument.variadic()
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print one JSON document once the answer is whole"),
      Flag.withDefault(false)
    ),
    session: Flag.String("session").pipe(
      Flag.withDescription("The session that agents are told; else one of its own"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ json, message, session }) {
    const sessionId = Option.getOrNull(session)
    if (message.length === 0) {
      const stdio = yield* Stdio.Stdio
      if (json) return yield* new UsageError({ message: "--json answers one message: holdfast chat --json MESSAGE" })
      if (yield* stdio.stdinIsTerminal) return yield* converse(sessionId)
      return yield* new UsageError({
        message:
          "A conversation needs a terminal. Give a message (holdfast chat MESSAGE), or read it from standard input " +
          "(holdfast chat -)."
      })
    }
    const given = message.join(" ")
    const question = (given === "-" ? new TextDecoder().decode(yield* readStdin) : given).trim()
    if (question === "") return yield* new UsageError({ message: "The message is empty: say what to ask." })
    const { teller } = json ? { teller: silentTeller } : yield* makeTeller
    const reply = yield* followTurn({ question, history: [], session: sessionId }, teller)
    if (json) yield* printJson(reply)
  }, Effect.provide(Home.layer))
).pipe(
  Command.withDescription(
    "Ask the model that the daemon uses; it calls this machine's agents where they help. The answer goes to standard " +
      "output as it comes, a line per call of an agent to standard error."
  ),
  Command.withShortDescription("Ask the model, which calls this machine's agents"),
  Command.withExamples([
    { command: 'holdfast chat "What is the weather in Kobe?"' },
    { command: "git diff | holdfast chat -", description: "The message from standard input" },
    { command: "holdfast chat", description: "A conversation; Ctrl-D ends it" }
  ])
)
