/** What can be wrong with central's database, and what to do about it. */
import { Predicate, Schema } from "effect"
import type { StorageError } from "../storage/index.ts"

/** The database could not be opened, read or written. `code` is SQLite's primary result code. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  path: Schema.String,
  code: Schema.Int,
  message: Schema.String
}) {}

/** What the database holds is not what was written. */
export const damaged = (path: string, what: string): DatabaseError =>
  new DatabaseError({ path, code: 11, message: `${path}: ${what}. ${ADVICE[11]}` })

/** Rows that are of no shape that this program knows. */
export const undecodable = (path: string, detail: string) =>
  new DatabaseError({ path, code: 0, message: `${path} holds rows that this program did not write: ${detail}` })

/** An error of SQLite or the file system, with what to do. */
export const databaseError = (path: string, cause: unknown): DatabaseError => {
  if (cause instanceof DatabaseError) return cause
  const code = Predicate.hasProperty(cause, "errcode") && Predicate.isNumber(cause.errcode) ? cause.errcode & 0xff : 0
  const text = cause instanceof Error ? cause.message : String(cause)
  return new DatabaseError({
    path,
    code,
    message: `${path}: ${text}. ${ADVICE[code] ?? "Check the --data directory."}`
  })
}

/** The file cannot be opened at all. */
export const unusable =
  (path: string) =>
  ({ code, message }: StorageError): DatabaseError =>
    new DatabaseError({
      path,
      code: SQLITE_CODES[code] ?? 14,
      message: PLACES[code] === undefined ? message : `${path} ${PLACES[code]}. Check the --data directory.`
    })

const PLACES: Record<string, string> = {
  EEXIST: "cannot be: a part of that path is a file",
  ENOTDIR: "cannot be: a part of that path is a file",
  // What is said of a disk that is read-only when directories are made.
  ENOENT: "cannot be made: what is above it is missing, or read-only"
}

const SQLITE_CODES: Record<string, number> = { EROFS: 8, EIO: 10, ENOSPC: 13, EDQUOT: 13 }

// Keyed by SQLite's primary result codes: https://www.sqlite.org/rescode.html
const ADVICE: Record<number, string> = {
  5: "Another process has been writing for too long: try again when it has finished.",
  8: "The file or its disk is read-only: make it writable, or choose another --data directory.",
  10: "The disk reports an error: check it before anything else.",
  11: "The file is damaged: put a backup in its place with `holdfast central restore`.",
  13: "The disk is full: free some space.",
  14: "The file or its directory cannot be opened: check the path, and whose they are.",
  26: "The file is not a database: put a backup in its place with `holdfast central restore`."
}
