/**
 * What executes share: for each cluster and volume one client, one watch and one scheduler of tails; for each agent one
 * service of runs with records of its own. Both are made when first wanted and let go of when unused.
 *
 * @ref LLP 0021#what-executes-share [implements]
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Config, Context, Effect, Layer, type Path, RcMap, Schedule, Schema, type Scope } from "effect"
import { Home } from "../domain/index.ts"
import {
  type Backend,
  Backends,
  loadKubernetes,
  RunListener,
  type RunPathIds,
  Runs,
  RunStore,
  TailFiles,
  Tails,
  type Work
} from "../runs/index.ts"
import { Journal, Switchboard, Uptime } from "../statechart/index.ts"
import { DaemonLock, DurableFiles } from "../storage/index.ts"
import type { AdapterConfig } from "./AdapterConfig.ts"
import { inherited, type Kubernetes } from "./HostPod.ts"
import { type Listeners, makeListeners } from "./Listeners.ts"

/** As `adapter-type`, and as the host knows the adapter. */
export const ADAPTER_TYPE = "opencode_k8s"

/** So long after its last execute an agent's records are let go of, for whichever process wants them next. */
const AGENT_IDLE = "2 seconds"
/** So long after that the watch ends, and nothing keeps the host's process any more. */
const CLUSTER_IDLE = "5 seconds"
/** How often another process is asked whether it has let go of the agent. */
const LOCK_AGAIN = "500 millis"
/** Ended runs of an agent that are remembered, for a host that asks again. */
const KEPT = 20

/** The cluster, the volume or the records of the agent cannot be used. */
export class ClusterUnusable extends Schema.TaggedError<ClusterUnusable>()("ClusterUnusable", {
  message: Schema.String
}) {}

const unusable = ({ message }: { readonly message: string }) => new ClusterUnusable({ message })

type Settings = Effect.Success<ReturnType<Kubernetes["readKubernetesSettings"]>>
type World = Journal | Switchboard | Uptime | Tails | Path.Path | DurableFiles
type Named = Pick<RunPathIds, "agentId" | "companyId">

/** A cluster and the volume that its pods share with the host. */
export interface Cluster {
  readonly library: Kubernetes
  readonly client: Kubernetes["KubernetesClient"]["Service"]
  /** With what the host's own pod says of things that the configuration leaves out. */
  readonly settingsOf: (config: AdapterConfig) => Effect.Effect<Settings, ClusterUnusable>
  /** What the next Job of an agent is made by. */
  readonly use: (agent: Named, settings: Settings, name: string) => void
  readonly backend: Backend
}

/** The runs of one agent. */
export interface AgentRuns {
  readonly runs: Runs["Service"]
  readonly attach: Listeners["attach"]
}

export interface Clusters {
  /** Whether any process has written down that there is to be such a run: before that nothing is started. */
  readonly hasRecord: (config: AdapterConfig, agent: Named, runId: string) => Effect.Effect<boolean>
  readonly cluster: (config: AdapterConfig) => Effect.Effect<Cluster, ClusterUnusable, Scope.Scope>
  /** Takes up what there is of the agent's runs. Waits while another process has them; `told` hears of that once. */
  readonly agent: (
    config: AdapterConfig,
    agent: Named & { readonly name: string },
    told: (message: string) => Effect.Effect<void>
  ) => Effect.Effect<
    AgentRuns & { readonly cluster: Cluster; readonly settings: Settings },
    ClusterUnusable,
    Scope.Scope
  >
}

const files = DurableFiles.layer.pipe(Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)))

/** Tests with real processes do not wait real minutes for a bound. */
const uptime = Layer.unwrap(
  Effect.map(
    Effect.orElseSucceed(Config.Finite("HOLDFAST_TEST_TIME_SCALE"), () => 1),
    Uptime.layerScaled
  )
)

const worldLayer = Layer.mergeAll(Journal.layer, Switchboard.layer({}), uptime, TailFiles.layer).pipe(
  Layer.provideMerge(files)
)

const homeOf = ({ stateDirectory }: AdapterConfig, name: string): string => `${stateDirectory}/${name}`

const storeLayer = (home: string) => RunStore.layer.pipe(Layer.provide(Home.layerOf(home)), Layer.provide(files))

const nameOf = ({ agentId, companyId }: Named): string => `${companyId}/${agentId}`

/** Where it is and what its pods mount; everything else may differ from run to run. */
const clusterKey = ({ access, cluster: { podRoot, pvc }, root }: AdapterConfig): string =>
  JSON.stringify([access, root, podRoot, pvc])

const makeCluster = Effect.fn("makeCluster")(function* (config: AdapterConfig) {
  const library = yield* loadKubernetes
  const asked = yield* Effect.mapError(Layer.build(library.KubernetesClient.layer(config.access)), unusable)
  const client = Context.get(asked, library.KubernetesClient)
  const isNeeded = config.cluster["image"] === undefined || config.cluster["pvc"] === undefined
  const own = yield* inherited(library, client, { isNeeded, root: config.root })
  const settingsOf = ({ cluster }: AdapterConfig) => {
    const written: Readonly<Record<string, unknown>> = { ...own, ...cluster, kind: "opencode", instance: "paperclip" }
    const missing = (["image", "pvc"] as const).find((name) => written[name] === undefined)
    if (missing !== undefined) {
      const message = `${missing} is not set, and the host's own pod could not be found to take it from: set ${missing}`
      return Effect.fail(unusable({ message }))
    }
    return library
      .readKubernetesSettings(written)
      .pipe(Effect.mapError(({ message }) => unusable({ message: message.replace(/^kubernetes[.:]\s*/, "") })))
  }
  const settings = yield* settingsOf(config)
  const latest = new Map<string, { readonly settings: Settings; readonly name: string }>()
  const factsOf = (work: Work) => {
    const taskId = work.request.env?.["PAPERCLIP_TASK_ID"]
    const agentName = latest.get(nameOf(work))?.name
    const { cwd } = work.request
    return {
      adapterType: ADAPTER_TYPE,
      ...(cwd === undefined ? {} : { workingDir: cwd }),
      ...(taskId === undefined ? {} : { taskId }),
      ...(agentName === undefined ? {} : { agentName })
    }
  }
  const layer = library.KubernetesBackend.layer({
    settings,
    factsOf,
    settingsOf: (work) => latest.get(nameOf(work))?.settings ?? settings
  })
  const built = yield* Layer.build(
    Layer.mergeAll(layer, Tails.layer).pipe(
      Layer.provide(Layer.succeed(library.KubernetesClient, client)),
      Layer.provideMerge(worldLayer)
    )
  )
  const cluster: Cluster = {
    library,
    client,
    settingsOf,
    use: (agent, next, name) => void latest.set(nameOf(agent), { settings: next, name }),
    backend: Context.get(built, library.KubernetesBackend)
  }
  const world: Context.Context<World> = built
  return { cluster, world }
})

/** Jobs without a record are found by their names when the host asks for their runs. What nobody heard is kept. */
const backendsOf = (backend: Backend, isUnheard: (runId: string) => boolean) => {
  const here: Backend = {
    ...backend,
    list: Effect.succeed([]),
    clean: (run, { retain }) => backend.clean(run, { retain: retain || isUnheard(run.runId) })
  }
  return Layer.succeed(Backends, {
    // Records of the other kind are never written here.
    of: () => Effect.succeed(here),
    preferred: Effect.succeed({ kind: "kubernetes" as const }),
    concurrency: Effect.succeed(1)
  })
}

/** Old runs go before the others are taken up. Answers which are open: the host may never ask for them again. */
const forgetOld = Effect.gen(function* () {
  const store = yield* RunStore
  const { records: all } = yield* store.all
  const over = all.filter(({ cleaned, view }) => cleaned && view.verdict !== null)
  yield* Effect.forEach(over.slice(0, Math.max(0, over.length - KEPT)), ({ view }) =>
    Effect.ignore(store.remove(view.run_id))
  )
  return all.flatMap(({ view }) => (view.verdict === null ? [view.run_id] : []))
})

/** One process at a time writes an agent's records; the kernel frees the lock of one that is gone. */
const lockAgent = Effect.fn("lockAgent")(function* (home: string, told: (message: string) => Effect.Effect<void>) {
  const lock = yield* DaemonLock
  let waits = false
  yield* lock.acquire(home).pipe(
    Effect.tapErrorTag("LockHeld", ({ pid }) => {
      if (waits) return Effect.void
      waits = true
      const who = pid === undefined ? "another process" : `process ${pid}`
      return told(`The runs of this agent are in the hands of ${who}: waiting until it lets go of them.`)
    }),
    Effect.retry({ schedule: Schedule.spaced(LOCK_AGAIN), while: ({ _tag }) => _tag === "LockHeld" }),
    // A volume that knows no locks must not keep anybody from working.
    Effect.catchTag("StorageError", ({ message }) => Effect.logWarning(`the agent is not locked: ${message}`)),
    Effect.mapError(unusable)
  )
})

export const makeClusters = Effect.gen(function* () {
  const configs = new Map<string, AdapterConfig>()
  const clusters = yield* RcMap.make({
    lookup: (key: string) => Effect.flatMap(configOf(configs, key), makeCluster),
    idleTimeToLive: CLUSTER_IDLE
  })
  const tellers = new Map<string, (message: string) => Effect.Effect<void>>()
  const agents = yield* RcMap.make({
    lookup: (key: string) =>
      Effect.gen(function* () {
        const config = yield* configOf(configs, key)
        const [, name = ""] = key.split("\n")
        const { cluster, world } = yield* RcMap.get(clusters, clusterKey(config))
        const home = homeOf(config, name)
        const storage = Context.merge(world, yield* Layer.build(DaemonLock.layer.pipe(Layer.provide(files))))
        yield* lockAgent(home, (message) => tellers.get(key)?.(message) ?? Effect.void).pipe(
          Effect.provideContext(storage)
        )
        const listeners = makeListeners()
        const store = yield* Layer.build(storeLayer(home))
        const open = new Set(yield* forgetOld.pipe(Effect.provideContext(store)))
        const isUnheard = (runId: string): boolean => open.has(runId) && !listeners.wasAttached(runId)
        const context = yield* Layer.build(
          Runs.layer.pipe(
            Layer.provide(backendsOf(cluster.backend, isUnheard)),
            Layer.provide(Layer.succeedContext(store)),
            Layer.provide(Layer.succeed(RunListener, listeners.listener)),
            Layer.provide(files),
            Layer.provideMerge(Layer.succeedContext(world))
          )
        )
        const runs = Context.get(context, Runs)
        yield* runs.open.pipe(Effect.provideContext(context))
        return { runs, attach: listeners.attach }
      }),
    idleTimeToLive: AGENT_IDLE
  })

  /** What could not be had is asked for anew the next time. */
  const get = <A>(map: RcMap.RcMap<string, A, ClusterUnusable>, key: string) =>
    Effect.tapError(RcMap.get(map, key), () => RcMap.invalidate(map, key))

  const cluster: Clusters["cluster"] = Effect.fnUntraced(function* (config) {
    const key = clusterKey(config)
    configs.set(key, config)
    return (yield* get(clusters, key)).cluster
  })

  const result: Clusters = {
    hasRecord: (config, agent, runId) =>
      Effect.flatMap(RunStore, ({ has }) => has(runId)).pipe(
        Effect.provide(storeLayer(homeOf(config, nameOf(agent)))),
        // What cannot be read may say so.
        Effect.orElseSucceed(() => true)
      ),
    cluster,
    agent: Effect.fnUntraced(function* (config, agent, told) {
      const shared = yield* cluster(config)
      const settings = yield* shared.settingsOf(config)
      shared.use(agent, settings, agent.name)
      const key = `${clusterKey(config)}\n${nameOf(agent)}\n${config.stateDirectory}`
      configs.set(key, config)
      tellers.set(key, told)
      const own = yield* Effect.ensuring(
        get(agents, key),
        Effect.sync(() => tellers.delete(key))
      )
      return { ...own, cluster: shared, settings }
    })
  }
  return result
})

const configOf = (configs: ReadonlyMap<string, AdapterConfig>, key: string) =>
  Effect.fromNullishOr(configs.get(key)).pipe(
    Effect.mapError(() => new ClusterUnusable({ message: "a cluster that nobody has named" }))
  )
