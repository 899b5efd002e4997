/** `holdfast.plugin.json` on disk: read and judged without running a byte of the plugin. */
import { Effect, FileSystem, Option, Path, Result, Schema, SchemaIssue, SemVer, SemVerRange } from "effect"
import { isBundled, PluginManifest, PluginNotInstalled, pointerOf } from "../domain/index.ts"

/** Name of the manifest in a plugin's folder. */
export const MANIFEST_FILE = "holdfast.plugin.json"

const MANIFEST_BYTES = 1_048_576n

/** Version of the plugin API, which the range `holdfast_api` of a manifest must contain. */
export const PLUGIN_API_VERSION = "1.0.0"

/** A manifest, and the absolute path of the module that it names. */
export interface PluginFolder {
  readonly manifest: PluginManifest
  readonly entry: string
}

const decodeManifest = Schema.decodeUnknownEffect(Schema.fromJsonString(PluginManifest))

/** Reads a plugin's folder. Keys that this version does not know are ignored; the entry must be a file inside. */
export const readPluginFolder = Effect.fn("plugins.readFolder")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(folder, MANIFEST_FILE)
  const invalid = (reason: PluginNotInstalled["reason"], what: string) =>
    new PluginNotInstalled({ reason, message: `${file} ${what}` })

  const text = yield* fs.stat(file).pipe(
    Effect.flatMap(({ size, type }) =>
      type === "File" && size <= MANIFEST_BYTES ? fs.readFileString(file) : Effect.succeed(null)
    ),
    Effect.mapError(({ message }) => invalid("manifest_invalid", `cannot be read: ${message}`))
  )
  if (text === null)
    return yield* invalid("manifest_invalid", "is no file of at most 1 MiB: a manifest is a few lines of JSON")
  const manifest = yield* decodeManifest(text, { errors: "all" }).pipe(
    Effect.mapError(({ issue }) => invalid("manifest_invalid", `is no manifest: ${explain(issue)}`))
  )
  if (isBundled(manifest.name)) {
    const what = `claims the name \`${manifest.name}\`, which belongs to a plugin that ships inside Holdfast: rename it`
    return yield* invalid("manifest_name_mismatch", what)
  }
  const refused = refuseVersions(manifest)
  if (refused !== undefined) return yield* invalid("manifest_invalid", refused)

  const outside = invalid(
    "entrypoint_invalid",
    `names the entrypoint \`${manifest.entrypoint}\`, which is no file inside the plugin's folder: correct it`
  )
  const named = yield* Effect.fromOption(path.resolveWithin(folder, manifest.entrypoint)).pipe(
    Effect.mapError(() => outside)
  )
  const entry = yield* Effect.gen(function* () {
    const real = yield* fs.realPath(named)
    const root = yield* fs.realPath(folder)
    const inside = Option.isSome(path.resolveWithin(root, path.relative(root, real)))
    return inside && (yield* fs.stat(real)).type === "File" ? real : null
  }).pipe(Effect.mapError(() => outside))
  if (entry === null) return yield* outside
  const result: PluginFolder = { manifest, entry }
  return result
})

const refuseVersions = ({ holdfast_api, version }: PluginManifest): string | undefined => {
  if (Result.isFailure(SemVer.parse(version))) return `has the version \`${version}\`: write it as 1.2.3`
  const range = SemVerRange.parse(holdfast_api)
  if (Result.isFailure(range)) return `has the range \`${holdfast_api}\` as holdfast_api: write it as ^1.0.0`
  return SemVerRange.matches(range.success, SemVer.parseUnsafe(PLUGIN_API_VERSION))
    ? undefined
    : `wants the plugin API ${holdfast_api}, and this is ${PLUGIN_API_VERSION}: use another version of the plugin`
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

const explain = (issue: SchemaIssue.Issue): string =>
  formatIssue(issue)
    .issues.map(({ message, path = [] }) => {
      const place = pointerOf(path.map((segment) => (typeof segment === "object" ? segment.key : segment)))
      return place === "" ? message : `${place}: ${message}`
    })
    .join("; ")
