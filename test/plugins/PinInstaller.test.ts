import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ConfigDocument, PluginEntry } from "../../src/domain/index.ts"
import { inFolder, manifest, services, writePlugin } from "./Folders.ts"

const install = (plugins: ReadonlyArray<PluginEntry> | undefined) =>
  inFolder((root) =>
    Effect.gen(function* () {
      yield* writePlugin(root, "x", manifest("test/x"))
      const { pins } = yield* services
      const document: ConfigDocument = { version: 2, ...(plugins !== undefined && { plugins }) }
      return { refusal: yield* pins.install(document), missing: yield* pins.missing(document) }
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
    Effect.map(install(plugins), (outcome) => expect(outcome).toEqual({ refusal: null, missing: [] }))
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

  it.effect("fails for now with a plugin that would have to be fetched, and names it as missing", () =>
    Effect.gen(function* () {
      const entry = { name: "elsewhere", version: "1.0.0", artifact_hash: "ab", source: "git+https://h/x" }
      expect(yield* install([{ name: "test/x" }, entry])).toEqual({
        refusal: {
          verdict: "plugin_install_failed",
          transient: true,
          detail:
            "this version installs no plugins: elsewhere is not bundled. " +
            "Remove it from the document, or use a daemon that can install plugins."
        },
        missing: [entry]
      })
    })
  )

  it.effect("lets what no other try can mend decide", () =>
    Effect.gen(function* () {
      const { refusal } = yield* install([{ name: "elsewhere" }, { name: "test/x", version: "2.0.0" }])
      expect(refusal?.verdict).toBe("version_mismatch")
    })
  )
})
