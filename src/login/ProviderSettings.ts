/**
 * Which model provider this machine uses: GitHub with Copilot, an enterprise host of it, or any OpenAI-compatible API.
 *
 * @ref LLP 0015#provider [implements]: the environment wins over the document, and a token stays with its provider
 */
import { Config, Context, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import {
  AGENTS_PLUGIN,
  ConfigControl,
  type ConfigDocument,
  isLoopbackHost,
  providerUrlProblem
} from "../domain/index.ts"

/** Where a provider may be named that is not known, as `ProviderInvalid` says it. */
export const LOCAL_CONFIG = "config.json"

const GITHUB_URL = "https://github.com"
const GITHUB_API_URL = "https://api.github.com"
/** The public client of GitHub's own editor plugins, which Copilot takes tokens of. */
const CLIENT_ID = "Iv1.b507a08c87ecfe98"

/** GitHub, by its two addresses without a slash at the end. */
export interface GithubProvider {
  readonly kind: "github"
  readonly github: string
  readonly api: string
  readonly clientId: string
}

/** An API of its own, with a key or without. */
export interface OpenAiProvider {
  readonly kind: "openai-compatible"
  readonly baseUrl: string
  readonly apiKey: Option.Option<Redacted.Redacted<string>>
}

export type Provider = GithubProvider | OpenAiProvider

/** What names the provider cannot be used. */
export class ProviderInvalid extends Schema.TaggedError<ProviderInvalid>()("ProviderInvalid", {
  /** What is to be corrected: a variable of the environment, or a setting of the plugin. */
  setting: Schema.String,
  message: Schema.String
}) {}

const ProviderConfig = Schema.Struct({
  kind: Schema.optionalKey(Schema.Literals(["github", "openai-compatible"])),
  github_url: Schema.optionalKey(Schema.NonEmptyString),
  github_api_url: Schema.optionalKey(Schema.NonEmptyString),
  client_id: Schema.optionalKey(Schema.NonEmptyString),
  base_url: Schema.optionalKey(Schema.NonEmptyString),
  api_key: Schema.optionalKey(Schema.NonEmptyString)
})

const setting = (name: string) => Config.option(Config.NonEmptyString(name))

/** The provider of this machine. */
export class ProviderSettings extends Context.Service<
  ProviderSettings,
  {
    /** Waits until boot evaluation is over. */
    readonly provider: Effect.Effect<Provider, ProviderInvalid>
    /** `GITHUB_TOKEN`, if it is set. */
    readonly environmentToken: Effect.Effect<Option.Option<Redacted.Redacted<string>>>
    /** Agents and chat are part of what runs here, so that a provider is needed. */
    readonly isNeeded: Effect.Effect<boolean>
  }
>()("holdfast/login/ProviderSettings") {
  static readonly layer = Layer.effect(
    ProviderSettings,
    Effect.gen(function* () {
      const config = yield* ConfigControl
      const github = yield* setting("HOLDFAST_GITHUB_URL")
      const api = yield* setting("HOLDFAST_GITHUB_API_URL")
      const clientId = yield* setting("HOLDFAST_PROVIDER_CLIENT_ID")
      const token = yield* Config.option(Config.Redacted("GITHUB_TOKEN"))

      const provider = Effect.gen(function* () {
        const entry = agentsEntry(yield* config.document)
        const unused = yield* config.unusedPlugins
        // A request that was meant for a provider of the user's own goes to no other one.
        if (entry === undefined && (unused === "all" || unused.includes(AGENTS_PLUGIN))) {
          return yield* new ProviderInvalid({
            setting: LOCAL_CONFIG,
            message: `what config.json says of ${AGENTS_PLUGIN} is not used, and so it is not known which provider is meant.`
          })
        }
        const decoded = Schema.decodeUnknownResult(ProviderConfig)(entry?.config?.["provider"] ?? {})
        if (Result.isFailure(decoded)) {
          return yield* new ProviderInvalid({
            setting: "provider",
            message: `the document's settings of ${AGENTS_PLUGIN} name a provider that cannot be understood: correct its \`provider\`.`
          })
        }
        const named = decoded.success
        if (named.kind === "openai-compatible") {
          const baseUrl = yield* checkedUrl("provider.base_url", named.base_url ?? "", "api_key")
          return {
            kind: "openai-compatible" as const,
            baseUrl,
            apiKey: Option.map(Option.fromUndefinedOr(named.api_key), (key) => Redacted.make(key))
          }
        }
        return {
          kind: "github" as const,
          github: yield* Option.match(github, {
            onNone: () => checkedUrl("provider.github_url", named.github_url ?? GITHUB_URL),
            onSome: (url) => checkedUrl("HOLDFAST_GITHUB_URL", url)
          }),
          api: yield* Option.match(api, {
            onNone: () => checkedUrl("provider.github_api_url", named.github_api_url ?? GITHUB_API_URL),
            onSome: (url) => checkedUrl("HOLDFAST_GITHUB_API_URL", url)
          }),
          clientId: Option.getOrElse(clientId, () => named.client_id ?? CLIENT_ID)
        }
      })

      return ProviderSettings.of({
        provider,
        environmentToken: Effect.succeed(Option.filter(token, (secret) => Redacted.value(secret).trim() !== "")),
        // A machine of a fleet runs agents where its revision says so; a machine of its own always does.
        isNeeded: Effect.gen(function* () {
          const entry = agentsEntry(yield* config.document)
          if (entry !== undefined) return entry.enabled !== false
          return Option.isNone(yield* config.central)
        })
      })
    })
  )
}

const agentsEntry = (document: ConfigDocument) => document.plugins?.find(({ name }) => name === AGENTS_PLUGIN)

/** What a token belongs to: it is sent to these two addresses and to no other. */
export const providerId = ({ api, github }: GithubProvider): string => `${github} ${api}`

/** An address to which secrets may go, without slashes at its end. `key`: the setting for a key. */
export const checkedUrl = (
  setting: string,
  url: string,
  key: string | null = null
): Effect.Effect<string, ProviderInvalid> => {
  const problem = providerUrlProblem(url, key)
  return problem === null
    ? Effect.succeed(url.replace(/\/+$/, ""))
    : Effect.fail(new ProviderInvalid({ setting, message: `${setting} ${problem}.` }))
}

/** Whether a token may be sent there. */
export const mayCarrySecrets = (url: string): boolean => {
  const parsed = URL.parse(url)
  return (
    parsed !== null &&
    (parsed.protocol === "https:" || (parsed.protocol === "http:" && isLoopbackHost(parsed.hostname)))
  )
}
