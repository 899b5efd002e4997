/** Which Holdfast this is. */
import { Context, Effect, FileSystem, Layer, Path, Schema } from "effect"

/** No readable `VERSION` file lies above the program: the installation is incomplete. */
export class VersionUnknown extends Schema.TaggedError<VersionUnknown>()("VersionUnknown", {
  message: Schema.String
}) {}

/**
 * The text of a version, such as `0.1.0` or `1.0.0-rc.2`: the only shape in which one of another place is looked at.
 *
 * @ref LLP 0013#what-a-version-is [implements]: validated before any use
 */
export const VersionText = Schema.String.check(Schema.isPattern(/^\d+(\.\d+){2}(-[0-9A-Za-z.-]+)?$/))

const decodeVersion = Schema.decodeUnknownEffect(VersionText)

const REINSTALL = "install Holdfast again"

const unreadable = ({ message }: { readonly message: string }) =>
  new VersionUnknown({ message: `the VERSION file cannot be read (${message}): ${REINSTALL}` })

/** The folder of this package: the first above this module with a `VERSION` file, wherever the build has put it. */
export const packageRoot: Effect.Effect<string, VersionUnknown, FileSystem.FileSystem | Path.Path> = Effect.gen(
  function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const here = yield* path.fromFileUrl(new URL(import.meta.url))
    for (let folder = path.dirname(here); folder !== path.dirname(folder); folder = path.dirname(folder)) {
      if (yield* fs.exists(path.join(folder, "VERSION"))) return folder
    }
    return yield* new VersionUnknown({ message: `there is no VERSION file above ${here}: ${REINSTALL}` })
  }
).pipe(Effect.catchTag(["BadArgument", "PlatformError"], unreadable))

/** The version of this program: the content of the `VERSION` file at the top of the package, such as `0.1.0`. */
export class Version extends Context.Service<Version, string>()("holdfast/domain/Version") {
  /** For tests, and for a root that knows the version already. */
  static readonly layerOf = (version: string): Layer.Layer<Version> => Layer.succeed(Version, version)

  /** Read from the `VERSION` file at the top of the package. */
  static readonly layer: Layer.Layer<Version, VersionUnknown, FileSystem.FileSystem | Path.Path> = Layer.effect(
    Version,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const text = yield* fs.readFileString(path.join(yield* packageRoot, "VERSION"))
      return yield* decodeVersion(text.trim())
    }).pipe(Effect.catchTag(["PlatformError", "SchemaError"], unreadable))
  )
}
