/** From what an interpreter has to the lock of its packages. */
import { Effect, Option } from "effect"
import type { CoreLockFile, LockedDistribution, SkippedRecord } from "../domain/index.ts"
import { CoreLockFailed } from "./LockFile.ts"
import { canonicalName, compareText, isDistributionName, moduleOfName } from "./PythonNames.ts"
import { type ProbedRecord, type PythonRuntime, readPythonRuntime } from "./PythonRuntime.ts"
import { parsePythonVersion } from "./PythonVersion.ts"

export interface PythonLockOptions {
  readonly python: string
  /** Only what the reference form has: no other keys, and modules from `top_level.txt` alone. */
  readonly compat: boolean
  /** Name of the program that the packages belong to. */
  readonly host?: string
  readonly deadlineSeconds: number
}

/** The lock of an interpreter, and what is told beside it. */
export const lockPython = Effect.fn("boundary.lockPython")(function* (options: PythonLockOptions) {
  const runtime = yield* readPythonRuntime(options.python, options.deadlineSeconds).pipe(
    Effect.mapError(({ message }) => new CoreLockFailed({ message: `No core lock was made: ${message}` }))
  )
  return lockOfRuntime(runtime, options)
})

/** What a lock was made of. */
export interface MadeLock {
  readonly lock: CoreLockFile
  readonly skipped: ReadonlyArray<SkippedRecord>
  /** Further records of a name that an earlier entry of `sys.path` has. */
  readonly shadowed: number
  /** What could be read only in part, for people. */
  readonly warnings: ReadonlyArray<string>
}

/** Pure: the same facts, the same lock. */
export const lockOfRuntime = (
  { python, records, stdlib }: PythonRuntime,
  { compat, host }: Pick<PythonLockOptions, "compat" | "host">
): MadeLock => {
  const byName = new Map<string, LockedDistribution>()
  const seen = new Set<string>()
  const skipped: Array<SkippedRecord> = []
  const warnings: Array<string> = []
  let shadowed = 0
  for (const record of records) {
    const found = judge(record)
    const key = canonicalName(found.name)
    if (key !== "" && seen.has(key)) {
      shadowed += 1
      continue
    }
    // Also of one that is set aside: it is what the runtime imports, and not a later one of its name.
    seen.add(key)
    if ("reason" in found) {
      skipped.push(found)
      continue
    }
    if (record.top_level_error !== undefined) {
      warnings.push(`top_level.txt of ${found.name} cannot be read (${record.top_level_error})`)
    }
    byName.set(key, { ...found, top_level_modules: modulesOf(record, found.name, compat) })
  }
  const distributions = [...byName.values()].toSorted((a, b) => compareText(a.name.toLowerCase(), b.name.toLowerCase()))
  if (compat) return { lock: { distributions, version: 1 }, skipped, shadowed, warnings }
  const version = host === undefined ? undefined : byName.get(canonicalName(host))?.version
  const lock: CoreLockFile = {
    distributions,
    ...(host === undefined ? {} : { host: { name: host, ...(version === undefined ? {} : { version }) } }),
    python,
    skipped,
    stdlib_modules: [...stdlib].toSorted(compareText),
    version: 1
  }
  return { lock, skipped, shadowed, warnings }
}

/** One bad record is set aside: in a constraints file it would poison all others. */
const judge = ({
  error,
  name = null,
  place,
  version = null
}: ProbedRecord): { readonly name: string; readonly version: string } | SkippedRecord => {
  const at = name ?? place
  const known = version === null ? {} : { version }
  if (error !== undefined) return { name: at, reason: `its METADATA cannot be read: ${error}` }
  if (name === null || name === "") return { name: at, reason: "it has no name", ...known }
  if (!isDistributionName(name))
    return { name, reason: "its name is none that a requirement can hold (PEP 508)", ...known }
  if (version === null || version === "") return { name, reason: "it has no version" }
  if (version !== version.trim() || Option.isNone(parsePythonVersion(version))) {
    return { name, reason: "its version is none (PEP 440)", version }
  }
  return { name, version }
}

const modulesOf = (
  { recorded = [], top_level }: ProbedRecord,
  name: string,
  compat: boolean
): ReadonlyArray<string> => {
  // Where Python's `splitlines` ends a line.
  const listed = (top_level ?? "")
    .split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
  if (compat) return [...new Set(listed)].toSorted(compareText)
  const found = listed.length > 0 ? listed : recorded
  return [...new Set([...found, moduleOfName(name)])].toSorted(compareText)
}
