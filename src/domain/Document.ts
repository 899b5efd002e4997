import { Option, Predicate, Redacted, Result, Schema, SchemaIssue } from "effect"
import { CENTRAL_PLUGIN, isCentralPlugin } from "./Bundled.ts"
import { parseBaseUrl } from "./CentralProtocol.ts"
import { distinct, nearest, pointerOf, type Problem } from "./Problem.ts"
import { parseStrictJson } from "./StrictJson.ts"

/** Largest document that is served or applied, in bytes. */
export const MAX_DOCUMENT_BYTES = 1_048_576

/** Interval between polls of a central sink that names none, in seconds. */
export const DEFAULT_POLL_SECONDS = 300

const Name = Schema.NonEmptyString
const Settings = Schema.Record(Schema.String, Schema.Unknown)

/** An entry of `plugins`. `version` and `artifact_hash` are pins. */
export const PluginEntry = Schema.Struct({
  name: Name,
  enabled: Schema.optionalKey(Schema.Boolean),
  config: Schema.optionalKey(Settings),
  version: Schema.optionalKey(Name),
  artifact_hash: Schema.optionalKey(Name),
  source: Schema.optionalKey(Name)
})
export type PluginEntry = typeof PluginEntry.Type

/** An entry of `sinks`: either `plugin`, or `writer` with `destination` (foreign documents); the shape check says which. */
export const SinkEntry = Schema.Struct({
  plugin: Schema.optionalKey(Name),
  writer: Schema.optionalKey(Name),
  destination: Schema.optionalKey(Name),
  config: Schema.optionalKey(Settings)
})
export type SinkEntry = typeof SinkEntry.Type

/** A configuration document, version 2. */
export const ConfigDocument = Schema.Struct({
  version: Schema.Literal(2),
  plugins: Schema.optionalKey(Schema.Array(PluginEntry)),
  sinks: Schema.optionalKey(Schema.Record(Name, SinkEntry)),
  disambiguate: Schema.optionalKey(Schema.Unknown),
  query: Schema.optionalKey(Schema.Unknown)
})
export type ConfigDocument = typeof ConfigDocument.Type

/** A sink that is a line to central. */
export interface CentralSink {
  /** Its key under `sinks`. */
  readonly instance: string
  readonly plugin: string
  /** Base URL as written. */
  readonly url: string
  /** The policy token, if the document carries one. */
  readonly token: Option.Option<Redacted.Redacted<string>>
  readonly pollSeconds: number
}

/** Settings of a central sink. */
export const CentralSettings = Schema.Struct({
  url: Schema.NonEmptyString,
  identity: Schema.Struct({ bootstrap_token: Schema.optionalKey(Name) }),
  poll_interval_seconds: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 5, maximum: 3600 })))
})

const decodeDocument = Schema.decodeUnknownResult(ConfigDocument)
const decodeCentral = Schema.decodeUnknownResult(CentralSettings)
const STRICT = { errors: "all", onExcessProperty: "error" } as const
const LENIENT = { errors: "all" } as const

/**
 * The shape check: pure, on the bytes alone. Returns the document, or **every** problem in document order of kinds. The
 * size is not its matter, nor whether plugins exist.
 */
export const checkShape = (bytes: Uint8Array | string): Result.Result<ConfigDocument, ReadonlyArray<Problem>> => {
  const parsed = parseStrictJson(bytes)
  if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
  const value = parsed.success
  if (!Predicate.isObject(value)) {
    return Result.fail([{ pointer: "", message: `must be a JSON object, not ${kindOf(value)}` }])
  }
  const decoded = decodeDocument(value, STRICT)
  const sinks = recordOf(Reflect.get(value, "sinks"))
  const problems = distinct([
    ...(Result.isFailure(decoded) ? problemsOf(decoded.failure.issue, value, []) : []),
    ...Object.entries(sinks).flatMap(([instance, sink]) => sinkProblems(instance, sink))
  ])
  return Result.isSuccess(decoded) && problems.length === 0 ? Result.succeed(decoded.success) : Result.fail(problems)
}

/** Every sink named `<scope>/central` that has `url` and `identity`: of this client and of foreign ones. */
export const centralSinks = (document: ConfigDocument): ReadonlyArray<CentralSink> =>
  Object.entries(document.sinks ?? {}).flatMap(([instance, { config, plugin }]) => {
    if (plugin === undefined || !isCentralPlugin(plugin)) return []
    const settings = decodeCentral(config, LENIENT)
    if (Result.isFailure(settings)) return []
    const { identity, poll_interval_seconds, url } = settings.success
    const token = Option.map(Option.fromUndefinedOr(identity.bootstrap_token), (secret) => Redacted.make(secret))
    return [{ instance, plugin, url, token, pollSeconds: poll_interval_seconds ?? DEFAULT_POLL_SECONDS }]
  })

/** The central sink that this daemon runs: the first whose plugin is the bundled one. */
export const centralSink = (document: ConfigDocument): Option.Option<CentralSink> =>
  Option.fromUndefinedOr(centralSinks(document).find(({ plugin }) => plugin === CENTRAL_PLUGIN))

/** Probation window W of a document in milliseconds: three poll intervals, at least 120 s; 300 s without a central sink. */
export const probationWindowMs = (document: ConfigDocument): number =>
  Option.match(centralSink(document), {
    onNone: () => 300_000,
    onSome: ({ pollSeconds }) => Math.max(3 * pollSeconds, 120) * 1000
  })

/** The same document without the `bootstrap_token` of any central sink; fails as the shape check does. */
export const withoutToken = (bytes: Uint8Array | string): Result.Result<Uint8Array, ReadonlyArray<Problem>> =>
  Result.map(checkShape(bytes), (document) => {
    const centrals = new Set(centralSinks(document).map(({ instance }) => instance))
    const sinks = Object.entries(document.sinks ?? {}).map(([instance, sink]) => [
      instance,
      centrals.has(instance) ? { ...sink, config: withoutKey(sink.config) } : sink
    ])
    return encode(document.sinks === undefined ? document : { ...document, sinks: Object.fromEntries(sinks) })
  })

/** The joining document: one central sink with the policy token. Write it to 0600 files only. */
export const seedDocument = (url: string, token: Redacted.Redacted<string>): Uint8Array =>
  encode(centralDocument(url, { bootstrap_token: Redacted.value(token) }))

/** A document whose one sink is the line to the central at `url`, without a token. */
export const bareDocument = (url: string): Uint8Array => encode(centralDocument(url, {}))

const centralDocument = (url: string, identity: { readonly bootstrap_token?: string }): ConfigDocument => ({
  version: 2,
  sinks: { central: { plugin: CENTRAL_PLUGIN, config: { url, identity } } }
})

const withoutKey = (config: SinkEntry["config"]) => {
  const { bootstrap_token: _, ...identity } = recordOf(config?.identity)
  return { ...config, identity }
}

const encode = (document: ConfigDocument): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`)

const sinkProblems = (instance: string, sink: unknown): ReadonlyArray<Problem> => {
  if (!Predicate.isObject(sink)) return []
  const { config, destination, plugin, writer } = recordOf(sink)
  const path = ["sinks", instance]
  const problems: Array<Problem> = []
  const foreign = writer !== undefined || destination !== undefined
  if (plugin === undefined && !foreign) {
    problems.push({
      pointer: pointerOf(path),
      message: "names no plugin: give it `plugin`, or `writer` and `destination`"
    })
  } else if (plugin !== undefined && foreign) {
    problems.push({
      pointer: pointerOf(path),
      message: "has both `plugin` and `writer`/`destination`: keep one of the two"
    })
  } else if (plugin === undefined && (writer === undefined || destination === undefined)) {
    const missing = writer === undefined ? "writer" : "destination"
    problems.push({
      pointer: pointerOf(path),
      message: `lacks \`${missing}\`: \`writer\` and \`destination\` go together`
    })
  }
  return Predicate.isString(plugin) ? [...problems, ...centralProblems([...path, "config"], plugin, config)] : problems
}

/** A foreign client's central plugin may know settings of its own, and may be something else: then it is left alone. */
const centralProblems = (path: ReadonlyArray<string>, plugin: string, config: unknown): ReadonlyArray<Problem> => {
  const settings = recordOf(config)
  const own = plugin === CENTRAL_PLUGIN
  if (!own && !(isCentralPlugin(plugin) && "url" in settings && "identity" in settings)) return []
  if (config === undefined) {
    return [{ pointer: pointerOf(path), message: "is missing: a central sink needs `url` and `identity`" }]
  }
  const decoded = decodeCentral(config, own ? STRICT : LENIENT)
  const problems = Result.isFailure(decoded) ? problemsOf(decoded.failure.issue, config, path) : []
  const url = Predicate.isString(settings.url) && settings.url !== "" ? parseBaseUrl(settings.url) : undefined
  return url !== undefined && Result.isFailure(url)
    ? [...problems, { pointer: pointerOf([...path, "url"]), message: url.failure.message }]
    : problems
}

const KNOWN_KEYS: ReadonlyArray<readonly [where: RegExp, keys: ReadonlyArray<string>]> = [
  [/^\/plugins\/\d+$/, Object.keys(PluginEntry.fields)],
  [/^\/sinks\/[^/]*$/, Object.keys(SinkEntry.fields)],
  [/^\/sinks\/[^/]*\/config$/, Object.keys(CentralSettings.fields)],
  [/^\/sinks\/[^/]*\/config\/identity$/, Object.keys(CentralSettings.fields.identity.fields)],
  [/^$/, Object.keys(ConfigDocument.fields)]
]

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

const problemsOf = (issue: SchemaIssue.Issue, root: unknown, prefix: ReadonlyArray<string>): ReadonlyArray<Problem> =>
  formatIssue(issue).issues.map(({ message, path = [] }) => {
    const keys = path.map((segment) => (typeof segment === "object" ? segment.key : segment))
    const full = [...prefix, ...keys]
    return { pointer: pointerOf(full), message: explain(message, full, valueAt(root, keys)) }
  })

const explain = (message: string, path: ReadonlyArray<PropertyKey>, found: unknown): string => {
  const key = String(path.at(-1) ?? "")
  if (message === "Missing key") return "is required"
  if (message === "Expected no excess property") {
    const known = KNOWN_KEYS.find(([where]) => where.test(pointerOf(path.slice(0, -1))))?.[1] ?? []
    const meant = nearest(key, known)
    return meant === undefined
      ? `is not a known key (known: ${known.join(", ")})`
      : `is not a known key: did you mean \`${meant}\`?`
  }
  if (path.length === 1 && key === "version") return "must be exactly 2"
  if (key === "poll_interval_seconds") return "must be a whole number from 5 to 3600"
  if (found === "") return "must not be empty"
  const expected = message.replace(/^Expected /, "")
  return `must be ${PLAIN_WORDS[expected] ?? expected}, not ${kindOf(found)}`
}

const PLAIN_WORDS: Record<string, string> = {
  array: "a list",
  object: "an object",
  string: "a string",
  boolean: "true or false"
}

const valueAt = (root: unknown, keys: ReadonlyArray<PropertyKey>): unknown =>
  keys.reduce<unknown>((value, key) => (Predicate.isObjectOrArray(value) ? Reflect.get(value, key) : undefined), root)

const recordOf = (value: unknown): Record<string, unknown> =>
  Predicate.isObject(value) ? Object.fromEntries(Object.entries(value)) : {}

const kindOf = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "a list"
      : Predicate.isObject(value)
        ? "an object"
        : `a ${typeof value}`
