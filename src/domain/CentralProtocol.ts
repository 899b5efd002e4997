import { Predicate, Result, Schema } from "effect"
import { Base64Url } from "effect/encoding"

/** Body of `POST /v1/identity/bootstrap`. */
export const BootstrapRequest = Schema.Struct({ bootstrap_token: Schema.NonEmptyString })
export type BootstrapRequest = typeof BootstrapRequest.Type

/** Answer to bootstrap and refresh. `expires_at`: Unix seconds; a client treats an implausible one as unknown. */
export const IdentityResponse = Schema.Struct({ jwt: Schema.NonEmptyString, expires_at: Schema.Finite })
export type IdentityResponse = typeof IdentityResponse.Type

/** Body of every answer that is not 2xx: `error` in snake_case for programs, `detail` for people. */
export const ErrorBody = Schema.Struct({ error: Schema.String, detail: Schema.optionalKey(Schema.String) })
export type ErrorBody = typeof ErrorBody.Type

const Etag = Schema.NullOr(Schema.String)
const Reason = Schema.Struct({
  etag: Schema.String,
  reason: Schema.String,
  recorded_at: Schema.optionalKey(Schema.String),
  retry_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** How often it was found to be bad since it was last forgiven. */
  attempts: Schema.optionalKey(Schema.Finite)
})

/** What a gateway says about its configuration: `remote_config` of `status --json`. Times are ISO 8601. */
export const RemoteConfig = Schema.Struct({
  running_etag: Etag,
  running_digest: Schema.optionalKey(Schema.NullOr(Schema.String)),
  last_known_good: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ etag: Etag, slot: Schema.String, promoted_at: Schema.NullOr(Schema.String) }))
  ),
  probation: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        etag: Schema.String,
        applied_at: Schema.NullOr(Schema.String),
        remaining_seconds: Schema.Finite,
        attempts_left: Schema.Finite
      })
    )
  ),
  last_rollback: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        etag: Etag,
        reason: Schema.String,
        at: Schema.String,
        detail: Schema.optionalKey(Schema.String)
      })
    )
  ),
  bad_etag: Schema.optionalKey(Schema.NullOr(Reason)),
  quarantine: Schema.optionalKey(Schema.Array(Reason)),
  last_attempt: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        etag: Etag,
        verdict: Schema.String,
        reason: Schema.optionalKey(Schema.NullOr(Schema.String)),
        at: Schema.String,
        attempt: Schema.optionalKey(Schema.Finite)
      })
    )
  )
})
export type RemoteConfig = typeof RemoteConfig.Type

/** Body of `POST /v1/gateway/status`. */
export const StatusReport = Schema.Struct({
  remote_config: Schema.NullOr(RemoteConfig),
  version: Schema.optionalKey(Schema.String),
  platform: Schema.optionalKey(Schema.String),
  agents: Schema.optionalKey(Schema.Finite),
  runs: Schema.optionalKey(Schema.Finite)
})
export type StatusReport = typeof StatusReport.Type

/** Why a URL cannot be central's base URL. */
export class CentralUrlInvalid extends Schema.TaggedError<CentralUrlInvalid>()("CentralUrlInvalid", {
  message: Schema.String
}) {}

/** Whether a host name (as `URL.hostname` gives it, or with a port) is this machine and no other. */
export const isLoopbackHost = (host: string): boolean => {
  const name = host
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase()
    .replace(/\.$/, "")
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name)
}

/** Why a URL is no base URL. */
export type BaseUrlFault = "not_http" | "credentials" | "query"

/** Reads a base URL, of whatever service: http or https, a host, and neither credentials nor query nor fragment. */
export const readBaseUrl = (url: string): Result.Result<URL, BaseUrlFault> => {
  const parsed = Result.try(() => new URL(url))
  if (Result.isFailure(parsed) || !/^https?:\/\//i.test(url)) return Result.fail("not_http")
  if (parsed.success.username !== "" || parsed.success.password !== "") return Result.fail("credentials")
  return url.includes("?") || url.includes("#") ? Result.fail("query") : Result.succeed(parsed.success)
}

/** As {@link readBaseUrl}, of central. */
export const parseBaseUrl = (url: string): Result.Result<URL, CentralUrlInvalid> =>
  Result.orElse(readBaseUrl(url), (fault) => invalidUrl(FAULT_WORDS[fault]))

/** As {@link parseBaseUrl}, and https unless the host is loopback or `allowInsecureHttp` is set. */
export const checkCentralUrl = (
  url: string,
  options: { readonly allowInsecureHttp: boolean }
): Result.Result<URL, CentralUrlInvalid> =>
  Result.flatMap(parseBaseUrl(url), (parsed) =>
    parsed.protocol === "https:" || isLoopbackHost(parsed.hostname) || options.allowInsecureHttp
      ? Result.succeed(parsed)
      : invalidUrl(
          `uses http to ${parsed.host}, so the token would cross the network in the clear: use https, or ` +
            "--allow-insecure-http if that network is trusted"
        )
  )

/**
 * One spelling per central: scheme and host in lower case, default port and trailing slashes gone, path prefix kept.
 * A string that is no URL comes back as it is.
 */
export const normaliseUrl = (url: string): string =>
  Result.match(
    Result.try(() => new URL(url)),
    {
      onFailure: () => url,
      onSuccess: (parsed) => `${parsed.protocol}//${parsed.host}${parsed.pathname.replace(/\/+$/, "")}`
    }
  )

/** The address of a route under a base URL: `("https://h/x/", "/v1/config")` is `https://h/x/v1/config`. */
export const routeUrl = (base: string, route: `/${string}`): string => `${normaliseUrl(base)}${route}`

/** Longest `Retry-After` that is obeyed, in seconds. */
export const MAX_RETRY_AFTER_SECONDS = 3600

const DAY_NAMES = "Mon|Tue|Wed|Thu|Fri|Sat|Sun|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
const HTTP_DATE = new RegExp(`^(${DAY_NAMES}),? `)

/**
 * Seconds to wait by a `Retry-After` header: whole seconds or an HTTP date against the wall clock. Undefined for 0, the
 * past, and anything that is neither; at most {@link MAX_RETRY_AFTER_SECONDS}.
 */
export const parseRetryAfter = (value: string | undefined, wallNowMs: number): number | undefined => {
  const text = value?.trim() ?? ""
  const seconds = /^\d+$/.test(text)
    ? Number(text)
    : HTTP_DATE.test(text)
      ? Math.ceil((Date.parse(text) - wallNowMs) / 1000)
      : Number.NaN
  return seconds > 0 ? Math.min(seconds, MAX_RETRY_AFTER_SECONDS) : undefined
}

/** Why a string is no JWT. The message never quotes it. */
export class JwtMalformed extends Schema.TaggedError<JwtMalformed>()("JwtMalformed", { message: Schema.String }) {}

/** What a client may read in its JWT without being able to verify it. */
export interface JwtClaims {
  /** Gateway id; absent when it is missing, empty or no string. */
  readonly sub?: string
  /** Unix seconds; absent when it is no finite number. */
  readonly exp?: number
}

const decodePayload = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** Reads the payload of a JWT: three parts, the second a JSON object in base64url. The signature is not verified. */
export const readJwt = (jwt: string): Result.Result<JwtClaims, JwtMalformed> => {
  const parts = jwt.split(".")
  if (parts.length !== 3 || parts.some((part) => part === "")) {
    return Result.fail(new JwtMalformed({ message: `a JWT has three parts, this one has ${parts.length}` }))
  }
  const payload = Result.flatMap(Base64Url.decodeString(parts[1] ?? ""), decodePayload)
  if (Result.isFailure(payload)) {
    return Result.fail(new JwtMalformed({ message: "the payload of the JWT is not a JSON object in base64url" }))
  }
  const { exp, sub } = payload.success
  return Result.succeed({
    ...(Predicate.isString(sub) && sub !== "" ? { sub } : {}),
    ...(Number.isFinite(exp) && Predicate.isNumber(exp) ? { exp } : {})
  })
}

const FAULT_WORDS: Readonly<Record<BaseUrlFault, string>> = {
  not_http: "is not an http or https URL: write it like https://central.example.com",
  credentials: "holds a user name or password: leave them out, the policy token is the credential",
  query: "has a query or a fragment: a base URL is scheme, host and an optional path prefix"
}

const invalidUrl = (message: string): Result.Result<never, CentralUrlInvalid> =>
  Result.fail(new CentralUrlInvalid({ message: `The URL ${message}.` }))
