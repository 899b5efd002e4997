/** pip as a child process: asked what it would install, and told exactly what to install. */
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import type { InstallRequest, PlannedPackage } from "../domain/index.ts"
import { type ProgramFailed, runProgram } from "../process/index.ts"

/** Resolving may download; installing unpacks what was downloaded. */
const DEADLINE = "10 minutes"

/**
 * Settings that would change what is asked. They may come from the environment of this process; where packages are
 * fetched from, and with which certificates and passwords, stays the user's own configuration.
 */
const SILENCED = [
  "CONSTRAINT",
  "DRY_RUN",
  "EDITABLE",
  "FORCE_REINSTALL",
  "IGNORE_INSTALLED",
  "IGNORE_REQUIRES_PYTHON",
  "NO_BINARY",
  "NO_DEPS",
  "ONLY_BINARY",
  "PLATFORM",
  "PREFIX",
  "PYTHON",
  "QUIET",
  "REPORT",
  "REQUIREMENT",
  "REQUIRE_VIRTUALENV",
  "ROOT",
  "TARGET",
  "UPGRADE",
  "USER",
  "VERBOSE"
]

const environment: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(SILENCED.map((name) => [`PIP_${name}`, undefined])),
  PIP_DISABLE_PIP_VERSION_CHECK: "1",
  PIP_NO_INPUT: "1",
  PIP_NO_COLOR: "1"
}

const Report = Schema.Struct({
  install: Schema.Array(
    Schema.Struct({
      download_info: Schema.Struct({
        url: Schema.String,
        archive_info: Schema.optionalKey(
          Schema.Struct({
            hash: Schema.optionalKey(Schema.String),
            hashes: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
          })
        )
      }),
      requested: Schema.optionalKey(Schema.Boolean),
      requested_extras: Schema.optionalKey(Schema.Array(Schema.String)),
      metadata: Schema.Struct({
        name: Schema.NonEmptyString,
        version: Schema.NonEmptyString,
        requires_dist: Schema.optionalKey(Schema.Array(Schema.String))
      })
    })
  )
})
const decodeReport = Schema.decodeUnknownOption(Schema.fromJsonString(Report))

/** A package that pip would install, with what it asks for itself. */
export interface ReportedPackage extends PlannedPackage {
  readonly requires: ReadonlyArray<string>
  /** Extras of it that were asked for. */
  readonly extras: ReadonlyArray<string>
}

/** pip did not answer. `unresolved`: it ran, and found no set of packages; else it could not work at all. */
export class PipFailed extends Schema.TaggedError<PipFailed>()("PipFailed", {
  unresolved: Schema.Boolean,
  message: Schema.String
}) {}

export type PipSource = Pick<InstallRequest, "python" | "index" | "builds">

const sourceArgs = ({ builds, index }: PipSource): ReadonlyArray<string> => [
  ...(index?.offline === true ? ["--no-index"] : []),
  ...(index?.url === undefined ? [] : ["--index-url", index.url]),
  ...(index?.findLinks ?? []).flatMap((place) => ["--find-links", place]),
  ...(builds === true ? ["--prefer-binary"] : ["--only-binary", ":all:"])
]

const run = (python: string, args: ReadonlyArray<string>) =>
  runProgram(python, {
    args: ["-I", "-B", "-m", "pip", "install", ...args],
    env: environment,
    deadline: DEADLINE
  }).pipe(Effect.mapError(explain(python)))

/** pip ends with 1 when there is no set of packages, and for much else; with 2 when it was asked wrongly. */
const explain =
  (python: string) =>
  ({ code, kind, message, stderr }: ProgramFailed): PipFailed => {
    if (/no module named pip\b/i.test(stderr)) {
      return new PipFailed({
        unresolved: false,
        message: `${python} has no pip: install it for that interpreter (python3-pip, or python -m ensurepip).`
      })
    }
    if (/no such option: --(dry-run|report)/.test(stderr)) {
      return new PipFailed({
        unresolved: false,
        message: `The pip of ${python} is older than 22.2: install a newer one.`
      })
    }
    return new PipFailed({ unresolved: kind === "exit" && code === 1, message: `pip of ${python} ${message}` })
  }

export interface ResolveOptions {
  readonly requirements: ReadonlyArray<string>
  readonly constraints: ReadonlyArray<string>
  /** Only these themselves, not what they need, and whether or not the runtime has them. */
  readonly alone?: boolean
}

/** Asks what is missing, with what the interpreter has counting as installed. Writes nothing but its own scratch files. */
export const pipResolve = Effect.fn("boundary.pipResolve")(
  function* (source: PipSource, { alone = false, constraints, requirements }: ResolveOptions) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const scratch = yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-pip-" })
    const files = {
      requirements: path.join(scratch, "requirements.txt"),
      constraints: path.join(scratch, "constraints.txt"),
      report: path.join(scratch, "report.json")
    }
    yield* fs.writeFileString(files.requirements, lines(requirements))
    yield* fs.writeFileString(files.constraints, lines(constraints))
    yield* run(source.python, [
      "--dry-run",
      "--quiet",
      "--report",
      files.report,
      "--constraint",
      files.constraints,
      "--requirement",
      files.requirements,
      ...(alone ? ["--no-deps", "--ignore-installed"] : []),
      ...sourceArgs(source)
    ])
    const report = decodeReport(yield* fs.readFileString(files.report))
    if (Option.isNone(report)) {
      return yield* new PipFailed({
        unresolved: false,
        message: `The report of ${source.python}'s pip cannot be read: use pip 22.2 or newer.`
      })
    }
    return report.value.install.map(
      ({ download_info: { archive_info, url }, metadata, requested, requested_extras }): ReportedPackage => ({
        name: metadata.name,
        version: metadata.version,
        url,
        sha256:
          archive_info?.hashes?.["sha256"] ?? /^sha256=([0-9a-f]{64})$/.exec(archive_info?.hash ?? "")?.[1] ?? null,
        requested: requested ?? false,
        requires: metadata.requires_dist ?? [],
        extras: requested_extras ?? []
      })
    )
  },
  Effect.scoped,
  Effect.catchTag("PlatformError", ({ message }) => scratchFailed(message))
)

/** Installs exactly these files into a directory that nothing else is in; nothing is looked for, and nothing comes along. */
export const pipInstall = Effect.fn("boundary.pipInstall")(
  function* (source: PipSource, packages: ReadonlyArray<PlannedPackage>, staging: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const scratch = yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-pip-" })
    const file = path.join(scratch, "requirements.txt")
    const pinned = packages.every(({ sha256 }) => sha256 !== null)
    const hash = ({ sha256 }: PlannedPackage): string => (pinned ? ` --hash=sha256:${sha256}` : "")
    yield* fs.writeFileString(file, lines(packages.map((each) => `${each.name} @ ${each.url}${hash(each)}`)))
    yield* run(source.python, [
      "--quiet",
      "--no-deps",
      "--no-compile",
      "--target",
      staging,
      "--requirement",
      file,
      ...(pinned ? ["--require-hashes"] : []),
      ...sourceArgs(source)
    ])
  },
  Effect.scoped,
  Effect.catchTag("PlatformError", ({ message }) => scratchFailed(message))
)

const scratchFailed = (message: string) =>
  new PipFailed({ unresolved: false, message: `Temporary files for pip cannot be written: ${message}` })

const lines = (texts: ReadonlyArray<string>): string => texts.map((text) => `${text}\n`).join("")
