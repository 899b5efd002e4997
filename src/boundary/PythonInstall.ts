/** Adds Python packages beside a runtime: decided first, staged, judged, and then put in place by one rename. */
import { Effect, FileSystem, Option, Path } from "effect"
import {
  BESIDE_PACKAGES,
  type CoreConflict,
  type CoreLockFile,
  type CoreLockState,
  describeCopy,
  type InstallPlan,
  InstallRefused,
  type InstallRequest,
  type LockedDistribution,
  generateLock
} from "../domain/index.ts"
import { type Edge, conflictOf, diagnose, rootEdges } from "./Diagnosis.ts"
import { constraintsOf, protectionOf } from "./LockFile.ts"
import { pipInstall, pipResolve } from "./Pip.ts"
import { canonicalName } from "./PythonNames.ts"
import { parsePythonRequirement } from "./PythonRequirement.ts"
import { type PythonRuntime, readPythonRuntime } from "./PythonRuntime.ts"
import { scanPythonTree } from "./PythonTree.ts"
import { formatPythonVersion, parsePythonVersion } from "./PythonVersion.ts"

const RUNTIME_DEADLINE_S = 60
/** Differences and packages that a message names; the rest is counted. */
const NAMED = 5

const refuse = (
  verdict: InstallRefused["verdict"],
  message: string,
  conflicts: ReadonlyArray<CoreConflict> = []
): InstallRefused => new InstallRefused({ verdict, message, conflicts })

/**
 * Decides what would be added to a directory. Writes nothing there.
 *
 * @ref LLP 0022#what-an-install-does [implements]: phase 1
 */
export const planInstall = Effect.fn("boundary.planInstall")(function* (state: CoreLockState, request: InstallRequest) {
  if (state._tag !== "ready") {
    return yield* refuse("lock_unreadable", `Nothing is installed without a core lock. ${state.message}`)
  }
  const { lock, path: lockPath } = state
  if (lock.shared_packages !== undefined) {
    return yield* refuse(
      "lock_unreadable",
      `The core lock ${lockPath} is of a Node host, and says nothing of Python packages. Name that of the interpreter.`
    )
  }
  const invalid = request.requirements.filter((text) => Option.isNone(parsePythonRequirement(text)))
  if (invalid.length > 0) {
    const what = invalid.map((text) => `\`${text}\``).join(", ")
    return yield* refuse(
      "requirement_invalid",
      `${what} is no requirement (PEP 508): write one such as \`requests>=2\`.`
    )
  }
  const runtime = yield* Effect.mapError(readPythonRuntime(request.python, RUNTIME_DEADLINE_S), ({ message }) =>
    refuse("pip_failed", message)
  )
  const stale = stalenessOf(lock, runtime)
  if (stale.length > 0) {
    return yield* refuse(
      "lock_stale",
      `The core lock ${lockPath} is not of what ${request.python} has: ${some(stale)}. Generate it again: ` +
        generateLock(lockPath, request.python)
    )
  }

  const locked = protectionOf(lock).distributions
  const roots = rootEdges(request, runtime.environment)
  const direct = roots.flatMap((edge) => conflictOf(edge, locked) ?? [])
  if (direct.length > 0) return yield* refuseConflicts(direct)
  const host = lock.host
  const asksForHost = (name: string): boolean => host !== undefined && canonicalName(name) === canonicalName(host.name)

  const constraints = constraintsOf(lock)
  const found = yield* pipResolve(request, { requirements: roots.map(({ text }) => text), constraints }).pipe(
    Effect.catchTag("PipFailed", (failure) =>
      failure.unresolved
        ? explainUnresolved(request, roots, locked, runtime, constraints, failure.message)
        : Effect.fail(refuse("pip_failed", failure.message))
    )
  )
  // The core's own version is no addition: the host brings it, whichever interpreter looks.
  const packages = found.filter(({ name, version }) => !isCores(locked.get(canonicalName(name)), version))
  const replaced = packages.find(({ name }) => locked.has(canonicalName(name)) || asksForHost(name))
  if (replaced !== undefined) {
    const { name, version } = replaced
    const has = locked.get(canonicalName(name))?.version ?? host?.version ?? "its own"
    return yield* refuseConflicts([{ name, has, wants: `==${version}`, asker: request.asker ?? "the plugin" }])
  }
  const plan: InstallPlan = {
    request,
    lock,
    stdlib: runtime.stdlib,
    packages: packages.map(({ name, requested, sha256, url, version }) => ({ name, version, url, sha256, requested }))
  }
  return plan
})

const isCores = (core: LockedDistribution | undefined, version: string): boolean =>
  core !== undefined && normal(core.version) === normal(version)

const normal = (version: string): string =>
  Option.match(parsePythonVersion(version), { onNone: () => version, onSome: formatPythonVersion })

const refuseConflicts = (conflicts: ReadonlyArray<CoreConflict>): InstallRefused =>
  refuse(
    "core_conflict",
    `Nothing was installed: ${conflicts.map(sayConflict).join("; ")}. ` +
      "Use a version of it that fits what the core has; the core is not changed for a plugin.",
    conflicts
  )

const sayConflict = ({ asker, has, name, wants }: CoreConflict): string =>
  `${asker} asks for ${name} ${wants}, and the core has ${name} ${has}`

const explainUnresolved = Effect.fnUntraced(function* (
  request: InstallRequest,
  roots: ReadonlyArray<Edge>,
  locked: ReadonlyMap<string, LockedDistribution>,
  runtime: PythonRuntime,
  constraints: ReadonlyArray<string>,
  said: string
) {
  const { conflicts, missing, notOnIndex } = yield* Effect.mapError(
    diagnose(request, roots, locked, runtime, constraints),
    ({ message }) => refuse("pip_failed", message)
  )
  if (conflicts.length > 0) return yield* refuseConflicts(conflicts)
  if (notOnIndex.length > 0) {
    const list = notOnIndex.map(
      ({ asker, has, name, wants }) =>
        `${asker} asks for ${name}${wants === "" ? "" : ` ${wants}`}, which the core's ${name} ${has} would satisfy`
    )
    return yield* refuse(
      "not_on_index",
      `Nothing was installed: ${list.join("; ")}, but ${request.python} does not have it, and the index does not offer ` +
        "that version. Use the interpreter that the lock was made for, or an index that has the core's versions.",
      notOnIndex
    )
  }
  const absent = missing.length === 0 ? "" : ` The index has no version for ${some(missing)}.`
  return yield* refuse(
    "unresolvable",
    `Nothing was installed: no set of packages was found that fits, and the core is not the reason.${absent} ${said}`
  )
})

/** What differs between a lock and the interpreter that it was made for; of another interpreter, what it has otherwise. */
const stalenessOf = (lock: CoreLockFile, { python, records }: PythonRuntime): ReadonlyArray<string> => {
  const installed = new Map<string, string>()
  for (const { name, version } of records) {
    const key = canonicalName(name ?? "")
    if (key !== "" && !installed.has(key)) installed.set(key, version ?? "")
  }
  const isSame = lock.python?.executable === python.executable
  const known = new Set([...lock.distributions, ...(lock.skipped ?? [])].map(({ name }) => canonicalName(name)))
  const changed = lock.distributions.flatMap(({ name, version }) => {
    const has = installed.get(canonicalName(name))
    if (has === undefined) return isSame ? [`${name} ${version} is gone`] : []
    return has === version ? [] : [`${name} is ${has} there and ${version} in the lock`]
  })
  const added = isSame ? [...installed].filter(([name]) => !known.has(name)) : []
  return [...changed, ...added.map(([name, version]) => `${name} ${version} is not in the lock`)]
}

const some = (texts: ReadonlyArray<string>): string =>
  texts.length <= NAMED ? texts.join(", ") : `${texts.slice(0, NAMED).join(", ")} and ${texts.length - NAMED} more`

/**
 * Installs exactly what was planned, into a fresh directory beside the real one; looks at what came; renames. Whatever
 * fails or is killed before the renames leaves what was there.
 *
 * @ref LLP 0022#what-an-install-does [implements]: phases 2 to 4
 */
export const installPlan = Effect.fn("boundary.installPlan")(function* ({
  lock,
  packages,
  request,
  stdlib
}: InstallPlan) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.resolve(request.directory)
  const failed = ({ message }: { readonly message: string }) =>
    refuse("install_failed", `${directory} is as it was: ${message}`)
  const staging = `${directory}${BESIDE_PACKAGES.staging}`
  const former = `${directory}${BESIDE_PACKAGES.former}`

  yield* Effect.gen(function* () {
    yield* fs.makeDirectory(path.dirname(directory), { recursive: true })
    yield* fs.remove(staging, { recursive: true, force: true })
    yield* fs.makeDirectory(staging, { mode: 0o755 })
  }).pipe(Effect.mapError(failed))

  yield* Effect.gen(function* () {
    if (packages.length > 0) {
      yield* Effect.mapError(pipInstall(request, packages, staging), ({ message }) => refuse("pip_failed", message))
    }
    const protection = protectionOf(lock, { stdlib, reserved: request.reserved ?? [] })
    const copies = yield* Effect.mapError(scanPythonTree(staging, protection), failed)
    if (copies.length > 0) {
      const list = some(copies.map((copy) => describeCopy({ ...copy, path: path.basename(copy.path) })))
      const from = packages.map(({ name, version }) => `${name} ${version}`).join(", ")
      return yield* refuse("protected_module", `Nothing was installed: ${list}. It came with ${from}.`)
    }
    yield* replace(directory, staging, former).pipe(Effect.mapError(failed), Effect.uninterruptible)
  }).pipe(Effect.ensuring(Effect.ignore(fs.remove(staging, { recursive: true, force: true }))))
  return directory
})

/** Two renames, as no rename replaces a directory that is not empty; `recoverInstall` finishes what a kill left between. */
const replace = Effect.fnUntraced(function* (directory: string, staging: string, former: string) {
  const fs = yield* FileSystem.FileSystem
  const exists = (name: string) => Effect.map(Effect.option(fs.lstat(name)), Option.isSome)
  yield* recoverInstall(directory)
  const hadOne = yield* exists(directory)
  if (hadOne) yield* fs.rename(directory, former)
  yield* fs
    .rename(staging, directory)
    .pipe(Effect.tapError(() => (hadOne ? Effect.ignore(fs.rename(former, directory)) : Effect.void)))
  yield* fs.remove(former, { recursive: true, force: true })
})

/** After a kill between the two renames of an install: what was there before is put back. To be called before loading. */
export const recoverInstall = Effect.fn("boundary.recoverInstall")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const former = `${directory}${BESIDE_PACKAGES.former}`
  if (Option.isNone(yield* Effect.option(fs.lstat(former)))) return
  if (Option.isNone(yield* Effect.option(fs.lstat(directory)))) yield* fs.rename(former, directory)
  else yield* fs.remove(former, { recursive: true, force: true })
})
