/** The variables that name a lock to whoever loads plugins. */
import { Config, Effect, type FileSystem } from "effect"
import type { CoreLockState } from "../domain/index.ts"
import { readLock } from "./LockFile.ts"

/** What a command is started with, and what is said about it. */
export interface LockEnvironment {
  /** To be added; a variable that has a value already is not among them. */
  readonly set: Readonly<Record<string, string>>
  /** For people: a value that points nowhere, a lock that is missing or unreadable. */
  readonly warnings: ReadonlyArray<string>
}

/**
 * A value that is there already wins, and is told of when it leads to no lock. The others are set to `lock`, but only when
 * that is a regular file that decodes: a reader of a lock that cannot be read would protect nothing and say nothing.
 *
 * @ref LLP 0022#telling-others [implements]
 */
export const lockEnvironment = Effect.fn("boundary.lockEnvironment")(function* (
  names: ReadonlyArray<string>,
  lock: string
): Effect.fn.Return<LockEnvironment, never, FileSystem.FileSystem> {
  const own = yield* readLock(lock)
  const set: Record<string, string> = {}
  const warnings: Array<string> = []
  for (const name of new Set(names)) {
    const before = yield* Effect.orDie(Config.withDefault(Config.String(name), ""))
    if (before === "") {
      if (own._tag === "ready") set[name] = lock
      else warnings.push(`${name} is not set, so that nothing keeps plugins off the core's packages. ${own.message}`)
      continue
    }
    const theirs: CoreLockState = before === lock ? own : yield* readLock(before)
    if (theirs._tag !== "ready") {
      warnings.push(`${name} is set already, and stays as it is, though it names no lock. ${theirs.message}`)
    }
  }
  return { set, warnings }
})
