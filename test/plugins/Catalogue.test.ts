import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import { AGENTS_PLUGIN, CENTRAL_PLUGIN, RUNS_PLUGIN, Version } from "../../src/domain/index.ts"
import { fixtures, inFolder, manifest, services, withPlugins, writePlugin } from "./Folders.ts"

const names = Effect.gen(function* () {
  const { catalogue } = yield* services
  return (yield* catalogue.known({})).map(({ manifest }) => manifest.name)
})

describe("the catalogue of plugins", () => {
  it.effect("contains the line to central, agents and runs, as parts of the daemon and of its version", () =>
    withPlugins(
      undefined,
      Effect.gen(function* () {
        const { catalogue } = yield* services
        const known = yield* catalogue.known({})
        expect(known).toMatchObject([
          {
            manifest: { name: CENTRAL_PLUGIN, version: "0.9.0", provides: { capabilities: ["sink"] } },
            entry: null,
            origin: "bundled"
          },
          { manifest: { name: AGENTS_PLUGIN, version: "0.9.0" }, entry: null, origin: "bundled" },
          { manifest: { name: RUNS_PLUGIN, version: "0.9.0" }, entry: null, origin: "bundled" }
        ])
        expect(yield* catalogue.environment).toBe(
          "holdfast/0.9.0 @holdfast/agents@0.9.0 @holdfast/central@0.9.0 @holdfast/runs@0.9.0"
        )
      })
    )
  )

  it.effect("offers the plugins that come with these tests, none of them refused", () => {
    const lines: Array<string> = []
    return withPlugins(
      fixtures,
      Effect.gen(function* () {
        expect(yield* names).toEqual([
          CENTRAL_PLUGIN,
          AGENTS_PLUGIN,
          RUNS_PLUGIN,
          "test/blocks-if-file",
          "test/crash-at-start",
          "test/crash-if-file",
          "test/hangs",
          "test/throws",
          "test/well"
        ])
        expect(lines).toEqual([])
      }),
      lines
    )
  })

  it.effect("is read from the disk at each call, and names every plugin in the environment", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const { catalogue } = yield* services
        expect(yield* names).toEqual([CENTRAL_PLUGIN, AGENTS_PLUGIN, RUNS_PLUGIN])
        yield* writePlugin(root, "b", manifest("z"))
        yield* writePlugin(root, "a", manifest("0"))
        expect(yield* names).toEqual([CENTRAL_PLUGIN, AGENTS_PLUGIN, RUNS_PLUGIN, "0", "z"])
        expect(yield* catalogue.environment).toBe(
          "holdfast/0.9.0 0@1.2.3 @holdfast/agents@0.9.0 @holdfast/central@0.9.0 @holdfast/runs@0.9.0 z@1.2.3"
        )
      })
    )
  )

  it.effect.each([
    ["no manifest at all", undefined, /cannot be read/],
    ["text that is not JSON", "{", /is no manifest/],
    ["a manifest that lacks its name", manifest("x", { name: undefined }), /is no manifest: \/name: Missing key/],
    ["another schema version", manifest("x", { schema_version: 2 }), /\/schema_version/],
    ["another runtime", manifest("x", { runtime: "python" }), /\/runtime/],
    ["a version that is none", manifest("x", { version: "one" }), /has the version `one`/],
    ["a range that is none", manifest("x", { holdfast_api: "new" }), /has the range `new`/],
    ["a range for another API", manifest("x", { holdfast_api: "^2.0.0" }), /wants the plugin API \^2\.0\.0/],
    ["the name of a bundled plugin", manifest(CENTRAL_PLUGIN), /claims the name `@holdfast\/central`/],
    [
      "a bundled name that this version lacks",
      manifest("@holdfast/file-sink"),
      /claims the name `@holdfast\/file-sink`/
    ],
    ["an entry that is not there", manifest("x", { entrypoint: "main.js" }), /no file inside/],
    ["an entry that is a folder", manifest("x", { entrypoint: "." }), /no file inside/],
    ["an entry outside", manifest("x", { entrypoint: "../good/index.js" }), /no file inside/],
    ["an entry that a link leads outside", manifest("x", { entrypoint: "link.js" }), /no file inside/]
  ] as const)("leaves out a folder with %s, once with a warning", ([, content, reason]) =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        yield* writePlugin(root, "good", manifest("good"))
        yield* fs.makeDirectory(path.join(root, "bad"))
        yield* fs.symlink(path.join(root, "good", "index.js"), path.join(root, "bad", "link.js"))
        if (content !== undefined) yield* writePlugin(root, "bad", content)
        expect(yield* names).toEqual([CENTRAL_PLUGIN, AGENTS_PLUGIN, RUNS_PLUGIN, "good"])
        expect(yield* names).toEqual([CENTRAL_PLUGIN, AGENTS_PLUGIN, RUNS_PLUGIN, "good"])
        expect(lines).toEqual([expect.stringMatching(/^Warn: A test plugin is left out: /)])
        expect(lines[0]).toMatch(reason)
        expect(lines[0]).toContain(path.join(root, "bad"))
      })
    )
  )

  it.effect("keeps the first of two plugins with one name", () =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        yield* writePlugin(root, "a", manifest("x", { version: "1.0.0" }))
        yield* writePlugin(root, "b", manifest("x", { version: "2.0.0" }))
        const { catalogue } = yield* services
        expect((yield* catalogue.known({}))[3]).toMatchObject({ manifest: { version: "1.0.0" }, origin: "test" })
        expect(lines).toEqual([expect.stringMatching(/second plugin named `x`: rename one/)])
      })
    )
  )

  it.effect("has no test plugins where their folder is missing, and says so", () => {
    const lines: Array<string> = []
    return withPlugins(
      "/nowhere/at/all",
      Effect.gen(function* () {
        expect(yield* names).toEqual([CENTRAL_PLUGIN, AGENTS_PLUGIN, RUNS_PLUGIN])
        expect(lines).toEqual([expect.stringMatching(/HOLDFAST_TEST_PLUGINS=\/nowhere\/at\/all cannot be read/)])
      }),
      lines
    )
  })
})

describe("the version", () => {
  it.effect("is what the file VERSION says", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = yield* path.fromFileUrl(new URL("../../VERSION", import.meta.url))
      expect(yield* Version.pipe(Effect.provide(Version.layer))).toBe((yield* fs.readFileString(file)).trim())
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("cannot be told without that file, or with another content", () =>
    Effect.gen(function* () {
      const read = (files: Parameters<typeof FileSystem.layerNoop>[0]) =>
        Version.pipe(Effect.provide(Version.layer), Effect.provide(FileSystem.layerNoop(files)), Effect.flip)
      expect((yield* read({ exists: () => Effect.succeed(false) })).message).toMatch(/no VERSION file above/)
      const other = { exists: () => Effect.succeed(true), readFileString: () => Effect.succeed("new\n") }
      expect((yield* read(other)).message).toMatch(/cannot be read .*install Holdfast again/s)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
