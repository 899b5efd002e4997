/** What a request must show before any handler sees it: a known host, an own origin, the token. */
import { ByteSize, Context, Effect, Option, Redacted, Result } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { isLoopbackHost } from "../domain/index.ts"
import { MAX_BODY_BYTES } from "./Body.ts"
import { equalSecrets } from "./ConstantTime.ts"
import { HttpFailure } from "./HttpFailure.ts"

/** Whether the request carried the right token: lets an open route say more to those who have it. */
export const Authenticated = Context.Reference<boolean>("holdfast/http/Authenticated", { defaultValue: () => false })

/** What a server asks of requests. */
export interface DoorOptions {
  /** Bearer token of this server. */
  readonly token: Redacted.Redacted<string>
  /** Host names, without port, that are this server's besides the loopback ones. */
  readonly knownHosts: ReadonlyArray<string>
  /** Requests that need no token (they still pass the other doors); the path is without query. */
  readonly isOpen: (method: string, path: string) => boolean
}

/**
 * Puts the doors in front of `app`. A foreign `Host` (DNS rebinding) answers 403 `host_not_allowed`; a foreign `Origin` or
 * a cross-site fetch on anything that writes 403 `origin_not_allowed`; a missing or wrong token 401 `unauthorized`.
 */
export const withDoors = (options: DoorOptions) => {
  const known = new Set(options.knownHosts.map((host) => host.toLowerCase()))
  return <E, R>(
    app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E | HttpFailure, R | HttpServerRequest.HttpServerRequest> =>
    Effect.gen(function* () {
      const { headers, method, url } = yield* HttpServerRequest.HttpServerRequest
      const host = hostOf(headers.host)
      if (host === undefined || !(isLoopbackHost(host.hostname) || known.has(host.hostname)))
        return yield* foreignHost()
      const writes = method !== "GET" && method !== "HEAD"
      if (writes && isForeign(headers.origin, headers["sec-fetch-site"], host)) return yield* foreignOrigin()
      const given = bearerToken(headers.authorization)
      const authenticated = Option.isSome(given) && (yield* equalSecrets(given.value, options.token))
      const path = url.split("?", 1)[0] ?? url
      if (!authenticated && !options.isOpen(method, path)) return yield* unauthorized()
      return yield* app.pipe(
        Effect.provideService(Authenticated, authenticated),
        Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.bytes(MAX_BODY_BYTES))
      )
    })
}

/** The token of an `Authorization: Bearer …` header. */
export const bearerToken = (header: string | undefined): Option.Option<Redacted.Redacted<string>> =>
  Option.map(Option.fromNullishOr(/^Bearer +(\S+)$/i.exec(header ?? "")?.[1]), (token) => Redacted.make(token))

const hostOf = (header: string | undefined): URL | undefined =>
  header === undefined || /[/?#@\\\s]/.test(header)
    ? undefined
    : Result.getOrUndefined(Result.try(() => new URL(`http://${header}`)))

// A page of another origin cannot make the browser leave these headers out; a program that is no browser sends neither.
const isForeign = (origin: string | undefined, site: string | undefined, host: URL): boolean =>
  site === "cross-site" ||
  (origin !== undefined && origin !== `http://${host.host}` && origin !== `https://${host.host}`)

const foreignHost = () =>
  new HttpFailure({
    status: 403,
    error: "host_not_allowed",
    detail: "The Host header is not a name of this server: use the address that it prints at start."
  })

const foreignOrigin = () =>
  new HttpFailure({
    status: 403,
    error: "origin_not_allowed",
    detail: "A page of another origin may not change anything here: use this server's own page, or a program."
  })

const unauthorized = () =>
  new HttpFailure({
    status: 401,
    error: "unauthorized",
    detail: "Send this server's token as `Authorization: Bearer …`.",
    headers: { "www-authenticate": "Bearer" }
  })
