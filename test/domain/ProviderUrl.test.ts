import { describe, expect, it } from "vitest"
import { type ConfigDocument, providerUrlProblem, providerUrlProblems } from "../../src/domain/index.ts"

const documentOf = (provider: Readonly<Record<string, string>>, enabled = true): ConfigDocument => ({
  version: 2,
  plugins: [{ name: "plain" }, { name: "@holdfast/agents", enabled, config: { provider } }]
})

describe("the address of a model provider", () => {
  it.each([
    "https://api.example.com/v1",
    "https://h:8443",
    "http://127.0.0.1:11434/v1",
    "http://localhost/v1",
    "http://[::1]:1"
  ])("%s is one", (url) => expect(providerUrlProblem(url, "api_key")).toBeNull())

  it.each([
    ["api.example.com/v1", /^is no http or https URL: write it like https:\/\/api\.example\.com\/v1$/],
    ["ftp://h/v1", /^is no http or https URL/],
    ["http://example.com/v1", /^uses http to example\.com, .* in the clear: use https/],
    ["http://192.168.1.2:11434/v1", /^uses http to 192\.168\.1\.2/],
    ["https://h/v1?api-version=1", /^has a query or a fragment: leave it out/],
    [
      "https://u:hidden@h/v1",
      /^holds a user name or password: leave them out, and give the provider's key as `api_key`$/
    ]
  ])("%s is none, and is told so without what it holds", (url, words) => {
    const problem = providerUrlProblem(url, "api_key") ?? ""
    expect(problem).toMatch(words)
    expect(problem).not.toMatch(/policy token|central|hidden|api-version/)
    expect(providerUrlProblem(url, null)).not.toContain("api_key")
  })

  it("is looked for where the document names it", () => {
    const url = "http://example.com"
    const at = (document: ConfigDocument) => providerUrlProblems(document).map(({ pointer }) => pointer)
    const both = { base_url: url, github_url: url, github_api_url: url }
    expect(at(documentOf({ kind: "openai-compatible", ...both }))).toEqual(["/plugins/1/config/provider/base_url"])
    expect(at(documentOf({ kind: "github", ...both }))).toEqual([
      "/plugins/1/config/provider/github_url",
      "/plugins/1/config/provider/github_api_url"
    ])
    expect(at(documentOf({ kind: "openai-compatible", ...both }, false))).toEqual([])
    expect(
      at({ version: 2, plugins: [{ name: "@holdfast/agents" }, { name: "x", config: { provider: both } }] })
    ).toEqual([])
  })
})
