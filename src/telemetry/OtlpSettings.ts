/** What the environment says about export over OTLP, in the variables of OpenTelemetry. */
import { Config, Effect, Redacted, Schema } from "effect"

/** The kinds of data that are exported. */
export const SIGNALS = ["logs", "metrics", "traces"] as const
export type Signal = (typeof SIGNALS)[number]

/** Where everything goes, and what is said of its source. */
export interface OtlpSettings {
  /** The URL of each signal that is exported. */
  readonly urls: Readonly<Partial<Record<Signal, string>>>
  /** Sent with every request: these are credentials. */
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  /** Attributes of the resource, `service.name` among them. */
  readonly attributes: Readonly<Record<string, string>>
  /** How often each signal is sent, ms. */
  readonly intervals: Readonly<Record<Signal, number>>
}

/** What was found: null when nothing is to be exported; and what could not be used, in words that show no value. */
export interface FoundSettings {
  readonly settings: OtlpSettings | null
  readonly problems: ReadonlyArray<string>
}

const ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
const HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
const ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
const PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
const NOTHING = "Nothing is exported."

const INTERVALS = {
  logs: ["OTEL_BLRP_SCHEDULE_DELAY", 1_000],
  metrics: ["OTEL_METRIC_EXPORT_INTERVAL", 60_000],
  traces: ["OTEL_BSP_SCHEDULE_DELAY", 5_000]
} as const

/** Empty means unset, as OpenTelemetry has it. */
const text = (name: string) => Config.withDefault(Config.String(name), "").pipe(Config.map((value) => value.trim()))

const HeaderName = Schema.String.check(Schema.isPattern(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/))
// Printable ASCII: whatever else there is, `fetch` refuses in an error that repeats it.
const HeaderValue = Schema.StringFromUriComponent.check(Schema.isPattern(/^[\t\x20-\x7e]*$/))
const Pairs = Schema.Record(Schema.String.check(Schema.isNonEmpty()), Schema.StringFromUriComponent)
const HeaderPairs = Schema.Record(HeaderName, HeaderValue)

/** `key=value` pairs between commas, values percent-encoded. */
const pairsOf = (list: string): unknown =>
  Object.fromEntries(
    list
      .split(",")
      .filter((pair) => pair.trim() !== "")
      .map((pair) => {
        const [name = "", ...rest] = pair.split("=")
        // A pair without `=` has no value, which no schema here takes.
        return [name.trim(), rest.length === 0 ? null : rest.join("=").trim()]
      })
  )

const Milliseconds = Schema.NumberFromString.check(Schema.isBetween({ minimum: 100, maximum: 3_600_000 }))

/** Whether OTLP is wanted at all: all that a daemon without it reads. */
export const otlpWanted: Effect.Effect<boolean, Config.ConfigError> = Effect.gen(function* () {
  if ((yield* text(ENDPOINT)) === "") return false
  return (yield* text("OTEL_SDK_DISABLED")).toLowerCase() !== "true"
})

/** Reads everything else. */
export const otlpSettings: Effect.Effect<FoundSettings, Config.ConfigError> = Effect.gen(function* () {
  const problems: Array<string> = []
  const endpoint = URL.parse(yield* text(ENDPOINT))
  if (endpoint === null || !/^https?:$/.test(endpoint.protocol) || endpoint.username + endpoint.password !== "") {
    const problem = `${ENDPOINT} must be an http or https URL without user name and password. Correct it, or unset it. ${NOTHING}`
    return { settings: null, problems: [problem] }
  }
  const headers = Schema.decodeUnknownOption(HeaderPairs)(pairsOf(yield* text(HEADERS)))
  if (headers._tag === "None") {
    const problem = `${HEADERS} must be name=value pairs between commas, values percent-encoded. Correct it, or unset it. ${NOTHING}`
    return { settings: null, problems: [problem] }
  }
  const attributes = Schema.decodeUnknownOption(Pairs)(pairsOf(yield* text(ATTRIBUTES)))
  if (attributes._tag === "None") {
    problems.push(`${ATTRIBUTES} must be key=value pairs between commas, values percent-encoded. It is left out.`)
  }
  const protocol = yield* text(PROTOCOL)
  if (protocol !== "" && protocol !== "http/json") {
    problems.push(`${PROTOCOL} asks for another protocol than http/json, the only one here. http/json is used.`)
  }
  const urls: Partial<Record<Signal, string>> = {}
  const intervals = { logs: 0, metrics: 0, traces: 0 }
  for (const signal of SIGNALS) {
    const [variable, unset] = INTERVALS[signal]
    const interval = Schema.decodeUnknownOption(Milliseconds)((yield* text(variable)) || String(unset))
    if (interval._tag === "None") problems.push(`${variable} must be milliseconds, 100 to 3600000. ${unset} is used.`)
    intervals[signal] = interval._tag === "Some" ? interval.value : unset
    if ((yield* text(`OTEL_${signal.toUpperCase()}_EXPORTER`)).toLowerCase() === "none") continue
    const url = new URL(endpoint)
    url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/${signal}`
    urls[signal] = url.href
  }
  const name = yield* text("OTEL_SERVICE_NAME")
  const settings: OtlpSettings = {
    urls,
    headers: Redacted.make(headers.value, { label: HEADERS }),
    attributes: {
      "service.name": "holdfast",
      ...(attributes._tag === "Some" ? attributes.value : {}),
      ...(name === "" ? {} : { "service.name": name })
    },
    intervals
  }
  return { settings, problems }
})
