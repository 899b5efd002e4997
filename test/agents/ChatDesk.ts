/** The chat's services with a stand-in model, and agents that are simulated: in memory, as a test says. */
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path, Redacted, type Scope } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import {
  agentHandler,
  Chat,
  chatLayer,
  type ChatModels,
  chatRoutes,
  type ModelBounds,
  ModelClient
} from "../../src/agents/index.ts"
import { argumentProblems } from "../../src/agents/ToolArguments.ts"
import {
  Agents,
  type AgentTool,
  type CallContext,
  type CallOutcome,
  Home,
  ModelAccount,
  type NoModelAccess,
  type NotSignedIn,
  type ProviderUnavailable,
  type QuarantinedAgent,
  Version
} from "../../src/domain/index.ts"
import { jsonErrors, listen, mountRoutes, withDoors } from "../../src/http/index.ts"
import { StandInModel } from "./StandInModel.ts"

/** An agent that is simulated: it lives in the test. */
export interface SimulatedAgent {
  readonly name: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly perform: (args: Readonly<Record<string, unknown>>, context: CallContext) => Effect.Effect<CallOutcome>
}

export interface DeskOptions {
  readonly agents?: ReadonlyArray<SimulatedAgent>
  readonly quarantined?: ReadonlyArray<QuarantinedAgent>
  readonly systemContexts?: ReadonlyArray<string>
  readonly models?: ChatModels
  readonly bounds?: ModelBounds
  /** What the account says instead of giving a credential. */
  readonly accountFailure?: NotSignedIn | NoModelAccess | ProviderUnavailable
  /** What it says once a credential was refused. */
  readonly afterRefusal?: NotSignedIn | NoModelAccess | ProviderUnavailable
  readonly soul?: string
  /** What the provider's address has behind the host. */
  readonly behind?: string
}

export interface ChatDesk {
  readonly model: StandInModel
  readonly client: ModelClient["Service"]
  readonly chat: Chat["Service"]
  /** How often a credential was said to be refused. */
  readonly refusals: () => number
  /** How often the agents were looked at. */
  readonly looks: () => number
  /** The routes behind a daemon's doors on a real port. */
  readonly port: number
  /** The same routes as a fetch handler. */
  readonly fetchHandler: ReturnType<typeof agentHandler>
}

export const TOKEN = "token-of-this-api"

export const ok = (output: string): CallOutcome => ({ ok: true, output })

/** An agent that answers at once. */
export const agent = (
  name: string,
  perform: (args: Readonly<Record<string, unknown>>) => string,
  parameters?: Readonly<Record<string, unknown>>
): SimulatedAgent => ({
  name,
  ...(parameters === undefined ? {} : { parameters }),
  perform: (args) => Effect.sync(() => ok(perform(args)))
})

const simulated = ({ agents = [], quarantined = [], systemContexts = [] }: DeskOptions, looked: () => void) => {
  const tools: ReadonlyArray<AgentTool> = agents.map(({ name, parameters = { type: "object" } }) => ({
    name,
    description: `The simulated agent ${name}.`,
    parameters,
    file: `${name.toLowerCase()}_agent.js`
  }))
  return Layer.succeed(
    Agents,
    Agents.of({
      roster: Effect.sync(() => {
        looked()
        return { tools, quarantined }
      }),
      known: Effect.succeed({ tools, quarantined }),
      systemContexts: () => Effect.succeed(systemContexts),
      install: () => Effect.succeed(null),
      call: (name, args, context) => {
        const found = agents.find((one) => one.name === name)
        const tool = tools.find((one) => one.name === name)
        if (found === undefined || tool === undefined) return Effect.die(new Error(`nobody checked ${name}`))
        const problems = argumentProblems(tool, args)
        return problems === null
          ? found.perform(args, context)
          : Effect.succeed({ ok: false, failure: "invalid_arguments", message: problems })
      }
    })
  )
}

/** Runs a test with the services, a daemon's server and a fetch handler over them. */
export const atChatDesk = <A, E>(
  use: (desk: ChatDesk) => Effect.Effect<A, E, Scope.Scope>,
  options: DeskOptions = {}
): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-chat-" })
    if (options.soul !== undefined) yield* fs.writeFileString(path.join(root, "soul.md"), options.soul)
    const model = yield* Effect.acquireRelease(
      Effect.promise(() => StandInModel.start()),
      (standIn) => Effect.promise(() => standIn.close())
    )
    let refusals = 0
    let looks = 0
    const account = ModelAccount.of({
      credential: Effect.suspend(() => {
        const failure = options.accountFailure ?? (refusals > 0 ? options.afterRefusal : undefined)
        return failure === undefined
          ? Effect.succeed({
              baseUrl: `${model.url}${options.behind ?? ""}`,
              authorization: Redacted.make(`Bearer secret-${refusals}`),
              headers: { "copilot-integration-id": "vscode-chat" }
            })
          : Effect.fail(failure)
      }),
      refused: Effect.sync(() => void refusals++),
      status: Effect.succeed({
        source: "login",
        provider: "github",
        state: "ready",
        username: "octocat",
        problem: null
      })
    })
    const models: ChatModels = options.models ?? Effect.succeed({ requested: "stand-in-1", fallbacks: [] })
    const base = Layer.mergeAll(
      simulated(options, () => looks++),
      Layer.succeed(ModelAccount, account),
      Version.layerOf("1.2.3"),
      Home.layerOf(root),
      FetchHttpClient.layer
    ).pipe(Layer.provideMerge(NodeServices.layer))
    const services = chatLayer(models).pipe(
      Layer.provideMerge(ModelClient.layerOf(options.bounds ?? { stallMs: 5_000, deadlineMs: 20_000 })),
      Layer.provideMerge(base)
    )
    const fetchHandler = yield* Effect.acquireRelease(
      Effect.sync(() => agentHandler({ services, models, token: Redacted.make(TOKEN) })),
      ({ dispose }) => Effect.promise(dispose)
    )
    return yield* Effect.gen(function* () {
      const agents = yield* Agents
      const chat = yield* Chat
      const health = Effect.succeed({
        status: "ok" as const,
        shown: { model: "stand-in-1", copilot: "\u2713", copilot_username: "octocat", remote_config: null, reasons: [] }
      })
      const routes = chatRoutes({ agents, chat, account, version: "1.2.3", health, closing: Effect.never })
      const app = yield* HttpRouter.toHttpEffect(mountRoutes(routes))
      const { port, server } = yield* listen({ host: "127.0.0.1", port: 0 })
      const isOpen = (method: string, at: string) => method === "GET" && (at === "/version" || at === "/health")
      const doors = withDoors({ token: Redacted.make(TOKEN), knownHosts: [], isOpen })
      yield* HttpServer.serveEffect(jsonErrors(doors(app))).pipe(Effect.provideService(HttpServer.HttpServer, server))
      return yield* use({
        model,
        client: yield* ModelClient,
        chat,
        refusals: () => refusals,
        looks: () => looks,
        port,
        fetchHandler
      })
    }).pipe(Effect.provide(services))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** Waits until something is so; for what happens on the other side of a socket. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    const end = performance.now() + 5_000
    while (!holds()) {
      if (performance.now() > end) throw new Error("it did not come to be within 5 s")
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
