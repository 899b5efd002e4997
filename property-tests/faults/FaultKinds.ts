/** What can go wrong with a call of the file system, and for how long. */
import type { Fault, Operation } from "../crash/DiskFileSystem.ts"

/** The codes of the design, and bytes that are missing without any error. */
export const CODES = ["ENOSPC", "EIO", "EROFS", "EMFILE", "EACCES", "short"] as const
export type Code = (typeof CODES)[number]

export interface FaultKind extends Fault {
  readonly code: Code
}

/** How long a fault lasts: one call, or every call that it can meet until so many ms have passed (or a human mends it). */
export type Lasting = "once" | number

export const OPERATIONS: ReadonlyArray<Operation> = [
  "create",
  "write",
  "fsync",
  "rename",
  "unlink",
  "mkdir",
  "symlink",
  "open",
  "read",
  "readdir",
  "readlink",
  "stat",
  "lstat"
]

const changing: ReadonlySet<Operation> = new Set(["create", "mkdir", "rename", "symlink", "unlink", "write"])
const growing: ReadonlySet<Operation> = new Set(["create", "mkdir", "rename", "symlink", "write"])
const opening: ReadonlySet<Operation> = new Set(["create", "open", "read", "readdir"])
const held: ReadonlySet<Operation> = new Set(["fsync", "write"])

/** Whether a kernel answers such a call so. What is left out is tried once all the same, in the soak. */
const plausible = (operation: Operation, code: Code): boolean => {
  switch (code) {
    case "EIO":
      return true
    case "ENOSPC":
      return growing.has(operation) || operation === "fsync"
    case "EROFS":
      return changing.has(operation)
    case "EMFILE":
      return opening.has(operation)
    case "EACCES":
      return !held.has(operation)
    case "short":
      return operation === "read" || operation === "write"
  }
}

const extents = (operation: Operation, code: Code): ReadonlyArray<Fault["done"]> => {
  if (code === "short") return ["short"]
  if (operation === "write") return code === "EIO" || code === "ENOSPC" ? ["none", "part"] : ["none"]
  // An I/O error may come after the deed; an fsync that failed may have marked what it did not write as clean.
  if (code !== "EIO") return ["none"]
  if (operation === "fsync") return ["none", "part", "all"]
  return changing.has(operation) ? ["none", "all"] : ["none"]
}

/** The faults of one call; `all` adds those that no known kernel answers. */
export const faultsOf = (operation: Operation, all: boolean): ReadonlyArray<FaultKind> =>
  CODES.flatMap((code) =>
    plausible(operation, code)
      ? extents(operation, code).map((done) => ({ code, done }))
      : all && code !== "short"
        ? [{ code, done: "none" } as const]
        : []
  )

/** Whether a lasting fault that began with another call meets this one too. */
export const meets = (code: Code, operation: Operation): boolean => code !== "short" && plausible(operation, code)
