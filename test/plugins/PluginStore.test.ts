import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Result } from "effect"
import type { PluginNotInstalled } from "../../src/domain/index.ts"
import type { InstallOrder } from "../../src/plugins/index.ts"
import { inFolder, inProcessOf, manifest, services, writePlugin } from "./Folders.ts"

const world = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return { fs, path, ...(yield* services) }
})

const orderOf = (folder: string, more: Partial<InstallOrder> = {}): InstallOrder => ({
  name: null,
  source: { kind: "folder", path: folder },
  version: null,
  hash: null,
  by: "operator",
  ...more
})

/** A plugin's folder outside of the home; test plugins are looked for elsewhere. */
const written = Effect.fnUntraced(function* (
  root: string,
  name = "weather",
  more: Readonly<Record<string, unknown>> = {},
  source = "export const setup = () => {}"
) {
  const { path } = yield* world
  yield* writePlugin(path.join(root, "sources"), "it", manifest(name, more), source)
  return path.join(root, "sources", "it")
})

const reasonOf = <A>(result: Result.Result<A, PluginNotInstalled>) =>
  Result.isFailure(result) ? result.failure.reason : "installed"

describe("installing a plugin", () => {
  it.live("puts its tree under name and hash, and says in the lock what exactly it is", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const { fs, home, path, store } = yield* world
        const folder = yield* written(root, "@acme/weather")
        yield* fs.makeDirectory(path.join(folder, "node_modules", "x"), { recursive: true })
        yield* fs.writeFileString(path.join(folder, "node_modules", "x", "index.js"), "export {}")
        const entry = yield* store.install(orderOf(folder))
        const place = path.join(home.plugins, "@acme", "weather", entry.content_hash)
        expect((yield* fs.readDirectory(place)).toSorted()).toEqual(["holdfast.plugin.json", "index.js"])
        expect(JSON.parse(yield* fs.readFileString(home.pluginLock))).toEqual({
          schema_version: 1,
          plugins: { "@acme/weather": entry }
        })
        expect(entry).toMatchObject({
          name: "@acme/weather",
          version: "1.2.3",
          source: folder,
          install_dir: `plugins/@acme/weather/${entry.content_hash}`,
          installed_by: "operator"
        })
        expect(entry.manifest_hash).toMatch(/^[0-9a-f]{64}$/)
        expect(yield* fs.exists(path.join(home.plugins, ".staging"))).toBe(false)
        expect(yield* store.condition("@acme/weather", entry.content_hash)).toBe("intact")
      })
    )
  )

  it.live.each<readonly [string, Readonly<Record<string, unknown>>, Partial<InstallOrder>, string]>([
    ["another name than the entry's", {}, { name: "sunshine" }, "manifest_name_mismatch"],
    ["a bundled name", { name: "@holdfast/central" }, {}, "manifest_name_mismatch"],
    ["another version, with the right hash or without one", {}, { version: "1.2.4" }, "version_mismatch"],
    ["another content in the right version", {}, { version: "1.2.3", hash: "a".repeat(64) }, "artifact_hash_mismatch"],
    ["a name that could leave its directory", { name: "../weather" }, {}, "manifest_invalid"],
    ["an entry outside of it", { entrypoint: "../it/index.js" }, {}, "entrypoint_invalid"],
    ["an entry among what is not installed", { entrypoint: "node_modules/x.js" }, {}, "entrypoint_invalid"]
  ])("refuses %s, and leaves nothing behind", ([, more, order, reason]) =>
    inFolder((root) =>
      Effect.gen(function* () {
        const { fs, home, path, store } = yield* world
        const folder = yield* written(root, "weather", more)
        yield* fs.makeDirectory(path.join(folder, "node_modules"))
        yield* fs.writeFileString(path.join(folder, "node_modules", "x.js"), "export {}")
        expect(reasonOf(yield* Effect.result(store.install(orderOf(folder, order))))).toBe(reason)
        expect(yield* fs.exists(home.pluginLock)).toBe(false)
        expect(yield* fs.readDirectory(home.plugins)).toEqual([])
      })
    )
  )

  it.live("refuses a link to the manifest of somebody else without showing what is in it", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const { fs, path, store } = yield* world
        const folder = yield* written(root)
        const secret = path.join(root, "secret")
        yield* fs.writeFileString(secret, "hunter2")
        yield* fs.remove(path.join(folder, "holdfast.plugin.json"))
        yield* fs.symlink(secret, path.join(folder, "holdfast.plugin.json"))
        const result = yield* Effect.result(store.install(orderOf(folder)))
        expect(reasonOf(result)).toBe("artifact_symlink_unsupported")
        expect(JSON.stringify(result)).not.toContain("hunter2")
      })
    )
  )

  it.live("fetches nothing for a pinned tree that is here, and everything again for one that was changed", () =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        const { fs, home, path, store } = yield* world
        const folder = yield* written(root)
        const { content_hash: hash } = yield* store.install(orderOf(folder))
        const pinned = orderOf(folder, { name: "weather", version: "1.2.3", hash, by: "revision" })
        yield* fs.rename(folder, `${folder}-away`)
        expect((yield* store.install(pinned)).content_hash).toBe(hash)
        expect(reasonOf(yield* Effect.result(store.install({ ...pinned, version: "9.9.9" })))).toBe("version_mismatch")

        const installed = path.join(home.plugins, "weather", hash, "index.js")
        yield* fs.writeFileString(installed, "process.exit(1)")
        expect(yield* store.condition("weather", hash)).toBe("changed")
        expect(reasonOf(yield* Effect.result(store.install(pinned)))).toBe("fetch_failed")
        yield* fs.rename(`${folder}-away`, folder)
        yield* store.install(pinned)
        expect(yield* fs.readFileString(installed)).toBe("export const setup = () => {}")
        expect(lines.join("\n")).toContain("were changed after it was installed: it is installed again")
        yield* fs.remove(path.join(home.plugins, "weather", hash), { recursive: true })
        expect(yield* store.condition("weather", hash)).toBe("missing")
      })
    )
  )

  it.live(
    "lets an operator's choice stand beside what revisions bring, and fetches what a revision does not pin only once",
    () =>
      inFolder((root) =>
        Effect.gen(function* () {
          const { catalogue, store } = yield* world
          const one = yield* store.install(orderOf(yield* written(root)))
          const chosen = yield* catalogue.environment
          expect(chosen).toContain(`weather@1.2.3#${one.content_hash.slice(0, 12)}`)
          const folder = yield* written(root, "weather", { version: "2.0.0" })
          const two = yield* store.install(orderOf(folder, { name: "weather", version: "2.0.0", by: "revision" }))
          expect((yield* store.lock)["weather"]?.content_hash).toBe(one.content_hash)
          expect(yield* catalogue.environment).toBe(chosen)

          const other = yield* store.install(orderOf(yield* written(root, "rain"), { name: "rain", by: "revision" }))
          expect(yield* catalogue.environment).toBe(chosen)
          yield* written(root, "rain", { version: "3.0.0" })
          const again = orderOf(other.source, { name: "rain", by: "revision" })
          expect((yield* store.install(again)).version).toBe("1.2.3")
          expect((yield* store.install({ ...again, version: "3.0.0" })).version).toBe("3.0.0")

          const known = yield* catalogue.known({ weather: two.content_hash })
          expect(known.find(({ manifest }) => manifest.name === "weather")?.manifest.version).toBe("2.0.0")
          const installed = (yield* catalogue.known({})).filter(({ origin }) => origin === "installed")
          expect(installed.map(({ manifest }) => `${manifest.name} ${manifest.version}`)).toEqual([
            "rain 3.0.0",
            "weather 1.2.3"
          ])
        })
      )
  )

  it.live("keeps installing when the lock cannot be read, and keeps what was in it", () =>
    inFolder((root, lines) =>
      Effect.gen(function* () {
        const { fs, home, store } = yield* world
        yield* fs.makeDirectory(home.state, { recursive: true })
        yield* fs.writeFileString(home.pluginLock, `{"schema_version":2}`)
        expect(yield* store.lock).toEqual({})
        yield* store.install(orderOf(yield* written(root)))
        expect(Object.keys(yield* store.lock)).toEqual(["weather"])
        expect(yield* fs.readFileString(`${home.pluginLock}.unreadable`)).toBe(`{"schema_version":2}`)
        expect(lines.filter((line) => line.includes("cannot be read"))).toHaveLength(1)
      })
    )
  )
})

describe("what nothing names any more", () => {
  const nothing = { kept: [], running: {}, sources: {} }

  it.live("goes, but not what a slot, an operator or a staged revision needs", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const { fs, home, path, store } = yield* world
        const hashes: Array<string> = []
        // As an earlier process left them.
        for (const version of ["1.0.0", "2.0.0", "3.0.0"]) {
          const { content_hash } = yield* store.install(
            orderOf(yield* written(root, "weather", { version }), { name: "weather", version, by: "revision" })
          )
          hashes.push(content_hash)
          yield* fs.rename(path.join(home.plugins, "weather", content_hash), path.join(root, content_hash))
        }
        yield* fs.remove(home.state, { recursive: true })
        yield* fs.makeDirectory(path.join(home.plugins, "weather"), { recursive: true })
        yield* fs.makeDirectory(path.join(home.plugins, ".staging", "tree"), { recursive: true })
        for (const hash of hashes) yield* fs.rename(path.join(root, hash), path.join(home.plugins, "weather", hash))
        const [one = "", two = "", three = ""] = hashes

        yield* inProcessOf(home.root, (fresh) =>
          Effect.gen(function* () {
            const use = {
              kept: [{ weather: one }, { weather: two }],
              running: { weather: one },
              sources: { weather: "https://h.example/weather.tgz" }
            }
            expect(yield* fresh.store.collect(use)).toEqual([`weather ${three}`])
            expect((yield* fs.readDirectory(path.join(home.plugins, "weather"))).toSorted()).toEqual(
              [one, two].toSorted()
            )
            expect(yield* fs.readDirectory(home.plugins)).toEqual(["weather"])
            expect((yield* fresh.store.lock)["weather"]).toMatchObject({
              content_hash: one,
              version: "1.0.0",
              source: "https://h.example/weather.tgz",
              installed_by: "revision"
            })
            const chosen = yield* fresh.store.install(orderOf(yield* written(root, "rain")))
            expect(yield* fresh.store.collect(nothing)).toEqual([`weather ${one}`, `weather ${two}`].toSorted())
            expect(Object.keys(yield* fresh.store.lock)).toEqual(["rain"])
            yield* fresh.store.remove("rain")
            expect(yield* fresh.store.collect(nothing)).toEqual([])
            expect(yield* fresh.store.condition("rain", chosen.content_hash)).toBe("intact")
          })
        )
        yield* inProcessOf(home.root, (fresh) =>
          Effect.gen(function* () {
            expect(yield* fresh.store.collect(nothing)).toHaveLength(1)
            expect(yield* fresh.store.remove("rain")).toBe(false)
          })
        )
      })
    )
  )
})
