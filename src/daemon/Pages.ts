/** The pages of this machine: how a browser gets in, the files it is given, and what it is told while it looks. */
import { Effect, type FileSystem, type Path, Redacted, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { catalogue } from "../../machines/index.ts"
import type { Status } from "../domain/index.ts"
import {
  eventResponse,
  HttpFailure,
  makePageFiles,
  makeTickets,
  newSession,
  sessionCookie,
  setSession,
  Shown,
  TICKET_SECONDS,
  wantsHtml
} from "../http/index.ts"
import { type CurrentState, Journal, type JournalEntry } from "../statechart/index.ts"
import { notices } from "./PageText.ts"

/** What the pages need of the API that they are part of. */
export interface PageOptions {
  readonly token: Redacted.Redacted<string>
  /** The port that the API really has; waits until it listens. */
  readonly port: Effect.Effect<number>
  readonly status: Effect.Effect<Status>
  /** Completes when the API closes: a stream would hold the process until its client leaves. */
  readonly closing: Effect.Effect<unknown>
  /** The folder of the built pages. */
  readonly folder: Effect.Effect<string, { readonly message: string }, FileSystem.FileSystem | Path.Path>
}

/** The routes of the pages, and the page itself for routes of others. Nothing is read or compressed before somebody looks. */
export const pageRoutes = Effect.fnUntraced(function* ({ closing, folder, port, status, token }: PageOptions) {
  const tickets = yield* makeTickets
  const file = yield* makePageFiles(folder)
  const page = file("app.html", "text/html; charset=utf-8")

  /** To a person's browser the page, to a program these data. */
  const orPage = Effect.fnUntraced(function* <E, R>(data: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    return wantsHtml(headers.accept) ? yield* page : yield* data
  })

  const routes = [
    HttpRouter.route(
      "POST",
      "/open",
      Effect.gen(function* () {
        if ((yield* Shown) !== "token") return yield* Effect.fail(tokenNeeded())
        const ticket = yield* tickets.issue
        const url = `http://127.0.0.1:${yield* port}/open?ticket=${Redacted.value(ticket)}`
        return HttpServerResponse.jsonUnsafe({ url, expires_in_seconds: TICKET_SECONDS }, { status: 201 })
      })
    ),
    HttpRouter.route(
      "GET",
      "/open",
      Effect.gen(function* () {
        const { method, url } = yield* HttpServerRequest.HttpServerRequest
        const ticket = URL.parse(url, "http://127.0.0.1")?.searchParams.get("ticket") ?? ""
        // Whoever only asks what would be there does not use the ticket up.
        if (method === "HEAD") return notices.welcome
        if (!(yield* tickets.redeem(Redacted.make(ticket)))) return notices.ticketGone
        return setSession(notices.welcome, sessionCookie(yield* port), yield* newSession(token))
      })
    ),
    HttpRouter.route("GET", "/", page),
    HttpRouter.route("GET", "/chat", page),
    HttpRouter.route(
      "GET",
      "/machines",
      orPage(
        Effect.gen(function* () {
          const journal = yield* Journal
          return HttpServerResponse.jsonUnsafe({ machines: machinesOf(yield* journal.states) })
        })
      )
    ),
    HttpRouter.route(
      "GET",
      "/machines/events",
      Effect.map(Journal, (journal) => events(journal, status, closing))
    ),
    ...catalogue.map(({ id }) =>
      HttpRouter.route("GET", `/machines/${id}.svg`, file(`machines/${id}.svg`, "image/svg+xml", PICTURE_HEADERS))
    ),
    HttpRouter.route("GET", "/machines/coverage.json", file("machines/coverage.json", "application/json")),
    HttpRouter.route("GET", "/openapi.json", file("openapi.json", "application/json")),
    HttpRouter.route("GET", "/docs", file("docs.html", "text/html; charset=utf-8")),
    HttpRouter.route("GET", "/web/app.js", file("app.js", "text/javascript; charset=utf-8")),
    HttpRouter.route("GET", "/web/app.css", file("app.css", "text/css; charset=utf-8"))
  ] as const
  return { routes, orPage }
})

/** A picture that is opened by itself: its own style, and nothing else. */
const PICTURE_HEADERS = { "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox" }

/** First everything until now, then each transition as it happens. */
const events = (journal: Journal["Service"], status: Effect.Effect<Status>, closing: Effect.Effect<unknown>) =>
  eventResponse(
    Stream.unwrap(
      Effect.gen(function* () {
        const { pid, started_at, version } = (yield* status).daemon
        const { entries, live, states } = yield* journal.follow
        const hello = { version, pid, started_at, machines: machinesOf(states), entries: entries.map(entryOf) }
        return Stream.concat(
          Stream.make({ event: "hello", data: hello }),
          Stream.map(live, (entry) => ({ event: "transition", data: entryOf(entry) }))
        )
      })
    ),
    closing
  )

const machinesOf = (states: ReadonlyArray<CurrentState>) =>
  catalogue.map(({ document, id, title }) => ({
    id,
    title,
    document,
    states: states
      .filter(({ machine }) => machine === id)
      .map(({ instance, state, visible }) => ({ instance, state, visible }))
  }))

const entryOf = (entry: JournalEntry) => ({ ...entry, transitions: entry.transitions() })

const tokenNeeded = () =>
  new HttpFailure({
    status: 403,
    error: "token_needed",
    detail: "A link for a browser is made for whoever has the token itself: run `holdfast open`."
  })
