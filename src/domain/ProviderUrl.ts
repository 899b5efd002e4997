/** The address of a model provider, to which secrets go: https, or http on this machine. */
import { Predicate, Result } from "effect"
import { AGENTS_PLUGIN } from "./Bundled.ts"
import { type BaseUrlFault, isLoopbackHost, readBaseUrl } from "./CentralProtocol.ts"
import type { ConfigDocument } from "./Document.ts"
import { pointerOf, type Problem } from "./Problem.ts"

/** What keeps an address from being used, and what to do, without what it holds; null: nothing. `key`: the setting for a key. */
export const providerUrlProblem = (url: string, key: string | null): string | null =>
  Result.match(readBaseUrl(url), {
    onFailure: (fault) => faultWords(fault, key),
    onSuccess: ({ hostname, protocol }) =>
      protocol === "https:" || isLoopbackHost(hostname)
        ? null
        : `uses http to ${hostname}, so that tokens would cross the network in the clear: use https (http is for a provider on this machine only)`
  })

/** The provider's addresses in a document that no machine uses, though its plugin takes them. */
export const providerUrlProblems = ({ plugins = [] }: ConfigDocument): ReadonlyArray<Problem> =>
  plugins.flatMap(({ config, enabled, name }, index) => {
    const provider = config?.["provider"]
    if (name !== AGENTS_PLUGIN || enabled === false || !Predicate.isObject(provider)) return []
    const isOpenAi = Reflect.get(provider, "kind") === "openai-compatible"
    return (isOpenAi ? ["base_url"] : ["github_url", "github_api_url"]).flatMap((setting) => {
      const url: unknown = Reflect.get(provider, setting)
      const message = Predicate.isString(url) ? providerUrlProblem(url, isOpenAi ? "api_key" : null) : null
      return message === null
        ? []
        : [{ pointer: pointerOf(["plugins", index, "config", "provider", setting]), message }]
    })
  })

const faultWords = (fault: BaseUrlFault, key: string | null): string => {
  switch (fault) {
    case "not_http":
      return "is no http or https URL: write it like https://api.example.com/v1"
    case "credentials":
      return `holds a user name or password: leave them out${key === null ? "" : `, and give the provider's key as \`${key}\``}`
    case "query":
      return "has a query or a fragment: leave it out, for the paths of the provider's API are put behind the address"
  }
}
