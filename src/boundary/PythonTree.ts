/** A directory of Python packages against what is protected: what in it would stand in for a part of the core. */
import { Effect, FileSystem, Option, Path } from "effect"
import {
  BESIDE_PACKAGES,
  describeCopy,
  type ProtectedCopy,
  type QuarantinedCopy,
  type QuarantineReport
} from "../domain/index.ts"
import type { Protection } from "./LockFile.ts"
import { canonicalName } from "./PythonNames.ts"

/** Files that `import` finds; what stands between name and suffix, such as `.cpython-311-x86_64-linux-gnu`, is a tag. */
const MODULE_FILE = /^([\p{L}_][\p{L}\p{N}_]*)(?:\.[A-Za-z0-9_-]+)*\.(?:py|pyc|so|pyd|abi3\.so)$/u
const PACKAGE = /^[\p{L}_][\p{L}\p{N}_]*$/u
const METADATA = /^(.+?)(?:-[^-]+)*\.(?:dist-info|egg-info)$/

/**
 * Every protected copy, by name. A directory without `__init__.py` counts as well, and so do links: `import` finds both.
 */
export const scanPythonTree = Effect.fn("boundary.scanPythonTree")(function* (
  directory: string,
  protection: Protection
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(directory)
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

/**
 * Moves copies out of a plugin directory, into one beside it that no `sys.path` names. Nothing is deleted: who put it
 * there can look at it. One that cannot be moved keeps no other from it.
 */
export const quarantineCopies = Effect.fn("boundary.quarantineCopies")(function* (
  directory: string,
  copies: ReadonlyArray<ProtectedCopy>
) {
  const path = yield* Path.Path
  const folder = `${path.resolve(directory)}${BESIDE_PACKAGES.quarantine}`
  const [moved, problems] = yield* Effect.partition(copies, (copy) =>
    Effect.mapError(
      moveInto(folder, copy),
      ({ message }) => `${describeCopy(copy)}, and it cannot be moved away: ${message}.`
    )
  )
  const report: QuarantineReport = { moved, problems }
  return report
})

const moveInto = Effect.fnUntraced(function* (folder: string, copy: ProtectedCopy) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
  const base = path.join(folder, path.basename(copy.path))
  let movedTo = base
  for (let turn = 2; Option.isSome(yield* Effect.option(fs.lstat(movedTo))); turn++) movedTo = `${base}.${turn}`
  yield* fs.rename(copy.path, movedTo)
  const moved: QuarantinedCopy = { ...copy, movedTo }
  return moved
})
