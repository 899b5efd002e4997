/** A simulated central: what it serves, to whom it speaks, and the documents that it has. */
import { Effect, Layer, Redacted } from "effect"
import { CentralHttp, CentralUnreachable } from "../../src/central/index.ts"
import { HASHES, type PluginVersion, sourceOf, WEATHER } from "./Plugins.ts"

export const MAIN_URL = "https://main.example"
export const OTHER_URL = "https://other.example"
/** Nobody answers here. */
export const DEAD_URL = "https://dead.example"

/** The policy tokens of the two fleets; nowhere on a disk after the first promotion. */
export const TOKENS: Readonly<Record<string, string>> = {
  [MAIN_URL]: "policy-token-of-main",
  [OTHER_URL]: "policy-token-of-other"
}

/** G: good. B: its line to central leads nowhere. X: its plugin ends the process. */
export const REVISIONS = ["G1", "G2", "G9", "B1", "X1"] as const
export type Revision = (typeof REVISIONS)[number]

/**
 * Revisions with the plugin `weather`, or (N) with no plugin at all. P: good. U: good, and names neither version nor
 * source. X: its plugin ends the process. R: refused after its plugin was installed, for it names one that nobody has.
 */
export const PLUGIN_REVISIONS = ["P1", "P2", "P9", "U2", "X2", "R2", "N1"] as const
export type PluginRevision = (typeof PLUGIN_REVISIONS)[number]

/** The revision that liveness is measured by. */
export const NEXT_GOOD: Revision = "G9"
/** The same where plugins are installed. */
export const NEXT_WITH_PLUGIN: PluginRevision = "P9"

/** Longer than a sector, so that a torn write shows. */
const FILLER = "0123456789abcdef".repeat(50)

const sink = (url: string) => ({
  plugin: "@holdfast/central",
  config: { url, identity: {}, poll_interval_seconds: 5 }
})

/** The bytes of a revision as the central of `url` serves them. */
export const documentOf = (revision: string, url: string): string =>
  JSON.stringify({
    version: 2,
    plugins: pluginsOf(revision),
    sinks: { central: sink(revision.startsWith("B") ? DEAD_URL : url) }
  })

const pluginsOf = (revision: string): ReadonlyArray<object> => {
  const config = { revision, filler: FILLER }
  const pinned = (version: PluginVersion) => ({ name: WEATHER, version, source: sourceOf(version), config })
  switch (revision) {
    case "P1":
      return [{ ...pinned("1.0.0"), artifact_hash: HASHES["1.0.0"] }]
    case "P2":
      return [{ ...pinned("2.0.0"), artifact_hash: HASHES["2.0.0"] }]
    case "P9":
      return [pinned("1.0.0")]
    case "X2":
      return [pinned("2.0.0")]
    case "R2":
      return [pinned("2.0.0"), { name: "nobody" }]
    case "U2":
      return [{ name: WEATHER, config }]
    case "N1":
      return []
    default:
      return [{ name: "plain", config }]
  }
}

/**
 * The version of `weather` that a revision runs with wherever it runs; undefined: it has none. U2 is served only while
 * an operator's 2.0.0 is installed.
 */
export const versionRunBy = (revision: string): PluginVersion | undefined => RUN_WITH[revision]

const RUN_WITH: Readonly<Record<string, PluginVersion>> = {
  P1: "1.0.0",
  P2: "2.0.0",
  P9: "1.0.0",
  R2: "2.0.0",
  U2: "2.0.0",
  X2: "2.0.0"
}

export const etagOf = (revision: string, url: string): string => `"${revision}-${new URL(url).hostname}"`
export const revisionOf = (etag: string): string => etag.slice(1, 3)

/** What central answers with, and what it remembers. */
export interface Central {
  /** The revision that it serves; null: none is registered. */
  serving: Revision | PluginRevision | null
  /** Credentials handed out so far; a new one each time. */
  issued: number
  /** The next poll is answered 401, once. */
  refuses: boolean
}

const jwtOf = (url: string, serial: number): string => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
  return `${part({ alg: "none" })}.${part({ sub: `gateway-of-${new URL(url).hostname}`, serial })}.signature`
}

/** As good as a signature: whatever differs in one bit was not written here. */
const isOurs = (url: string, jwt: string): boolean => {
  try {
    return jwtOf(url, serialOf(jwt)) === jwt
  } catch {
    return false
  }
}

const json = (status: number, body: unknown) => ({
  status,
  headers: {},
  body: new TextEncoder().encode(JSON.stringify(body))
})

/** The transport of a machine whose network leads to this central. */
export const layerCentral = (central: () => Central, wall: () => number): Layer.Layer<CentralHttp> =>
  Layer.succeed(
    CentralHttp,
    CentralHttp.of({
      request: ({ bearer, headers, json: body, url }) =>
        Effect.suspend(() => {
          const { origin, pathname } = new URL(url)
          const token = TOKENS[origin]
          if (token === undefined) return Effect.fail(new CentralUnreachable({ message: `${origin} does not answer` }))
          const known = central()
          if (
            pathname !== "/v1/identity/bootstrap" &&
            (bearer === undefined || !isOurs(origin, Redacted.value(bearer)))
          ) {
            return Effect.succeed(json(401, { error: "no credential of this central" }))
          }
          switch (pathname) {
            case "/v1/identity/bootstrap":
              if ((body as { readonly bootstrap_token?: string }).bootstrap_token !== token) {
                return Effect.succeed(json(401, { error: "unknown token" }))
              }
              return Effect.succeed(identity(known, origin, wall()))
            case "/v1/identity/refresh":
              return Effect.succeed(identity(known, origin, wall()))
            case "/v1/config":
              if (known.refuses) {
                known.refuses = false
                return Effect.succeed(json(401, { error: "the credential has expired" }))
              }
              return Effect.succeed(answer(known, origin, headers?.["if-none-match"]))
            default:
              return Effect.succeed(json(404, { error: "no such route" }))
          }
        })
    })
  )

const DAY_S = 86_400

const identity = (central: Central, url: string, wall: number) =>
  json(200, { jwt: jwtOf(url, ++central.issued), expires_at: Math.floor(wall / 1_000) + 30 * DAY_S })

const answer = (central: Central, url: string, known: string | undefined) => {
  if (central.serving === null) return json(404, { error: "no configuration" })
  const etag = etagOf(central.serving, url)
  if (known === etag) return { status: 304, headers: {}, body: new Uint8Array(0) }
  return {
    status: 200,
    headers: { etag },
    body: new TextEncoder().encode(documentOf(central.serving, url))
  }
}

/** The serial number of a credential of this central. */
export const serialOf = (jwt: string): number => {
  const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as { readonly serial: number }
  return claims.serial
}
