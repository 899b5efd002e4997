/** Every package of a plugin's tree, however deep and through whichever link Node would find it. */
import { Effect, FileSystem, Option, Path, Schema } from "effect"

/** A tree with more entries cannot be a plugin, or leads out of it. */
const MAX_ENTRIES = 300_000

const Ranges = Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))

/** What is read of a package.json; a field of another form than npm's is read as far as it can be. */
const PackageJson = Schema.Struct({
  name: Schema.optionalKey(Schema.Unknown),
  version: Schema.optionalKey(Schema.Unknown),
  dependencies: Ranges,
  optionalDependencies: Ranges,
  peerDependencies: Ranges,
  bundleDependencies: Schema.optionalKey(Schema.Unknown),
  bundledDependencies: Schema.optionalKey(Schema.Unknown)
})
export type PackageJson = typeof PackageJson.Type

const decodePackage = Schema.decodeUnknownEffect(Schema.fromJsonString(PackageJson))

/** One directory with a package.json, or one that Node would take for a package. */
export interface TreePackage {
  /** Relative to the plugin; `.` is the plugin itself. */
  readonly at: string
  /** What `import` calls it: its place below the nearest node_modules; null where it is in none. */
  readonly importedAs: string | null
  /** Null where it has no package.json. */
  readonly manifest: PackageJson | null
  /** Where a link leads, absolute; null for a real directory. */
  readonly linkTo: string | null
}

/** The tree cannot be judged. */
export class TreeUnreadable extends Schema.TaggedError<TreeUnreadable>()("TreeUnreadable", {
  message: Schema.String
}) {}

interface Place {
  readonly directory: string
  readonly at: string
  readonly importedAs: string | null
  readonly linkTo: string | null
}

/**
 * Walks real directories, and follows links to directories; those in `known`, the host's own copies, it does not enter.
 * Each real directory is entered once.
 */
export const readNodeTree = Effect.fn("boundary.readNodeTree")(function* (root: string, known: ReadonlySet<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const fail = ({ message }: { readonly message: string }) =>
    new TreeUnreadable({ message: `${root} cannot be judged: ${message}` })
  const top = yield* Effect.mapError(fs.realPath(root), fail)
  const entered = new Set<string>()
  const packages: Array<TreePackage> = []
  const places: Array<Place> = [{ directory: top, at: ".", importedAs: null, linkTo: null }]
  let seen = 0

  const readManifest = Effect.fnUntraced(function* (directory: string) {
    const file = path.join(directory, "package.json")
    const text = yield* fs.readFileString(file).pipe(
      Effect.asSome,
      Effect.catchIf(
        (error) => error.reason._tag === "NotFound",
        () => Effect.succeed(Option.none<string>())
      ),
      Effect.mapError(fail)
    )
    if (Option.isNone(text)) return null
    return yield* Effect.mapError(decodePackage(text.value), ({ message }) =>
      fail({ message: `${file} is no package.json (${message})` })
    )
  })

  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { at, directory, importedAs, linkTo } = place
    const manifest = yield* readManifest(directory)
    if (manifest !== null || importedAs !== null) packages.push({ at, importedAs, manifest, linkTo })
    if (entered.has(directory) || known.has(directory)) continue
    entered.add(directory)
    for (const { name, type } of yield* Effect.mapError(fs.readDirectoryEntries(directory), fail)) {
      seen += 1
      if (seen > MAX_ENTRIES) return yield* fail({ message: `it has more than ${MAX_ENTRIES} entries` })
      if (name === ".git" || name === ".bin" || (type !== "Directory" && type !== "SymbolicLink")) continue
      const child = path.join(directory, name)
      const inside = { at: path.join(at, name), importedAs: importedBy(path, child) }
      if (type === "Directory") {
        places.push({ ...inside, directory: child, linkTo: null })
        continue
      }
      // A link that leads nowhere is no package.
      const target = yield* Effect.option(fs.realPath(child))
      if (Option.isNone(target)) continue
      if ((yield* Effect.mapError(fs.stat(target.value), fail)).type !== "Directory") continue
      places.push({ ...inside, directory: target.value, linkTo: target.value })
    }
  }
  return packages.toSorted((a, b) => (a.at < b.at ? -1 : 1))
})

/** `…/node_modules/a` is `a`, `…/node_modules/@s/a` is `@s/a`, and nothing else is imported by a bare name. */
const importedBy = (path: Path.Path, directory: string): string | null => {
  const [last = "", above = "", beyond = ""] = directory.split(path.sep).toReversed()
  if (above === "node_modules") return last.startsWith("@") || last.startsWith(".") ? null : last
  return beyond === "node_modules" && above.startsWith("@") ? `${above}/${last}` : null
}
