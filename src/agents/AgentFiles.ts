/** The agent files of a folder, as they are now. */
import { Effect, FileSystem, Path } from "effect"
import type { QuarantinedAgent } from "../domain/index.ts"
import { sha256Hex } from "../storage/index.ts"

/** No agent file is longer; a longer one is something else. */
const MAX_BYTES = 4 * 1024 * 1024

const NAMES = /_agent\.(py|js|mjs|ts)$/

/** One file, with what it held when it was looked at. */
export interface AgentFile {
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly language: "python" | "javascript"
  /** SHA-256 of its bytes, in hex. */
  readonly hash: string
}

/** What a look at the folder found. */
export interface FoundFiles {
  /** By name. */
  readonly files: ReadonlyArray<AgentFile>
  readonly quarantined: ReadonlyArray<QuarantinedAgent>
}

/**
 * Looks at the top level of a folder; one that is not there has no agents. Nothing is remembered.
 *
 * @ref LLP 0024#discovery [implements]: top level, by name, content alone
 */
export const findAgentFiles = Effect.fn("agents.find")(function* (
  folder: string
): Effect.fn.Return<FoundFiles, never, FileSystem.FileSystem | Path.Path> {
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
    const found: AgentFile = { name, path: file, hash, language: name.endsWith(".py") ? "python" : "javascript" }
    return found
  })
  const looks = yield* Effect.forEach(
    names.success.filter((name) => NAMES.test(name)).toSorted(),
    (name) => look(name).pipe(Effect.catch(({ message }) => Effect.succeed(refused(name, message)))),
    { concurrency: 8 }
  )
  return {
    files: looks.filter((look) => look !== null && "hash" in look),
    quarantined: looks.filter((look) => look !== null && "reason" in look)
  }
})

const refused = (file: string, why: string): QuarantinedAgent => ({
  file,
  class: null,
  reason: `the file cannot be read: ${why}`
})
