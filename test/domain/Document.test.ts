import { Option, Redacted, Result } from "effect"
import { describe, expect, it } from "vitest"
import {
  bareDocument,
  centralSink,
  centralSinks,
  checkShape,
  type ConfigDocument,
  MAX_JSON_DEPTH,
  probationWindowMs,
  type Problem,
  seedDocument,
  withoutToken
} from "../../src/domain/index.ts"

const problems = (value: unknown): ReadonlyArray<Problem> =>
  Result.match(checkShape(typeof value === "string" ? value : JSON.stringify(value)), {
    onFailure: (found) => found,
    onSuccess: () => []
  })
const accepted = (value: unknown): ConfigDocument => Result.getOrThrow(checkShape(JSON.stringify(value)))
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const central = (config: object, plugin = "@holdfast/central") => ({
  version: 2,
  sinks: { central: { plugin, config } }
})
const fine = { url: "https://central.example", identity: {} }

describe("a document is accepted", () => {
  it("when it has a version and nothing else", () => {
    expect(accepted({ version: 2 })).toEqual({ version: 2 })
  })

  it("with every recognised key", () => {
    const document = {
      version: 2,
      plugins: [
        { name: "@holdfast/runs", enabled: true, config: { a: 1 }, version: "1.0.0", artifact_hash: "00", source: "s" }
      ],
      sinks: {
        w: { writer: "a", destination: "b", config: {} },
        central: { plugin: "@holdfast/central", config: fine }
      },
      disambiguate: { anything: [] },
      query: null
    }
    expect(accepted(document)).toEqual(document)
  })

  it("when a foreign client's central plugin has settings of its own", () => {
    expect(problems(central({ ...fine, ingest: true }, "@other/central"))).toEqual([])
    expect(problems(central({ anything: 1 }, "@other/central"))).toEqual([])
  })

  it("when a key has a name that JavaScript treats specially", () => {
    expect(problems('{"version":2,"plugins":[{"name":"a","config":{"constructor":1,"__proto__":{"x":1}}}]}')).toEqual(
      []
    )
  })
})

describe("a document is refused", () => {
  it.each([
    ["", "", /is empty/],
    [" \n", "", /is empty/],
    ["[]", "", /must be a JSON object, not a list/],
    ["null", "", /not null/],
    ["7", "", /not a number/],
    ['\uFEFF{"version":2}', "", /byte order mark/],
    ['{"version":2', "", /ends where a comma or } is expected/],
    ['{"version":2,}', "", /a key in double quotes is expected at line 1, column 14/],
    ['{\n "version": 2\n "plugins": []}', "", /line 3, column 2/],
    ['{"version":2} x', "", /the end of the document is expected/],
    ['{"version":02}', "", /not valid JSON/],
    ['{"version":2,"query":"a\tb"}', "", /not valid JSON/],
    ['{"version":2,"query":"\\x"}', "", /not valid JSON/],
    ['{"version":2,"query":NaN}', "", /not valid JSON/],
    ['{"version":2,"version":2}', "/version", /appears twice/],
    ['{"version":2,"sinks":{"a/b":{"plugin":"p","plugin":"q"}}}', "/sinks/a~1b/plugin", /appears twice/],
    ['{"version":2,"query":{"a":1,"\\u0061":2}}', "/query/a", /appears twice/],
    ["{}", "/version", /is required/],
    ['{"version":1}', "/version", /must be exactly 2/],
    ['{"version":"2"}', "/version", /must be exactly 2/],
    ['{"version":2,"plugin":[]}', "/plugin", /did you mean `plugins`/],
    ['{"version":2,"banana":[]}', "/banana", /known: version, plugins, sinks, disambiguate, query/],
    ['{"version":2,"plugins":{}}', "/plugins", /must be a list, not an object/],
    ['{"version":2,"plugins":[{"name":""}]}', "/plugins/0/name", /must not be empty/],
    ['{"version":2,"plugins":[{"name":"a","enable":true}]}', "/plugins/0/enable", /did you mean `enabled`/],
    ['{"version":2,"plugins":[{"name":"a","version":""}]}', "/plugins/0/version", /must not be empty/],
    ['{"version":2,"plugins":[{"name":"a","config":[]}]}', "/plugins/0/config", /must be an object, not a list/],
    ['{"version":2,"plugins":[{}]}', "/plugins/0/name", /is required/],
    ['{"version":2,"sinks":{"a":{}}}', "/sinks/a", /names no plugin/],
    ['{"version":2,"sinks":{"a":{"writer":"w"}}}', "/sinks/a", /lacks `destination`/],
    ['{"version":2,"sinks":{"a":{"destination":"w"}}}', "/sinks/a", /lacks `writer`/],
    ['{"version":2,"sinks":{"a":{"plugin":"p","writer":"w","destination":"d"}}}', "/sinks/a", /has both/],
    ['{"version":2,"sinks":{"a":7}}', "/sinks/a", /not a number/]
  ])("%j at %j: %s", (document, pointer, message) => {
    expect(problems(document)).toEqual([{ pointer, message: expect.stringMatching(message) }])
  })

  it.each([
    [undefined, "/sinks/central/config", /needs `url` and `identity`/],
    [{ identity: {} }, "/sinks/central/config/url", /is required/],
    [{ ...fine, url: "" }, "/sinks/central/config/url", /must not be empty/],
    [{ ...fine, url: "ftp://x" }, "/sinks/central/config/url", /not an http or https URL/],
    [{ ...fine, url: "https:x" }, "/sinks/central/config/url", /not an http or https URL/],
    [{ ...fine, url: "https://u:p@h" }, "/sinks/central/config/url", /user name or password/],
    [{ ...fine, url: "https://h/?a=1" }, "/sinks/central/config/url", /query or a fragment/],
    [{ url: "https://h" }, "/sinks/central/config/identity", /is required/],
    [{ ...fine, identity: "x" }, "/sinks/central/config/identity", /must be an object/],
    [{ ...fine, identity: { bootstrap_token: "" } }, "/sinks/central/config/identity/bootstrap_token", /not be empty/],
    [{ ...fine, identity: { boostrap_token: "x" } }, "/sinks/central/config/identity/boostrap_token", /did you mean/],
    [{ ...fine, poll_interval_seconds: 4 }, "/sinks/central/config/poll_interval_seconds", /from 5 to 3600/],
    [{ ...fine, poll_interval_seconds: 3601 }, "/sinks/central/config/poll_interval_seconds", /from 5 to 3600/],
    [{ ...fine, poll_interval_seconds: 1e9 }, "/sinks/central/config/poll_interval_seconds", /from 5 to 3600/],
    [{ ...fine, poll_interval_seconds: 5.5 }, "/sinks/central/config/poll_interval_seconds", /whole number/],
    [{ ...fine, poll_interval_seconds: "60" }, "/sinks/central/config/poll_interval_seconds", /whole number/],
    [{ ...fine, poll_interval: 60 }, "/sinks/central/config/poll_interval", /is not a known key/]
  ])("for the central sink's config %j", (config, pointer, message) => {
    const document = { version: 2, sinks: { central: { plugin: "@holdfast/central", config } } }
    expect(problems(document)).toEqual([{ pointer, message: expect.stringMatching(message) }])
  })

  it("once for a number that is wrong in two ways", () => {
    const central =
      '{"plugin":"@holdfast/central","config":{"url":"https://h","identity":{},"poll_interval_seconds":1e999}}'
    expect(problems(`{"version":2,"sinks":{"central":${central}}}`)).toHaveLength(1)
  })

  it("for bytes that are not UTF-8", () => {
    expect(checkShape(new Uint8Array([0x7b, 0xff, 0x7d]))).toEqual(
      Result.fail([{ pointer: "", message: expect.stringMatching(/not valid UTF-8/) }])
    )
  })

  it("for nesting that is too deep, without exhausting the stack", () => {
    const nested = (levels: number) => `{"version":2,"query":${"[".repeat(levels)}${"]".repeat(levels)}}`
    expect(problems(nested(MAX_JSON_DEPTH - 1))).toEqual([])
    expect(problems(nested(MAX_JSON_DEPTH))[0]?.message).toMatch(/deeper than 64/)
    expect(problems(nested(500_000))[0]?.message).toMatch(/deeper than 64/)
  })

  it("with every problem at once", () => {
    const found = problems({
      version: 3,
      plugins: [{ name: "", enabled: "yes" }, { nme: "x" }],
      sinks: { a: { plugin: "p", writer: "w", config: 1 }, b: { plugin: "@holdfast/central", config: { url: "no" } } },
      extra: true
    })
    expect(found.map(({ pointer }) => pointer).sort()).toEqual([
      "/extra",
      "/plugins/0/enabled",
      "/plugins/0/name",
      "/plugins/1/name",
      "/plugins/1/nme",
      "/sinks/a",
      "/sinks/a/config",
      "/sinks/b/config/identity",
      "/sinks/b/config/url",
      "/version"
    ])
  })

  it("without quoting a value that may be a secret", () => {
    const secret = "hf_topsecret"
    for (const broken of [
      `{"version":2,"sinks":{"central":{"plugin":"@holdfast/central","config":{"identity":{"bootstrap_token":"${secret}"}}}}`,
      `{"version":2,"sinks":{"central":{"plugin":"@holdfast/central","config":{"identity":"${secret}"}}}}`,
      `{"version":2,"sinks":{"central":{"plugin":"@holdfast/central","config":{"url":"https://${secret}@h","identity":{}}}}}`,
      `"${secret}"`
    ]) {
      expect(problems(broken)).not.toEqual([])
      expect(JSON.stringify(problems(broken))).not.toContain(secret)
    }
  })
})

describe("the central sink", () => {
  it("is read with its defaults, and its token stays redacted", () => {
    const document = accepted(central({ url: "https://h/x", identity: { bootstrap_token: "t0k3n" } }))
    const sink = Option.getOrThrow(centralSink(document))
    expect(sink).toMatchObject({ instance: "central", url: "https://h/x", pollSeconds: 300 })
    expect(Redacted.value(Option.getOrThrow(sink.token))).toBe("t0k3n")
    expect(JSON.stringify(sink)).not.toContain("t0k3n")
  })

  it("of this daemon is the bundled plugin's, while all scopes are listed", () => {
    const document = accepted({
      version: 2,
      sinks: {
        other: { plugin: "@other/central", config: { ...fine, more: 1 } },
        no: { plugin: "@other/central" },
        file: { plugin: "@holdfast/file-sink" },
        ours: { plugin: "@holdfast/central", config: fine }
      }
    })
    expect(centralSinks(document).map(({ instance }) => instance)).toEqual(["other", "ours"])
    expect(Option.getOrThrow(centralSink(document)).instance).toBe("ours")
  })

  it.each([
    [5, 120_000],
    [40, 120_000],
    [41, 123_000],
    [3600, 10_800_000],
    [undefined, 900_000]
  ])("with a poll interval of %s s gives a probation window of %s ms", (poll, window) => {
    const config = poll === undefined ? fine : { ...fine, poll_interval_seconds: poll }
    expect(probationWindowMs(accepted(central(config)))).toBe(window)
  })

  it("that is absent leaves a probation window of 300 s", () => {
    expect(probationWindowMs(accepted({ version: 2 }))).toBe(300_000)
  })
})

describe("the joining document", () => {
  const seed = seedDocument("https://h", Redacted.make("t0k3n"))

  it("passes the shape check and holds the token", () => {
    const sink = Option.getOrThrow(centralSink(Result.getOrThrow(checkShape(seed))))
    expect(Redacted.value(Option.getOrThrow(sink.token))).toBe("t0k3n")
  })

  it("without its token is the bare document", () => {
    expect(text(Result.getOrThrow(withoutToken(seed)))).toBe(text(bareDocument("https://h")))
  })

  it("loses nothing but tokens, of any scope's central sink", () => {
    const identity = { bootstrap_token: "t0k3n" }
    const document = {
      version: 2,
      plugins: [{ name: "x", config: { identity } }],
      sinks: {
        a: { plugin: "@holdfast/central", config: { url: "https://h", identity, poll_interval_seconds: 60 } },
        b: { plugin: "@other/central", config: { url: "https://h", identity: { ...identity, keep: 1 }, more: 2 } }
      },
      query: { a: 1 }
    }
    expect(JSON.parse(text(Result.getOrThrow(withoutToken(JSON.stringify(document)))))).toEqual({
      ...document,
      sinks: {
        a: { plugin: "@holdfast/central", config: { url: "https://h", identity: {}, poll_interval_seconds: 60 } },
        b: { plugin: "@other/central", config: { url: "https://h", identity: { keep: 1 }, more: 2 } }
      }
    })
  })

  it("that is no document is not copied", () => {
    expect(Result.isFailure(withoutToken("{"))).toBe(true)
  })
})
