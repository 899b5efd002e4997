/** Chat and agents in the daemon's API. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { AgentTool, QuarantinedAgent } from "./Agents.ts"
import { ChatBody } from "./Chat.ts"
import { failed, nobody, text, Token, tokenOnly, words } from "./DaemonApiWords.ts"

const ChatReply = Schema.Struct({
  response: Schema.String,
  session_id: Schema.String,
  agent_logs: Schema.String.annotate({ description: "A line per call: `[agent] result`." }),
  model: Schema.NullOr(Schema.String),
  requested_model: Schema.NullOr(Schema.String),
  voice_mode: Schema.Literal(false)
})

const NoAccess = Schema.Struct({
  error: Schema.String.annotate({ description: "`NO_COPILOT_ACCESS:` and the account." }),
  no_copilot_access: Schema.Literal(true),
  copilot_username: Schema.NullOr(Schema.String)
})

const AgentFileView = {
  file: Schema.String,
  sha256: Schema.NullOr(Schema.String),
  size: Schema.Int,
  condition: Schema.Literals(["intact", "modified", "missing", "local"]),
  source: Schema.NullOr(Schema.String),
  ref: Schema.NullOr(Schema.String),
  commit: Schema.NullOr(Schema.String),
  installed_at: Schema.NullOr(Schema.String)
}
const noFile = failed(404, "`file_unknown`")
const notAFile = failed(409, "`not_a_file`: a directory, a pipe or a link that leads nowhere has the name.")

const badField = failed(400, "`invalid_request`: the detail begins with the exact field.")
const unavailable = failed(503, "`provider_unavailable`: the account cannot be asked.")

export const chatApi = HttpApiGroup.make("chat")
  .annotateMerge(words("Chat and agents", "A model that calls the agents of this machine."))
  .add(
    HttpApiEndpoint.post("chat", "/chat", {
      payload: ChatBody,
      success: [ChatReply, NoAccess],
      error: [
        badField,
        nobody,
        failed(429, "`model_rate_limited`, with `Retry-After`."),
        failed(502, "The model did not answer: one of `model_unavailable`, `model_unknown`, `model_forbidden`, …"),
        unavailable
      ]
    }).annotateMerge(words("One turn of a conversation", "At most three rounds of calls of agents, then the answer.")),
    HttpApiEndpoint.post("chatStream", "/chat/stream", {
      payload: ChatBody,
      success: text("text/event-stream"),
      error: [badField, nobody, unavailable]
    }).annotateMerge(
      words(
        "The same as it is made",
        "Server-sent events: `delta {text}`, `agent {logs, calls: [{agent, result}]}` for each round, then `done` or " +
          "`error`. Who leaves ends the request to the model and the agents that run."
      )
    ),
    HttpApiEndpoint.get("agents", "/agents", {
      success: Schema.Struct({ agents: Schema.Array(AgentTool), quarantined: Schema.Array(QuarantinedAgent) })
    }).annotateMerge(words("Agents", "The folder as it is now; loads files that nobody has asked for before.")),
    HttpApiEndpoint.get("agentFile", "/agents/:file", {
      params: { file: Schema.String },
      success: Schema.Struct({ ...AgentFileView, content: Schema.NullOr(Schema.String) }),
      error: [noFile, notAFile, failed(422, "`name_invalid`")]
    }).annotateMerge(words("An agent file", "With its text; `content` is null where it is no UTF-8.")),
    HttpApiEndpoint.post("installPackages", "/agents/:file/packages", {
      params: { file: Schema.String },
      success: Schema.Struct({ file: Schema.String, reason: Schema.String }).pipe(HttpApiSchema.status(202)),
      error: failed(409, "`nothing_installable`")
    }).annotateMerge(
      words("Install what a file needs", "What `GET /agents` says is `installable` for it; goes on in the background.")
    ),
    HttpApiEndpoint.post("importAgent", "/agents/import", {
      payload: Schema.Struct({
        file: Schema.String,
        content: Schema.String,
        sha256: Schema.String,
        replace: Schema.optionalKey(Schema.Boolean)
      }),
      success: Schema.Struct(AgentFileView).pipe(HttpApiSchema.status(201)),
      error: [
        tokenOnly,
        failed(409, "`file_exists` or `not_a_file`."),
        failed(413, "`too_large`"),
        failed(422, "`hash_mismatch` or `name_invalid`.")
      ]
    }).annotateMerge(words("Put an agent file there", "Only if its SHA-256 is that of the content.")),
    HttpApiEndpoint.delete("removeAgent", "/agents/:file", {
      params: { file: Schema.String },
      success: Schema.Struct({ file: Schema.String, removed: Schema.Literal(true) }),
      error: [tokenOnly, noFile, notAFile, failed(422, "`name_invalid`")]
    }).annotateMerge(words("Remove an agent file", "With its packages and what was recorded of it."))
  )
  .middleware(Token)
