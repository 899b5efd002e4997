/** `holdfast agent new`. */
import { Effect, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { agentStore, loadAgents } from "./AgentServices.ts"
import { Refused, UsageError } from "./Failures.ts"
import { plain, print } from "./Output.ts"

/** Writes an agent that runs as it is. */
export const newCommand = Command.make(
  "new",
  {
    name: Argument.String("name").pipe(Argument.withDescription("What the model calls it: letters, digits, _ and -")),
    language: Flag.Literals("language", ["python", "typescript", "javascript"]).pipe(
      Flag.withDescription("What it is written in"),
      Flag.withDefault("python" as const)
    )
  },
  Effect.fnUntraced(function* ({ language, name }) {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/.test(name)) {
      return yield* new UsageError({
        message: `${JSON.stringify(plain(name))} is no name of an agent: take 1 to 64 letters, digits, _ or -, such as weather.`
      })
    }
    const path = yield* Path.Path
    const { AgentStore, agentTemplate } = yield* loadAgents
    const store = yield* AgentStore
    const folder = yield* store.folder
    const { content, file } = agentTemplate(name, language)
    const place = path.join(folder, file)
    const present = yield* store.look(file).pipe(
      Effect.as(true),
      Effect.catchIf(
        ({ reason }) => reason === "file_unknown",
        () => Effect.succeed(false)
      )
    )
    if (present)
      return yield* new Refused({ message: `${place} is there already: take another name, or remove it first.` })
    yield* store.write({ file, bytes: new TextEncoder().encode(content), origin: null, replaces: null })
    yield* print(`Wrote ${place}`)
    yield* print(`Try it:       holdfast agent test ${file} '{"text":"one two three"}'`)
    yield* print("Talk to it:   holdfast chat, while the daemon runs. Every request meets the file as it is then.")
  }, Effect.provide(agentStore))
).pipe(
  Command.withDescription("Write a small agent that works, to be changed. Never replaces a file."),
  Command.withExamples([
    { command: "holdfast agent new weather" },
    { command: "holdfast agent new weather --language typescript" }
  ])
)
