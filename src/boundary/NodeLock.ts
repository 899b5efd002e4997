/** The lock of a Node host: the packages whose objects cross the border to plugins, at the versions that it has. */
import { Effect, FileSystem, Option, Path, Result, Schema, SemVer } from "effect"
import type { CoreLockFile, LockedDistribution } from "../domain/index.ts"
import { CoreLockFailed } from "./LockFile.ts"
import { compareText } from "./PythonNames.ts"

const Host = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.optionalKey(Schema.NonEmptyString),
    version: Schema.optionalKey(Schema.String),
    peerDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)

/**
 * Reads a host's `node_modules`. Without `shared` these are its peer API packages: what its package.json has as
 * `peerDependencies`. The host itself is one of them if it has name and version.
 */
export const lockNode = Effect.fn("boundary.lockNode")(function* (directory: string, shared: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(directory)
  const read = (file: string) =>
    fs.readFileString(file).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Host)),
      Effect.mapError(({ message }) => new CoreLockFailed({ message: `${file} cannot be read: ${message}` }))
    )
  const host = yield* read(path.join(root, "package.json"))
  const names = new Set(shared.length > 0 ? shared : Object.keys(host.peerDependencies ?? {}))
  if (names.size === 0) {
    return yield* new CoreLockFailed({
      message:
        `${root} declares no peerDependencies, so nothing says which packages it shares with plugins. ` +
        "Name them: --shared NAME"
    })
  }

  /** As the host itself would resolve it: its own node_modules, then those above. */
  const find = Effect.fnUntraced(function* (name: string) {
    for (let folder = root; ; folder = path.dirname(folder)) {
      const file = path.join(folder, "node_modules", name, "package.json")
      if (yield* Effect.orElseSucceed(fs.exists(file), () => false)) return Option.some(file)
      if (folder === path.dirname(folder)) return Option.none<string>()
    }
  })

  const distributions: Array<LockedDistribution> = []
  const add = (name: string, version: string | undefined, where: string) =>
    version === undefined || Result.isFailure(SemVer.parse(version))
      ? new CoreLockFailed({
          message: `${where} has ${version ?? "no"} as its version, which is no 1.2.3: correct it.`
        })
      : Effect.sync(() => void distributions.push({ name, top_level_modules: [name], version }))
  for (const name of names) {
    if (!/^(?:@[^/\s]+\/)?[^@/\s.][^/\s]*$/.test(name)) {
      return yield* new CoreLockFailed({ message: `\`${name}\` is no name of a package. Name one, such as zod.` })
    }
    if (name === host.name) continue
    const file = yield* find(name)
    if (Option.isNone(file)) {
      return yield* new CoreLockFailed({
        message: `${root} has no package ${name}: install it there first, or leave it out of --shared.`
      })
    }
    yield* add(name, (yield* read(file.value)).version, file.value)
  }
  if (host.name !== undefined && host.version !== undefined) yield* add(host.name, host.version, root)
  distributions.sort((a, b) => compareText(a.name.toLowerCase(), b.name.toLowerCase()))
  const lock: CoreLockFile = {
    distributions,
    ...(host.name === undefined
      ? {}
      : { host: { name: host.name, ...(host.version === undefined ? {} : { version: host.version }) } }),
    shared_packages: distributions.map(({ name }) => name),
    version: 1
  }
  return lock
})
