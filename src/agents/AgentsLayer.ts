/**
 * The agents of this machine: every request sees the folder as it is now.
 *
 * @ref LLP 0024#discovery [implements]: no state that could change an answer
 */
import { Config, Effect, type FileSystem, Layer, Path } from "effect"
import {
  Agents,
  type AgentRoster,
  type CallContext,
  type CallOutcome,
  checkSchema,
  formatProblem,
  Home,
  type QuarantinedAgent,
  type SchemaWords
} from "../domain/index.ts"
import { type AgentFile, findAgentFiles } from "./AgentFiles.ts"
import { AGENT_LIMITS, AgentHosts, type AgentLimits, type HostAnswer } from "./AgentHosts.ts"
import { type CallableAgent, judged } from "./AgentTools.ts"
import type { DescribedAgent } from "./HostProtocol.ts"

/** Files that are loaded together to learn what they hold. */
const LOADED_TOGETHER = 4
/** A file that changes under a request is looked at again so often. */
const LOOKS = 3
/** What all arguments of a call may have as JSON, in characters. */
const MAX_ARGUMENTS = 1_048_576

const WORDS: SchemaWords = {
  unknownKey: "is not a parameter of this agent",
  schema: "the agent's parameters schema",
  remedy: "its author must correct it"
}

/** What a look at folder and files came to. */
interface Look {
  readonly callable: ReadonlyArray<CallableAgent>
  readonly roster: AgentRoster
}

const make = Effect.gen(function* () {
  const hosts = yield* AgentHosts
  const home = yield* Home
  const path = yield* Path.Path
  const named = yield* Effect.orDie(Config.withDefault(Config.NonEmptyString("AGENTS_PATH"), home.agents))
  const folder = path.resolve(named)
  const services = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  /** What files hold, by their content alone. */
  const known = new Map<string, ReadonlyArray<DescribedAgent>>()

  const keyOf = ({ hash, language }: AgentFile): string => `${language} ${hash}`

  const describe = Effect.fnUntraced(function* (file: AgentFile) {
    const before = known.get(keyOf(file))
    if (before !== undefined) return { ok: true, value: before } as const
    const said = yield* hosts.describe(file)
    if (said.ok) known.set(keyOf(file), said.value)
    return said
  })

  const look = Effect.fn("Agents.look")(function* (looks: number): Effect.fn.Return<Look> {
    const found = yield* Effect.provideContext(findAgentFiles(folder), services)
    yield* hosts.retain(found.files)
    const said = yield* Effect.forEach(
      found.files,
      (file) => Effect.map(describe(file), (answer) => ({ file, answer })),
      { concurrency: LOADED_TOGETHER }
    )
    if (looks > 1 && said.some(({ answer }) => hasChanged(answer))) return yield* look(looks - 1)
    const present = new Set(found.files.map(keyOf))
    for (const key of known.keys()) if (!present.has(key)) known.delete(key)
    const broken = said.flatMap(({ answer, file }): ReadonlyArray<QuarantinedAgent> =>
      answer.ok ? [] : [{ file: file.name, class: null, reason: `it cannot be loaded: ${answer.message}` }]
    )
    const { callable, quarantined } = judged(
      said.flatMap(({ answer, file }) => (answer.ok ? [{ file, agents: answer.value }] : []))
    )
    const all = [...found.quarantined, ...broken, ...quarantined]
    return {
      callable,
      roster: {
        tools: callable.map(({ tool }) => tool),
        quarantined: all.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0))
      }
    }
  })

  const systemContexts = Effect.fn("Agents.systemContexts")(function* (context: CallContext) {
    const { callable } = yield* look(LOOKS)
    const answers = yield* Effect.forEach(
      callable.filter(({ speaks }) => speaks),
      ({ agent, file, tool }) =>
        Effect.tap(hosts.ask(file, { do: "context", agent, context }), (answer) =>
          answer.ok
            ? Effect.void
            : Effect.logWarning("agent_context_failed").pipe(
                Effect.annotateLogs({ agent: tool.name, reason: answer.message })
              )
        ),
      { concurrency: "unbounded" }
    )
    return answers.flatMap((answer) => (answer.ok && answer.value.trim() !== "" ? [answer.value] : []))
  })

  const call = Effect.fn("Agents.call")(function* (
    name: string,
    args: Readonly<Record<string, unknown>>,
    context: CallContext
  ) {
    for (let left = LOOKS; ; left--) {
      const { callable } = yield* look(LOOKS)
      const found = callable.find(({ tool }) => tool.name === name)
      if (found === undefined) return refused("unknown_agent", `there is no agent ${name} in ${folder}`)
      const problems = checkSchema(found.tool.parameters, args, [], WORDS)
      if (problems.length > 0) return refused("invalid_arguments", problems.map(formatProblem).join("; "))
      if (JSON.stringify(args).length > MAX_ARGUMENTS) {
        return refused("invalid_arguments", "they are longer than 1 MiB: give the agent less at once")
      }
      const answer = yield* hosts.ask(found.file, { do: "perform", agent: found.agent, args, context })
      if (hasChanged(answer) && left > 1) continue
      return outcomeOf(answer)
    }
  })

  return Agents.of({ roster: Effect.map(look(LOOKS), ({ roster }) => roster), systemContexts, call })
})

const refused = (failure: "unknown_agent" | "invalid_arguments", message: string): CallOutcome => ({
  ok: false,
  failure,
  message
})

const hasChanged = (answer: HostAnswer<unknown>): boolean => !answer.ok && answer.failure === "changed"

const outcomeOf = (answer: HostAnswer<string>): CallOutcome => {
  if (answer.ok) return { ok: true, output: answer.value }
  const { failure, message } = answer
  return failure === "changed"
    ? { ok: false, failure: "failed", message: "its file changed again and again while it was to be called: try again" }
    : { ok: false, failure, message }
}

/** `Agents` with processes of its own, which end with the layer. */
export const agentsLayer = (limits: Partial<AgentLimits> = {}) =>
  Layer.effect(Agents, make).pipe(Layer.provide(AgentHosts.layerOf({ ...AGENT_LIMITS, ...limits })))
