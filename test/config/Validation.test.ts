import { describe, expect, it } from "vitest"
import { ignoredKeys, validateFully } from "../../src/config/Validation.ts"
import type { ConfigDocument, KnownPlugin } from "../../src/domain/index.ts"
import { formatProblem } from "../../src/domain/index.ts"
import { central, documentOf, known, plugin } from "./Documents.ts"

const problems = (document: ConfigDocument, catalogue: ReadonlyArray<KnownPlugin> = known) =>
  validateFully(document, catalogue).map(formatProblem)

/** Problems of the settings of one plugin with this schema. */
const settings = (schema: Record<string, unknown>, config: Record<string, unknown> | undefined) =>
  problems(documentOf([{ name: "x", ...(config !== undefined && { config }) }]), [
    plugin("x", { config_schema: schema })
  ])

describe("full validation", () => {
  it.each<[string, ConfigDocument]>([
    ["an empty document", { version: 2 }],
    ["a central sink alone", documentOf([], { a: central() })],
    ["no central sink, for that is central's own concern", documentOf([{ name: "plain" }])],
    [
      "plugins and sinks with what they want",
      documentOf([{ name: "plain", config: { any: 1 } }, { name: "strict", config: { path: "p" } }, { name: "tap" }], {
        a: central(),
        b: { plugin: "tap" }
      })
    ],
    [
      "a pin that is not this version's, for pins are checked when installed",
      documentOf([
        { name: "plain", version: "9.9.9", artifact_hash: "ab" },
        { name: "@holdfast/central", version: "9.9.9" }
      ])
    ],
    [
      "an unknown plugin that is switched off, with its sinks",
      documentOf([{ name: "gone", enabled: false, config: { x: 1 } }], { a: { plugin: "gone" } })
    ],
    [
      "settings that are given at the sinks only",
      documentOf([{ name: "strict-tap" }], {
        a: { plugin: "strict-tap", config: { to: "x" } }
      })
    ],
    ["keys of other clients", { version: 2, query: 1, disambiguate: {} }]
  ])("accepts %s", (_, document) => {
    expect(problems(document)).toEqual([])
  })

  it.each<[string, ConfigDocument, ReadonlyArray<string>]>([
    [
      "a plugin that is listed twice, even switched off",
      documentOf([{ name: "plain" }, { name: "plain", enabled: false }]),
      ["/plugins/1/name: `plain` is listed already at /plugins/0: keep one of the two"]
    ],
    [
      "an unknown plugin",
      documentOf([{ name: "gone" }]),
      ["/plugins/0/name: `gone` is not installed on this machine: check the name, or remove it"]
    ],
    [
      "a mistyped plugin",
      documentOf([{ name: "strct" }, { name: "@holdfast/centrl" }]),
      [
        "/plugins/0/name: `strct` is not installed on this machine: did you mean `strict`?",
        "/plugins/1/name: `@holdfast/centrl` is not installed on this machine: did you mean `@holdfast/central`?"
      ]
    ],
    [
      "a bundled plugin that this version lacks",
      documentOf([{ name: "@holdfast/runs" }], { a: { plugin: "@holdfast/file-sink" } }),
      [
        "/plugins/0/name: this version does not contain `@holdfast/runs`: remove it, or use a version of Holdfast that does",
        "/sinks/a/plugin: this version does not contain `@holdfast/file-sink`: remove it, or use a version of Holdfast that does"
      ]
    ],
    [
      "a sink of an unknown plugin",
      documentOf([], { "a/b": { plugin: "gone" } }),
      ["/sinks/a~1b/plugin: `gone` is not installed on this machine: check the name, or remove it"]
    ],
    [
      "a sink of a plugin that is none",
      documentOf([{ name: "plain" }], { a: { plugin: "plain" } }),
      ["/sinks/a/plugin: `plain` is no sink: name a plugin that provides the capability `sink`"]
    ],
    [
      "a sink of a plugin that is not listed",
      documentOf([], { a: { plugin: "tap" } }),
      ["/sinks/a/plugin: `tap` is not listed under `plugins`: add it there, for it is no part of the daemon"]
    ],
    [
      "a second central sink",
      documentOf([], { a: central(), b: central("http://127.0.0.1:2") }),
      ["/sinks/b: is a second central sink beside `a`: a machine has one line to central, remove one of the two"]
    ],
    [
      "settings of a sink",
      documentOf([{ name: "strict-tap" }], { a: { plugin: "strict-tap", config: { to: 1 } } }),
      ["/sinks/a/config/to: must be of type string, not number"]
    ],
    [
      "settings that are missing as a whole",
      documentOf([{ name: "strict" }, { name: "strict-tap" }], { a: { plugin: "tap" } }),
      [
        "/plugins/0/config/path: is required",
        "/plugins/1/config/to: is required",
        "/sinks/a/plugin: `tap` is not listed under `plugins`: add it there, for it is no part of the daemon"
      ]
    ]
  ])("names %s", (_, document, expected) => {
    expect(problems(document)).toEqual(expected)
  })

  it("does not run a sink with a writer, and says which problem that is", () => {
    expect(problems(documentOf([], { a: { writer: "w", destination: "d" } }))).toEqual([
      expect.stringMatching(/^\/sinks\/a: has a `writer`.*\(sink_kind_unsupported\): use a sink with `plugin`/)
    ])
  })

  it("answers for a large document at once", () => {
    const sinks = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`s${n}`, { plugin: "tap" }]))
    expect(problems(documentOf([{ name: "tap" }], sinks))).toEqual([])
  })
})

describe("the settings of a plugin", () => {
  it("have every problem named, in plain words and without the value", () => {
    const config = { pth: "s3cret", level: "s3cret", size: 4.25 }
    expect(problems(documentOf([{ name: "strict", config }]))).toEqual([
      "/plugins/0/config/path: is required",
      '/plugins/0/config/level: must be any of ["low","high"]',
      "/plugins/0/config/size: is refused by the plugin's config_schema: it is less than 5",
      "/plugins/0/config/pth: is not a setting that the plugin knows (did you mean `path`?)"
    ])
  })

  it("have the settings listed that a plugin knows, for a key like none of them", () => {
    expect(problems(documentOf([{ name: "strict", config: { path: "p", zz: 1 } }]))).toEqual([
      "/plugins/0/config/zz: is not a setting that the plugin knows (known: path, level, size)"
    ])
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>, ReadonlyArray<string>]>([
    ["a reference", { $ref: "#/$defs/x", $defs: { x: { required: ["a"] } } }, {}, ["/a: is required"]],
    ["a condition", { if: { required: ["a"] }, else: { required: ["b"] } }, {}, ["/b: is required"]],
    [
      "items",
      { properties: { a: { items: { type: "integer" } } } },
      { a: [1, 1.5] },
      ["/a/1: must be of type integer, not number"]
    ],
    [
      "several types",
      { properties: { a: { type: ["string", "null"] } } },
      { a: 1 },
      ["/a: must be of type string or null, not number"]
    ],
    [
      "alternatives, as one problem",
      { anyOf: [{ required: ["a"] }, { properties: { b: false } }] },
      { b: 1 },
      [": is refused by the plugin's config_schema: Instance does not match any subschemas"]
    ],
    ["odd names of keys", { properties: { "a/b c#é": { const: 1 } } }, { "a/b c#é": 2 }, ["/a~1b c#é: must be 1"]],
    [
      "draft 7",
      {
        $schema: "http://json-schema.org/draft-07/schema#",
        properties: { a: { items: [{ type: "string" }], additionalItems: false } }
      },
      { a: ["x", 1] },
      ["/a/1: is not a setting that the plugin knows (remove it)"]
    ]
  ])("may be described with %s", (_, schema, config, expected) => {
    expect(settings(schema, config)).toEqual(expected.map((problem) => `/plugins/0/config${problem}`))
  })

  it("are taken as empty where the document gives none", () => {
    expect(settings({ required: ["a"] }, undefined)).toEqual(["/plugins/0/config/a: is required"])
    expect(settings({ properties: { a: { type: "string" } } }, undefined)).toEqual([])
  })

  it("cannot be checked by a schema that refers to nothing, which is a problem of its own", () => {
    expect(settings({ $ref: "#/$defs/none" }, {})).toEqual([
      expect.stringMatching(/^\/plugins\/0\/config: cannot be checked, .*Unresolved \$ref.*use another version/s)
    ])
  })

  it("leave the manifest as it was", () => {
    const schema = Object.freeze({ $ref: "#/$defs/x", $defs: Object.freeze({ x: Object.freeze({ type: "object" }) }) })
    expect(settings(schema, {})).toEqual([])
    expect(Object.getOwnPropertyNames(schema)).toEqual(["$ref", "$defs"])
  })
})

describe("keys without a meaning", () => {
  it("raise one warning for all of them, and none where there are none", () => {
    expect(ignoredKeys({ version: 2 })).toEqual([])
    expect(ignoredKeys({ version: 2, query: null, disambiguate: 1 })).toEqual([
      {
        severity: "warning",
        kind: "config_keys_ignored",
        message: "The configuration contains `query` and `disambiguate`, which this version of Holdfast ignores.",
        repair: [expect.stringMatching(/^Remove `query` and `disambiguate`/)]
      }
    ])
  })
})
