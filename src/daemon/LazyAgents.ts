/**
 * Agents and chat, for machines that have some: their code is loaded by the daemon that finds agent files, or when
 * somebody first asks.
 *
 * @ref LLP 0024#in-the-daemon [implements]: no start waits for agents, and none of them runs before its packages were
 * looked through
 */
import { Context, Effect, type FileSystem, Layer, type Path, Ref } from "effect"
import { agentSettings, agentsFolderOf, Chat, chatModels, hasAgentFiles } from "../agents/index.ts"
import { Agents, ConfigControl, type Home } from "../domain/index.ts"
import { Models } from "../login/index.ts"
import type { buildAgents } from "./AgentsLayer.ts"
import { CoreLockWatch } from "./CoreLockWatch.ts"

/** As the services themselves; whatever is asked of them first loads them. */
export class LazyAgents extends Context.Service<
  LazyAgents,
  {
    readonly agents: Agents["Service"]
    readonly chat: Chat["Service"]
    /** To be called once, when the daemon runs: files that are there are looked at before somebody asks for them. */
    readonly open: Effect.Effect<void>
  }
>()("holdfast/daemon/LazyAgents") {
  static readonly layer = Layer.suspend(() => Layer.effect(LazyAgents, make))
}

/** The model that a person picked, else the document's. */
export const daemonModels = Effect.zipWith(ConfigControl, Models, (control, { picked }) => chatModels(control, picked))

const make = Effect.gen(function* () {
  const models = yield* daemonModels
  const { scanned } = yield* CoreLockWatch
  const places = yield* Effect.context<FileSystem.FileSystem | Home | Path.Path>()
  const services = yield* Effect.context<Effect.Services<ReturnType<typeof buildAgents>>>()
  const isLoaded = yield* Ref.make(false)

  // Whoever asked may be gone before they are there: others wait for the same.
  const loaded = yield* Effect.cached(
    Effect.gen(function* () {
      const { buildAgents } = yield* Effect.promise(() => import("./AgentsLayer.ts"))
      const built = yield* buildAgents(models)
      yield* Ref.set(isLoaded, true)
      return built
    }).pipe(Effect.provideContext(services), Effect.uninterruptible)
  )
  const ready = Effect.andThen(scanned, loaded)

  const agents = Agents.of({
    roster: Effect.flatMap(ready, ({ agents }) => agents.roster),
    known: Effect.flatMap(Ref.get(isLoaded), (isThere) =>
      isThere ? Effect.flatMap(loaded, ({ agents }) => agents.known) : Effect.succeed({ tools: [], quarantined: [] })
    ),
    systemContexts: (context) => Effect.flatMap(ready, ({ agents }) => agents.systemContexts(context)),
    install: (file) => Effect.flatMap(ready, ({ agents }) => agents.install(file)),
    call: (name, args, context) => Effect.flatMap(ready, ({ agents }) => agents.call(name, args, context))
  })
  const hasFiles = agentSettings(yield* ConfigControl).pipe(
    Effect.flatMap(({ agentsPath }) => agentsFolderOf(agentsPath)),
    Effect.flatMap(hasAgentFiles),
    Effect.provideContext(places)
  )

  return LazyAgents.of({
    agents,
    chat: Chat.of({ turn: (request, listener) => Effect.flatMap(ready, ({ chat }) => chat.turn(request, listener)) }),
    open: Effect.flatMap(hasFiles, (isNeeded) => (isNeeded ? agents.roster : Effect.void)).pipe(Effect.asVoid)
  })
})
