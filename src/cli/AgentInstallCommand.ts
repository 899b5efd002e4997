/** `holdfast agent install`. */
import { Effect, Layer } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { carryOut, changesOf } from "./AgentChange.ts"
import { agentPackages, fetcher } from "./AgentServices.ts"
import { fetchAgents } from "./AgentSource.ts"
import { plain, print } from "./Output.ts"

const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** What `install` and `update` have in common. */
export const changeFlags = {
  yes: flag("yes", "Do not ask").pipe(Flag.withAlias("y")),
  force: flag("force", "Also replace files that were edited or put there by hand"),
  packages: Flag.String("package").pipe(
    Flag.withMetavar("<requirement>"),
    Flag.withDescription("A Python package besides what is imported, such as requests>=2; may be repeated"),
    Flag.atLeast(0)
  ),
  json: flag("json", "Print one JSON document")
}

/** Copies agent files of a source into the folder, and writes down where they came from. */
export const installCommand = Command.make(
  "install",
  {
    source: Argument.String("source").pipe(
      Argument.withDescription(
        "github.com/ORG/REPO[@REF], git+https://HOST/PATH#REF, https://HOST/PATH.tgz, ./FOLDER, ./FILE or bundled:FILE; a file of the folder of agents: only its packages"
      )
    ),
    ...changeFlags
  },
  Effect.fnUntraced(
    function* (options) {
      const found = yield* fetchAgents(options.source)
      if (found.origin !== null && !options.json) {
        const { commit, ref, source } = found.origin
        const at = commit === null ? "" : ` at ${ref === null ? "" : `${ref}, `}commit ${commit}`
        yield* print(plain(`From ${source}${at}:`))
      }
      yield* carryOut(yield* changesOf(found), options)
    },
    Effect.scoped,
    Effect.provide(Layer.merge(agentPackages, fetcher))
  )
).pipe(
  Command.withDescription(
    "Install agent files from a repository, an archive, a folder or a file. Shows what it would write, " +
      "and which Python packages under the core lock, and asks."
  ),
  Command.withExamples([
    { command: "holdfast agent install github.com/example/agents@v1.2.0" },
    { command: "holdfast agent install bundled:context_memory_agent.py", description: "One that Holdfast brings" },
    { command: "holdfast agent install ./weather_agent.py --yes", description: "One file of this machine" }
  ])
)
