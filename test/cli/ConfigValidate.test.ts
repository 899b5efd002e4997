import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { atDesk } from "./InProcess.ts"

const central = { plugin: "@holdfast/central", config: { url: "https://c.example.com", identity: {} } }

describe("config validate", () => {
  it.live("accepts what this machine would apply, and writes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const file = yield* desk.write("ok.json", JSON.stringify({ version: 2, sinks: { central } }))
        expect(yield* desk.run(["config", "validate", file])).toMatchObject({ code: 0, err: "" })
        const { out } = yield* desk.run(["config", "validate", file, "--json"])
        expect(JSON.parse(out)).toEqual({ valid: true, problems: [], warnings: [], would_install: [] })
        expect(yield* desk.files).toEqual([])
      })
    )
  )

  it.live("names every problem: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const document = JSON.stringify({ version: 2, plugns: [], sinks: { a: {} } })
        const said = yield* desk.run(["config", "validate", "-", "--json"], { stdin: document })
        expect(said.code).toBe(1)
        expect(JSON.parse(said.out).problems.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
          "/plugns",
          "/sinks/a"
        ])
        const text = yield* desk.run(["config", "validate", "-"], { stdin: document })
        expect(text).toMatchObject({ code: 1, out: expect.stringContaining("did you mean `plugins`?") })
        expect(text.err).toContain("2 problems")
      })
    )
  )

  it.live("names what would have to be installed, and holds against it only what can be known before", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const validate = (entry: object) => {
          const document = {
            version: 2,
            plugins: [entry],
            sinks: { central, other: { plugin: "@acme/x", config: { any: 1 } } }
          }
          return Effect.map(
            desk.run(["config", "validate", "-", "--json"], { stdin: JSON.stringify(document) }),
            ({ out }): unknown => JSON.parse(out)
          )
        }
        const entry = { name: "@acme/x", version: "1.0.0", source: "git+https://git.example.com/x.git" }
        expect(yield* validate(entry)).toEqual({ valid: true, problems: [], warnings: [], would_install: [entry] })
        expect(yield* validate({ ...entry, source: "/opt/x" })).toMatchObject({
          valid: false,
          problems: [{ pointer: "/plugins/0", message: expect.stringContaining("source_forbidden: ") }],
          would_install: []
        })
        expect(yield* validate({ name: "@acme/x" })).toMatchObject({
          valid: false,
          problems: [{ pointer: "/plugins/0/name" }, { pointer: "/sinks/other/plugin" }],
          would_install: []
        })
      })
    )
  )

  it.live("refuses a central that this machine could not join", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const insecure = { ...central, config: { ...central.config, url: "http://c.example.com" } }
        const document = JSON.stringify({ version: 2, sinks: { central: insecure } })
        const said = yield* desk.run(["config", "validate", "-"], { stdin: document })
        expect(said).toMatchObject({ code: 1, out: expect.stringContaining("/sinks/central/config/url") })
      })
    )
  )

  it.live("warns of a model provider's address that no machine uses, where nothing else says so", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const documentOf = (base_url: string) => {
          const config = { provider: { kind: "openai-compatible", base_url } }
          return JSON.stringify({ version: 2, plugins: [{ name: "@holdfast/agents", config }] })
        }
        const pointer = "/plugins/0/config/provider/base_url"
        const validate = (url: string, ...more: ReadonlyArray<string>) =>
          desk.run(["config", "validate", "-", ...more], { stdin: documentOf(url) })
        const text = yield* validate("http://example.com/v1")
        expect(text).toMatchObject({ code: 0, out: expect.stringContaining(`warning: ${pointer}: uses http to`) })
        expect(text.out).toMatch(/would apply, but no model could be asked with it\.$/)
        const json = yield* validate("https://u:p@h/v1", "--json")
        expect(JSON.parse(json.out)).toMatchObject({ valid: true, problems: [], warnings: [{ pointer }] })
        const refused = yield* validate("ftp://h/v1", "--json")
        expect(JSON.parse(refused.out)).toMatchObject({ valid: false, problems: [{ pointer }], warnings: [] })
        const good = yield* validate("http://127.0.0.1:11434/v1")
        expect(good.out).toMatch(/^- is a document that this machine would apply\.$/)
      })
    )
  )

  it.live("of a file that cannot be read is exit code 1, without a file exit code 2", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect((yield* desk.run(["config", "validate", desk.path("none")])).code).toBe(1)
        expect((yield* desk.run(["config", "validate"])).code).toBe(2)
      })
    )
  )
})
