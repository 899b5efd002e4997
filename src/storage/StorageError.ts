/** What goes wrong on disk, as one error with the system's own code and advice that an operator can follow. */
import { Effect, Predicate, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"

/**
 * A file operation that failed.
 *
 * - `operation`: the step that failed (`open`, `write`, `fsync`, `syncDirectory`, `rename`, `remove`, `makeDirectory`,
 *   `chown`, `symlink`, `read`, `readLink`, `readDirectory`, `stat`, `truncate`, `lock`, or `readBack`: the bytes on disk differ
 *   from the bytes just written)
 * - `code`: the system's error code (`ENOSPC`, `EIO`, `EROFS`, `EACCES`, `ENOENT`, `EMFILE` …), `CORRUPT` for
 *   `readBack`, `unknown` where the system gave none
 * - `message`: what happened, why, and what to do
 */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  operation: Schema.String,
  path: Schema.String,
  code: Schema.String,
  message: Schema.String
}) {}

/** A `StorageError` whose message follows from its code; `detail` is used where the code says too little. */
export const makeStorageError = (operation: string, path: string, code: string, detail?: string): StorageError =>
  new StorageError({ operation, path, code, message: `${describe(operation)} ${path} failed: ${advise(code, detail)}` })

/** Translates a `PlatformError` of one file operation. */
export const fromPlatformError = (operation: string, path: string, error: PlatformError): StorageError =>
  makeStorageError(operation, path, codeOf(error), error.message)

/** Runs one file operation and names it, and its path, in the error. */
export const storageStep =
  (operation: string, path: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StorageError, R> =>
    Effect.mapError(effect, (error) => fromPlatformError(operation, path, error))

/** True for "there is nothing at that path". */
export const isMissing = (error: StorageError): boolean => error.code === "ENOENT"

/** There is something, and it can never be read as what it should be: a bad sector, or a directory of that name. */
export const isDamage = (error: StorageError): boolean => damageCodes.has(error.code)

const damageCodes: ReadonlySet<string> = new Set(["EIO", "EISDIR", "ENOTDIR", "ELOOP", "EBADMSG", "EUCLEAN"])

const codeOf = (error: PlatformError): string => {
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  if (Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code)) return cause.code
  switch (error.reason._tag) {
    case "NotFound":
      return "ENOENT"
    case "AlreadyExists":
      return "EEXIST"
    case "PermissionDenied":
      return "EACCES"
    case "Busy":
      return "EBUSY"
    default:
      return "unknown"
  }
}

const descriptions: Readonly<Record<string, string>> = {
  open: "opening",
  write: "writing",
  fsync: "syncing",
  syncDirectory: "syncing the directory",
  rename: "renaming",
  remove: "removing",
  chown: "giving away",
  makeDirectory: "creating the directory",
  symlink: "creating the link",
  read: "reading",
  readLink: "reading the link",
  readDirectory: "listing",
  stat: "inspecting",
  truncate: "emptying",
  lock: "locking",
  readBack: "reading back"
}

const describe = (operation: string): string => descriptions[operation] ?? operation

const advise = (code: string, detail: string | undefined): string => {
  switch (code) {
    case "ENOSPC":
      return "the disk is full. Free space (or inodes) on the file system that holds it, then try again."
    case "EDQUOT":
      return "the disk quota is used up. Free space or raise the quota of the user that runs holdfast, then try again."
    case "EROFS":
      return "the file system is read-only. Look for disk errors in the system log, then remount it writable."
    case "EIO":
      return "the disk reported an I/O error. Check the disk's health and the system log; the disk may need replacing."
    case "EACCES":
    case "EPERM":
      return "permission denied. Give the user that runs holdfast ownership of it and of the directories above it."
    case "EMFILE":
    case "ENFILE":
      return "too many files are open. Raise the limit (ulimit -n, or LimitNOFILE= in the service unit), then restart."
    case "ENOENT":
      return "it does not exist. Check HOLDFAST_HOME, and whether something else removes files below it."
    case "CORRUPT":
      return "the bytes on disk differ from those just written. Check the disk's health; it may need replacing."
    default:
      return `${detail ?? "no reason was given"} (${code}). Look at the path and the system log, then try again.`
  }
}
