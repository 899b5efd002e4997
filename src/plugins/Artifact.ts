// @effect-diagnostics nodeBuiltinImport:off - hashes as the bytes pass by, which the digests of Effect cannot
/** A plugin as a tree of files: the hash that names it, and a copy that is on the disk. */
import { createHash } from "node:crypto"
import { Effect, FileSystem, Path } from "effect"
import type { PluginNotInstalled } from "../domain/index.ts"
import {
  directoryMode,
  DurableFiles,
  fileMode,
  makeStorageError,
  type StorageError,
  storageStep
} from "../storage/index.ts"
import {
  ARTIFACT_LIMITS,
  diskFailure,
  invalidArtifact,
  kindRefused,
  linkRefused,
  parentsOf,
  pathRefused,
  SKIPPED_NAMES,
  tooLarge,
  tooMany,
  writeFailure
} from "./ArtifactRules.ts"

export interface ArtifactFile {
  /** Relative to the tree, with `/`. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** SHA-256 of its bytes, 64 lower-case hex digits. */
  readonly sha256: string
}

export interface Artifact {
  /** Names the tree: SHA-256, 64 lower-case hex digits, over the sorted paths and hashes of its files. */
  readonly hash: string
  /** In the order of the hash. */
  readonly files: ReadonlyArray<ArtifactFile>
  /** Of all files together. */
  readonly bytes: number
}

/**
 * Hashes a tree as it lies there. Modes, times, empty directories and what is skipped do not count.
 *
 * Fails with `artifact_symlink_unsupported` for a link anywhere, `artifact_invalid` for anything else that no plugin may
 * hold, for what is larger than one may be, and for what cannot be read.
 */
export const readArtifact = Effect.fn("plugins.readArtifact")(function* (directory: string) {
  const path = yield* Path.Path
  const read = yield* makeReader
  const files: Array<ArtifactFile> = []
  for (const file of yield* listFiles(directory)) {
    files.push(yield* read(path.join(directory, file), file, () => Effect.void))
  }
  return makeArtifact(files)
})

/**
 * Copies what counts of the tree `from` into `to`, which must not exist, and answers what lies there. When it returns, all
 * of it is on the disk but the name of `to`, which is the caller's to sync. When it fails, what is in `to` is of no use.
 *
 * Fails as `readArtifact` does, and with `artifact_write_error` when the disk does not take it.
 */
export const copyArtifact = Effect.fn("plugins.copyArtifact")(function* (from: string, to: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { syncDirectory } = yield* DurableFiles
  const read = yield* makeReader
  const makeDirectory = (directory: string) =>
    fs
      .makeDirectory(directory, { mode: directoryMode })
      .pipe(storageStep("makeDirectory", directory), Effect.uninterruptible)

  const names = yield* listFiles(from)
  yield* Effect.mapError(makeDirectory(to), diskFailure)
  const directories = new Set([to])
  const copied: Array<ArtifactFile> = []
  for (const name of names) {
    for (const parent of parentsOf(name).map((each) => path.join(to, each))) {
      if (directories.has(parent)) continue
      yield* Effect.mapError(makeDirectory(parent), writeFailure)
      directories.add(parent)
    }
    const target = path.join(to, name)
    copied.push(
      yield* Effect.gen(function* () {
        const { sync, write } = yield* createFile(target)
        const file = yield* read(path.join(from, name), name, write)
        yield* sync
        return file
      }).pipe(Effect.scoped)
    )
  }
  for (const directory of directories) yield* Effect.mapError(syncDirectory(directory), diskFailure)

  const written = yield* readArtifact(to).pipe(Effect.mapError(diskFailure))
  if (written.hash !== makeArtifact(copied).hash) return yield* diskFailure(makeStorageError("readBack", to, "CORRUPT"))
  return written
})

/**
 * A new file to write to; its scope closes it. A write that has begun is not interrupted: it would land later, behind the
 * back of whoever removes the file.
 */
export const createFile = Effect.fnUntraced(function* (target: string) {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs
    .open(target, { flag: "wx", mode: fileMode })
    .pipe(storageStep("open", target), Effect.mapError(writeFailure))
  return {
    write: (chunk: Uint8Array) =>
      handle.writeAll(chunk).pipe(storageStep("write", target), Effect.mapError(diskFailure), Effect.uninterruptible),
    sync: handle.sync.pipe(storageStep("fsync", target), Effect.mapError(diskFailure), Effect.uninterruptible)
  }
})

/** Paths of the files that count, in no order. Every entry is looked at, and none is opened. */
const listFiles = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const lookAt = (target: string) => fs.lstat(target).pipe(storageStep("stat", target), Effect.mapError(unreadable))

  // With a slash at its end a link would be followed.
  const { type } = yield* lookAt(path.resolve(root))
  if (type === "SymbolicLink") return yield* linkRefused(root)
  const files: Array<string> = []
  // Grows while it is walked.
  const directories = [""]
  let bytes = 0
  for (const directory of directories) {
    const place = path.join(root, directory)
    const names = yield* fs.readDirectory(place).pipe(storageStep("readDirectory", place), Effect.mapError(unreadable))
    for (const entry of names) {
      if (SKIPPED_NAMES.has(entry)) continue
      const name = directory === "" ? entry : `${directory}/${entry}`
      const refused = pathRefused(name)
      if (refused !== undefined) return yield* refused
      const { size, type } = yield* lookAt(path.join(root, name))
      if (type === "SymbolicLink") return yield* linkRefused(name)
      if (type !== "File" && type !== "Directory") return yield* kindRefused(name, type)
      if (type === "File") bytes += Number(size)
      ;(type === "File" ? files : directories).push(name)
      if (bytes > ARTIFACT_LIMITS.bytes) return yield* tooLarge()
      // Without the tree itself.
      if (files.length + directories.length - 1 > ARTIFACT_LIMITS.files) return yield* tooMany()
    }
  }
  return files
})

/** Reads files one after the other, through one buffer and not beyond the limit, also when one grows meanwhile. */
const makeReader = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const buffer = new Uint8Array(CHUNK_BYTES)
  let left: number = ARTIFACT_LIMITS.bytes

  return Effect.fnUntraced(function* <E>(
    source: string,
    name: string,
    take: (chunk: Uint8Array) => Effect.Effect<void, E>
  ) {
    // Whatever was put in its place since it was looked at: a link is not followed.
    const handle = yield* fs.open(source, { flag: "r", noFollow: true }).pipe(
      storageStep("open", source),
      Effect.mapError((error) => (error.code === "ELOOP" ? linkRefused(name) : unreadable(error)))
    )
    const { type } = yield* handle.stat.pipe(storageStep("stat", source), Effect.mapError(unreadable))
    if (type !== "File") return yield* kindRefused(name, type)
    const hash = createHash("sha256")
    const read = handle.read(buffer).pipe(storageStep("read", source), Effect.mapError(unreadable))
    let size = 0
    for (let count = yield* read; count > 0; count = yield* read) {
      size += count
      left -= count
      if (left < 0) return yield* tooLarge()
      const chunk = buffer.subarray(0, count)
      hash.update(chunk)
      yield* take(chunk)
    }
    const file: ArtifactFile = { path: name, size, sha256: hash.digest("hex") }
    return file
  }, Effect.scoped)
})

const CHUNK_BYTES = 131_072

/** A machine that cannot read has not judged the artifact. */
const unreadable = (error: StorageError): PluginNotInstalled =>
  OWN_TROUBLE.has(error.code) ? diskFailure(error) : invalidArtifact(error.message)

const OWN_TROUBLE: ReadonlySet<string> = new Set(["EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ETIMEDOUT"])

const recordOf = ({ path, sha256 }: ArtifactFile): string => `${path}\0${sha256}\n`

const makeArtifact = (unordered: ReadonlyArray<ArtifactFile>): Artifact => {
  // By UTF-16 code units of the whole records, as every other implementation does.
  const files = unordered.toSorted((one, other) => (recordOf(one) < recordOf(other) ? -1 : 1))
  const hash = createHash("sha256")
  for (const file of files) hash.update(recordOf(file))
  return { hash: hash.digest("hex"), files, bytes: files.reduce((sum, { size }) => sum + size, 0) }
}
