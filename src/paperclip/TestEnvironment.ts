/**
 * Whether runs can be run as things are: the cluster, the rights, the volume, the image, each with what to do about it.
 *
 * @ref LLP 0021#test-of-the-environment [implements]
 */
import type {
  AdapterEnvironmentCheck,
  AdapterEnvironmentTestContext,
  AdapterEnvironmentTestResult
} from "@paperclipai/adapter-utils"
import { Clock, Effect, FileSystem, Option, Result, type Scope } from "effect"
import { isoTime, type RunView } from "../domain/index.ts"
import { randomId } from "../http/index.ts"
import { loadKubernetes } from "../runs/index.ts"
import { type AdapterConfig, readAdapterConfig } from "./AdapterConfig.ts"
import { ADAPTER_TYPE, type Cluster, type Clusters } from "./Clusters.ts"
import type { Kubernetes } from "./HostPod.ts"
import { checkScript, missingOf, PROOF } from "./ImageCheck.ts"
import { hostApi } from "./PodEnvironment.ts"

/** A test is answered after so long, whatever hangs. */
const CLUSTER_PATIENCE = "20 seconds"
const IMAGE_PATIENCE = "90 seconds"
/** The agent whose runs the checks of images are. */
const TEST_AGENT = "environment-test"

type Check = AdapterEnvironmentCheck
type Client = Kubernetes["KubernetesClient"]["Service"]
type Settings = Parameters<Cluster["use"]>[1]

const fine = (code: string, message: string): Check => ({ code, level: "info", message })
const wrong = (code: string, message: string, hint: string): Check => ({ code, level: "error", message, hint })
const doubtful = (code: string, message: string, hint: string): Check => ({ code, level: "warn", message, hint })

const rights = Effect.fn("rights")(function* (client: Client) {
  const { namespace } = client
  const { missingRights } = yield* loadKubernetes
  const missing = yield* Effect.result(missingRights(client))
  if (Result.isFailure(missing)) {
    const { kind, message } = missing.failure
    return kind === "transient" || kind === "throttled"
      ? [wrong("k8s_unreachable", message, "Check kubeconfig, the network, and that the API server runs.")]
      : [doubtful("k8s_rights_unknown", message, "Whether the rights suffice will be seen with the first run.")]
  }
  if (missing.success.length === 0)
    return [fine("k8s_rights", `The API answers and allows what is needed in ${namespace}.`)]
  const list = missing.success.join(", ")
  return [
    wrong(
      "k8s_rights_missing",
      `Not allowed in the namespace ${namespace}: ${list}.`,
      "Give the host's service account the Role of examples/kubernetes/rbac.yaml, in that namespace."
    )
  ]
})

const volume = Effect.fn("volume")(function* ({ client }: Cluster, { pvc }: Settings) {
  if (pvc === undefined) return []
  const phase = yield* Effect.result(client.claimPhase(pvc.claim))
  const hint = "Name the claim that the host itself mounts, in the namespace of the runs."
  if (Result.isFailure(phase)) return [doubtful("k8s_pvc_unknown", phase.failure.message, hint)]
  return Option.match(phase.success, {
    onNone: () => [
      wrong("k8s_pvc_missing", `There is no volume claim ${pvc.claim} in the namespace ${client.namespace}.`, hint)
    ],
    onSome: (state) =>
      state === "Bound"
        ? [fine("k8s_pvc", `The volume claim ${pvc.claim} is bound.`)]
        : [
            wrong(
              "k8s_pvc_unbound",
              `The volume claim ${pvc.claim} is ${state}.`,
              "Look at its events: kubectl describe pvc."
            )
          ]
  })
})

/** A file is made and removed, for permissions of a volume are not always what they look like. */
const root = Effect.fn("root")(function* ({ root: directory }: AdapterConfig) {
  const fs = yield* FileSystem.FileSystem
  const probe = `${directory}/.holdfast-${yield* randomId(6)}`
  const tried = yield* fs
    .makeDirectory(directory, { recursive: true })
    .pipe(Effect.andThen(fs.writeFileString(probe, "")), Effect.andThen(fs.remove(probe)), Effect.result)
  return Result.isSuccess(tried)
    ? [fine("root_writable", `${directory} can be written.`)]
    : [
        wrong(
          "root_not_writable",
          `${directory} cannot be written: ${tried.failure.message}`,
          "Mount the shared volume there, writable for the host's user, or set root to where it is mounted."
        )
      ]
})

/** What the run of the image says. */
export const imageChecks = (view: RunView, image: string, program: string): ReadonlyArray<Check> => {
  const { exit_code: exitCode, message, output, verdict } = view
  if (verdict === "succeeded") {
    return output.end === "complete" && output.bytes === PROOF.length + 1
      ? [fine("image", `${image} has the tools and ${program}, and its output arrives through the volume.`)]
      : [
          wrong(
            "volume_not_shared",
            `${image} can be used, but what its pod wrote did not arrive here: ${message ?? "its output is not what it wrote"}`,
            "root (here) and podRoot (in pods) must be the same directory of the same volume."
          )
        ]
  }
  const missing = exitCode === null ? [] : missingOf(exitCode, program)
  return [
    missing.length > 0
      ? wrong(
          "image_incomplete",
          `${image} lacks ${missing.join(", ")}.`,
          "Take an image with a POSIX sh, coreutils (or busybox) and opencode in its PATH."
        )
      : wrong(
          "image_failed",
          `A Job of ${image} did not run: ${message ?? "no reason is known"}`,
          "Look at its events."
        )
  ]
}

const image = Effect.fn("image")(function* (
  config: AdapterConfig,
  clusters: Clusters,
  companyId: string,
  { settings }: { readonly settings: Settings }
) {
  const program = config.program ?? "opencode"
  const agent = { companyId, agentId: TEST_AGENT, name: TEST_AGENT }
  const runId = yield* randomId(12)
  const tried = yield* Effect.result(
    Effect.gen(function* () {
      const { attach, runs } = yield* clusters.agent(config, agent, () => Effect.void)
      const nobody = { take: () => Effect.void, takeErrors: () => Effect.void }
      yield* attach(runId, nobody)
      yield* runs.submit({
        companyId,
        agentId: TEST_AGENT,
        runId,
        prompt: "",
        command: {
          kind: "exec",
          argv: ["sh", "-c", checkScript, "sh", program]
        },
        env: {
          ...config.env,
          TMPDIR: "/tmp"
        },
        limits: { grace_seconds: 1 }
      })
      const view = yield* Effect.timeoutOption(runs.ended(runId), IMAGE_PATIENCE)
      if (Option.isNone(view)) yield* runs.cancel(runId)
      return view
    })
  )
  if (Result.isFailure(tried)) return [wrong("image_not_tried", tried.failure.message, "See above.")]
  return Option.match(tried.success, {
    onNone: () => [
      doubtful(
        "image_slow",
        `A Job of ${settings.image} did not end within ${IMAGE_PATIENCE}.`,
        "Its image may still be pulled, or no node has room for it: kubectl get pods shows why."
      )
    ],
    onSome: (view) => imageChecks(view, settings.image, program)
  })
})

const api = Effect.map(hostApi, (url) => {
  const host = url === undefined ? undefined : URL.parse(url)?.hostname
  const hint = "Set PAPERCLIP_API_URL of the host, or of the agent's env, to an address that pods reach."
  if (host === undefined) return [doubtful("api_url_unset", "Pods are not told where the host's API is.", hint)]
  return host === "localhost" || host.startsWith("127.") || host === "[::1]"
    ? [doubtful("api_url_loopback", `${url} leads pods to themselves.`, hint)]
    : [fine("api_url", `Pods are told that the host's API is at ${url}.`)]
})

const checks = Effect.fn("checks")(function* (
  ctx: Pick<AdapterEnvironmentTestContext, "companyId" | "config">,
  clusters: Clusters
): Effect.fn.Return<ReadonlyArray<Check>, never, FileSystem.FileSystem | Scope.Scope> {
  const read = yield* Effect.result(readAdapterConfig(ctx.config))
  if (Result.isFailure(read)) return [wrong("config_invalid", read.failure.message, "Correct the configuration.")]
  const config = read.success
  const opened = yield* Effect.result(
    Effect.gen(function* () {
      const cluster = yield* clusters.cluster(config)
      return { cluster, settings: yield* cluster.settingsOf(config) }
    }).pipe(Effect.timeoutOption(CLUSTER_PATIENCE))
  )
  if (Result.isFailure(opened)) return [wrong("config_unusable", opened.failure.message, "Correct the configuration.")]
  if (Option.isNone(opened.success)) {
    return [
      wrong(
        "k8s_unreachable",
        `The cluster did not answer within ${CLUSTER_PATIENCE}.`,
        "Check kubeconfig, the network, and that the API server runs."
      )
    ]
  }
  const { cluster, settings } = opened.success.value
  const found = [
    ...(yield* rights(cluster.client)),
    ...(yield* volume(cluster, settings)),
    ...(yield* root(config)),
    ...(config.env["PAPERCLIP_API_URL"] === undefined ? yield* api : [])
  ]
  if (found.some(({ level }) => level === "error")) return found
  return [...found, ...(yield* image(config, clusters, ctx.companyId, { settings }))]
}, Effect.scoped)

export const testEnvironment = Effect.fn("testEnvironment")(function* (
  ctx: Pick<AdapterEnvironmentTestContext, "companyId" | "config">,
  clusters: Clusters
) {
  const found = yield* checks(ctx, clusters)
  const result: AdapterEnvironmentTestResult = {
    adapterType: ADAPTER_TYPE,
    status: found.some(({ level }) => level === "error")
      ? "fail"
      : found.some(({ level }) => level === "warn")
        ? "warn"
        : "pass",
    checks: [...found],
    testedAt: isoTime(yield* Clock.currentTimeMillis)
  }
  return result
})
