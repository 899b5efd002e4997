/** What agents are run with: the interpreter of Python files, and the variables of the daemon that are not for them. */
import { Config, ConfigProvider, Effect } from "effect"

/** What runs Python agents: `HOLDFAST_PYTHON`, which may be that of a virtual environment, else `python3`. */
export const agentPython = Effect.orDie(Config.withDefault(Config.NonEmptyString("HOLDFAST_PYTHON"), "python3"))

/** The gateway's own sign-in, and what Node was to do for it. */
const NOT_FOR_AGENTS = ["GITHUB_TOKEN", "NODE_OPTIONS"]

/** So that a `holdfast` that an agent runs works on the same home. */
const FOR_AGENTS = "HOLDFAST_HOME"

/** Changes to the environment of this process; undefined removes a variable. Keys that the user set for agents stay. */
export type AgentVariables = Readonly<Record<string, undefined>>

/**
 * What is kept from agents, as the environment is now.
 *
 * @ref LLP 0024#the-host [implements]: the gateway's settings and its sign-in are not for agents
 */
export const agentVariables = Effect.suspend(() => {
  const environment = ConfigProvider.fromEnv({ preserveEmptyStrings: true })
  return Effect.map(Effect.orDie(namesBelow(environment, ["HOLDFAST"])), (names): AgentVariables =>
    Object.fromEntries(
      [...NOT_FOR_AGENTS, ...names].filter((name) => name !== FOR_AGENTS).map((name) => [name, undefined])
    )
  )
})

/** A provider knows variables by the parts of their names alone. */
const namesBelow = (
  environment: ConfigProvider.ConfigProvider,
  parts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, ConfigProvider.SourceError> =>
  Effect.gen(function* () {
    const node = yield* environment.load([...parts])
    const own = node?.value === undefined ? [] : [parts.join("_")]
    const below =
      node?._tag === "Record"
        ? [...node.keys]
        : node?._tag === "Array"
          ? [...Array(node.length).keys()].map(String)
          : []
    return [...own, ...(yield* Effect.forEach(below, (part) => namesBelow(environment, [...parts, part]))).flat()]
  })
