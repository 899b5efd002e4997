/** A backend on a stand-in cluster, in a scratch directory. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Effect, Fiber, Layer, type Scope } from "effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { WorkEnd } from "../../../machines/index.ts"
import type { RunRequest } from "../../../src/domain/index.ts"
import type { Backend, Work } from "../../../src/runs/index.ts"
import {
  KubernetesBackend,
  KubernetesClient,
  type KubernetesOptions,
  readKubernetesSettings
} from "../../../src/runs/kubernetes/index.ts"
import { DurableFiles } from "../../../src/storage/index.ts"
import { KubernetesStandIn, type StandInOptions } from "./KubernetesStandIn.ts"

/** Where the pods see the volume. */
export const MOUNT = "/holdfast-shared"

export const requestOf = (changes: Partial<RunRequest> = {}): RunRequest => ({
  companyId: "acme",
  agentId: "writer",
  prompt: "hello",
  command: { kind: "exec", argv: ["cat"] },
  ...changes
})

/** A run of `sh -c script`. */
export const workOf = (runId: string, script: string, changes: Partial<RunRequest> = {}, limitSeconds = 0): Work => ({
  companyId: "acme",
  agentId: "writer",
  runId,
  request: requestOf(changes),
  argv: ["sh", "-c", script],
  graceSeconds: 1,
  limitSeconds
})

export interface Stage {
  readonly standIn: KubernetesStandIn
  readonly backend: Backend
  /** The volume as this machine sees it. */
  readonly root: string
  /** A backend of another process, on the same cluster. */
  readonly restarted: Effect.Effect<Backend, unknown, Scope.Scope>
  readonly log: (work: Work) => string
}

export interface StageOptions extends Partial<StandInOptions> {
  readonly settings?: Readonly<Record<string, unknown>>
  readonly factsOf?: KubernetesOptions["factsOf"]
  readonly owner?: string
}

/** Runs a test on a stage of its own. */
export const onStage = <A, E>(
  play: (stage: Stage) => Effect.Effect<A, E, Scope.Scope>,
  { factsOf, owner, settings = {}, ...options }: StageOptions = {}
): Promise<A> =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-kubernetes-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const standIn = yield* Effect.acquireRelease(
      Effect.promise(() => KubernetesStandIn.start({ directory: join(directory, "cluster"), ...options })),
      (cluster) => Effect.promise(() => cluster.close())
    )
    const root = join(directory, "volume")
    standIn.addClaim("shared", root)
    const build = Effect.gen(function* () {
      const written = {
        kubeconfig: standIn.kubeconfig,
        image: "stand-in/agent",
        pvc: { claim: "shared", mountPath: MOUNT },
        root,
        ...settings
      }
      const said = Object.entries(written).filter(([, value]) => value !== undefined)
      const read = yield* readKubernetesSettings(Object.fromEntries(said))
      const context = yield* Layer.build(
        KubernetesBackend.layer({
          settings: read,
          ...(factsOf === undefined ? {} : { factsOf }),
          ...(owner === undefined ? {} : { owner })
        }).pipe(
          Layer.provide(KubernetesClient.layer(read)),
          Layer.provide(DurableFiles.layer),
          Layer.provideMerge(NodeServices.layer)
        )
      )
      return yield* KubernetesBackend.pipe(Effect.provideContext(context))
    })
    const log = ({ agentId, companyId, runId }: Work) =>
      readFileSync(join(root, "run-logs", companyId, agentId, `${runId}.pod.ndjson`), "utf8")
    return yield* play({ standIn, backend: yield* build, root, restarted: build, log })
  }).pipe(
    Effect.scoped,
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HOSTNAME: "holdfast-0" }))),
    Effect.runPromise
  )

/** Prepares and starts; `ended` waits for its end. */
export const begin = Effect.fnUntraced(function* (backend: Backend, work: Work) {
  yield* backend.prepare(work)
  yield* backend.start(work)
  const fiber = yield* Effect.forkScoped(backend.watch(work, Effect.void))
  return { ended: Fiber.join(fiber), fiber }
})

/** From start to end. */
export const runToEnd = (backend: Backend, work: Work): Effect.Effect<WorkEnd, unknown, Scope.Scope> =>
  Effect.flatMap(begin(backend, work), ({ ended }) => ended)

/** Waits until something is so, 10 s at most. */
export const until = (what: string, isSo: () => boolean): Effect.Effect<void> =>
  Effect.sync(isSo).pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (so) => so }),
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.die(new Error(`not in time: ${what}`)) }),
    Effect.asVoid
  )

/** Whether it has ended, without waiting. */
export const settled = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() !== undefined
