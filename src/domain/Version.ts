/** Which Holdfast this is. */
import { Context, Effect, FileSystem, Layer, Path, Schema } from "effect"

/** No readable `VERSION` file lies above the program: the installation is incomplete. */
export class VersionUnknown extends Schema.TaggedError<VersionUnknown>()("VersionUnknown", {
  message: Schema.String
}) {}

const decodeVersion = Schema.decodeUnknownEffect(
  Schema.String.check(Schema.isPattern(/^\d+\.\d+\.\d+([-+][\w.+-]+)?$/))
)

/** The version of this program: the content of the `VERSION` file at the top of the package, such as `0.1.0`. */
export class Version extends Context.Service<Version, string>()("holdfast/domain/Version") {
  /** For tests, and for a root that knows the version already. */
  static readonly layerOf = (version: string): Layer.Layer<Version> => Layer.succeed(Version, version)

  /** Read from the first `VERSION` file above this module, wherever the build has put it. */
  static readonly layer: Layer.Layer<Version, VersionUnknown, FileSystem.FileSystem | Path.Path> = Layer.effect(
    Version,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const here = yield* path.fromFileUrl(new URL(import.meta.url))
      for (let folder = path.dirname(here); folder !== path.dirname(folder); folder = path.dirname(folder)) {
        const file = path.join(folder, "VERSION")
        if (yield* fs.exists(file)) return yield* decodeVersion((yield* fs.readFileString(file)).trim())
      }
      return yield* new VersionUnknown({ message: `there is no VERSION file above ${here}: ${REINSTALL}` })
    }).pipe(
      Effect.catchTag(
        ["BadArgument", "PlatformError", "SchemaError"],
        (error) => new VersionUnknown({ message: `the VERSION file cannot be read (${error.message}): ${REINSTALL}` })
      )
    )
  )
}

const REINSTALL = "install Holdfast again"
