/** Fetches one commit of a repository with git and checks it out byte for byte. Nothing of the repository is run. */
import { Config, Duration, Effect, FileSystem, Option, Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { type GitSource, type InstallFailure, PluginNotInstalled, showSource } from "../domain/index.ts"
import { printable } from "../http/index.ts"
import { type ProgramFailed, runProgram } from "../process/index.ts"
import {
  ARTIFACT_LIMITS,
  diskFailure,
  invalidArtifact,
  linkRefused,
  quoted,
  SKIPPED_NAMES,
  tooLarge,
  tooMany
} from "./ArtifactRules.ts"

export interface GitCheckout {
  /** The work tree, with git's own `.git` in it. */
  readonly directory: string
  /** 40 hex digits. */
  readonly commit: string
}

/** What fetching may cost. */
export interface GitBounds {
  /** For all of it. */
  readonly deadline: Duration.Input
  /** What may lie in the directory while git runs. */
  readonly maxBytes: number
}

const BOUNDS: GitBounds = { deadline: "4 minutes", maxBytes: 512 * 1024 * 1024 }

/**
 * `into`: an empty directory of the caller's. A tag goes before a branch of the same name. What is no part of an artifact
 * is neither judged nor checked out.
 *
 * Fails with `git_unavailable`, `git_ref_not_found`, `git_clone_failed` for everything that another try may mend, and
 * before a file is written with `artifact_symlink_unsupported` or `artifact_invalid`. No program outlives it.
 */
export const fetchGit = Effect.fn("plugins.fetchGit")(function* (source: GitSource, into: string, bounds = BOUNDS) {
  const deadline = Duration.format(Duration.fromInputUnsafe(bounds.deadline))
  return yield* fetchAll(source, into, bounds).pipe(
    Effect.raceFirst(Effect.forever(Effect.delay(checkSize(into, bounds), "1 second"))),
    Effect.timeoutOrElse({
      duration: bounds.deadline,
      orElse: () => Effect.fail(cloneFailed(source, `did not end within ${deadline}`))
    })
  )
})

const fetchAll = Effect.fnUntraced(function* (source: GitSource, into: string, bounds: GitBounds) {
  const git = yield* prepare(source, into, bounds)
  const known = (source.ref ?? "").toLowerCase()
  const place = COMMIT.test(known) ? { name: known, commit: known } : yield* locate(source, git)
  yield* git("fetch", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", source.url, place.name).pipe(
    Effect.mapError(explain(source))
  )
  yield* checkSize(into, bounds)
  const commit = yield* git("rev-parse", "--verify", "FETCH_HEAD^{commit}").pipe(
    Effect.mapError(() => refused(source, "git_ref_not_found", "is no commit: name a tag, a branch or a commit."))
  )
  if (commit.trim() !== place.commit) {
    return yield* cloneFailed(source, `was given ${commit.trim()}, though ${place.commit} had been announced`)
  }
  const listing = yield* git("ls-tree", "-r", "-l", "-z", place.commit).pipe(
    Effect.mapError((failure) => (failure.kind === "output" ? tooMany() : explain(source)(failure)))
  )
  const entries = entriesOf(listing)
  yield* judge(entries)
  // git calls a path that matches nothing an error.
  if (entries.length > 0) {
    yield* git("checkout", place.commit, "--", ":(top)", ...NOT_CHECKED_OUT).pipe(Effect.mapError(explain(source)))
  }
  return { directory: into, commit: place.commit } satisfies GitCheckout
})

type Git = (
  ...args: ReadonlyArray<string>
) => Effect.Effect<string, ProgramFailed, ChildProcessSpawner.ChildProcessSpawner>

/** An empty repository in `into`, and git at work in it: it asks nobody, and neither hooks nor filters run. */
const prepare = Effect.fnUntraced(function* (source: GitSource, into: string, bounds: GitBounds) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const repository = path.join(into, ".git")
  const settings = [...SETTINGS, `http.followRedirects=${source.protocol === "http" ? "false" : "initial"}`]
  const gitWith =
    (more: Readonly<Record<string, string>>): Git =>
    (...args) =>
      runProgram("git", {
        args: [...settings.flatMap((setting) => ["-c", setting]), ...args],
        env: {
          ...ENVIRONMENT,
          GIT_DIR: repository,
          GIT_WORK_TREE: into,
          GIT_ALLOW_PROTOCOL: source.protocol === "http" ? "http" : "https:ssh",
          ...more
        },
        cwd: into,
        deadline: bounds.deadline
      })
  const git = gitWith({})

  yield* git("init", "--quiet", "--template=").pipe(Effect.mapError(explain(source)))
  yield* fs
    .makeDirectory(path.join(repository, "info"))
    .pipe(
      Effect.andThen(fs.writeFileString(path.join(repository, "info", "attributes"), EXACT_BYTES)),
      Effect.mapError(diskFailure)
    )
  // An ssh that the user has chosen is left as it is.
  const chosen = yield* Effect.all([
    Effect.option(Config.String("GIT_SSH_COMMAND")),
    Effect.option(Config.String("GIT_SSH")),
    Effect.option(git("config", "--get", "core.sshCommand"))
  ])
  return chosen.some(Option.isSome) ? git : gitWith({ GIT_SSH_COMMAND: "ssh -oBatchMode=yes" })
})

/** What holds whatever the user's own settings say. The others stay: proxies, credential helpers, rewritten URLs. */
const SETTINGS: ReadonlyArray<string> = [
  "core.attributesFile=/dev/null",
  "core.autocrlf=false",
  // Larger files are not held in memory.
  "core.bigFileThreshold=16m",
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "core.symlinks=true",
  "credential.interactive=false",
  "fetch.fsckObjects=true",
  "gc.auto=0",
  "maintenance.auto=false",
  "protocol.version=2",
  "submodule.recurse=false"
]

/** Goes before every attribute that the repository or the user has for a file. */
const EXACT_BYTES = "* -text -filter -ident -eol -working-tree-encoding\n"

/** Added to the environment of this process. What would lead git to another repository goes. */
const ENVIRONMENT: Readonly<Record<string, string | undefined>> = {
  GCM_INTERACTIVE: "never",
  GIT_ASKPASS: "",
  GIT_DEFAULT_HASH: "sha1",
  GIT_TERMINAL_PROMPT: "0",
  LC_ALL: "C",
  SSH_ASKPASS: "",
  SSH_ASKPASS_REQUIRE: "never",
  GIT_ALTERNATE_OBJECT_DIRECTORIES: undefined,
  GIT_ATTR_SOURCE: undefined,
  GIT_COMMON_DIR: undefined,
  GIT_CONFIG: undefined,
  GIT_CONFIG_PARAMETERS: undefined,
  GIT_GLOB_PATHSPECS: undefined,
  GIT_GRAFT_FILE: undefined,
  GIT_ICASE_PATHSPECS: undefined,
  GIT_INDEX_FILE: undefined,
  GIT_LITERAL_PATHSPECS: undefined,
  GIT_NAMESPACE: undefined,
  GIT_NOGLOB_PATHSPECS: undefined,
  GIT_OBJECT_DIRECTORY: undefined,
  GIT_REPLACE_REF_BASE: undefined,
  GIT_SHALLOW_FILE: undefined
}

const NOT_CHECKED_OUT = [...SKIPPED_NAMES].flatMap((name) => [
  `:(exclude,top,glob)**/${name}`,
  `:(exclude,top,glob)**/${name}/**`
])

const COMMIT = /^[0-9a-f]{40}$/

/** The full name of a tag or branch at the remote, and the commit that it stands for there. */
const locate = Effect.fnUntraced(function* (source: GitSource, git: Git) {
  const listing = yield* git("ls-remote", "--sort=-version:refname", "--", source.url).pipe(
    Effect.mapError(explain(source))
  )
  const refs = new Map(
    Array.from(listing.matchAll(/^([0-9a-f]{40})\t(.+)$/gm), ([, commit = "", name = ""]) => [name, commit])
  )
  const names = source.ref === null ? ["HEAD"] : [`refs/tags/${source.ref}`, `refs/heads/${source.ref}`]
  for (const name of names) {
    // An annotated tag is an object of its own; git lists what it stands for beside it.
    const commit = refs.get(`${name}^{}`) ?? refs.get(name)
    if (commit !== undefined) return { name, commit }
  }
  const tags = [...refs.keys()].flatMap((name) => /^refs\/tags\/(.*[^}])$/.exec(name)?.[1] ?? [])
  const few = [...tags.slice(0, 5), ...(tags.length > 5 ? ["…"] : [])].join(", ")
  return yield* refused(
    source,
    "git_ref_not_found",
    `is not there: the repository has no such tag or branch (its tags: ${printable(few) || "none"}). Publish the tag, or ` +
      "correct the version or the ref."
  )
})

interface Entry {
  readonly mode: string
  readonly size: number
  readonly path: string
}

/** What of a tree becomes part of the artifact; the format is that of `git ls-tree -r -l -z`. */
const entriesOf = (listing: string): ReadonlyArray<Entry> =>
  Array.from(listing.matchAll(/(\d{6}) \w+ [0-9a-f]+ +(\d+|-)\t([^\0]+)\0/g), ([, mode = "", size, path = ""]) => ({
    mode,
    size: size === "-" ? 0 : Number(size),
    path
  })).filter(({ path }) => !path.split("/").some((name) => SKIPPED_NAMES.has(name)))

/** Before a byte of it is written. */
const judge = Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
  const link = entries.find(({ mode }) => mode === "120000")
  if (link !== undefined) return yield* linkRefused(link.path)
  const submodule = entries.find(({ mode }) => mode === "160000")
  if (submodule !== undefined) {
    return yield* invalidArtifact(
      `${quoted(submodule.path)} is a submodule, and what is installed brings all of its files: commit them instead.`
    )
  }
  if (entries.length > ARTIFACT_LIMITS.files) return yield* tooMany()
  if (entries.reduce((sum, { size }) => sum + size, 0) > ARTIFACT_LIMITS.bytes) return yield* tooLarge()
})

/** Fails once more lies there than may. */
const checkSize = Effect.fnUntraced(function* (into: string, { maxBytes }: GitBounds) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  // What git has removed meanwhile weighs nothing.
  const names = yield* Effect.orElseSucceed(fs.readDirectory(into, { recursive: true }), () => [])
  let size = 0
  for (const name of names) {
    const info = yield* Effect.option(fs.stat(path.join(into, name)))
    if (Option.isSome(info) && info.value.type === "File") size += Number(info.value.size)
  }
  if (size > maxBytes) return yield* tooLarge()
})

const refused = (source: GitSource, reason: InstallFailure, what: string): PluginNotInstalled =>
  new PluginNotInstalled({ reason, message: `${showSource(source)} ${what}` })

const cloneFailed = (source: GitSource, what: string, stderr = ""): PluginNotInstalled => {
  const said = readable(stderr)
  const why = `could not be fetched: git ${what}.${said === "" ? "" : ` The end of what it said: ${said.replace(/\.$/, "")}.`}`
  const advice = "Check address and network; a private repository needs git's credential helper or an ssh key."
  return refused(source, "git_clone_failed", `${why} ${advice}`)
}

/** In one line, and without the secrets of a URL that the user's settings have put in the place of ours. */
const readable = (stderr: string): string => printable(stderr.replace(/(^|\/\/)[^\s/]*@/g, "$1")).slice(-600)

const explain =
  (source: GitSource) =>
  ({ code, kind, message, stderr }: ProgramFailed): PluginNotInstalled => {
    const what = kind === "exit" ? `ended with exit code ${code}` : (message.split(". ")[0] ?? kind)
    if (kind === "spawn") return refused(source, "git_unavailable", `needs git, which ${what}: install git.`)
    if (/not our ref|unadvertised object|couldn't find remote ref/.test(stderr)) {
      return refused(source, "git_ref_not_found", "is not there: push it, or correct the version or the ref.")
    }
    if (/fsck error/.test(stderr)) {
      return invalidArtifact(`git finds ${showSource(source)} to be malformed: ${readable(stderr)}`)
    }
    return cloneFailed(source, what, stderr)
  }
