/** The agent files of a folder, as they are now. */
import { Config, Effect, FileSystem, Option, Path } from "effect"
import { Home, type QuarantinedAgent } from "../domain/index.ts"
import { sha256Hex } from "../storage/index.ts"

/** No agent file is longer; a longer one is something else. */
export const MAX_BYTES = 4 * 1024 * 1024

export const NAMES = /_agent\.(py|js|mjs|ts)$/

/** One file, with what it held when it was looked at. */
export interface AgentFile {
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly language: "python" | "javascript"
  /** SHA-256 of its bytes, in hex. */
  readonly hash: string
  /** What was installed for it; null: nothing, and for JavaScript. */
  readonly packages: PackageTree | null
}

/** The Python packages of one agent file, as they lie there now. */
export interface PackageTree {
  /** Absolute. */
  readonly directory: string
  /** Another one whenever they are installed again. */
  readonly stamp: string
}

/** What a look at the folder found. */
export interface FoundFiles {
  /** By name. */
  readonly files: ReadonlyArray<AgentFile>
  readonly quarantined: ReadonlyArray<QuarantinedAgent>
}

/** Where agents are looked for, absolute: what `AGENTS_PATH` names, else `configured`, else `agents` in the home. */
export const agentsFolderOf = Effect.fnUntraced(function* (configured: string | null) {
  const path = yield* Path.Path
  const { agents } = yield* Home
  return path.resolve(
    yield* Effect.orDie(Config.withDefault(Config.NonEmptyString("AGENTS_PATH"), configured ?? agents))
  )
})

/** Whether anything in the folder has the name of an agent file; what cannot be told counts as yes. */
export const hasAgentFiles = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readDirectory(folder).pipe(
    Effect.map((names) => names.some((name) => NAMES.test(name))),
    Effect.catch((error) => Effect.succeed(error.reason._tag !== "NotFound"))
  )
})

/**
 * Looks at the top level of a folder; one that is not there has no agents. Nothing is remembered.
 *
 * @ref LLP 0024#discovery [implements]: top level, by name, content alone
 */
export const findAgentFiles = Effect.fn("agents.find")(function* (
  folder: string
): Effect.fn.Return<FoundFiles, never, FileSystem.FileSystem | Home | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* Effect.result(fs.readDirectory(folder))
  if (names._tag === "Failure") {
    const isMissing = names.failure.reason._tag === "NotFound"
    return { files: [], quarantined: isMissing ? [] : [{ file: folder, class: null, reason: names.failure.message }] }
  }
  const look = Effect.fnUntraced(function* (name: string) {
    const file = path.join(folder, name)
    // Asked first: to read a pipe would take until somebody writes to it.
    const { size, type } = yield* fs.stat(file)
    if (type !== "File") return null
    if (size > MAX_BYTES) return refused(name, `it is longer than ${MAX_BYTES >> 20} MiB`)
    const hash = yield* sha256Hex(yield* fs.readFile(file))
    const isPython = name.endsWith(".py")
    const found: AgentFile = {
      name,
      path: file,
      hash,
      language: isPython ? "python" : "javascript",
      packages: isPython ? yield* packagesOf(name) : null
    }
    return found
  })
  const looks = yield* Effect.forEach(
    names.success.filter((name) => NAMES.test(name)).toSorted(),
    (name) => look(name).pipe(Effect.catch(({ message }) => Effect.succeed(refused(name, message)))),
    { concurrency: 16 }
  )
  return {
    files: looks.filter((look) => look !== null && "hash" in look),
    quarantined: looks.filter((look) => look !== null && "reason" in look)
  }
})

/** Where the packages of a file of this name are installed, absolute. */
export const packagesPlace = Effect.fnUntraced(function* (name: string) {
  return (yield* Path.Path).join((yield* Home).packages, name)
})

/** A link is none: what it leads to has not been looked through. */
const packagesOf = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* packagesPlace(name)
  const info = Option.getOrNull(yield* Effect.option(fs.lstat(directory)))
  if (info?.type !== "Directory") return null
  const { dev, ino, mtime } = info
  const time = Option.map(mtime, (date) => date.getTime())
  const tree: PackageTree = { directory, stamp: [dev, Option.getOrNull(ino), Option.getOrNull(time)].join(" ") }
  return tree
})

const refused = (file: string, why: string): QuarantinedAgent => ({
  file,
  class: null,
  reason: `the file cannot be read: ${why}`
})
