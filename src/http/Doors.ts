/** What a request must show before any handler sees it: a known host, an own origin, the token or a session. */
import { ByteSize, Context, Effect, Option, Redacted, Result } from "effect"
import { type Headers, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { isLoopbackHost } from "../domain/index.ts"
import { MAX_BODY_BYTES } from "./Body.ts"
import { equalSecrets } from "./ConstantTime.ts"
import { HttpFailure } from "./HttpFailure.ts"
import { isSession } from "./Session.ts"

/** What a request has shown: the token itself, a session that was made for a browser, or nothing. */
export type Credential = "token" | "session" | "none"

/** What this request has shown: lets an open route say more to those who may know more. */
export const Shown = Context.Reference<Credential>("holdfast/http/Shown", { defaultValue: () => "none" })

/** What a server asks of requests. */
export interface DoorOptions {
  /** Bearer token of this server. */
  readonly token: Redacted.Redacted<string>
  /** Host names, without port, that are this server's besides the loopback ones. */
  readonly knownHosts: ReadonlyArray<string>
  /** The origin under which browsers know this server, where that is not what `Host` says: behind a proxy. */
  readonly origin?: string | undefined
  /** Requests that need no token (they still pass the other doors); the path is without query. */
  readonly isOpen: (method: string, path: string) => boolean
  /** The cookie in which a browser brings its session; without one, only the token counts. */
  readonly cookie?: string
}

/**
 * Puts the doors in front of `app`. A foreign `Host` (DNS rebinding) answers 403 `host_not_allowed`; a foreign `Origin` or
 * a cross-site fetch on anything that writes, and with a session on anything at all, 403 `origin_not_allowed`; neither the
 * token nor a session 401 `unauthorized`.
 */
export const withDoors = (options: DoorOptions) => {
  const known = new Set(options.knownHosts.map((host) => host.toLowerCase()))
  return <E, R>(
    app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E | HttpFailure, R | HttpServerRequest.HttpServerRequest> =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const { headers, method, url } = request
      const host = hostOf(headers.host)
      if (host === undefined || !(isLoopbackHost(host.hostname) || known.has(host.hostname)))
        return yield* foreignHost()
      const writes = method !== "GET" && method !== "HEAD"
      if (writes && isForeign(headers, host, options.origin)) return yield* foreignOrigin()
      const shown = yield* credentialOf(options, request)
      // A browser sends a cookie along with what any page makes it ask for, so it counts for our own pages only.
      if (shown === "session" && !(isOwn(headers, host, options.origin) || (!writes && isNavigation(headers)))) {
        return yield* foreignOrigin()
      }
      return yield* admit(app, shown, options.isOpen(method, pathOf(url)))
    })
}

/**
 * The one door of a host that is no daemon: the token, null where the host lets nobody else in. Names of hosts and
 * origins are that host's matter, for there is no cookie that a page could use.
 */
export const withToken =
  ({ isOpen, token }: { readonly token: Redacted.Redacted<string> | null } & Pick<DoorOptions, "isOpen">) =>
  <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const shown = token === null ? "token" : yield* credentialOf({ token }, request)
      return yield* admit(app, shown, isOpen(request.method, pathOf(request.url)))
    })

const admit = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  shown: Credential,
  isOpen: boolean
) =>
  shown === "none" && !isOpen
    ? Effect.fail(unauthorized())
    : app.pipe(
        Effect.provideService(Shown, shown),
        Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.bytes(MAX_BODY_BYTES))
      )

const pathOf = (url: string): string => url.split("?", 1)[0] ?? url

/** The token of an `Authorization: Bearer …` header. */
export const bearerToken = (header: string | undefined): Option.Option<Redacted.Redacted<string>> =>
  Option.map(Option.fromNullishOr(/^Bearer +(\S+)$/i.exec(header ?? "")?.[1]), (token) => Redacted.make(token))

const credentialOf = Effect.fnUntraced(function* (
  { cookie, token }: Pick<DoorOptions, "cookie" | "token">,
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<Credential> {
  const bearer = bearerToken(request.headers.authorization)
  if (Option.isSome(bearer) && (yield* equalSecrets(bearer.value, token))) return "token"
  const session = cookie === undefined ? undefined : request.cookies[cookie]
  return session !== undefined && (yield* isSession(token, Redacted.make(session))) ? "session" : "none"
})

const hostOf = (header: string | undefined): URL | undefined =>
  header === undefined || /[/?#@\\\s]/.test(header)
    ? undefined
    : Result.getOrUndefined(Result.try(() => new URL(`http://${header}`)))

// A page of another origin cannot make the browser leave these headers out; a program that is no browser sends neither.
const isForeign = ({ origin, "sec-fetch-site": site }: Headers.Headers, host: URL, own: string | undefined): boolean =>
  site === "cross-site" ||
  (origin !== undefined && ![`http://${host.host}`, `https://${host.host}`, own].includes(origin))

// Another server on this host is the same site to a browser, which then sends even a strict cookie.
const isOwn = (headers: Headers.Headers, host: URL, own: string | undefined): boolean =>
  !isForeign(headers, host, own) && headers["sec-fetch-site"] !== "same-site"

/** A person goes there: the answer is shown in their browser, and no page learns of it. */
const isNavigation = (headers: Headers.Headers): boolean => headers["sec-fetch-mode"] === "navigate"

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
    detail: "A page of another origin may do nothing here: use this server's own page, or a program."
  })

const unauthorized = () =>
  new HttpFailure({
    status: 401,
    error: "unauthorized",
    detail: "Send this server's token as `Authorization: Bearer …`.",
    headers: { "www-authenticate": "Bearer" }
  })
