/**
 * The adapter as its host loads it: everything is there at once, and nothing is begun before the host asks for it.
 *
 * @ref LLP 0021#the-package [implements]
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import type { ServerAdapterModule } from "@paperclipai/adapter-utils"
import { Effect, type FileSystem, Layer, Logger, References, Scope } from "effect"
import { buildPodLogPath as builtPath, type RunPathIds } from "../runs/index.ts"
import { DEFAULT_ROOT } from "./AdapterConfig.ts"
import { ADAPTER_TYPE, type Clusters, makeClusters } from "./Clusters.ts"
import { agentConfigurationDoc, configSchema, models } from "./ConfigSchema.ts"
import { execute } from "./Execute.ts"
import { sessionCodec } from "./SessionCodec.ts"
import { testEnvironment } from "./TestEnvironment.ts"

/**
 * Of the host, and in no type that it publishes: work goes on without this process, so a run is not lost because its
 * process is.
 */
interface OutOfProcess {
  readonly hasOutOfProcessLiveness: true
}

/** Warnings for whoever reads the host's stderr; everything else is told through the run itself. */
const logs = Layer.mergeAll(
  Logger.layer([Logger.withConsoleError(Logger.map(Logger.formatLogFmt, (line) => `[holdfast] ${line}`))]),
  Layer.succeed(References.LogToStderr, true),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)

const world = Layer.mergeAll(NodeFileSystem.layer, logs)

const run = <A>(effect: Effect.Effect<A, never, FileSystem.FileSystem>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, world))

/** Made with the first use; what it holds is let go of by itself, so that nobody has to close it. */
const shared = (): Effect.Effect<Clusters> => {
  let made: Clusters | undefined
  return Effect.suspend(() =>
    made === undefined
      ? makeClusters.pipe(
          Effect.provideService(Scope.Scope, Scope.makeUnsafe()),
          Effect.map((clusters) => (made ??= clusters))
        )
      : Effect.succeed(made)
  )
}

export const createServerAdapter = (): ServerAdapterModule & OutOfProcess => {
  const clusters = shared()
  return {
    type: ADAPTER_TYPE,
    execute: (ctx) => run(Effect.flatMap(clusters, (all) => Effect.scoped(execute(ctx, all)))),
    testEnvironment: (ctx) => run(Effect.flatMap(clusters, (all) => testEnvironment(ctx, all))),
    sessionCodec,
    sessionManagement: {
      supportsSessionResume: true,
      nativeContextManagement: "unknown",
      defaultSessionCompaction: {
        enabled: true,
        maxSessionRuns: 200,
        maxRawInputTokens: 2_000_000,
        maxSessionAgeHours: 72
      }
    },
    models,
    listModels: () => Promise.resolve(models),
    getConfigSchema: () => configSchema,
    agentConfigurationDoc,
    supportsLocalAgentJwt: true,
    supportsInstructionsBundle: true,
    instructionsPathKey: "instructionsFilePath",
    runtimeToolDelivery: "environment",
    hasOutOfProcessLiveness: true
  }
}

/** `<root>/run-logs/<companyId>/<agentId>/<runId>.pod.ndjson`; throws for ids that no path is made of. */
export const buildPodLogPath = ({ root = DEFAULT_ROOT, ...ids }: RunPathIds & { readonly root?: string }): string =>
  Effect.runSync(builtPath(root, ids))
