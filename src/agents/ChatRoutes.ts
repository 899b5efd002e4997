/** Chat, agents, version and health: the routes that a daemon and a fetch handler have in common. */
import { Cause, Effect, Queue, Result, Schema, Stream } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import type { Agents, ModelAccount, NoModelAccess } from "../domain/index.ts"
import { eventResponse, HttpFailure, readJson, type ServerEvent, Shown } from "../http/index.ts"
import { type Chat, NOBODY } from "./Chat.ts"
import { logOf } from "./ChatCall.ts"
import { rosterHealth } from "./ChatHealth.ts"
import { type ChatRequest, chatRequest } from "./ChatRequest.ts"
import type { AskFailure } from "./ModelClient.ts"

/** Events that wait for a client that reads slowly; then the model waits. */
const EVENTS_MAX = 64

/** What whoever has these routes says of itself. */
export interface HostHealth {
  readonly status: "ok" | "unauthenticated" | "degraded"
  /** What stands in the long form besides version, agents and quarantined. */
  readonly shown: Readonly<Record<string, unknown>>
}

export interface ChatRouteOptions<R> {
  readonly agents: Agents["Service"]
  readonly chat: Chat["Service"]
  readonly account: ModelAccount["Service"]
  readonly version: string
  readonly health: Effect.Effect<HostHealth, never, R>
  /** Completes when the API closes: a stream would hold the process until its client leaves. */
  readonly closing: Effect.Effect<unknown>
}

/** What needs no token: the version, and the short health. */
export const isOpenToAll = (method: string, path: string): boolean =>
  (method === "GET" || method === "HEAD") && (path === "/version" || path === "/health")

/** What was not asked for properly, or by nobody who is signed in, has a status; what comes later is an event `error`. */
export const chatRoutes = <R>({ account, agents, chat, closing, health, version }: ChatRouteOptions<R>) =>
  [
    HttpRouter.route("GET", "/version", Effect.succeed(HttpServerResponse.jsonUnsafe({ version }))),
    HttpRouter.route(
      "GET",
      "/health",
      Effect.gen(function* () {
        const { shown, status } = yield* health
        if ((yield* Shown) === "none") return HttpServerResponse.jsonUnsafe({ status, version })
        return HttpServerResponse.jsonUnsafe({ status, version, ...shown, ...rosterHealth(yield* agents.known) })
      })
    ),
    HttpRouter.route(
      "GET",
      "/agents",
      Effect.map(agents.roster, ({ quarantined, tools }) =>
        HttpServerResponse.jsonUnsafe({ agents: tools, quarantined })
      )
    ),
    HttpRouter.route(
      "POST",
      "/agents/:file/packages",
      Effect.gen(function* () {
        const { file = "" } = yield* HttpRouter.params
        const reason = yield* agents.install(file)
        if (reason === null) return yield* NOTHING_INSTALLABLE
        return HttpServerResponse.jsonUnsafe({ file, reason }, { status: 202 })
      })
    ),
    HttpRouter.route(
      "POST",
      "/chat",
      Effect.gen(function* () {
        const request = yield* asked
        return yield* Effect.andThen(account.credential, chat.turn(request, NOBODY)).pipe(
          Effect.map(({ reply }) => HttpServerResponse.jsonUnsafe(reply)),
          Effect.catchTag("NoModelAccess", (failure) =>
            Effect.succeed(HttpServerResponse.jsonUnsafe(noAccess(failure)))
          ),
          Effect.mapError(refusal),
          Effect.raceFirst(Effect.andThen(closing, Effect.fail(ENDS)))
        )
      })
    ),
    HttpRouter.route(
      "POST",
      "/chat/stream",
      Effect.gen(function* () {
        const request = yield* asked
        const events = yield* account.credential.pipe(
          Effect.as(turnEvents(chat, request)),
          Effect.catchTag("NoModelAccess", (failure) =>
            Effect.succeed(Stream.succeed<ServerEvent>({ event: "error", data: noAccess(failure) }))
          ),
          Effect.mapError(refusal)
        )
        return eventResponse(events, closing)
      })
    )
  ] as const

const asked = Effect.flatMap(readJson(Schema.Unknown), (body) => Effect.fromResult(chatRequest(body)))

/** `delta`, `agent`, then `done` or `error`. A client that leaves ends the turn with the stream. */
const turnEvents = (chat: Chat["Service"], request: ChatRequest): Stream.Stream<ServerEvent> =>
  Stream.callback<ServerEvent>(
    (queue) => {
      const tell = (event: string, data: unknown) => Queue.offer(queue, { event, data })
      return chat
        .turn(request, {
          onText: (text) => tell("delta", { text }),
          onRound: (calls) => tell("agent", { logs: logOf(calls), calls })
        })
        .pipe(
          Effect.matchCauseEffect({
            onSuccess: ({ reply, streamed }) => tell("done", { ...reply, streamed }),
            onFailure: (cause) =>
              Cause.hasInterruptsOnly(cause)
                ? Effect.interrupt
                : Effect.flatMap(lastWords(cause), (data) => tell("error", data))
          }),
          Effect.andThen(Queue.end(queue))
        )
    },
    { bufferSize: EVENTS_MAX, strategy: "suspend" }
  )

const lastWords = Effect.fnUntraced(function* (cause: Cause.Cause<AskFailure>) {
  const failure = Result.getOrUndefined(Cause.findError(cause))
  if (failure === undefined) {
    yield* Effect.logError("a chat failed", cause)
    return { error: "internal_error", detail: "The server failed to answer this request; its log says why." }
  }
  if (failure._tag === "NoModelAccess") return noAccess(failure)
  const { detail, error } = refusal(failure)
  return { error, detail }
})

const NOTHING_INSTALLABLE = new HttpFailure({
  status: 409,
  error: "nothing_installable",
  detail: "Nothing is to be installed for this file, or not by a click: GET /agents says why it cannot be used."
})

const ENDS = new HttpFailure({
  status: 503,
  error: "not_running",
  detail: "The daemon ends, and this answer with it: ask again as soon as it runs."
})

/** As clients of this family of programs know it. */
const noAccess = ({ username }: NoModelAccess) => ({
  error: `NO_COPILOT_ACCESS:${username ?? "this account"}`,
  no_copilot_access: true,
  copilot_username: username
})

const refusal = (failure: Exclude<AskFailure, NoModelAccess>): HttpFailure => {
  const detail = failure.message
  switch (failure._tag) {
    case "NotSignedIn":
      return new HttpFailure({ status: 401, error: "not_signed_in", detail })
    case "ProviderUnavailable":
      return new HttpFailure({ status: 503, error: "provider_unavailable", detail })
    case "ModelFailed":
      return new HttpFailure({
        status: failure.code === "model_rate_limited" ? 429 : 502,
        error: failure.code,
        detail,
        ...(failure.retryAfterSeconds === null ? {} : { headers: { "retry-after": String(failure.retryAfterSeconds) } })
      })
  }
}
