/** What a plugin may be made of, and how what is refused is explained. */
import { PluginNotInstalled } from "../domain/index.ts"
import type { StorageError } from "../storage/index.ts"

/** How large a plugin may be; nobody reads or writes more to find out. */
export const ARTIFACT_LIMITS = {
  /** Of all files together: 256 MiB. */
  bytes: 268_435_456,
  /** Files and directories together. */
  files: 10_000,
  /** Names in a path. */
  depth: 64,
  /** UTF-16 code units in a path. */
  path: 1_024
} as const

/** Neither hashed nor installed nor looked into, at any depth, whatever they are. */
export const SKIPPED_NAMES: ReadonlySet<string> = new Set([
  ".git",
  ".svn",
  ".hg",
  "node_modules",
  ".npm",
  ".pnpm",
  ".yarn",
  ".DS_Store"
])

/** No plugin may be, or hold, such a thing. */
export const invalidArtifact = (message: string): PluginNotInstalled =>
  new PluginNotInstalled({ reason: "artifact_invalid", message })

export const linkRefused = (name: string): PluginNotInstalled =>
  new PluginNotInstalled({
    reason: "artifact_symlink_unsupported",
    message: `${quoted(name)} is a link, and nothing with links is installed: put the file itself in its place.`
  })

export const tooLarge = (): PluginNotInstalled =>
  invalidArtifact(`It is larger than ${ARTIFACT_LIMITS.bytes / 1_048_576} MiB: leave out what is not needed to run.`)

export const tooMany = (): PluginNotInstalled =>
  invalidArtifact(
    `It has more than ${ARTIFACT_LIMITS.files} files and directories: leave out what is not needed to run, ` +
      "or bundle its code into fewer files."
  )

/** Why a file of that path cannot be hashed as every other implementation would; undefined when it can. */
export const pathRefused = (name: string): PluginNotInstalled | undefined => {
  // A name that is no UTF-8 arrives with U+FFFD in it: two such names would be one.
  if (/[\0\n\\\uFFFD]/.test(name)) {
    return invalidArtifact(
      `${quoted(name)} has a backslash, a line break or what is no UTF-8 in its name: rename it at its source.`
    )
  }
  const depth = name.split("/").length
  if (name.length <= ARTIFACT_LIMITS.path && depth <= ARTIFACT_LIMITS.depth) return undefined
  return invalidArtifact(
    `${quoted(name)} is longer than ${ARTIFACT_LIMITS.path} characters or deeper than ${ARTIFACT_LIMITS.depth} ` +
      "directories: shorten the path at its source."
  )
}

/** A path for people, of any length and content. */
export const quoted = (name: string): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name)

/** As file systems and archives call them. */
const KINDS: Readonly<Record<string, string>> = {
  BlockDevice: "a device",
  CharacterDevice: "a device",
  CharDevice: "a device",
  FIFO: "a pipe",
  Fifo: "a pipe",
  Socket: "a socket"
}

export const kindRefused = (name: string, kind: string): PluginNotInstalled =>
  invalidArtifact(
    `${quoted(name)} is ${KINDS[kind] ?? "neither file nor directory"}, and only files and directories are installed: ` +
      "leave it out."
  )

/** The disk did not take it. */
export const diskFailure = ({ message }: { readonly message: string }): PluginNotInstalled =>
  new PluginNotInstalled({ reason: "artifact_write_error", message })

/** The same for a new name: some file systems cannot hold every name, or take two names for one. */
export const writeFailure = (error: StorageError): PluginNotInstalled =>
  UNFIT_NAMES.has(error.code)
    ? invalidArtifact(
        `${error.path} cannot be written (${error.code}): this file system does not take that name, or takes it for ` +
          "another one of the same source. Rename it there."
      )
    : diskFailure(error)

const UNFIT_NAMES: ReadonlySet<string> = new Set(["EEXIST", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "EILSEQ"])

/** The directories that lead to a file, the topmost first. */
export const parentsOf = (name: string): ReadonlyArray<string> =>
  name.split("/").flatMap((_, index, names) => (index === 0 ? [] : [names.slice(0, index).join("/")]))

/** Somebody may bring it back. */
export const folderMissing = (folder: string): PluginNotInstalled =>
  new PluginNotInstalled({
    reason: "fetch_failed",
    message: `There is no folder ${folder}: check the path, or where it was moved.`
  })
