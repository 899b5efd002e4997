/** What the doctor says of the daemon and of whom it talks to: central, its clock, a cluster. */
import { Clock, DateTime, Effect, FileSystem, Layer, Option, Result, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { checkShape, Home, RUNS_PLUGIN, routeUrl } from "../domain/index.ts"
import { doubtful, fine, type Finding, skipped, wrong } from "./DoctorFinding.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { loadControl } from "./LocalServices.ts"
import { plain } from "./Output.ts"
import { machineStatus } from "./Status.ts"
import { readFleet } from "./StoppedFleet.ts"

/** The daemon of this home, by what it says of itself. */
export const checkDaemon = Effect.gen(function* () {
  const live = yield* findDaemon
  const status = yield* machineStatus
  const troubles = status.diagnostics
    .filter(({ severity }) => severity !== "info")
    .map(({ message, repair, severity }) =>
      (severity === "error" ? wrong : doubtful)("daemon", plain(message), ...repair.map(plain))
    )
  if (Option.isSome(live)) {
    return [...(troubles.length > 0 ? troubles : [fine("daemon", `runs (pid ${live.value.pid})`)])]
  }
  if (troubles.length > 0) return troubles
  return [skipped("daemon", "does not run, and this machine has not joined a fleet. Start it: holdfast daemon")]
}).pipe(Effect.catch(({ message }) => Effect.succeed([wrong("daemon", message)])))

/** The central that the next start would ask, with the credentials left at home, and the clock by its answer. */
export const checkCentral = Effect.gen(function* () {
  const { knownJoin } = yield* Effect.promise(() => import("./JoinKnown.ts"))
  const joined = yield* Effect.provide(knownJoin, yield* loadControl)
  const url = Option.getOrNull(joined)?.url ?? null
  if (url === null) {
    return [
      skipped("central", "this machine has not joined a fleet"),
      skipped("clock", "there is no central to compare it with")
    ]
  }
  const { trustJoinedAuthorities } = yield* Effect.promise(() => import("../config/index.ts"))
  yield* Effect.provide(trustJoinedAuthorities, yield* loadControl)
  const { CentralHttp } = yield* Effect.promise(() => import("../central/index.ts"))
  const answer = yield* CentralHttp.use((http) =>
    http.request({ method: "GET", url: routeUrl(url, "/v1/config") })
  ).pipe(Effect.provide(CentralHttp.layer.pipe(Layer.provide(FetchHttpClient.layer))), Effect.result)
  if (Result.isFailure(answer)) {
    return [
      wrong("central", plain(answer.failure.message)),
      skipped("clock", "central did not answer, so there is nothing to compare it with")
    ]
  }
  const { headers, status } = answer.success
  return [centralFinding(url, status), clockFinding(headers["date"], yield* Clock.currentTimeMillis)]
}).pipe(Effect.catch(({ message }) => Effect.succeed([wrong("central", message)])))

/** Without a credential a central refuses: whoever answers otherwise is none, or one that cannot answer now. */
const centralFinding = (url: string, status: number): Finding => {
  if (status === 401) return fine("central", `${url} answers`)
  return status >= 500 || status === 429
    ? doubtful("central", `${url} answers HTTP ${status}`, "Look at its log; the daemon asks again by itself.")
    : wrong(
        "central",
        `${url} answers HTTP ${status}, as no central does`,
        "Check the URL, and its path: holdfast join URL"
      )
}

/** Seconds by which a clock may be off: credentials and certificates have margins of minutes. */
const CLOCK_DOUBTFUL_S = 30
const CLOCK_WRONG_S = 300

const clockFinding = (date: string | undefined, now: number): Finding => {
  const told = Option.map(DateTime.make(date ?? ""), DateTime.toEpochMillis)
  if (Option.isNone(told)) return skipped("clock", "central did not say what time it is")
  const seconds = Math.round((now - told.value) / 1_000)
  const off = `it is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} central's`
  if (Math.abs(seconds) < CLOCK_DOUBTFUL_S) return fine("clock", off)
  const repair = "Have it set by the network (timedatectl set-ntp true), or set central's if that is the wrong one."
  return (Math.abs(seconds) < CLOCK_WRONG_S ? doubtful : wrong)("clock", off, repair)
}

const RunsSettings = Schema.Struct({ kubernetes: Schema.optionalKey(Schema.Unknown) })

/** The cluster that the running document, or the user's own, names for runs. */
export const checkCluster = Effect.gen(function* () {
  const settings = yield* clusterSettings
  if (settings === undefined) return [skipped("cluster", "no configuration here names a cluster for runs")]
  const { loadKubernetes } = yield* Effect.promise(() => import("../runs/index.ts"))
  const { KubernetesClient, missingRights, readKubernetesSettings } = yield* loadKubernetes
  const read = yield* readKubernetesSettings(settings)
  return yield* Effect.gen(function* () {
    const client = yield* KubernetesClient
    const missing = yield* missingRights(client)
    return missing.length === 0
      ? [fine("cluster", `its API answers and allows what is needed in ${client.namespace}`)]
      : [
          wrong(
            "cluster",
            `not allowed in the namespace ${client.namespace}: ${missing.join(", ")}`,
            "Give the daemon's account the Role of examples/kubernetes/rbac.yaml, in that namespace."
          )
        ]
  }).pipe(
    Effect.provide(KubernetesClient.layer(read)),
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () =>
        Effect.succeed([wrong("cluster", "its API does not answer within 20 s", "Check kubeconfig and the network.")])
    })
  )
}).pipe(
  Effect.catch(({ message }) =>
    Effect.succeed([wrong("cluster", plain(message), "Check kubeconfig, the network, and that the API server runs.")])
  )
)

/** Of the first that names one: what central says, then the user's own. */
const clusterSettings = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { localConfig } = yield* Home
  const { document } = yield* readFleet
  const local = yield* Effect.option(fs.readFile(localConfig))
  for (const bytes of [document, Option.getOrUndefined(local)]) {
    if (bytes === undefined) continue
    const shape = Option.getOrUndefined(Result.getSuccess(checkShape(bytes)))
    const entry = shape?.plugins?.find(({ name }) => name === RUNS_PLUGIN)
    const named = Option.getOrUndefined(Schema.decodeUnknownOption(RunsSettings)(entry?.config))?.kubernetes
    if (named !== undefined) return named
  }
  return undefined
})
