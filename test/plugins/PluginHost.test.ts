import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Path } from "effect"
import { TestClock } from "effect/testing"
import type { ConfigDocument, PluginEntry } from "../../src/domain/index.ts"
import { fixtures, inFolder, inTemporary, manifest, services, withPlugins, writePlugin } from "./Folders.ts"

const NORMAL = { bundledOnly: false, trees: {} }
const central = { central: { plugin: "@holdfast/central", config: { url: "http://127.0.0.1:1", identity: {} } } }
const documentOf = (...plugins: ReadonlyArray<PluginEntry>): ConfigDocument => ({ version: 2, plugins, sinks: central })
const CENTRAL_STATE = { name: "@holdfast/central", version: "0.9.0", state: "active" }

/** Waits in real time, for files and imports take some. */
const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function* () {
    while (!(yield* condition)) yield* TestClock.withLive(Effect.sleep("5 millis"))
  })

const linesOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => ""))
    return text.split("\n").filter((line) => line !== "")
  })

/** The source of a plugin that notes what happens to it in the file that its settings name. */
const noting = (body: string) => `
import { appendFileSync } from "node:fs"
export const setup = (api) => {
  const note = (text) => appendFileSync(api.config.path, api.name + " " + text + "\\n")
  ${body}
}`

describe("the plugin host", () => {
  it.effect("sets a plugin up with its settings, and closes it", () =>
    inTemporary((root) =>
      Effect.gen(function* () {
        const path = yield* Path.Path
        const lines: Array<string> = []
        const file = path.join(root, "notes")
        return yield* withPlugins(
          fixtures,
          Effect.gen(function* () {
            const { host } = yield* services
            expect(yield* host.states).toEqual([])
            const states = yield* host.load(documentOf({ name: "test/well", config: { path: file } }), NORMAL)
            expect(states).toEqual([{ name: "test/well", version: "1.0.0", state: "active" }, CENTRAL_STATE])
            expect(yield* host.states).toEqual(states)
            expect(yield* linesOf(file)).toEqual(["setup 1 test/well 1.0.0"])
            expect(lines).toContain("Info: set up 1 time(s)")
            yield* host.close
            yield* host.close
            expect(yield* linesOf(file)).toEqual(["setup 1 test/well 1.0.0", "close aborted=true"])
          }),
          lines
        )
      })
    )
  )

  it.effect("costs a failing plugin alone, and says why", () =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        yield* writePlugin(root, "throws", manifest("throws"), `export const setup = () => { throw new Error("boom") }`)
        yield* writePlugin(root, "rejects", manifest("rejects"), `export const setup = async () => { throw "bang" }`)
        yield* writePlugin(
          root,
          "oddity",
          manifest("oddity"),
          `export const setup = () => { throw Object.create(null) }`
        )
        yield* writePlugin(
          root,
          "trap",
          manifest("trap"),
          `export const setup = () => ({ get close() { throw new Error("snap") } })`
        )
        yield* writePlugin(root, "empty", manifest("empty"), `export const start = () => {}`)
        yield* writePlugin(root, "broken", manifest("broken"), `export const setup = (`)
        yield* writePlugin(root, "loads", manifest("loads"), `throw new Error("at load")`)
        yield* writePlugin(root, "default", manifest("default"), `export default () => {}`)
        const { host } = yield* services
        const names = ["throws", "rejects", "oddity", "trap", "empty", "broken", "loads", "gone", "default"]
        const states = yield* host.load(documentOf(...names.map((name) => ({ name }))), NORMAL)
        expect(states.map(({ name, state, message }) => [name, state, message ?? ""])).toEqual([
          [
            "throws",
            "failed",
            expect.stringContaining("Plugin throws 1.2.3 did not start, setup threw: boom. It is left out")
          ],
          ["rejects", "failed", expect.stringContaining("setup threw: bang")],
          ["oddity", "failed", expect.stringContaining("setup threw: a thrown object")],
          ["trap", "failed", expect.stringContaining("setup threw: snap")],
          ["empty", "failed", expect.stringContaining("exports no function `setup`")],
          ["broken", "failed", expect.stringContaining("cannot be loaded: ")],
          ["loads", "failed", expect.stringContaining("cannot be loaded: at load")],
          ["gone", "failed", expect.stringContaining("is not on this machine")],
          ["default", "active", ""],
          ["@holdfast/central", "active", ""]
        ])
        expect(lines.filter((line) => line.startsWith("Warn"))).toHaveLength(8)
      })
    )
  )

  it.effect("gives setup exactly ten seconds, and closes what comes later", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const path = yield* Path.Path
        const fs = yield* FileSystem.FileSystem
        const file = path.join(root, "notes")
        const go = path.join(root, "go")
        const source = noting(`
          note("setup")
          api.signal.addEventListener("abort", () => note("aborted"))
          return new Promise((resolve) => {
            const timer = setInterval(() => {
              if (!existsSync(api.config.go)) return
              clearInterval(timer)
              resolve({ close: () => note("closed") })
            }, 5)
          })`)
        yield* writePlugin(root, "slow", manifest("slow"), `import { existsSync } from "node:fs"\n${source}`)
        const { host } = yield* services
        const loading = yield* Effect.forkChild(
          host.load(documentOf({ name: "slow", config: { path: file, go } }), NORMAL)
        )
        yield* until(Effect.map(linesOf(file), (lines) => lines.length === 1))
        yield* TestClock.adjust("9999 millis")
        expect(loading.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 millis")
        expect((yield* Fiber.join(loading))[0]).toMatchObject({
          state: "failed",
          message: expect.stringContaining("setup was not done within 10 seconds")
        })
        expect(yield* linesOf(file)).toEqual(["slow setup", "slow aborted"])
        yield* fs.writeFileString(go, "")
        yield* until(Effect.map(linesOf(file), (lines) => lines.includes("slow closed")))
      })
    )
  )

  it.effect("waits for all plugins side by side, so that several slow ones take no longer than one", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const path = yield* Path.Path
        const file = path.join(root, "notes")
        const config = { path: file }
        for (const name of ["a", "b", "c"]) {
          const source = noting(`note("setup"); return new Promise(() => {})`)
          yield* writePlugin(root, name, manifest(name), source)
        }
        const { host } = yield* services
        const loading = yield* Effect.forkChild(
          host.load(documentOf({ name: "a", config }, { name: "b", config }, { name: "c", config }), NORMAL)
        )
        yield* until(Effect.map(linesOf(file), (lines) => lines.length === 3))
        yield* TestClock.adjust("10 seconds")
        expect((yield* Fiber.join(loading)).map(({ state }) => state)).toEqual(["failed", "failed", "failed", "active"])
      })
    )
  )

  it.effect("closes in reverse order, each within five seconds whatever the others do", () =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        const path = yield* Path.Path
        const file = path.join(root, "notes")
        const config = { path: file }
        const plugins = [
          ["first", `return { close: async () => note("closed") }`],
          ["stuck", `return { close: () => { note("closing"); return new Promise(() => {}) } }`],
          ["throws", `return { close: () => { note("throwing"); throw new Error("not now") } }`],
          ["last", `return new (class { word = "closed"; close() { note(this.word) } })()`]
        ] as const
        for (const [name, body] of plugins) yield* writePlugin(root, name, manifest(name), noting(body))
        const { host } = yield* services
        yield* host.load(documentOf(...plugins.map(([name]) => ({ name, config }))), NORMAL)
        const closing = yield* Effect.forkChild(host.close)
        yield* until(Effect.map(linesOf(file), (lines) => lines.length === 3))
        yield* TestClock.adjust("4999 millis")
        expect(yield* linesOf(file)).toEqual(["last closed", "throws throwing", "stuck closing"])
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(closing)
        expect((yield* linesOf(file)).at(-1)).toBe("first closed")
        expect(lines.filter((line) => line.startsWith("Warn"))).toEqual([
          "Warn: Plugin throws 1.2.3 was not closed in order: not now",
          "Warn: Plugin stuck 1.2.3 was not closed in order: not done within 5 seconds"
        ])
      })
    )
  )

  it.effect("leaves out in safe start all that is no part of the daemon", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        yield* writePlugin(root, "x", manifest("x"), `throw new Error("must not be loaded")`)
        const { host } = yield* services
        expect(
          yield* host.load(documentOf({ name: "x" }, { name: "gone", version: "3.0.0" }), {
            bundledOnly: true,
            trees: {}
          })
        ).toEqual([
          { name: "x", version: "1.2.3", state: "left out", message: expect.stringContaining("part of the daemon") },
          { name: "gone", version: "3.0.0", state: "left out", message: expect.any(String) },
          CENTRAL_STATE
        ])
      })
    )
  )

  it.effect("loads neither what is switched off nor a second entry of one name", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        yield* writePlugin(root, "x", manifest("x"))
        yield* writePlugin(root, "y", manifest("y"))
        const { host } = yield* services
        const states = yield* host.load(
          documentOf({ name: "x", enabled: false }, { name: "x" }, { name: "y" }, { name: "y" }),
          NORMAL
        )
        expect(states.map(({ name }) => name)).toEqual(["y", "@holdfast/central"])
      })
    )
  )

  it.effect("gives a plugin a copy of its settings", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        yield* writePlugin(root, "x", manifest("x"), `export const setup = ({ config }) => { config.list.push(2) }`)
        const { host } = yield* services
        const document = documentOf({ name: "x", config: { list: [1] } })
        expect((yield* host.load(document, NORMAL))[0]?.state).toBe("active")
        expect(document).toEqual(documentOf({ name: "x", config: { list: [1] } }))
      })
    )
  )

  it.effect("writes down what a plugin says, at the level that it names or at info", () =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        const source = `export const setup = ({ log }) => {
          log("warn", "low water")
          log("error", undefined)
          log("hello")
          log("hello", { toString: () => "world" })
          log("info")
          log(Object.create(null))
        }`
        yield* writePlugin(root, "x", manifest("x"), source)
        const { host } = yield* services
        expect((yield* host.load(documentOf({ name: "x", config: {} }), NORMAL))[0]?.state).toBe("active")
        expect(lines.filter((line) => /: (low|undefined|hello|info|an object)/.test(line))).toEqual([
          "Warn: low water",
          "Error: undefined",
          "Info: hello",
          "Info: hello world",
          "Info: info",
          "Info: an object without text"
        ])
      })
    )
  )

  it.effect("closes what an interrupted load has begun", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const path = yield* Path.Path
        const file = path.join(root, "notes")
        const source = noting(`
          api.signal.addEventListener("abort", () => note("aborted"))
          note("setup")
          return new Promise(() => {})`)
        yield* writePlugin(root, "x", manifest("x"), source)
        const { host } = yield* services
        const loading = yield* Effect.forkChild(host.load(documentOf({ name: "x", config: { path: file } }), NORMAL))
        yield* until(Effect.map(linesOf(file), (lines) => lines.length === 1))
        yield* Fiber.interrupt(loading)
        yield* host.close
        expect(yield* linesOf(file)).toEqual(["x setup", "x aborted"])
      })
    )
  )
})

describe("an installed plugin", () => {
  const noted = `
import { writeFileSync } from "node:fs"
export const setup = ({ data, version }) => writeFileSync(data + "/" + version, "")`

  const installed = Effect.fnUntraced(function* (root: string, version: string) {
    const path = yield* Path.Path
    const { store } = yield* services
    const folder = path.join(root, `weather-${version}`, "it")
    yield* writePlugin(path.dirname(folder), "it", manifest("@acme/weather", { version }), noted)
    return yield* store.install({
      name: null,
      source: { kind: "folder", path: folder },
      version: null,
      hash: null,
      by: "operator"
    })
  })

  it.live("runs with the artifact that the slot names, before the one that the lock names", () =>
    inTemporary((root) =>
      withPlugins(
        undefined,
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const path = yield* Path.Path
          const { home, host } = yield* services
          const former = yield* installed(root, "1.0.0")
          yield* installed(root, "2.0.0")
          const document = documentOf({ name: "@acme/weather" })
          const trees = { "@acme/weather": former.content_hash }
          expect((yield* host.load(document, { bundledOnly: false, trees }))[0]).toEqual({
            name: "@acme/weather",
            version: "1.0.0",
            state: "active"
          })
          expect((yield* host.load(document, NORMAL))[0]).toMatchObject({ version: "2.0.0", state: "active" })
          const data = path.join(home.pluginData, "@acme", "weather")
          expect((yield* fs.readDirectory(data)).toSorted()).toEqual(["1.0.0", "2.0.0"])
        })
      )
    )
  )

  it.live.each<readonly [string, Omit<PluginEntry, "name">, "touch" | "remove" | "nothing", RegExp]>([
    ["its files were changed", {}, "touch", /are not the ones that were installed\. holdfast plugin verify --repair/],
    ["its files are gone", {}, "remove", /is not on this machine/],
    ["the document pins another version", { version: "1.0.1" }, "nothing", /is not the one that the document pins/],
    [
      "the document pins another content",
      { artifact_hash: "a".repeat(64) },
      "nothing",
      /is not the one that the document/
    ]
  ])("does not run when %s", ([, pins, what, message]) =>
    inTemporary((root) =>
      withPlugins(
        undefined,
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const path = yield* Path.Path
          const { home, host } = yield* services
          const { install_dir } = yield* installed(root, "1.0.0")
          const place = path.join(home.state, install_dir)
          if (what === "touch") yield* fs.writeFileString(path.join(place, "more.js"), "")
          if (what === "remove") yield* fs.remove(place, { recursive: true })
          const [state] = yield* host.load(documentOf({ name: "@acme/weather", ...pins }), NORMAL)
          expect(state).toMatchObject({ name: "@acme/weather", state: "failed" })
          expect(state?.message).toMatch(message)
          expect(yield* fs.exists(path.join(home.pluginData, "@acme", "weather", "1.0.0"))).toBe(false)
        })
      )
    )
  )
})
