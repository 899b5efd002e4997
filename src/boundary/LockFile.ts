/** The file of a core lock: reading, writing, and what follows from it. */
import { Effect, FileSystem, Option, Path, Predicate, Ref, Result, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import {
  CoreLockFile,
  type CoreLockState,
  formatProblem,
  type LockedDistribution,
  missingCoreLock,
  parseStrictJson,
  generateLock
} from "../domain/index.ts"
import { DurableFiles } from "../storage/index.ts"
import { canonicalName, compareText, firstPart, isDistributionName, moduleOfName } from "./PythonNames.ts"
import { parsePythonVersion } from "./PythonVersion.ts"

/** A lock could not be made. `message`: what happened, why, what to do. */
export class CoreLockFailed extends Schema.TaggedError<CoreLockFailed>()("CoreLockFailed", {
  message: Schema.String
}) {}

/** More is no lock: a large one has some hundred kilobytes, and a daemon does nothing else while it reads one. */
const MAX_BYTES = 4 * 1024 * 1024

const decodeLock = Schema.decodeUnknownResult(CoreLockFile)

/** Reads a lock. Anything but a regular file that decodes is told apart from one that is not there. */
export const readLock = (file: string): Effect.Effect<CoreLockState, never, FileSystem.FileSystem> =>
  Effect.andThen(statLock(file), readAndDecode(file)).pipe(
    Effect.catch((state) => Effect.succeed(state)),
    Effect.withSpan("boundary.readLock")
  )

/** `readLock` for who asks often: bytes are read and decoded only when another file lies there than the last time. */
export const followLock = (file: string) =>
  Effect.map(Ref.make<{ readonly stamp: string; readonly state: CoreLockState } | null>(null), (last) =>
    Effect.gen(function* () {
      const stamp = stampOf(yield* statLock(file))
      const known = yield* Ref.get(last)
      if (known?.stamp === stamp) return known.state
      const state = yield* readAndDecode(file)
      yield* Ref.set(last, { stamp, state })
      return state
    }).pipe(Effect.catch((state) => Effect.succeed(state)))
  )

const stampOf = ({ dev, ino, mode, mtime, size }: FileSystem.File.Info): string => {
  const time = Option.map(mtime, (date) => date.getTime())
  return [dev, Option.getOrNull(ino), mode, Option.getOrNull(time), size].join(" ")
}

const unreadable = (file: string, why: string): CoreLockState => ({
  _tag: "unreadable",
  path: file,
  message: `The core lock ${file} cannot be used: it ${why}. Generate it again: ${generateLock(file)}`
})

const notRead = (file: string) => (error: PlatformError) =>
  error.reason._tag === "NotFound" ? missingCoreLock(file) : unreadable(file, `cannot be read (${error.message})`)

/** What may be a lock as far as the disk tells; fails with what is known when it is none. Opens nothing: a pipe would wait. */
const statLock = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.mapError(fs.stat(file), notRead(file))
  if (info.type !== "File") return yield* Effect.fail(unreadable(file, "is no regular file"))
  if (info.size > MAX_BYTES) return yield* Effect.fail(unreadable(file, "is larger than 4 MiB"))
  return info
})

/** Fails with what is known when the bytes cannot be had: another time they may. */
const readAndDecode = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* Effect.mapError(fs.readFile(file), notRead(file))
  const json = parseStrictJson(bytes)
  if (Result.isFailure(json)) return unreadable(file, `is no JSON document (${formatProblem(json.failure[0])})`)
  const lock = decodeLock(json.success)
  if (Result.isFailure(lock)) {
    return unreadable(file, `has not the form of a core lock (${String(lock.failure.message)})`)
  }
  const ready: CoreLockState = { _tag: "ready", path: file, lock: lock.success }
  return ready
})

/** Keys sorted, two spaces, one line end at the end: the form that every writer of locks shares. */
export const formatLock = (lock: CoreLockFile): string => `${JSON.stringify(sortKeys(lock), null, 2)}\n`

const sortKeys = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (!Predicate.isObject(value)) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => compareText(a, b)).map(([key, each]) => [key, sortKeys(each)])
  )
}

/**
 * Writes a lock: whole or not at all, and read back before it counts. The old one is removed first, before what the new
 * one says is even known, so that a build which fails cannot ship a lock of an earlier one.
 */
export const writeLock = Effect.fn("boundary.writeLock")(function* <E, R>(
  output: string,
  make: Effect.Effect<CoreLockFile, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const files = yield* DurableFiles
  const target = path.resolve(output)
  const cannot = ({ message }: { readonly message: string }) =>
    new CoreLockFailed({ message: `The core lock ${target} cannot be written: ${message}` })
  const old = yield* Effect.option(fs.lstat(target))
  if (Option.isSome(old) && old.value.type === "Directory") {
    return yield* cannot({ message: "it is a directory. Name a file." })
  }
  yield* Effect.mapError(files.remove(target), cannot)
  const lock = yield* make
  yield* Effect.mapError(fs.makeDirectory(path.dirname(target), { recursive: true }), cannot)
  yield* Effect.mapError(files.write(path.dirname(target), path.basename(target), formatLock(lock), 0o644), cannot)
  const written = yield* readLock(target)
  if (written._tag !== "ready") return yield* new CoreLockFailed({ message: written.message })
  return lock
})

/** What a lock protects, for looking things up. Names are canonical. */
export interface Protection {
  /** First parts of module names; whose they are. */
  readonly modules: ReadonlyMap<string, string>
  readonly distributions: ReadonlyMap<string, LockedDistribution>
}

/** `stdlib`: of the interpreter, where the lock itself does not say. `reserved`: modules of the loader. */
export const protectionOf = (
  lock: CoreLockFile,
  {
    reserved = [],
    stdlib = []
  }: { readonly reserved?: ReadonlyArray<string>; readonly stdlib?: ReadonlyArray<string> } = {}
): Protection => {
  const modules = new Map<string, string>()
  const own = (name: string, owner: string): void => {
    if (name !== "" && !modules.has(name)) modules.set(name, owner)
  }
  for (const { name, top_level_modules, version } of lock.distributions) {
    const owner = `${name} ${version} of the core`
    for (const module of [...top_level_modules, moduleOfName(name)]) own(firstPart(module), owner)
  }
  if (lock.host !== undefined) own(moduleOfName(lock.host.name), `the host, ${lock.host.name}`)
  for (const module of reserved) own(firstPart(module), "the loader")
  for (const module of [...(lock.stdlib_modules ?? []), ...stdlib]) own(module, "Python's standard library")
  // What was set aside is still there to be shadowed.
  for (const { name } of lock.skipped ?? [])
    if (isDistributionName(name)) own(moduleOfName(name), `${name} of the core`)
  const distributions = new Map(lock.distributions.map((each) => [canonicalName(each.name), each] as const))
  return { modules, distributions }
}

/** Lines of a constraints file for pip. What pip could not read is left out: it would poison every other line. */
export const constraintsOf = (lock: CoreLockFile): ReadonlyArray<string> =>
  lock.distributions
    .filter(({ name, version }) => isDistributionName(name) && Option.isSome(parsePythonVersion(version)))
    .map(({ name, version }) => `${name}==${version.trim()}`)
