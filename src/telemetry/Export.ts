/** Export over OTLP, for who asks for it: its code is not even loaded for anybody else. */
import { Effect, Layer, References } from "effect"
import { HttpClient } from "effect/http"
import { otlpSettings, otlpWanted } from "./OtlpSettings.ts"

/** What is said of this process besides what the environment says. */
export interface ExportOptions {
  readonly version: string
  /** Null while this machine has no identity. */
  readonly gatewayId: Effect.Effect<string | null>
}

/**
 * Traces, metrics and logs to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names. Never fails: a setting that cannot
 * be used is a warning, and a collector that cannot be used one line in the log.
 *
 * @ref LLP 0014#export-over-otlp [implements]: variables, bounds, and what is kept back
 */
export const exportLayer = (options: ExportOptions): Layer.Layer<never, never, HttpClient.HttpClient> =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (!(yield* otlpWanted)) return untraced
      const { problems, settings } = yield* otlpSettings
      for (const problem of problems) yield* Effect.logWarning(problem)
      if (settings === null) return untraced
      const { otlpLayer } = yield* Effect.promise(() => import("./Otlp.ts"))
      const exporters = otlpLayer(settings, options)
      return settings.urls.traces === undefined
        ? Layer.merge(exporters, untraced)
        : Layer.merge(exporters, Layer.succeed(References.TracerEnabled, true))
    }).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logWarning(`the settings of OpenTelemetry cannot be read: ${error.message}`), untraced)
      )
    )
  )

// Without spans there is no trace to name: the headers would carry the words of a span that is none.
const untraced = Layer.succeed(HttpClient.TracerPropagationEnabled, false)
