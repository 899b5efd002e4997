/** What commands ask of a daemon that runs. */
import { Context, Duration, Effect, FileSystem, Layer, Option, Redacted, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import {
  ErrorBody,
  Home,
  isLoopbackHost,
  LockedPlugin,
  LoginCode,
  LoginResult,
  LoginStatus,
  type PluginRequest,
  type RunRequest,
  RunView,
  Status,
  VerifiedPlugin
} from "../domain/index.ts"
import type { LiveDaemon } from "./LiveDaemon.ts"
import { decodeJson, plain } from "./Output.ts"

/** How long the daemon may take to answer; it does nothing slow there. */
const PATIENCE = Duration.seconds(5)
/** How long it may take to fetch a plugin: its own deadline ends it before. */
const FETCH_PATIENCE = Duration.minutes(10)
/** How long it may take where it asks the model provider first. */
const PROVIDER_PATIENCE = Duration.seconds(120)

/** How long it may be silent in a stream, in which it says every 15 seconds that it lives. */
const STREAM_PATIENCE = Duration.seconds(60)

/** Nobody listens where the daemon said it would: it is gone. */
export class DaemonGone extends Schema.TaggedError<DaemonGone>()("DaemonGone", { message: Schema.String }) {}

/** The daemon's process is there and does not do what it was asked. */
export class DaemonUnresponsive extends Schema.TaggedError<DaemonUnresponsive>()("DaemonUnresponsive", {
  message: Schema.String
}) {}

/** Why a planned restart is wanted. */
export interface RestartWish {
  readonly normal?: boolean
  readonly reason?: "operator" | "joined"
}

/** What a model is asked, and what was said before. */
export interface ChatQuestion {
  readonly question: string
  readonly history: ReadonlyArray<{ readonly role: "user" | "assistant"; readonly content: string }>
  /** Null begins a session. */
  readonly session: string | null
}

type Asked<A> = Effect.Effect<A, DaemonGone | DaemonUnresponsive>

/** The API of a live daemon. */
export class DaemonClient extends Context.Service<
  DaemonClient,
  {
    readonly status: (daemon: LiveDaemon) => Asked<Status>
    /** The long form of health, as the daemon says it. */
    readonly health: (daemon: LiveDaemon) => Asked<Record<string, unknown>>
    readonly restart: (daemon: LiveDaemon, wish: RestartWish) => Asked<void>
    readonly stop: (daemon: LiveDaemon, options: { readonly leave: boolean }) => Asked<void>
    readonly retry: (daemon: LiveDaemon, etag: string) => Asked<RetryAnswer>
    /** A new one-time link for a browser. */
    readonly open: (daemon: LiveDaemon) => Asked<PageLink>
    /** The live flow's code, or a new flow's; `force` supersedes a live one. */
    readonly login: (daemon: LiveDaemon, options: { readonly force: boolean }) => Asked<LoginCode>
    readonly loginStatus: (daemon: LiveDaemon) => Asked<LoginStatus>
    readonly retryLogin: (daemon: LiveDaemon) => Asked<LoginResult>
    /** Ends the flow of this id, or any live one; whether there was one. */
    readonly cancelLogin: (daemon: LiveDaemon, flow: string | null) => Asked<CancelAnswer>
    /** Whether anybody was signed in. */
    readonly logout: (daemon: LiveDaemon) => Asked<LogoutAnswer>
    readonly plugins: (daemon: LiveDaemon) => Asked<PluginList>
    readonly installPlugin: (daemon: LiveDaemon, request: PluginRequest) => Asked<LockedPlugin>
    readonly verifyPlugins: (
      daemon: LiveDaemon,
      request: { readonly name?: string; readonly repair: boolean }
    ) => Asked<VerifiedPlugins>
    readonly removePlugin: (daemon: LiveDaemon, name: string) => Asked<RemovedPlugin>
    readonly startRun: (daemon: LiveDaemon, request: RunRequest) => Asked<RunView>
    readonly runs: (daemon: LiveDaemon) => Asked<RunList>
    readonly run: (daemon: LiveDaemon, id: string) => Asked<RunView>
    readonly cancelRun: (daemon: LiveDaemon, id: string) => Asked<RunView>
    /** The output of a run from a byte on: what is there, or with `follow` events until its end. */
    readonly runLog: (
      daemon: LiveDaemon,
      id: string,
      options: { readonly from: number; readonly follow: boolean }
    ) => Stream.Stream<Uint8Array, DaemonGone | DaemonUnresponsive>
    /** One turn of a conversation, as events. Who leaves ends it. */
    readonly chat: (
      daemon: LiveDaemon,
      question: ChatQuestion
    ) => Stream.Stream<Uint8Array, DaemonGone | DaemonUnresponsive>
  }
>()("holdfast/cli/DaemonClient") {
  static readonly layer = Layer.effect(
    DaemonClient,
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const fs = yield* FileSystem.FileSystem
      const home = yield* Home

      const token = fs.readFileString(home.apiToken).pipe(
        Effect.map((text) => Redacted.make(text.trim())),
        Effect.mapError(
          () =>
            new DaemonUnresponsive({
              message: `The API's token ${home.apiToken} cannot be read. Run this as the user that runs the daemon.`
            })
        )
      )

      const reach = Effect.fnUntraced(function* (
        daemon: LiveDaemon,
        request: HttpClientRequest.HttpClientRequest,
        patience: Duration.Duration = PATIENCE
      ) {
        const base = yield* addressOf(daemon)
        return yield* request.pipe(
          HttpClientRequest.prependUrl(base),
          HttpClientRequest.bearerToken(yield* token),
          client.execute,
          Effect.mapError(() => gone(daemon)),
          Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(silent(daemon)) })
        )
      })

      const textOf = (daemon: LiveDaemon, response: HttpClientResponse.HttpClientResponse) =>
        Effect.mapError(response.text, () => gone(daemon))

      const send = Effect.fnUntraced(function* (
        daemon: LiveDaemon,
        request: HttpClientRequest.HttpClientRequest,
        patience: Duration.Duration = PATIENCE
      ) {
        const answer = yield* reach(daemon, request, patience)
        const text = yield* textOf(daemon, answer).pipe(
          Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(silent(daemon)) })
        )
        const { status } = answer
        return status >= 200 && status <= 299 ? text : yield* refused(status, text)
      })

      const ask = <A>(
        daemon: LiveDaemon,
        request: HttpClientRequest.HttpClientRequest,
        schema: Schema.ConstraintDecoder<A>,
        patience?: Duration.Duration
      ) =>
        Effect.flatMap(send(daemon, request, patience), (text) =>
          Effect.mapError(Effect.fromOption(decodeJson(schema)(text)), () => unreadable(daemon))
        )

      const post = (path: string, body: unknown) =>
        HttpClientRequest.post(path).pipe(HttpClientRequest.bodyJsonUnsafe(body))

      return DaemonClient.of({
        status: (daemon) => ask(daemon, HttpClientRequest.get("/status"), Status),
        health: (daemon) => ask(daemon, HttpClientRequest.get("/health"), Health),
        restart: (daemon, wish) => Effect.asVoid(send(daemon, post("/restart", wish))),
        stop: (daemon, options) => Effect.asVoid(send(daemon, post("/stop", options))),
        retry: (daemon, etag) => ask(daemon, post("/config/retry", { etag }), RetryAnswer),
        open: (daemon) => ask(daemon, HttpClientRequest.post("/open"), PageLink),
        login: (daemon, { force }) =>
          ask(daemon, HttpClientRequest.post(force ? "/login/switch" : "/login"), LoginCode, PROVIDER_PATIENCE),
        loginStatus: (daemon) => ask(daemon, HttpClientRequest.get("/login/status"), LoginStatus),
        retryLogin: (daemon) => ask(daemon, HttpClientRequest.post("/login/retry"), LoginResult, PROVIDER_PATIENCE),
        cancelLogin: (daemon, flow) =>
          ask(daemon, post("/login/cancel", flow === null ? {} : { flow_id: flow }), CancelAnswer),
        logout: (daemon) => ask(daemon, HttpClientRequest.post("/logout"), LogoutAnswer),
        plugins: (daemon) => ask(daemon, HttpClientRequest.get("/plugins"), PluginList),
        installPlugin: (daemon, request) =>
          ask(daemon, post("/plugins/install", request), LockedPlugin, FETCH_PATIENCE),
        verifyPlugins: (daemon, request) =>
          ask(daemon, post("/plugins/verify", request), VerifiedPlugins, FETCH_PATIENCE),
        removePlugin: (daemon, name) => ask(daemon, post("/plugins/remove", { name }), RemovedPlugin),
        startRun: (daemon, request) => ask(daemon, post("/runs", request), RunView),
        runs: (daemon) => ask(daemon, HttpClientRequest.get("/runs"), RunList),
        run: (daemon, id) => ask(daemon, HttpClientRequest.get(`/runs/${encodeURIComponent(id)}`), RunView),
        cancelRun: (daemon, id) =>
          ask(daemon, HttpClientRequest.post(`/runs/${encodeURIComponent(id)}/cancel`), RunView),
        runLog: (daemon, id, { follow, from }) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const request = HttpClientRequest.get(`/runs/${encodeURIComponent(id)}/log?from=${from}`).pipe(
                HttpClientRequest.accept(follow ? "text/event-stream" : "application/x-ndjson")
              )
              // Who follows waits for a daemon that is busy as for one that is away.
              const patient = Effect.mapError(reach(daemon, request), ({ message }) => new DaemonGone({ message }))
              const response = yield* follow ? Effect.andThen(token, patient) : reach(daemon, request)
              if (response.status !== 200) return yield* refused(response.status, yield* textOf(daemon, response))
              return Stream.mapError(response.stream, () => gone(daemon))
            })
          ),
        chat: (daemon, { history, question, session }) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const body = { user_input: question, conversation_history: history, session_id: session }
              const response = yield* reach(daemon, post("/chat/stream", body), PROVIDER_PATIENCE)
              if (response.status !== 200) return yield* refused(response.status, yield* textOf(daemon, response))
              return response.stream.pipe(
                Stream.mapError(() => gone(daemon)),
                Stream.timeoutOrElse({ duration: STREAM_PATIENCE, orElse: () => Stream.fail(silent(daemon)) })
              )
            })
          )
      })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))
}

const PluginList = Schema.Struct({ plugins: Schema.Array(LockedPlugin) })

/** By name. */
export type PluginList = typeof PluginList.Type

const VerifiedPlugins = Schema.Struct({ plugins: Schema.Array(VerifiedPlugin) })

export type VerifiedPlugins = typeof VerifiedPlugins.Type

const RemovedPlugin = Schema.Struct({ name: Schema.String, known: Schema.Boolean })

/** Whether it was installed. */
export type RemovedPlugin = typeof RemovedPlugin.Type

const RunList = Schema.Struct({ runs: Schema.Array(RunView) })

/** Newest first. */
export type RunList = typeof RunList.Type

const RetryAnswer = Schema.Struct({ etag: Schema.String, known: Schema.Boolean })

/** What the daemon says to a retry: the etag with its quotes, and whether anything was remembered of it. */
export type RetryAnswer = typeof RetryAnswer.Type

const CancelAnswer = Schema.Struct({ cancelled: Schema.Boolean })

/** Whether there was a live flow to end. */
export type CancelAnswer = typeof CancelAnswer.Type

const LogoutAnswer = Schema.Struct({ signed_out: Schema.Boolean })

/** Whether there was a token to remove. */
export type LogoutAnswer = typeof LogoutAnswer.Type

const PageLink = Schema.Struct({ url: Schema.String, expires_in_seconds: Schema.Int })

/** A link that signs one browser in, once. */
export type PageLink = typeof PageLink.Type

const Health = Schema.Record(Schema.String, Schema.Unknown)

/** The token goes to this machine only, whatever the file says. */
const addressOf = (daemon: LiveDaemon): Effect.Effect<string, DaemonUnresponsive> => {
  const host = daemon.apiUrl === null ? undefined : URL.parse(daemon.apiUrl)?.hostname
  return daemon.apiUrl !== null && host !== undefined && isLoopbackHost(host)
    ? Effect.succeed(daemon.apiUrl)
    : Effect.fail(
        new DaemonUnresponsive({
          message:
            `A daemon runs (pid ${daemon.pid}), but its API is not open: it starts, or its port is taken. ` +
            "Try again in a moment; the log of the daemon says more."
        })
      )
}

const gone = (daemon: LiveDaemon): DaemonGone =>
  new DaemonGone({
    message: `Nobody answers at ${daemon.apiUrl}, where the daemon (pid ${daemon.pid}) said it listens.`
  })

const refused = (status: number, text: string): Effect.Effect<never, DaemonUnresponsive> => {
  const said = Option.match(decodeJson(ErrorBody)(text), {
    onNone: () => "",
    onSome: ({ detail, error }) => `: ${plain(detail ?? error)}`
  })
  return Effect.fail(new DaemonUnresponsive({ message: `The daemon refused this (HTTP ${status})${said}` }))
}

const silent = (daemon: LiveDaemon): DaemonUnresponsive =>
  new DaemonUnresponsive({
    message:
      `The daemon (pid ${daemon.pid}) does not answer at ${daemon.apiUrl}. ` +
      "It may be suspended or overloaded: look at its process and its log."
  })

const unreadable = (daemon: LiveDaemon): DaemonUnresponsive =>
  new DaemonUnresponsive({
    message:
      `The daemon (pid ${daemon.pid}) answers in a way that this version does not understand. ` +
      "It probably runs another version: holdfast daemon restart"
  })
