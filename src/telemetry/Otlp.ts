/** The exporters of OTLP over HTTP with JSON, kept from doing harm: to secrets, to memory, and to whoever waits. */
import { Clock, Duration, Effect, Layer, Predicate, Redacted, Schedule, Stream } from "effect"
import { Hex } from "effect/encoding"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { OtlpLogger, OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import type { ExportOptions } from "./Export.ts"
import type { OtlpSettings } from "./OtlpSettings.ts"

/** One request and its whole answer, ms. */
export const OTLP_DEADLINE_MS = 10_000
/** How long the end of the process waits for what is left, ms. */
export const OTLP_SHUTDOWN_MS = 800

/** A collector has nothing to say that is longer. */
const ANSWER_MAX_BYTES = 65_536
/** Batches wait in memory for as long as the collector asks: not for ever. */
const RETRY_AFTER_MAX_S = 30
/** A collector that comes and goes is not worth a line each time, ms. */
const QUIET_MS = 600_000
/** How often it is looked whether this machine has an identity meanwhile. */
const IDENTITY_LOOK = Duration.millis(200)
const TOO_LATE = `does not answer within ${OTLP_DEADLINE_MS / 1_000} s`

/** Everything that OTLP needs of effect, from settings that were checked. */
export const otlpLayer = (settings: OtlpSettings, options: ExportOptions) => {
  const { attributes, intervals, urls } = settings
  const { "service.name": serviceName, ...others } = attributes
  const common = {
    headers: undefined,
    shutdownTimeout: OTLP_SHUTDOWN_MS,
    resource: { serviceName, serviceVersion: options.version, attributes: others }
  }
  const { logs, metrics, traces } = urls
  const exporters = Layer.mergeAll(
    logs === undefined
      ? Layer.empty
      : OtlpLogger.layer({ ...common, url: logs, exportInterval: intervals.logs, excludeLogSpans: true }),
    metrics === undefined
      ? Layer.empty
      : OtlpMetrics.layer({ ...common, url: metrics, exportInterval: intervals.metrics }),
    traces === undefined ? Layer.empty : OtlpTracer.layer({ ...common, url: traces, exportInterval: intervals.traces })
  )
  return exporters.pipe(Layer.provide(Layer.mergeAll(bounded(settings), serialization(settings, options))))
}

/** A client that knows the collector: credentials, bounds, and one word when it fails. */
const bounded = ({ headers }: OtlpSettings) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      /** What does not get through, and when that was last said. */
      const failing = new Set<string>()
      let said = -Infinity
      let outstanding = false
      const say = (origin: string, signal: string, problem: string | null) =>
        Effect.suspend(() => {
          if (problem === null) {
            failing.delete(signal)
            if (!outstanding || failing.size > 0) return Effect.void
            outstanding = false
            return Effect.logInfo(`the OTLP collector at ${origin} takes what it is sent again`)
          }
          failing.add(signal)
          const now = clock.currentTimeMillisUnsafe()
          if (outstanding || now - said < QUIET_MS) return Effect.void
          said = now
          outstanding = true
          return Effect.logWarning(
            `the OTLP collector at ${origin} ${problem}. What cannot be sent is dropped; everything else goes on.`
          )
        })
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      return HttpClient.make((request, { origin, pathname }) =>
        client.execute(HttpClientRequest.setHeaders(request, Redacted.value(headers))).pipe(
          Effect.flatMap((response) => Effect.as(drained(response), withoutBody(request, response))),
          Effect.scoped,
          // A redirect is an answer that is no success: credentials stay with whom they were meant for.
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
          Effect.timeoutOrElse({
            duration: Duration.millis(OTLP_DEADLINE_MS),
            orElse: () => Effect.fail(tooLate(request))
          }),
          Effect.tap(({ status }) =>
            say(
              origin,
              pathname,
              status >= 200 && status < 300 ? null : `answers ${status} to ${request.method} ${pathname}`
            )
          ),
          Effect.tapError((error) => say(origin, pathname, problemOf(error)))
        )
      )
    })
  )

const tooLate = (request: HttpClientRequest.HttpClientRequest) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, description: TOO_LATE })
  })

/** Reads what the collector says, to its end or its bound, and keeps nothing of it. */
const drained = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.suspend(() => {
    let size = 0
    return Stream.runForEachWhile(response.stream, (chunk) =>
      Effect.sync(() => {
        size += chunk.length
        return size <= ANSWER_MAX_BYTES
      })
    )
  })

const withoutBody = (
  request: HttpClientRequest.HttpClientRequest,
  { headers, status }: HttpClientResponse.HttpClientResponse
): HttpClientResponse.HttpClientResponse => {
  const asked = Number(headers["retry-after"] ?? Number.NaN)
  const wait = asked >= 0 && asked <= RETRY_AFTER_MAX_S ? asked : RETRY_AFTER_MAX_S
  const kept = headers["retry-after"] === undefined ? {} : { "retry-after": String(wait) }
  return HttpClientResponse.fromWeb(request, new Response(null, { status, headers: kept }))
}

const problemOf = ({ reason }: HttpClientError.HttpClientError): string =>
  "description" in reason && reason.description === TOO_LATE
    ? TOO_LATE
    : `cannot be reached (${codeOf(reason) ?? "the connection failed"})`

/** The code of the system's error below: its message may repeat what was sent. */
const codeOf = (error: unknown): string | undefined => {
  let at: unknown = error
  for (let depth = 0; depth < 6 && Predicate.isObject(at); depth++) {
    if (Predicate.hasProperty(at, "code") && Predicate.isString(at.code)) return at.code
    at = Predicate.hasProperty(at, "reason") && Predicate.isObject(at.reason) ? at.reason : Reflect.get(at, "cause")
  }
  return undefined
}

type Resource = Parameters<
  OtlpSerialization.OtlpSerialization["Service"]["traces"]
>[0]["resourceSpans"][number]["resource"]
type Attribute = Resource["attributes"][number]

/** JSON, with the name of this instance, and without what may carry a secret. */
const serialization = ({ attributes }: OtlpSettings, { gatewayId }: ExportOptions) =>
  Layer.effect(
    OtlpSerialization.OtlpSerialization,
    Effect.gen(function* () {
      const json = yield* OtlpSerialization.OtlpSerialization
      // Until this machine has joined a fleet it has no name but one of chance.
      let instance = attributes["service.instance.id"] ?? Hex.random(32)
      if (attributes["service.instance.id"] === undefined) {
        yield* gatewayId.pipe(
          Effect.map((id) => {
            if (id !== null) instance = id
            return id !== null
          }),
          Effect.repeat({ schedule: Schedule.spaced(IDENTITY_LOOK), until: (known) => known }),
          Effect.forkScoped
        )
      }
      const named = (resource: Resource): Resource => ({
        ...resource,
        attributes: [
          ...resource.attributes.filter(({ key }) => key !== "service.instance.id"),
          { key: "service.instance.id", value: { stringValue: instance } }
        ]
      })
      return OtlpSerialization.OtlpSerialization.of({
        logs: ({ resourceLogs }) =>
          json.logs({
            resourceLogs: resourceLogs.map((one) =>
              one.resource === undefined ? one : { ...one, resource: named(one.resource) }
            )
          }),
        metrics: ({ resourceMetrics }) =>
          json.metrics({ resourceMetrics: resourceMetrics.map((one) => ({ ...one, resource: named(one.resource) })) }),
        traces: ({ resourceSpans }) =>
          json.traces({
            resourceSpans: resourceSpans.map((one) => ({
              ...one,
              resource: named(one.resource),
              scopeSpans: one.scopeSpans.map((scope) => ({
                ...scope,
                spans: scope.spans.map((span) => ({ ...span, attributes: span.attributes.flatMap(harmless) }))
              }))
            }))
          })
      })
    })
  ).pipe(Layer.provide(OtlpSerialization.layerJson))

/** Headers and queries carry tokens, cookies and one-time links; paths and status codes are enough to follow a request. */
const harmless = (attribute: Attribute): ReadonlyArray<Attribute> => {
  const { key, value } = attribute
  if (key === "url.query" || /^http\.(request|response)\.header\./.test(key)) return []
  if (key !== "url.full" && key !== "url.path") return [attribute]
  return [{ key, value: { stringValue: (value.stringValue ?? "").replace(/[?#].*$/s, "") } }]
}
