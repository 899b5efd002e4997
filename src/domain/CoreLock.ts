/** The core lock: what plugins and agents may not replace, and what areas offer each other about it. */
import { Config, Context, Effect, Path, Schema } from "effect"
import { Home } from "./Home.ts"

/** What a host already uses: one distribution of Python, or one shared package of Node. */
export const LockedDistribution = Schema.Struct({
  /** As the distribution itself spells it. */
  name: Schema.NonEmptyString,
  /** Names that `import` finds in it; other generators leave them out where they know none. */
  top_level_modules: Schema.Array(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  version: Schema.NonEmptyString
})
export type LockedDistribution = typeof LockedDistribution.Type

/** A record that a generator found and did not lock. */
export const SkippedRecord = Schema.Struct({
  name: Schema.String,
  reason: Schema.String,
  version: Schema.optionalKey(Schema.String)
})
export type SkippedRecord = typeof SkippedRecord.Type

/**
 * The file of a lock. Only `distributions` and `version` are the shared format; every other key may be missing, and keys
 * that are not named here are ignored.
 *
 * @ref LLP 0022#the-file [implements]
 */
export const CoreLockFile = Schema.Struct({
  distributions: Schema.Array(LockedDistribution),
  version: Schema.Literal(1),
  /** The program that the packages belong to. */
  host: Schema.optionalKey(Schema.Struct({ name: Schema.NonEmptyString, version: Schema.optionalKey(Schema.String) })),
  /** The interpreter that was looked at. */
  python: Schema.optionalKey(
    Schema.Struct({ executable: Schema.String, platform: Schema.String, version: Schema.String })
  ),
  /** Of a Node host: the packages whose objects cross the border to plugins. */
  shared_packages: Schema.optionalKey(Schema.Array(Schema.String)),
  skipped: Schema.optionalKey(Schema.Array(SkippedRecord)),
  stdlib_modules: Schema.optionalKey(Schema.Array(Schema.String))
})
export type CoreLockFile = typeof CoreLockFile.Type

/** The variable that names the lock to whoever loads plugins. */
export const CORE_LOCK_VARIABLE = "HOLDFAST_CORE_LOCK_PATH"

/** Where this machine's lock is looked for, absolute: what the variable names, else `core-lock.json` in the home. */
export const coreLockPlace = Effect.gen(function* () {
  const path = yield* Path.Path
  const named = yield* Effect.orDie(Config.withDefault(Config.String(CORE_LOCK_VARIABLE), ""))
  return {
    /** Somebody expects a lock there. */
    isNamed: named !== "",
    path: named === "" ? path.join((yield* Home).root, "core-lock.json") : path.resolve(named)
  }
})

/** What is known of a lock; only `ready` protects installs. Messages say what to do. */
export type CoreLockState =
  | { readonly _tag: "ready"; readonly path: string; readonly lock: CoreLockFile }
  | { readonly _tag: "missing"; readonly path: string; readonly message: string }
  | { readonly _tag: "unreadable"; readonly path: string; readonly message: string }

/** The command that makes a lock there, for people. */
export const generateLock = (path: string, python = "python3"): string =>
  `holdfast core-lock generate --python ${python} --output ${path}`

/** The state of a path where nothing is. */
export const missingCoreLock = (path: string): CoreLockState => ({
  _tag: "missing",
  path,
  message: `There is no core lock ${path}. Make one: ${generateLock(path)}`
})

/** Why Python packages were not installed. */
export const INSTALL_VERDICTS = [
  /** The lock is missing or cannot be read: nothing is installed without one. */
  "lock_unreadable",
  /** The interpreter has other packages than its lock says. */
  "lock_stale",
  /** What is asked for is no requirement. */
  "requirement_invalid",
  /** Somebody asks for another version than the core has. */
  "core_conflict",
  /** The core's version would do, but the interpreter does not have it and the index does not offer it. */
  "not_on_index",
  /** pip found no set of packages for another reason. */
  "unresolvable",
  /** What was to be installed holds a module of the core, of the host or of Python itself. */
  "protected_module",
  /** The interpreter or its pip could not do the work. */
  "pip_failed",
  /** The files could not be put in place. */
  "install_failed"
] as const

/** One disagreement with the core: who asks for what, and what there is. */
export const CoreConflict = Schema.Struct({
  /** The distribution of the core. */
  name: Schema.String,
  /** What the core has. */
  has: Schema.String,
  /** What is asked for, such as `>=2`. */
  wants: Schema.String,
  /** Who asks: `the plugin`, or `name version` of a package that it needs. */
  asker: Schema.String
})
export type CoreConflict = typeof CoreConflict.Type

/** Packages were not installed; what was there before is untouched. */
export class InstallRefused extends Schema.TaggedError<InstallRefused>()("InstallRefused", {
  verdict: Schema.Literals(INSTALL_VERDICTS),
  /** Of `core_conflict` and `not_on_index`. */
  conflicts: Schema.Array(CoreConflict),
  /** What happened, why, and what to do. */
  message: Schema.String
}) {}

/** Packages that a plugin or an agent needs beside what the runtime has. */
export interface InstallRequest {
  /** The interpreter that will run them, absolute or found on the PATH. */
  readonly python: string
  /** The directory that holds all of them and nothing else; replaced as a whole. The last entry of `sys.path`. */
  readonly directory: string
  /** All that the directory is to satisfy, as PEP 508 requirements; never only what was added. */
  readonly requirements: ReadonlyArray<string>
  /** Who asks, in messages; `the plugin` by default. */
  readonly asker?: string
  /** Top-level modules that are refused beside those of the lock: the loader's own. */
  readonly reserved?: ReadonlyArray<string>
  /** Where packages come from; pip's own configuration by default. */
  readonly index?: PackageIndex
  /** Also packages that have to be built, which runs their code while they are only looked at. */
  readonly builds?: boolean
}

export interface PackageIndex {
  readonly url?: string
  /** Folders or pages with packages. */
  readonly findLinks?: ReadonlyArray<string>
  /** Only `findLinks`. */
  readonly offline?: boolean
}

/** One package to be added: this file and no other. */
export interface PlannedPackage {
  readonly name: string
  readonly version: string
  readonly url: string
  /** Lower-case hex; null where the index does not say. */
  readonly sha256: string | null
  /** Named by a requirement itself, not only needed by another package. */
  readonly requested: boolean
}

/** What an install would add, decided before anything is written. Empty: the runtime has it all. */
export interface InstallPlan {
  readonly request: InstallRequest
  readonly lock: CoreLockFile
  readonly packages: ReadonlyArray<PlannedPackage>
  /** Standard library of the interpreter. */
  readonly stdlib: ReadonlyArray<string>
}

/** Something in a plugin directory that would stand in for a part of the core. */
export interface ProtectedCopy {
  /** Absolute path. */
  readonly path: string
  /** What it would be imported as, or the distribution that it claims to be. */
  readonly name: string
  readonly kind: "module" | "distribution"
  /** Whose it is, for people: `pydantic 2.5.0 of the core`, `Python's standard library`. */
  readonly owner: string
}

/** What a copy is, for people: a part of a sentence. */
export const describeCopy = ({ kind, name, owner, path }: ProtectedCopy): string =>
  kind === "module"
    ? `${path} would be imported as ${name}, which belongs to ${owner}`
    : `${path} is a copy of ${name}, and the core has ${owner.replace(/ of the core$/, "")}`

/** A protected copy that was moved out of a plugin directory. */
export interface QuarantinedCopy extends ProtectedCopy {
  /** Where it lies now. */
  readonly movedTo: string
}

/** What became of a plugin directory that was looked through. */
export interface QuarantineReport {
  readonly moved: ReadonlyArray<QuarantinedCopy>
  /** What could not be looked at or moved away, and so may still stand in for the core: sentences for people. */
  readonly problems: ReadonlyArray<string>
}

/** What installs and scans put beside a plugin directory, by the end of its name; no plugin directory ends so itself. */
export const BESIDE_PACKAGES = {
  /** Copies that were moved out of it. */
  quarantine: ".quarantine",
  /** What is to take its place. */
  staging: ".staging",
  /** What it was, while another takes its place; put back after a kill. */
  former: ".former"
} as const

/**
 * Keeps plugins and agents from replacing what the runtime uses.
 *
 * @ref LLP 0022#what-an-install-does [implements]
 */
export class CoreLock extends Context.Service<
  CoreLock,
  {
    /** The lock as it lies on the disk now; health tells of all but `ready`. */
    readonly state: Effect.Effect<CoreLockState>
    /** Makes the lock of an interpreter where there is none; one that lies there stays, also one that cannot be read. */
    readonly generate: (python: string) => Effect.Effect<void, InstallRefused>
    /** Decides what would be added; writes nothing. */
    readonly plan: (request: InstallRequest) => Effect.Effect<InstallPlan, InstallRefused>
    /** Installs exactly a plan, and answers its directory. What runs already does not change. */
    readonly install: (plan: InstallPlan) => Effect.Effect<string, InstallRefused>
    /**
     * Finishes what a killed install left of a plugin directory, and moves protected copies out of it; without a readable
     * lock of Python none, which is one of the problems.
     */
    readonly quarantine: (directory: string) => Effect.Effect<QuarantineReport>
  }
>()("holdfast/domain/CoreLock") {}
