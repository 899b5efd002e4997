/**
 * Whether the host wants the end of a run: by its signal where it has one, else by the state that its API shows.
 *
 * @ref LLP 0021#cancel [implements]
 */
import type { AdapterExecutionContext } from "@paperclipai/adapter-utils"
import { Config, Effect, Option, Redacted, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { makeOutgoing } from "../http/index.ts"

const POLL_EVERY = "5 seconds"
/** States of a run that its host has given up; any other, and no answer, says nothing. */
const UNWANTED: ReadonlySet<string> = new Set(["cancelled", "cancelling"])

/** Of the host's `GET /api/heartbeat-runs/<id>`. */
const HostRun = Schema.fromJsonString(Schema.Struct({ status: Schema.String }))

type Execution = Pick<AdapterExecutionContext, "authToken" | "onCancellationReady" | "runId" | "signal">

const aborted = (signal: AbortSignal): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const tell = (): void => resume(Effect.void)
    if (signal.aborted) return tell()
    signal.addEventListener("abort", tell, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", tell))
  })

/** The host's own API as its own process reaches it. */
const apiHere = Effect.gen(function* () {
  for (const name of ["PAPERCLIP_API_URL", "PAPERCLIP_RUNTIME_API_URL"]) {
    const url = yield* Effect.option(Config.NonEmptyString(name))
    if (Option.isSome(url)) return url.value
  }
  for (const name of ["PAPERCLIP_LISTEN_PORT", "PORT"]) {
    const port = yield* Effect.option(Config.Port(name))
    if (Option.isSome(port)) return `http://localhost:${port.value}`
  }
  return "http://localhost:3100"
})

const givenUp = ({ authToken, runId }: Execution) =>
  Effect.gen(function* () {
    const base = yield* apiHere
    const ask = yield* makeOutgoing({
      peer: "Paperclip",
      remedy: "Set PAPERCLIP_API_URL to where it is.",
      maxBytes: 4_194_304,
      deadlineMs: 10_000
    })
    const look = ask({
      method: "GET",
      url: `${base.replace(/\/+$/, "")}/api/heartbeat-runs/${encodeURIComponent(runId)}`,
      ...(authToken === undefined ? {} : { authorization: Redacted.make(`Bearer ${authToken}`) })
    }).pipe(
      Effect.flatMap(({ body }) => Schema.decodeUnknownEffect(HostRun)(new TextDecoder().decode(body ?? undefined))),
      Effect.map(({ status }) => UNWANTED.has(status)),
      Effect.catch((error) => Effect.as(Effect.logDebug(error.message), false))
    )
    yield* Effect.repeat(Effect.delay(look, POLL_EVERY), { until: (unwanted) => unwanted })
  }).pipe(Effect.provide(FetchHttpClient.layer), Effect.asVoid)

/** Completes when the host wants the end of the run, and never otherwise. */
export const unwanted = (execution: Execution): Effect.Effect<void> => {
  const { onCancellationReady, signal } = execution
  if (signal === undefined) return givenUp(execution)
  // A signal that nobody agreed upon may be one that never comes.
  return onCancellationReady === undefined ? Effect.raceFirst(aborted(signal), givenUp(execution)) : aborted(signal)
}
