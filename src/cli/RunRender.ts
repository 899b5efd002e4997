/** The Kubernetes Job of a run, made and checked as the backend does, and sent nowhere. */
import { Effect, Schema } from "effect"
import type { RunRequest } from "../domain/index.ts"
import { Refused, UsageError } from "./Failures.ts"

/** A `v1` List of the Job, and of its Secret before it. */
export const renderedJob = Effect.fnUntraced(function* (request: RunRequest, settingsText: string) {
  const { loadKubernetes, workFor } = yield* Effect.promise(() => import("../runs/index.ts"))
  const { readKubernetesSettings, renderJob } = yield* loadKubernetes
  const { runId } = request
  if (runId === undefined) return yield* new UsageError({ message: "A Job is named after its run: --id ID." })
  const input = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))(settingsText).pipe(
    Effect.mapError(() => new Refused({ message: "The settings are not JSON." }))
  )
  const settings = yield* Effect.mapError(readKubernetesSettings(input), ({ message }) => new Refused({ message }))
  const claim = settings.pvc
  if (claim === undefined) {
    return yield* new Refused({ message: "Without a cluster nobody can look for the volume: name it in `pvc`." })
  }
  const { cwd: _cwd, ...rest } = request
  const { job, secret } = yield* Effect.mapError(
    renderJob({ work: workFor({ ...rest, runId }), settings, claim, facts: {} }),
    ({ message }) => new Refused({ message })
  )
  return { apiVersion: "v1", kind: "List", items: secret === null ? [job] : [secret, job] }
})
