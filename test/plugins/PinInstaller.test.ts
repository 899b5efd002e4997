import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ConfigDocument, PinRefusal, PluginEntry } from "../../src/domain/index.ts"
import { inFolder, manifest, services, writePlugin } from "./Folders.ts"

const install = (plugins: ReadonlyArray<PluginEntry> | undefined) =>
  inFolder((root) =>
    Effect.gen(function* () {
      yield* writePlugin(root, "x", manifest("test/x"))
      const { pins } = yield* services
      const document: ConfigDocument = { version: 2, ...(plugins !== undefined && { plugins }) }
      const installed = yield* pins.install(document)
      const { problems, wouldInstall } = yield* pins.preview(document)
      return {
        refusal: "refused" in installed ? installed.refused : null,
        trees: "trees" in installed ? installed.trees : null,
        problems,
        wouldInstall
      }
    })
  )

describe("installing pins", () => {
  it.effect.each<readonly [string, ReadonlyArray<PluginEntry> | undefined]>([
    ["no plugins", undefined],
    ["a bundled plugin without a pin", [{ name: "@holdfast/central" }]],
    [
      "a bundled plugin in this daemon's version, whatever the hash",
      [{ name: "@holdfast/central", version: "0.9.0", artifact_hash: "ab" }]
    ],
    ["a test plugin", [{ name: "test/x" }, { name: "test/x", version: "1.2.3" }]],
    ["a plugin that is switched off", [{ name: "elsewhere", enabled: false, version: "1.0.0" }]],
    [
      "a bundled name that this version lacks, which full validation answers",
      [{ name: "@holdfast/file-sink", version: "1.0.0" }]
    ]
  ])("has nothing to do for %s", ([, plugins]) =>
    Effect.map(install(plugins), (outcome) =>
      expect(outcome).toEqual({ refusal: null, trees: {}, problems: [], wouldInstall: [] })
    )
  )

  it.effect("refuses for good a bundled plugin in another version, and says which one would do", () =>
    Effect.gen(function* () {
      const { refusal } = yield* install([{ name: "@holdfast/central", version: "1.0.0" }])
      expect(refusal).toMatchObject({ verdict: "bundled_version_mismatch", transient: false })
      expect(refusal?.detail).toMatch(/version, 0\.9\.0, but the document pins 1\.0\.0\. Pin 0\.9\.0/)
    })
  )

  it.effect("refuses for good a test plugin in another version", () =>
    Effect.gen(function* () {
      const { refusal } = yield* install([{ name: "test/x", version: "1.2.4" }])
      expect(refusal).toMatchObject({ verdict: "version_mismatch", transient: false })
    })
  )

  it.effect("leaves to full validation a name that nobody brings", () =>
    Effect.gen(function* () {
      const { refusal, trees } = yield* install([{ name: "elsewhere", version: "1.0.0", artifact_hash: "ab" }])
      expect([refusal, trees]).toEqual([null, {}])
    })
  )

  it.effect.each<readonly [string, Omit<PluginEntry, "name">, PinRefusal["verdict"], RegExp]>([
    [
      "a path of this machine",
      { source: "/etc/plugin" },
      "config_invalid",
      /^source_forbidden: .*a document may never name/
    ],
    ["a file URL", { source: "file:///etc/plugin" }, "config_invalid", /^source_forbidden: /],
    ["plain http to another machine", { source: "http://h.example/x.tgz" }, "config_invalid", /^source_forbidden: /],
    [
      "a ref beside a pinned version",
      { source: "git+https://h.example/x#main", version: "1.0.0" },
      "config_invalid",
      /^source_ambiguous: /
    ],
    [
      "a hash that is none",
      { source: "https://h.example/x.tgz", artifact_hash: "sha256:ab" },
      "artifact_hash_mismatch",
      /pin 64 lower-case hex digits/
    ]
  ])("refuses for good, and before anything is fetched, %s", ([, entry, verdict, detail]) =>
    Effect.gen(function* () {
      const { problems, refusal } = yield* install([{ name: "test/x" }, { name: "elsewhere", ...entry }])
      expect(refusal).toMatchObject({ verdict, transient: false })
      expect(refusal?.detail).toMatch(detail)
      expect(problems).toEqual([{ pointer: "/plugins/1", message: refusal?.detail }])
    })
  )

  it.effect("refuses for good a name that cannot be a directory's", () =>
    Effect.gen(function* () {
      const { refusal } = yield* install([{ name: "../../x", source: "https://h.example/x.tgz" }])
      expect(refusal).toMatchObject({ verdict: "config_invalid", transient: false })
      expect(refusal?.detail).toMatch(/^manifest_invalid: no plugin can be called/)
    })
  )

  it.effect("says what it would install, and asks nobody for it", () =>
    Effect.gen(function* () {
      const entry = { name: "elsewhere", version: "1.0.0", source: "git+https://h.invalid/x" }
      yield* inFolder(() =>
        Effect.gen(function* () {
          const { pins } = yield* services
          expect(yield* pins.preview({ version: 2, plugins: [entry] })).toEqual({ problems: [], wouldInstall: [entry] })
        })
      )
    })
  )

  it.effect("lets what no other try can mend decide", () =>
    Effect.gen(function* () {
      const { refusal } = yield* install([
        { name: "elsewhere", source: "https://h.invalid/x.tgz" },
        { name: "test/x", version: "2.0.0" }
      ])
      expect(refusal?.verdict).toBe("version_mismatch")
    })
  )
})
