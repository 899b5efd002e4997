/**
 * The daemon's API as a description: what `openapi.json` and `/docs` are generated from, when the program is built.
 *
 * Not part of the folder's `index.ts`: nothing that runs needs it, and the running routes are held to it by a test.
 */
import { Context, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { QuarantinedAgent } from "./Agents.ts"
import { RemoteConfig } from "./CentralProtocol.ts"
import { chatApi } from "./DaemonApiChat.ts"
import { failed, nobody, text, Token, tokenOnly, words } from "./DaemonApiWords.ts"
import { LoginCode, LoginResult, LoginStatus } from "./Login.ts"
import { LockedPlugin, PluginRequest, VerifiedPlugin } from "./Plugins.ts"
import { RunRequest, RunView } from "./Runs.ts"
import { CoreLockStatus, Status } from "./Status.ts"

const Accepted = Schema.Struct({ accepted: Schema.Literal(true) }).pipe(HttpApiSchema.status(202))
const Version = Schema.Struct({ version: Schema.String })

const HealthWord = Schema.Literals(["ok", "unauthenticated", "degraded"])
const Reason = Schema.Struct({ kind: Schema.String, message: Schema.String })

/** Without the token only `status` and `version` are there. */
const Health = Schema.Struct({
  status: HealthWord,
  version: Schema.String,
  model: Schema.optionalKey(Schema.NullOr(Schema.String)),
  copilot: Schema.optionalKey(Schema.NullOr(Schema.Literals(["✓", "pending", "no_access"]))),
  copilot_username: Schema.optionalKey(Schema.NullOr(Schema.String)),
  agents: Schema.optionalKey(Schema.Array(Schema.String)),
  quarantined: Schema.optionalKey(Schema.Array(QuarantinedAgent)),
  remote_config: Schema.optionalKey(Schema.NullOr(RemoteConfig)),
  core_lock: Schema.optionalKey(CoreLockStatus),
  reasons: Schema.optionalKey(Schema.Array(Reason))
})

const open = HttpApiGroup.make("open")
  .annotateMerge(words("Without a token", "What anybody on this machine may ask."))
  .add(
    HttpApiEndpoint.get("version", "/version", { success: Version }).annotateMerge(
      words("The version", "From the VERSION file of the installation.")
    ),
    HttpApiEndpoint.get("health", "/health", { success: Health }).annotateMerge(
      words(
        "Health",
        "Always 200. Without the token only `status` and `version`; with it everything. Asks no provider and runs no agent."
      )
    ),
    HttpApiEndpoint.get("enter", "/open", {
      query: { ticket: Schema.String },
      success: text("text/html"),
      error: failed(410, "The link was used, or is older than a minute.")
    }).annotateMerge(words("Sign a browser in", "The link of `holdfast open`: works once, within a minute."))
  )

const daemon = HttpApiGroup.make("daemon")
  .annotateMerge(words("This machine", "What it runs, and planned ends."))
  .add(
    HttpApiEndpoint.get("status", "/status", { success: Status }).annotateMerge(
      words("The whole status", "What `holdfast status --json` prints.")
    ),
    HttpApiEndpoint.get("metrics", "/metrics", { success: text("text/plain; version=0.0.4") }).annotateMerge(
      words("Metrics", "Prometheus text exposition 0.0.4.")
    ),
    HttpApiEndpoint.post("restart", "/restart", {
      payload: Schema.Struct({
        normal: Schema.optionalKey(Schema.Boolean),
        reason: Schema.optionalKey(Schema.Literals(["operator", "joined"]))
      }),
      success: Accepted
    }).annotateMerge(words("Restart", "A planned restart (exit 75). `normal` ends a safe start.")),
    HttpApiEndpoint.post("stop", "/stop", {
      payload: Schema.Struct({ leave: Schema.optionalKey(Schema.Boolean) }),
      success: Accepted
    }).annotateMerge(words("Stop", "An orderly end (exit 0). `leave` is sent by `holdfast leave`.")),
    HttpApiEndpoint.post("retry", "/config/retry", {
      payload: Schema.Struct({ etag: Schema.NonEmptyString }),
      success: Schema.Struct({ etag: Schema.String, known: Schema.Boolean })
    }).annotateMerge(words("Forget that a revision is bad", "The next poll that offers it applies it.")),
    HttpApiEndpoint.post("open", "/open", {
      success: Schema.Struct({ url: Schema.String, expires_in_seconds: Schema.Int }).pipe(HttpApiSchema.status(201)),
      error: failed(403, "A session is not enough: the token itself is needed.")
    }).annotateMerge(words("A link for a browser", "What `holdfast open` prints."))
  )
  .middleware(Token)

const upstream = failed(502, "The provider refused, or could not be asked; `error` is its own code where it has one.")
const conflict = failed(409, "`token_from_environment`, `no_login_needed` or `cancelled`.")
const Empty = Schema.Struct({})

const login = HttpApiGroup.make("login")
  .annotateMerge(
    words("Signing in", "Device-code login to the model provider. An empty body is accepted on every POST here.")
  )
  .add(
    HttpApiEndpoint.post("login", "/login", {
      payload: Empty,
      success: LoginCode,
      error: [conflict, upstream]
    }).annotateMerge(words("Start signing in", "A live code is used again; otherwise the provider is asked for one.")),
    HttpApiEndpoint.post("switch", "/login/switch", {
      payload: Empty,
      success: LoginCode,
      error: [conflict, upstream]
    }).annotateMerge(
      words("Sign in with another account", "A new code in any case; a flow that is live is superseded.")
    ),
    HttpApiEndpoint.post("poll", "/login/poll", { payload: Empty, success: LoginResult }).annotateMerge(
      words("How it does", "Always 200, and never asks the provider. The result is kept until the next flow starts.")
    ),
    HttpApiEndpoint.get("loginStatus", "/login/status", { success: LoginStatus }).annotateMerge(
      words("Flow and account", "Everything about them but secrets.")
    ),
    HttpApiEndpoint.post("loginRetry", "/login/retry", {
      payload: Empty,
      success: LoginResult,
      error: nobody
    }).annotateMerge(words("Ask the provider again", "With the account there is, as after it got a subscription.")),
    HttpApiEndpoint.post("cancel", "/login/cancel", {
      payload: Schema.Struct({ flow_id: Schema.optionalKey(Schema.String) }),
      success: Schema.Struct({ cancelled: Schema.Boolean })
    }).annotateMerge(words("End a flow", "The one that is live, or only the one that is named.")),
    HttpApiEndpoint.post("logout", "/logout", {
      payload: Empty,
      success: Schema.Struct({ signed_out: Schema.Boolean }),
      error: [conflict, failed(500, "`storage_failed`: the token is still on the disk.")]
    }).annotateMerge(
      words("Sign out", "Removes token and session from memory and disk; `signed_out` is false when there were none.")
    ),
    HttpApiEndpoint.get("models", "/models", {
      success: Schema.Struct({
        models: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.optionalKey(Schema.String) })),
        model: Schema.NullOr(Schema.String)
      }),
      error: [nobody, failed(403, "`no_access`: the account has no subscription."), upstream]
    }).annotateMerge(words("Models", "Asks the provider; `model` is the one that was picked.")),
    HttpApiEndpoint.post("pick", "/models/set", {
      payload: Schema.Struct({ model: Schema.NullOr(Schema.NonEmptyString) }),
      success: Schema.Struct({ model: Schema.NullOr(Schema.String) }),
      error: [nobody, upstream, failed(422, "`unknown_model`, or a body of another shape.")]
    }).annotateMerge(
      words("Pick a model", "One of `GET /models`, for this and later processes; null: the document's counts again.")
    )
  )
  .middleware(Token)

const missing = failed(404, "`run_unknown`, or `no_log`: the output was removed with its run.")
const unreadable = failed(500, "`storage_failed`: not every run can be read, or the new one cannot be written down.")
const runId = { id: Schema.String }

const runs = HttpApiGroup.make("runs")
  .annotateMerge(words("Runs", "Agent jobs: their output, and how they ended."))
  .add(
    HttpApiEndpoint.get("runs", "/runs", {
      success: Schema.Struct({ runs: Schema.Array(RunView) }),
      error: unreadable
    }).annotateMerge(
      words("All runs", "Newest first; of those that have ended, the last thousand. Their page to `Accept: text/html`.")
    ),
    HttpApiEndpoint.post("startRun", "/runs", {
      payload: RunRequest,
      success: RunView.pipe(HttpApiSchema.status(201)),
      error: [
        failed(409, "`run_exists`"),
        failed(422, "`run_invalid`"),
        unreadable,
        failed(503, "`not_running`: the daemon starts or stops.")
      ]
    }).annotateMerge(words("Start a run", "An agent has one run at a time; the next one waits.")),
    HttpApiEndpoint.get("run", "/runs/:id", { params: runId, success: RunView, error: missing }).annotateMerge(
      words("One run", "`verdict` is null until there is proof of how it ended, or none can come any more.")
    ),
    HttpApiEndpoint.get("log", "/runs/:id/log", {
      params: runId,
      query: { from: Schema.optionalKey(Schema.String) },
      success: text("application/x-ndjson"),
      error: [missing, failed(416, "`range_not_satisfiable`")]
    }).annotateMerge(
      words(
        "The output of a run",
        "What is there from byte `from` on, or a `Range`. To `Accept: text/event-stream` as it is written: `lines` and `gap`, " +
          "each with the offset to go on from, then `end`."
      )
    ),
    HttpApiEndpoint.post("cancelRun", "/runs/:id/cancel", {
      params: runId,
      success: RunView.pipe(HttpApiSchema.status(202)),
      error: missing
    }).annotateMerge(words("End a run", "TERM, and KILL after its grace. One that has ended stays as it is."))
  )
  .middleware(Token)

const notInstalled = failed(422, "One of the reasons of `PluginNotInstalled`, such as `artifact_hash_mismatch`.")

const plugins = HttpApiGroup.make("plugins")
  .annotateMerge(words("Plugins", "What is installed on this machine, by operators and by revisions."))
  .add(
    HttpApiEndpoint.get("plugins", "/plugins", {
      success: Schema.Struct({ plugins: Schema.Array(LockedPlugin) })
    }).annotateMerge(words("Installed plugins", "What the lock says, by name.")),
    HttpApiEndpoint.post("installPlugin", "/plugins/install", {
      payload: PluginRequest,
      success: LockedPlugin.pipe(HttpApiSchema.status(201)),
      error: [tokenOnly, notInstalled]
    }).annotateMerge(words("Install a plugin", "From a repository, a tarball, or an absolute folder of this machine.")),
    HttpApiEndpoint.post("verifyPlugins", "/plugins/verify", {
      payload: Schema.Struct({
        name: Schema.optionalKey(Schema.NonEmptyString),
        repair: Schema.optionalKey(Schema.Boolean)
      }),
      success: Schema.Struct({ plugins: Schema.Array(VerifiedPlugin) }),
      error: tokenOnly
    }).annotateMerge(words("Hash installed plugins again", "`repair` installs again what is not intact.")),
    HttpApiEndpoint.post("removePlugin", "/plugins/remove", {
      payload: Schema.Struct({ name: Schema.NonEmptyString }),
      success: Schema.Struct({ name: Schema.String, known: Schema.Boolean }),
      error: [tokenOnly, notInstalled]
    }).annotateMerge(words("Remove a plugin", "Its files go when no slot names them."))
  )
  .middleware(Token)

const MachineState = Schema.Struct({
  instance: Schema.NullOr(Schema.String),
  state: Schema.String,
  visible: Schema.Record(Schema.String, Schema.Unknown)
})

const machines = HttpApiGroup.make("machines")
  .annotateMerge(words("Statecharts and pages", "What a reviewer looks at."))
  .add(
    HttpApiEndpoint.get("machines", "/machines", {
      success: Schema.Struct({
        machines: Schema.Array(
          Schema.Struct({
            id: Schema.String,
            title: Schema.String,
            document: Schema.String,
            states: Schema.Array(MachineState)
          })
        )
      })
    }).annotateMerge(words("Every machine and its state", "The page of the statecharts to `Accept: text/html`.")),
    HttpApiEndpoint.get("events", "/machines/events", { success: text("text/event-stream") }).annotateMerge(
      words("Transitions as they happen", "Server-sent events: `hello` with everything until now, then `transition`.")
    ),
    HttpApiEndpoint.get("picture", "/machines/:machine.svg", {
      params: { machine: Schema.String },
      success: text("image/svg+xml")
    }).annotateMerge(words("A statechart as a picture", "One for each id of `GET /machines`.")),
    HttpApiEndpoint.get("coverage", "/machines/coverage.json", {
      success: Schema.Record(Schema.String, Schema.Unknown)
    }).annotateMerge(words("What the proofs cover", "Transitions, guards and mutants of each machine.")),
    HttpApiEndpoint.get("page", "/", { success: text("text/html") }).annotateMerge(words("The page", "This machine.")),
    HttpApiEndpoint.get("chatPage", "/chat", { success: text("text/html") }).annotateMerge(
      words("The page of the chat", "Conversations, which the browser keeps.")
    ),
    HttpApiEndpoint.get("openapi", "/openapi.json", {
      success: Schema.Record(Schema.String, Schema.Unknown)
    }).annotateMerge(words("This description", "OpenAPI 3.1.")),
    HttpApiEndpoint.get("docs", "/docs", { success: text("text/html") }).annotateMerge(
      words("This description as a page", "Needs nothing from elsewhere.")
    )
  )
  .middleware(Token)

/** The daemon's own API. */
export const DaemonApi = HttpApi.make("holdfast")
  .add(open, daemon, login, chatApi, runs, plugins, machines)
  .annotateMerge(
    Context.make(OpenApi.Title, "Holdfast daemon").pipe(
      Context.add(
        OpenApi.Description,
        "The API of a Holdfast gateway daemon, on loopback. Errors are JSON: `error` for programs, `detail` for people. " +
          "Bodies are JSON of at most 16 MiB (413, 415, 400, 422); an unknown path is 404, another method 405; a foreign " +
          "Host or Origin is 403."
      )
    )
  )

/** The description as OpenAPI 3.1. */
export const openApiOf = (version: string) => {
  const spec = OpenApi.fromApi(DaemonApi)
  return { ...spec, info: { ...spec.info, version } }
}
