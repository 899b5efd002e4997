/**
 * The agents of this machine: every request sees the folder as it is now.
 *
 * @ref LLP 0024#discovery [implements]: no state that could change an answer
 */
import { Clock, Deferred, Effect, type FileSystem, Layer, Option, type Path, Semaphore } from "effect"
import {
  Agents,
  type AgentRoster,
  type CallContext,
  type CallOutcome,
  ConfigControl,
  type Home,
  type QuarantinedAgent
} from "../domain/index.ts"
import { type AgentFile, agentsFolderOf, findAgentFiles } from "./AgentFiles.ts"
import { AGENT_LIMITS, AgentHosts, type AgentLimits, type HostAnswer } from "./AgentHosts.ts"
import { AgentPackages } from "./AgentPackages.ts"
import { agentSettings } from "./AgentSettings.ts"
import { type CallableAgent, judged } from "./AgentTools.ts"
import { type AutoInstaller, makeAutoInstall, NO_INSTALLS } from "./AutoInstall.ts"
import type { DescribedAgent } from "./HostProtocol.ts"
import { argumentProblems } from "./ToolArguments.ts"

/** Files that are loaded together to learn what they hold. */
const LOADED_TOGETHER = 4
/** A file that changes under a request is looked at again so often. */
const LOOKS = 3
/** So long, ms, looks wait in all for a file that loads: the others are there meanwhile. A retry is waited for less. */
const PATIENCE_MS = 5_000
const RETRY_PATIENCE_MS = 1_000
/** What an agent adds to the prompt must come at once; and so long it may be busy with what others have asked. */
const CONTEXT_MS = 5_000
/** What all arguments of a call may have as JSON, in characters. */
const MAX_ARGUMENTS = 1_048_576

/** What a look at folder and files came to. */
interface Look {
  readonly callable: ReadonlyArray<CallableAgent>
  readonly roster: AgentRoster
}

/** A file, and what it says of itself. */
interface Said {
  readonly file: AgentFile
  readonly answer: Described
}

/** What a file holds, or why it cannot be loaded. */
type Described = HostAnswer<ReadonlyArray<DescribedAgent>> & { readonly installable?: ReadonlyArray<string> }

interface Load {
  /** When it began, ms. */
  readonly since: number
  readonly done: Deferred.Deferred<Described>
}

const TOO_SLOW: HostAnswer<string> = {
  ok: false,
  failure: "deadline",
  message: `its system_context took longer than ${CONTEXT_MS / 1_000} s: it is not asked again until its file changes`
}

const BUSY: HostAnswer<string> = {
  ok: false,
  failure: "deadline",
  message: `its process is busy with a call, and could not be asked for its system_context within ${CONTEXT_MS / 1_000} s: this request goes without it`
}

const STILL_LOADING: Described = {
  ok: false,
  failure: "deadline",
  message: "it is still being loaded: look again in a moment"
}

const make = Effect.fnUntraced(function* (folder: string, { agree, mend, retain }: AutoInstaller) {
  const hosts = yield* AgentHosts
  const scope = yield* Effect.scope
  const services = yield* Effect.context<FileSystem.FileSystem | Home | Path.Path>()
  /** What was heard last of files with these bytes and packages. */
  const heard = new Map<string, Described>()
  const loads = new Map<string, Load>()
  const oneRetry = yield* Semaphore.make(1)
  /** Agents whose `system_context` took too long, which are not asked again, and their files. */
  const mute = new Map<string, string>()

  const keyOf = ({ hash, language, packages }: AgentFile): string => `${language} ${hash} ${packages?.stamp ?? ""}`
  const speakerOf = (file: AgentFile, agent: string | null): string => `${keyOf(file)} ${agent}`
  const found = Effect.provideContext(findAgentFiles(folder), services)

  // Health says what came of an install before anybody asks for agents.
  const lookAgain: Effect.Effect<unknown> = Effect.suspend(() => look(LOOKS))
  const explained = (file: AgentFile, answer: Described): Effect.Effect<Described> =>
    answer.ok || answer.missing === undefined
      ? Effect.succeed(answer)
      : Effect.map(mend(file, answer.missing, lookAgain), ({ installable, said }) =>
          said === "" ? answer : { ...answer, message: `${answer.message}. ${said}`, installable }
        )

  /** The load of a file that is under way, begun by the first look that wants it; it ends with the layer. */
  const loadOf = Effect.fnUntraced(function* (file: AgentFile) {
    const key = keyOf(file)
    const under = loads.get(key)
    if (under !== undefined) return under
    const load: Load = { since: yield* Clock.currentTimeMillis, done: yield* Deferred.make<Described>() }
    loads.set(key, load)
    // Files that could not be loaded are tried again one after the other: all at once they would take the machine.
    const described = heard.has(key) ? oneRetry.withPermits(1)(hosts.describe(file)) : hosts.describe(file)
    yield* described.pipe(
      Effect.flatMap((answer) => explained(file, answer)),
      Effect.flatMap((answer) => {
        if (!hasChanged(answer)) heard.set(key, answer)
        loads.delete(key)
        return Deferred.succeed(load.done, answer)
      }),
      Effect.forkIn(scope)
    )
    return load
  }, Effect.uninterruptible)

  const describe = Effect.fnUntraced(function* (file: AgentFile): Effect.fn.Return<Described> {
    const before = heard.get(keyOf(file))
    if (before?.ok === true) return before
    const { done, since } = yield* loadOf(file)
    const patience = before === undefined ? PATIENCE_MS : RETRY_PATIENCE_MS
    const waited = (yield* Clock.currentTimeMillis) - since
    const answer = yield* Effect.timeoutOption(Deferred.await(done), Math.min(patience, Math.max(0, patience - waited)))
    return Option.getOrElse(answer, () => before ?? STILL_LOADING)
  })

  let told: ReadonlySet<string> = new Set()
  /** The log has each of them once, for as long as it stays so. */
  const tell = (quarantined: AgentRoster["quarantined"]) => {
    const lines = new Map(quarantined.map((one) => [JSON.stringify(one), one]))
    const fresh = [...lines].filter(([line]) => !told.has(line))
    told = new Set(lines.keys())
    return Effect.forEach(
      fresh,
      ([, { class: name, file, reason }]) =>
        Effect.logWarning("agent_quarantined").pipe(
          Effect.annotateLogs({ file, ...(name === null ? {} : { class: name }), reason })
        ),
      { discard: true }
    )
  }

  const look = Effect.fn("Agents.look")(function* (looks: number): Effect.fn.Return<Look> {
    const { files, quarantined } = yield* found
    yield* hosts.retain(files)
    retain(files)
    const said = yield* Effect.forEach(
      files,
      (file) => Effect.map(describe(file), (answer): Said => ({ file, answer })),
      { concurrency: LOADED_TOGETHER }
    )
    if (looks > 1 && said.some(({ answer }) => hasChanged(answer))) return yield* look(looks - 1)
    const present = new Set(files.map(keyOf))
    for (const key of heard.keys()) if (!present.has(key)) heard.delete(key)
    for (const [agent, key] of mute) if (!present.has(key)) mute.delete(agent)
    const now = seen(said, quarantined)
    yield* tell(now.roster.quarantined)
    return now
  })

  const known = Effect.map(found, ({ files, quarantined }) => {
    const said = files.flatMap((file): ReadonlyArray<Said> => {
      const answer = heard.get(keyOf(file))
      return answer === undefined ? [] : [{ file, answer }]
    })
    return seen(said, quarantined).roster
  })

  const contextOf = Effect.fnUntraced(function* ({ agent, file, tool }: CallableAgent, context: CallContext) {
    const begun = yield* Deferred.make<void>()
    const overdue = Effect.gen(function* (): Effect.fn.Return<HostAnswer<string>> {
      const isBegun = yield* Effect.timeoutOption(Deferred.await(begun), CONTEXT_MS)
      if (Option.isNone(isBegun)) return BUSY
      yield* Effect.sleep(CONTEXT_MS)
      mute.set(speakerOf(file, agent), keyOf(file))
      return TOO_SLOW
    })
    const answer = yield* Effect.raceFirst(hosts.ask(file, { do: "context", agent, context }, begun), overdue)
    if (!answer.ok) {
      yield* Effect.logWarning("agent_context_failed").pipe(
        Effect.annotateLogs({ agent: tool.name, reason: answer.message })
      )
    }
    return answer
  })

  const systemContexts = Effect.fn("Agents.systemContexts")(function* (context: CallContext) {
    const { callable } = yield* look(LOOKS)
    const answers = yield* Effect.forEach(
      callable.filter(({ agent, file, speaks }) => speaks && !mute.has(speakerOf(file, agent))),
      (one) => contextOf(one, context),
      { concurrency: "unbounded" }
    )
    return answers.flatMap((answer) => (answer.ok && answer.value.trim() !== "" ? [answer.value] : []))
  })

  const install = Effect.fn("Agents.install")(function* (name: string) {
    const { files } = yield* found
    const file = files.find((one) => one.name === name)
    return file === undefined ? null : yield* agree(file, lookAgain)
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
      const problems = argumentProblems(found.tool, args)
      if (problems !== null) return refused("invalid_arguments", problems)
      if (JSON.stringify(args).length > MAX_ARGUMENTS) {
        return refused("invalid_arguments", "they are longer than 1 MiB: give the agent less at once")
      }
      const answer = yield* hosts.ask(found.file, { do: "perform", agent: found.agent, args, context })
      if (hasChanged(answer) && left > 1) continue
      return outcomeOf(answer)
    }
  })

  return Agents.of({ roster: Effect.map(look(LOOKS), ({ roster }) => roster), known, systemContexts, install, call })
})

/** What can be called, and what cannot. */
const seen = (said: ReadonlyArray<Said>, unread: ReadonlyArray<QuarantinedAgent>): Look => {
  const broken = said.flatMap(({ answer, file }): ReadonlyArray<QuarantinedAgent> =>
    answer.ok
      ? []
      : [
          {
            file: file.name,
            class: null,
            reason: answer === STILL_LOADING ? answer.message : `it cannot be loaded: ${answer.message}`,
            ...(answer.installable === undefined || answer.installable.length === 0
              ? {}
              : { installable: answer.installable })
          }
        ]
  )
  const { callable, quarantined } = judged(
    said.flatMap(({ answer, file }) => (answer.ok ? [{ file, agents: answer.value }] : []))
  )
  return {
    callable,
    roster: {
      tools: callable.map(({ tool }) => tool),
      quarantined: [...unread, ...broken, ...quarantined].toSorted((a, b) =>
        a.file < b.file ? -1 : a.file > b.file ? 1 : 0
      )
    }
  }
}

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

const hostsLayer = (limits: Partial<AgentLimits>) => AgentHosts.layerOf({ ...AGENT_LIMITS, ...limits })

/** `Agents` over whatever holds the files. Installs nothing, and knows no document. */
export const agentsOverHosts = Layer.effect(
  Agents,
  Effect.flatMap(agentsFolderOf(null), (folder) => make(folder, NO_INSTALLS))
)

/** The same with processes of its own, which end with the layer. */
export const agentsLayer = (limits: Partial<AgentLimits> = {}) => Layer.provide(agentsOverHosts, hostsLayer(limits))

/** The same as the document wants it: its folder, its limits, and the packages that files need. */
export const daemonAgentsLayer = Layer.unwrap(
  Effect.gen(function* () {
    const { agentsPath, limits } = yield* agentSettings(yield* ConfigControl)
    return Layer.effect(
      Agents,
      Effect.gen(function* () {
        return yield* make(yield* agentsFolderOf(agentsPath), yield* makeAutoInstall)
      })
    ).pipe(Layer.provide(Layer.mergeAll(hostsLayer(limits), AgentPackages.layer)))
  })
)
