/** How an admin's browser gets in, and the files of the page that it is given. */
import { Effect, type FileSystem, type Path, Redacted } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Version } from "../domain/index.ts"
import { makeNotices, makePageFiles, makeSignedTickets, newSession, sessionCookie, setSession } from "../http/index.ts"
import { Database } from "./Database.ts"

/** What the pages need of the server that they are part of. */
export interface CentralPageOptions {
  /** The admin token: sessions and tickets are signed with it. */
  readonly token: Redacted.Redacted<string>
  /** The port that the server really has. */
  readonly port: number
  /** Browsers speak TLS with this server, or with the proxy before it. */
  readonly secure: boolean
  /** The folder of the built pages. */
  readonly folder: Effect.Effect<string, { readonly message: string }, FileSystem.FileSystem | Path.Path>
  /** What needs an admin. */
  readonly warnings: Effect.Effect<ReadonlyArray<string>>
}

/** The words for who comes without a session, or for one. */
export const notices = makeNotices({
  place: "the fleet",
  command: "holdfast central open --data DIR",
  who: "the user that runs central"
})

/** Requests that need no token. */
export const isOpen = (method: string, path: string): boolean =>
  (method === "GET" || method === "HEAD") && ["/version", "/health", "/open"].includes(path)

/** The page, the way in, and what everybody may know. */
export const centralPages = Effect.fnUntraced(function* (options: CentralPageOptions) {
  const { folder, port, secure, token, warnings } = options
  const redeem = yield* makeSignedTickets(token)
  const file = yield* makePageFiles(folder)
  const database = yield* Database
  const version = yield* Version

  const open = Effect.gen(function* () {
    const { method, url } = yield* HttpServerRequest.HttpServerRequest
    const ticket = URL.parse(url, "http://central")?.searchParams.get("ticket") ?? ""
    // Whoever only asks what would be there does not use the ticket up.
    if (method === "HEAD") return notices.welcome
    if (!(yield* redeem(Redacted.make(ticket)))) return notices.ticketGone
    return setSession(notices.welcome, sessionCookie(port), yield* newSession(token), { secure })
  })

  const health = Effect.gen(function* () {
    const isSound = yield* Effect.match(database.version, { onFailure: () => false, onSuccess: () => true })
    const status = isSound && (yield* warnings).length === 0 ? "ok" : "degraded"
    return HttpServerResponse.jsonUnsafe({ status, version })
  })

  return [
    HttpRouter.route("GET", "/version", Effect.succeed(HttpServerResponse.jsonUnsafe({ version }))),
    HttpRouter.route("GET", "/health", health),
    HttpRouter.route("GET", "/open", open),
    HttpRouter.route("GET", "/", file("fleet.html", "text/html; charset=utf-8")),
    HttpRouter.route("GET", "/web/fleet.js", file("fleet.js", "text/javascript; charset=utf-8")),
    HttpRouter.route("GET", "/web/fleet.css", file("fleet.css", "text/css; charset=utf-8"))
  ] as const
})
