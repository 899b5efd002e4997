/** The plugin `weather` in two versions, and a simulated fetcher that hands them out. */
import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { dirname } from "node:path"
import { PluginNotInstalled, showSource } from "../../src/domain/index.ts"
import { PluginFetcher } from "../../src/plugins/index.ts"
import { createFile, type Disk, makeDirectory, openFile, sync, write } from "./Disk.ts"
import type { Mounted } from "./DiskFileSystem.ts"

export const WEATHER = "weather"
export const VERSIONS = ["1.0.0", "2.0.0"] as const
export type PluginVersion = (typeof VERSIONS)[number]

/** Two files, one of them longer than a sector and in a folder of its own. */
const filesOf = (version: PluginVersion): Readonly<Record<string, string>> => ({
  "holdfast.plugin.json": JSON.stringify({
    schema_version: 1,
    name: WEATHER,
    version,
    holdfast_api: "^1.0.0",
    runtime: "node",
    entrypoint: "lib/index.js"
  }),
  "lib/index.js": `// ${version}\n${"export const setup = () => ({})\n".repeat(20)}`
})

/** The artifact hash of a tree's files, by their paths. */
export const artifactHash = (files: Readonly<Record<string, Uint8Array>>): string => {
  const records = Object.entries(files).map(([path, bytes]) => `${path}\0${sha256(bytes)}\n`)
  return sha256(Buffer.from(records.sort().join("")))
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** The artifact hash of a version. */
export const HASHES = Object.fromEntries(
  VERSIONS.map((version) => [
    version,
    artifactHash(Object.fromEntries(Object.entries(filesOf(version)).map(([path, text]) => [path, Buffer.from(text)])))
  ])
) as Readonly<Record<PluginVersion, string>>

export const sourceOf = (version: PluginVersion): string => `https://plugins.example/weather-${version}.tgz`

/** Files that are on the disk at once, as if they had always been there. */
const placed = (before: Disk, directory: string, files: Readonly<Record<string, string>>): Disk => {
  let disk = before
  const made = new Set([directory])
  for (const [path, text] of Object.entries(files)) {
    const parent = dirname(`${directory}/${path}`)
    if (!made.has(parent)) disk = makeDirectory(disk, parent)
    made.add(parent)
    const [created, ino] = createFile(disk, `${directory}/${path}`)
    disk = sync(write(created, ino, Buffer.from(text)), ino)
  }
  return [...made].reduce((next, one) => sync(next, openFile(next, one)), disk)
}

/** What is fetched costs no moments: it is copied before anything depends on it, and a cut may find all of it. */
export const layerSimulatedFetcher = (mounted: Mounted): Layer.Layer<PluginFetcher> =>
  Layer.succeed(
    PluginFetcher,
    PluginFetcher.of({
      fetch: (source, into) =>
        Effect.suspend(() => {
          const version = VERSIONS.find((one) => sourceOf(one) === showSource(source))
          if (version === undefined) {
            return Effect.fail(new PluginNotInstalled({ reason: "fetch_failed", message: "nobody has it" }))
          }
          mounted.disk = placed(mounted.disk, into, filesOf(version))
          return Effect.succeed({ directory: into, resolvedRef: null })
        })
    })
  )
