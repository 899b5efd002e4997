/** A directory of Python packages against what is protected: what in it would stand in for a part of the core. */
import { Effect, FileSystem, Option, Path } from "effect"
import type { ProtectedCopy, QuarantinedCopy } from "../domain/index.ts"
import type { Protection } from "./LockFile.ts"
import { canonicalName } from "./PythonNames.ts"

/** Files that `import` finds; what stands between name and suffix, such as `.cpython-311-x86_64-linux-gnu`, is a tag. */
const MODULE_FILE = /^([\p{L}_][\p{L}\p{N}_]*)(?:\.[A-Za-z0-9_-]+)*\.(?:py|pyc|so|pyd|abi3\.so)$/u
const PACKAGE = /^[\p{L}_][\p{L}\p{N}_]*$/u
const METADATA = /^(.+?)(?:-[^-]+)*\.(?:dist-info|egg-info)$/

/** Where copies are put, in the directory beside the scanned one. */
const QUARANTINE_SUFFIX = ".quarantine"

/**
 * Every protected copy, by name. A directory without `__init__.py` counts as well, and so do links: `import` finds both.
 * A directory that is not there holds nothing.
 */
export const scanPythonTree = Effect.fn("boundary.scanPythonTree")(function* (
  directory: string,
  protection: Protection
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(directory).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "NotFound",
      (): Effect.Effect<Array<string>> => Effect.succeed([])
    )
  )
  const copies: Array<ProtectedCopy> = []
  for (const entry of names.toSorted()) {
    const at = path.join(directory, entry)
    const distribution = METADATA.exec(entry)?.[1]
    const locked = distribution === undefined ? undefined : protection.distributions.get(canonicalName(distribution))
    if (locked !== undefined) {
      const owner = `${locked.name} ${locked.version} of the core`
      copies.push({ path: at, name: locked.name, kind: "distribution", owner })
      continue
    }
    const module = MODULE_FILE.exec(entry)?.[1] ?? (PACKAGE.test(entry) && entry !== "__pycache__" ? entry : undefined)
    const owner = module === undefined ? undefined : protection.modules.get(module)
    if (module === undefined || owner === undefined) continue
    if (entry === module && !(yield* isDirectory(at))) continue
    copies.push({ path: at, name: module, kind: "module", owner })
  }
  return copies
})

const isDirectory = Effect.fnUntraced(function* (at: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(at))
  return Option.isSome(info) && info.value.type === "Directory"
})

/** What a copy is, for people. */
export const describeCopy = ({ kind, name, owner, path }: ProtectedCopy): string =>
  kind === "module"
    ? `${path} would be imported as ${name}, which belongs to ${owner}`
    : `${path} is a copy of ${name}, and the core has ${owner.replace(/ of the core$/, "")}`

/**
 * Moves copies out of a plugin directory, into one beside it that no `sys.path` names. Nothing is deleted: who put it
 * there can look at it.
 */
export const quarantineCopies = Effect.fn("boundary.quarantineCopies")(function* (
  directory: string,
  copies: ReadonlyArray<ProtectedCopy>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = `${path.resolve(directory)}${QUARANTINE_SUFFIX}`
  const moved: Array<QuarantinedCopy> = []
  for (const copy of copies) {
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
    const base = path.join(folder, path.basename(copy.path))
    let movedTo = base
    for (let turn = 2; Option.isSome(yield* Effect.option(fs.lstat(movedTo))); turn++) movedTo = `${base}.${turn}`
    yield* fs.rename(copy.path, movedTo)
    moved.push({ ...copy, movedTo })
  }
  return moved
})
