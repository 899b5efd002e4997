/**
 * What GitHub and Copilot are asked, and what their answers mean: the tasks of `DeviceLogin` but its file.
 *
 * @ref LLP 0015#answers [implements]: RFC 8628, and the classes of an exchange's failure
 */
import { Clock, Context, Duration, Effect, Fiber, Layer, Option, Redacted, Schema } from "effect"
import type { HttpClient } from "effect/http"
import {
  CODE_LIFE_MAX_MS,
  CODE_LIFE_MS,
  type CodeAnswer,
  type ExchangeAnswer,
  type Passing,
  type RefreshAnswer,
  saneMs,
  type TokenAnswer
} from "../../machines/index.ts"
import { parseRetryAfter, type TokenRecord, Version } from "../domain/index.ts"
import { makeOutgoing, type OutgoingAnswer, type OutgoingRequest, printable } from "../http/index.ts"
import { LoginStore } from "./LoginStore.ts"
import {
  type GithubProvider,
  mayCarrySecrets,
  providerId,
  type ProviderInvalid,
  ProviderSettings
} from "./ProviderSettings.ts"

const REQUEST_DEADLINE_MS = 20_000
const WHO_DEADLINE = Duration.seconds(5)
const MAX_ANSWER_BYTES = 262_144
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
/** A session whose end the provider does not say is used this long. */
const SESSION_LIFE_MS = 600_000
/** Words of RFC 8628 and of GitHub that say: not yet. */
const PENDING = "authorization_pending"

/** The provider is one that nobody signs in to. */
class NotGithub extends Schema.TaggedError<NotGithub>()("NotGithub", { message: Schema.String }) {}

export class Provider extends Context.Service<
  Provider,
  {
    readonly requestCode: (input: { readonly flow: string }) => Effect.Effect<CodeAnswer>
    readonly pollToken: (input: { readonly flow: string }) => Effect.Effect<TokenAnswer>
    readonly exchange: (input: { readonly handle: number }) => Effect.Effect<ExchangeAnswer>
    readonly refresh: (input: { readonly handle: number }) => Effect.Effect<RefreshAnswer>
  }
>()("holdfast/login/Provider") {
  static readonly layer: Layer.Layer<Provider, never, HttpClient.HttpClient | LoginStore | ProviderSettings | Version> =
    Layer.effect(
      Provider,
      Effect.gen(function* () {
        const store = yield* LoginStore
        const settings = yield* ProviderSettings
        const agent = `holdfast/${yield* Version}`
        const scope = yield* Effect.scope
        const send = yield* makeOutgoing({
          peer: "the provider",
          remedy: "The token stays here: correct the provider's address.",
          maxBytes: MAX_ANSWER_BYTES,
          deadlineMs: REQUEST_DEADLINE_MS
        })

        const github = Effect.flatMap(settings.provider, (provider) =>
          provider.kind === "github"
            ? Effect.succeed(provider)
            : Effect.fail(new NotGithub({ message: "this provider needs no login" }))
        )

        /** Sends a request; whatever keeps an answer from coming passes. */
        const asked = <A>(
          request: OutgoingRequest,
          read: (answer: Answer) => Effect.Effect<A> | A
        ): Effect.Effect<A | Passing> =>
          send({ ...request, headers: { ...request.headers, "user-agent": agent } }).pipe(
            Effect.flatMap((answer) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => asEffect(read(answerOf(answer, now))))
            ),
            Effect.catchTag("Unreachable", ({ message }) =>
              Effect.succeed<Passing>({ kind: "passing", retryAfterMs: 0, code: "provider_unreachable", message })
            )
          )

        const requestCode = Effect.fn("Provider.requestCode")(
          function* ({ flow }: { readonly flow: string }) {
            const provider = yield* github
            return yield* asked<CodeAnswer>(
              {
                method: "POST",
                url: `${provider.github}/login/device/code`,
                form: { client_id: provider.clientId, scope: "read:user" }
              },
              (answer) => readCode(provider, flow, answer)
            )
          },
          Effect.catchTag(["ProviderInvalid", "NotGithub"], refusedSettings)
        )

        const readCode = Effect.fnUntraced(function* (provider: GithubProvider, flow: string, answer: Answer) {
          const { json, status } = answer
          const deviceCode = text(json?.["device_code"])
          const userCode = text(json?.["user_code"])
          const uri = text(json?.["verification_uri"] ?? json?.["verification_url"])
          const error = text(json?.["error"])
          if (json === null || isPassingStatus(status)) return passing(answer)
          if (error !== "") return refusal(error, text(json["error_description"]))
          if (deviceCode === "" || !/^[\x21-\x7e]{1,64}$/.test(userCode) || !/^https?:\/\/\S+$/.test(uri)) {
            return refusal("bad_answer", "the provider's answer to the request for a code holds no code")
          }
          const lifeMs = seconds(json["expires_in"])
          yield* store.keepCodes(flow, {
            deviceCode: Redacted.make(deviceCode),
            userCode,
            verificationUri: uri,
            deadline: answer.now + saneMs(lifeMs, CODE_LIFE_MS, 0, CODE_LIFE_MAX_MS),
            provider: providerId(provider)
          })
          return { kind: "code" as const, intervalMs: seconds(json["interval"]), lifeMs }
        })

        const pollToken = Effect.fn("Provider.pollToken")(
          function* ({ flow }: { readonly flow: string }) {
            const provider = yield* github
            const codes = yield* store.codes(flow)
            if (Option.isNone(codes)) return refusal("bad_answer", "the device code of this flow is lost")
            return yield* asked<TokenAnswer>(
              {
                method: "POST",
                url: `${provider.github}/login/oauth/access_token`,
                form: {
                  client_id: provider.clientId,
                  device_code: Redacted.value(codes.value.deviceCode),
                  grant_type: DEVICE_GRANT
                }
              },
              (answer) => readToken(provider, answer)
            )
          },
          Effect.catchTag(["ProviderInvalid", "NotGithub"], refusedSettings)
        )

        const readToken = Effect.fnUntraced(function* (provider: GithubProvider, answer: Answer) {
          const { json, now, status } = answer
          const error = text(json?.["error"])
          if (error === PENDING) return { kind: "pending" as const }
          if (error === "slow_down") return { kind: "slow_down" as const, intervalMs: seconds(json?.["interval"]) }
          if (error === "expired_token" || error === "token_expired") return { kind: "expired" as const }
          if (json === null || isPassingStatus(status)) return passing(answer)
          if (error !== "") return refusal(error, text(json["error_description"]))
          const record = recordFrom(provider, json, now)
          return record === null
            ? passing(answer, "bad_answer")
            : { kind: "token" as const, token: yield* store.hold(record) }
        })

        const exchange = Effect.fn("Provider.exchange")(
          function* ({ handle }: { readonly handle: number }) {
            const provider = yield* github
            const record = yield* store.token(handle)
            if (Option.isNone(record) || record.value.provider !== providerId(provider)) {
              return { kind: "unauthorized" as const, message: "the token is not one of this provider: sign in again" }
            }
            const authorization = authorizationOf(record.value.access_token)
            return yield* asked<ExchangeAnswer>(
              { method: "GET", url: `${provider.api}/copilot_internal/v2/token`, authorization, headers: EDITOR },
              Effect.fnUntraced(function* (answer: Answer) {
                const read = readExchange(answer)
                if (read.kind === "session") yield* store.keepSession(handle, read.session)
                if (read.kind !== "session" && read.kind !== "no_access") return read
                const name = read.name ?? (yield* whoIs(provider, authorization))
                return read.kind === "session"
                  ? { kind: read.kind, name }
                  : { kind: read.kind, name, message: noAccess(name) }
              })
            )
          },
          Effect.catchTag(["ProviderInvalid", "NotGithub"], ({ message }) =>
            Effect.succeed<Passing>({ kind: "passing", retryAfterMs: 0, code: "provider_invalid", message })
          )
        )

        /** The account's name: nice to have, and worth no failure. */
        const whoIs = (provider: GithubProvider, authorization: Redacted.Redacted<string>) =>
          asked<string | null>(
            { method: "GET", url: `${provider.api}/user`, authorization, headers: EDITOR },
            ({ json, status }) => (status === 200 ? accountName(json?.["login"]) : null)
          ).pipe(
            Effect.map((name) => (typeof name === "string" ? name : null)),
            Effect.timeoutOrElse({ duration: WHO_DEADLINE, orElse: () => Effect.succeed(null) })
          )

        const renew = Effect.fn("Provider.refresh")(
          function* ({ handle }: { readonly handle: number }) {
            const provider = yield* github
            const record = Option.getOrUndefined(yield* store.token(handle))
            if (record?.refresh_token === undefined || record.provider !== providerId(provider)) {
              return { kind: "refused" as const, message: SIGN_IN_AGAIN }
            }
            return yield* asked<RefreshAnswer>(
              {
                method: "POST",
                url: `${provider.github}/login/oauth/access_token`,
                form: {
                  client_id: provider.clientId,
                  grant_type: "refresh_token",
                  refresh_token: Redacted.value(record.refresh_token)
                }
              },
              Effect.fnUntraced(function* (answer: Answer) {
                const { json, now, status } = answer
                if (json === null || isPassingStatus(status)) return passing(answer)
                const renewed = recordFrom(provider, json, now)
                if (renewed === null) return { kind: "refused" as const, message: SIGN_IN_AGAIN }
                yield* store.replace(handle, renewed)
                return { kind: "refreshed" as const, refreshable: renewed.refresh_token !== undefined }
              })
            )
          },
          Effect.catchTag(["ProviderInvalid", "NotGithub"], ({ message }) =>
            Effect.succeed<Passing>({ kind: "passing", retryAfterMs: 0, code: "provider_invalid", message })
          )
        )

        // Once asked for, it is read to its end whoever turns away: the provider has spent the old token by then.
        const refresh = (input: { readonly handle: number }) =>
          Effect.flatMap(Effect.forkIn(renew(input), scope), Fiber.join)

        return Provider.of({ requestCode, pollToken, exchange, refresh })
      })
    )
}

type Json = Readonly<Record<string, unknown>>

/** An answer with its body as a JSON object; null when it is none (a web page, an empty body, a list). */
interface Answer {
  readonly status: number
  readonly json: Json | null
  readonly retryAfterMs: number
  readonly now: number
}

const asEffect = <A>(value: Effect.Effect<A> | A): Effect.Effect<A> =>
  Effect.isEffect(value) ? (value as Effect.Effect<A>) : Effect.succeed(value)

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const answerOf = ({ body, headers, status }: OutgoingAnswer, now: number): Answer => ({
  status,
  json: body === null ? null : Option.getOrNull(decodeJson(new TextDecoder().decode(body))),
  retryAfterMs: (parseRetryAfter(headers["retry-after"], now) ?? 0) * 1_000,
  now
})

const text = (value: unknown): string => (typeof value === "string" ? value.trim() : "")

/** A number of seconds as a server writes it, in ms; NaN when it is none. */
const seconds = (value: unknown): number =>
  typeof value === "number" || (typeof value === "string" && value.trim() !== "") ? Number(value) * 1_000 : Number.NaN

const isPassingStatus = (status: number): boolean => status === 429 || status >= 500

/** A provider's code as it may be shown: a short word. */
const word = (code: string): string => (/^[\w.-]{1,64}$/.test(code) ? code : "provider_error")

const refusal = (code: string, said: string) => ({
  kind: "refused" as const,
  code: word(code),
  message: REASONS[code] ?? (said === "" ? `the provider refused: ${word(code)}` : printable(said).slice(0, 200))
})

const refusedSettings = ({ message }: ProviderInvalid | NotGithub) =>
  Effect.succeed(refusal("provider_invalid", message))

const REASONS: Readonly<Record<string, string>> = {
  access_denied: "The login was declined at the provider. Start again, and allow it there.",
  device_flow_disabled:
    "The provider does not allow device-code login for this client: enable it there, or name another client (HOLDFAST_PROVIDER_CLIENT_ID).",
  incorrect_client_credentials: "The provider does not know this client: correct HOLDFAST_PROVIDER_CLIENT_ID.",
  incorrect_device_code: "The provider does not know the code any more: start again.",
  bad_verification_code: "The provider does not know the code any more: start again."
}

const SIGN_IN_AGAIN = "The provider does not take the token any more: sign in again."

const noAccess = (name: string | null): string =>
  `${name === null ? "This account" : `The account ${name}`} has no Copilot subscription. Switch to another account, or sign up for one.`

const passing = ({ retryAfterMs, status }: Answer, code = "provider_unavailable"): Passing => ({
  kind: "passing",
  retryAfterMs,
  code,
  message:
    status === 429
      ? "the provider asks for a pause (429)"
      : status >= 500
        ? `the provider is in trouble (${status})`
        : `the provider's answer cannot be understood (${status}): check its address, and what stands between (a proxy, a sign-in page)`
})

/** A token record of one answer, and of nothing else: what the answer does not hold is not there. */
const recordFrom = (provider: GithubProvider, json: Json, now: number): TokenRecord | null => {
  const access = text(json["access_token"])
  const refresh = text(json["refresh_token"])
  return access === ""
    ? null
    : {
        provider: providerId(provider),
        access_token: Redacted.make(access),
        ...(refresh === "" ? {} : { refresh_token: Redacted.make(refresh) }),
        obtained_at: now
      }
}

/** Tokens of GitHub's own apps are sent by another scheme than the rest. */
const authorizationOf = (token: Redacted.Redacted<string>): Redacted.Redacted<string> => {
  const value = Redacted.value(token)
  return Redacted.make(`${value.startsWith("ghu_") ? "token" : "Bearer"} ${value}`)
}

/** What Copilot wants to know of whoever asks. */
export const EDITOR = {
  "editor-version": "vscode/1.104.0",
  "editor-plugin-version": "copilot-chat/0.31.0",
  "copilot-integration-id": "vscode-chat"
} as const

const readExchange = (answer: Answer) => {
  const { json, now, status } = answer
  if (status === 401) return { kind: "unauthorized" as const, message: SIGN_IN_AGAIN }
  if (status === 403 && json !== null && saysNoSubscription(json)) {
    return { kind: "no_access" as const, name: nameIn(json) }
  }
  const token = text(json?.["token"])
  const endpoint = endpointIn(json)
  if (status !== 200 || token === "" || endpoint === null) {
    return passing(answer, status === 200 ? "bad_answer" : "provider_unavailable")
  }
  const expires = seconds(json?.["expires_at"])
  const session = {
    token: Redacted.make(token),
    endpoint,
    expires_at: expires > 0 && Number.isFinite(expires) ? expires : now + SESSION_LIFE_MS
  }
  return { kind: "session" as const, name: null, session }
}

const endpointIn = (json: Json | null): string | null => {
  const endpoints = json?.["endpoints"]
  const api = text(typeof endpoints === "object" && endpoints !== null ? Reflect.get(endpoints, "api") : undefined)
  return mayCarrySecrets(api) ? api.replace(/\/+$/, "") : null
}

const NO_SUBSCRIPTION =
  /subscri|no[_ -](copilot[_ -])?access|access[^.]{0,40}copilot|copilot[^.]{0,40}(access|licen[cs]e|enabled)|licen[cs]e/i

/** Only a refusal that says so: a 403 may also be a rate limit, a proxy, or an organisation's rule. */
const saysNoSubscription = (json: Json): boolean =>
  NO_SUBSCRIPTION.test(JSON.stringify(json)) || json["can_signup_for_limited"] === true

const nameIn = (json: Json): string | null =>
  accountName(/logged in as ([A-Za-z0-9_-]+)/i.exec(JSON.stringify(json))?.[1] ?? json["login"] ?? json["username"])

/** An account's name as it may be shown and sent. */
const accountName = (value: unknown): string | null => {
  const name = text(value)
  return /^[\w.@-]{1,100}$/.test(name) ? name : null
}
