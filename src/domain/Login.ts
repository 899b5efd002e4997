/** Signing in to a model provider: the login's file, what the API says, and what other areas ask of the account. */
import { Context, type Effect, type Redacted, Schema } from "effect"
import { LOGIN_PHASES, TOKEN_ACCESS } from "../../machines/Vocabulary.ts"

const Millis = Schema.Finite
const Secret = Schema.RedactedFromValue(Schema.NonEmptyString)

/** One account's token, replaced whole. Times are milliseconds of the wall clock. */
export const TokenRecord = Schema.Struct({
  /** The provider's endpoints that it was given by, and the only ones that it is ever sent to. */
  provider: Schema.NonEmptyString,
  access_token: Secret,
  refresh_token: Schema.optionalKey(Secret),
  obtained_at: Millis
})
export type TokenRecord = typeof TokenRecord.Type

const Account = Schema.Struct({
  ...TokenRecord.fields,
  /** The account's name at the provider; null while unknown. */
  account: Schema.NullOr(Schema.String),
  access: Schema.Literals(TOKEN_ACCESS)
})

/** What an exchange gave: valid for `endpoint` until a minute before `expires_at`. */
export const ProviderSession = Schema.Struct({
  token: Secret,
  endpoint: Schema.NonEmptyString,
  expires_at: Millis
})
export type ProviderSession = typeof ProviderSession.Type

const SavedFlow = Schema.Struct({
  id: Schema.NonEmptyString,
  phase: Schema.Literals(LOGIN_PHASES),
  interval_ms: Schema.Finite,
  life_ms: Schema.Finite,
  code: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  /** What the person sees; of a live flow. */
  shown: Schema.optionalKey(
    Schema.Struct({ user_code: Schema.String, verification_uri: Schema.String, deadline: Millis })
  ),
  /** Of a flow that waits, with the provider that gave it. */
  device_code: Schema.optionalKey(Secret),
  provider: Schema.optionalKey(Schema.String),
  /** Of a flow that has brought its token. */
  token: Schema.optionalKey(Account)
})
export type SavedFlow = typeof SavedFlow.Type

/** `state/login.json`, 0600: account, session and flow in one file, so that they always belong together. */
export const LoginFile = Schema.Struct({
  version: Schema.Literal(1),
  account: Schema.optionalKey(Account),
  session: Schema.optionalKey(ProviderSession),
  flow: Schema.optionalKey(SavedFlow)
})
export type LoginFile = typeof LoginFile.Type
export const LoginFileJson = Schema.fromJsonString(LoginFile)

/** `POST /login`, `POST /login/switch`: what the person needs. Seconds. */
export const LoginCode = Schema.Struct({
  flow_id: Schema.String,
  user_code: Schema.String,
  verification_uri: Schema.String,
  expires_in: Schema.Finite,
  interval: Schema.Finite
})
export type LoginCode = typeof LoginCode.Type

/** `POST /login/poll`, `POST /login/retry`: how the flow does, or how it ended. */
export const LoginResult = Schema.Union([
  Schema.Struct({ status: Schema.Literal("pending") }),
  Schema.Struct({
    status: Schema.Literal("ok"),
    message: Schema.String,
    copilot_username: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    status: Schema.Literal("error"),
    error: Schema.String,
    /** For programs: the provider's own code, or one of ours. */
    code: Schema.String,
    copilot_username: Schema.optionalKey(Schema.String),
    /** Where a subscription is to be had; with `no_access`. */
    signup_url: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({ status: Schema.Literal("expired"), error: Schema.String })
])
export type LoginResult = typeof LoginResult.Type

/** What the account can do, as far as it is known without asking anybody. */
export const AccountStatus = Schema.Struct({
  /** Where its token comes from; `none` when the provider needs no login. */
  source: Schema.Literals(["environment", "login", "none"]),
  provider: Schema.Literals(["github", "openai-compatible"]),
  state: Schema.Literals(["signed_out", "unproven", "ready", "no_access", "refused", "failing", "asking"]),
  username: Schema.NullOr(Schema.String),
  /** Why it cannot be used. */
  problem: Schema.NullOr(Schema.String)
})
export type AccountStatus = typeof AccountStatus.Type

/** `GET /login/status`: the flow without its device code, and the account. `id` is null before the first flow. */
export const LoginStatus = Schema.Struct({
  id: Schema.NullOr(Schema.String),
  phase: Schema.NullOr(Schema.Literals(LOGIN_PHASES)),
  /** Of a live flow. */
  user_code: Schema.NullOr(Schema.String),
  verification_uri: Schema.NullOr(Schema.String),
  /** Seconds between polls of the provider. */
  interval: Schema.NullOr(Schema.Finite),
  /** ISO 8601, and in seconds from now. */
  deadline: Schema.NullOr(Schema.String),
  expires_in: Schema.NullOr(Schema.Finite),
  code: Schema.NullOr(Schema.String),
  error: Schema.NullOr(Schema.String),
  account: AccountStatus,
  signup_url: Schema.NullOr(Schema.String),
  storage_problem: Schema.NullOr(Schema.String)
})
export type LoginStatus = typeof LoginStatus.Type

/** What the API itself says of one of its requests that it refuses. */
export class LoginRefused extends Schema.TaggedError<LoginRefused>()("LoginRefused", {
  code: Schema.String,
  message: Schema.String
}) {}

/** Nobody is signed in, or the token is not taken any more. */
export class NotSignedIn extends Schema.TaggedError<NotSignedIn>()("NotSignedIn", { message: Schema.String }) {}

/** Somebody is signed in whose account has no subscription. */
export class NoModelAccess extends Schema.TaggedError<NoModelAccess>()("NoModelAccess", {
  message: Schema.String,
  username: Schema.NullOr(Schema.String)
}) {}

/** The provider could not be asked, or did not answer as it should: later it may. */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {
  message: Schema.String
}) {}

/** How a model is reached: the base URL of an OpenAI-compatible API, and what to send there. */
export interface ModelCredential {
  /** Without a slash at its end; `/chat/completions` and `/models` follow it. */
  readonly baseUrl: string
  /** The whole `Authorization` header; null where none is needed. */
  readonly authorization: Redacted.Redacted<string> | null
  readonly headers: Readonly<Record<string, string>>
}

/** The account with which models are used: what agents and chat ask for. */
export class ModelAccount extends Context.Service<
  ModelAccount,
  {
    /** A credential that is valid now; makes an exchange when there is none, one at a time for everybody. */
    readonly credential: Effect.Effect<ModelCredential, NotSignedIn | NoModelAccess | ProviderUnavailable>
    /** The provider refused the credential it was given (401): the next one comes of a new exchange. */
    readonly refused: Effect.Effect<void>
    /** Asks nobody. */
    readonly status: Effect.Effect<AccountStatus>
  }
>()("holdfast/domain/Login/ModelAccount") {}
