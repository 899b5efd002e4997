/** The account of whoever has the address of an OpenAI-compatible API, and a key where it needs one: nobody signs in. */
import { Effect, Layer, Option, Redacted } from "effect"
import { ModelAccount, type ModelCredential } from "../domain/index.ts"
import { checkedUrl } from "./ProviderSettings.ts"

export interface KeyProvider {
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly apiKey: Option.Option<Redacted.Redacted<string>>
}

export const keyCredential = ({ apiKey, baseUrl }: KeyProvider): ModelCredential => ({
  baseUrl,
  authorization: Option.getOrNull(Option.map(apiKey, (key) => Redacted.make(`Bearer ${Redacted.value(key)}`))),
  headers: {}
})

/** `ModelAccount` of a host that is no daemon. A key goes over https, or stays on this machine: else `ProviderInvalid`. */
export const keyAccountLayer = (provider: KeyProvider) =>
  Layer.effect(
    ModelAccount,
    Effect.map(checkedUrl("baseUrl", provider.baseUrl, "apiKey"), (baseUrl) =>
      ModelAccount.of({
        credential: Effect.succeed(keyCredential({ ...provider, baseUrl })),
        refused: Effect.void,
        status: Effect.succeed({
          source: "none",
          provider: "openai-compatible",
          state: "ready",
          username: null,
          problem: null
        })
      })
    )
  )
