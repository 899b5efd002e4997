/** `holdfast agent remove`. */
import { Effect, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { AgentFileRefused } from "../agents/index.ts"
import { agentStore, loadAgents } from "./AgentServices.ts"
import { confirm } from "./Confirm.ts"
import { plain, print } from "./Output.ts"

/** Removes a file, what was recorded of it, and its packages. */
export const removeCommand = Command.make(
  "remove",
  {
    file: Argument.String("file").pipe(Argument.withDescription("As `agent list` shows it")),
    yes: Flag.Boolean("yes").pipe(Flag.withAlias("y"), Flag.withDescription("Do not ask"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ file, yes }) {
    const path = yield* Path.Path
    const { AgentStore } = yield* loadAgents
    const store = yield* AgentStore
    const folder = yield* store.folder
    const condition = yield* store.look(file).pipe(
      Effect.map((stored) => stored.condition),
      // What cannot be read can be removed.
      Effect.catchIf(isUnreadable, () => Effect.succeed("local"))
    )
    const lost = condition === "local" || condition === "modified" ? ", which is nowhere else as it is" : ""
    yield* confirm(`Remove ${path.join(folder, file)}${lost}?`, { yes })
    yield* store.remove(file)
    yield* print(`${plain(file)} is removed; the next request does not meet it any more.`)
  }, Effect.provide(agentStore))
).pipe(
  Command.withDescription("Remove an agent file, its packages, and what was recorded of it. What it kept stays."),
  Command.withExamples([{ command: "holdfast agent remove weather_agent.py" }])
)

const isUnreadable = ({ reason }: AgentFileRefused): boolean => reason === "not_a_file" || reason === "storage_failed"
