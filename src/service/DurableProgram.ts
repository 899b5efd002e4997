/** Where the program lies for good: a service starts it long after this command has ended. */
import { Config, Effect, FileSystem, Option, Path, Schema } from "effect"
import { packageRoot } from "../domain/index.ts"
import { standInFolder } from "./ManagerProgram.ts"

/** The program lies where it may be gone tomorrow. */
export class ProgramFleeting extends Schema.TaggedError<ProgramFleeting>()("ProgramFleeting", {
  message: Schema.String
}) {}

/** Caches of package runners, by the names of their folders. */
const RUNNER_CACHE = /^(_npx|_cacache|dlx(-.*)?|xfs-.*|bunx-.*)$/

/** Why a path may be gone tomorrow; null when nothing says so. Symbolic links are the caller's to resolve. */
export const whyFleeting = (path: string, temporary: ReadonlyArray<string>): string | null => {
  const cache = path.split("/").find((name) => RUNNER_CACHE.test(name))
  if (cache !== undefined) return `a cache of a package runner (${cache})`
  const folder = temporary.find((each) => path === each || path.startsWith(`${each.replace(/\/$/, "")}/`))
  return folder === undefined ? null : `the temporary folder ${folder}`
}

/**
 * Node and the program's entry, by paths that stay: in an installation of install.sh those of `current`, which an
 * upgrade moves.
 */
export const durableProgram = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = yield* Effect.flatMap(packageRoot, (folder) => Effect.orElseSucceed(fs.realPath(folder), () => folder))
  const execPath = globalThis.process.execPath
  const node = yield* Effect.orElseSucceed(fs.realPath(execPath), () => execPath)
  const temporary = yield* temporaryFolders

  for (const file of [root, node]) {
    const why = whyFleeting(file, temporary)
    if (why !== null) {
      return yield* new ProgramFleeting({
        message:
          `A service cannot start ${file}: it lies in ${why}, and may be gone tomorrow. ` +
          "Install Holdfast for good (install.sh, or npm install --global), then run this with that one."
      })
    }
  }

  const current = path.join(path.dirname(path.dirname(root)), "current")
  const isVersion =
    path.basename(path.dirname(root)) === "versions" &&
    (yield* Effect.orElseSucceed(fs.exists(path.join(current, "dist", "main.js")), () => false))
  const place = isVersion ? current : root
  const script = path.join(place, "dist", "main.js")
  if (!(yield* Effect.orElseSucceed(fs.exists(script), () => false))) {
    return yield* new ProgramFleeting({ message: `There is no built program at ${script}. Build it: npm run build` })
  }
  return { node: node.startsWith(`${root}/`) ? path.join(place, node.slice(root.length + 1)) : node, script }
})

/** What a stand-in for the manager starts is a test's, wherever it lies. */
const temporaryFolders = Effect.gen(function* () {
  if (Option.isSome(yield* standInFolder)) return []
  const own = yield* Config.option(Config.NonEmptyString("TMPDIR"))
  return [...Option.toArray(own), "/tmp", "/var/tmp", "/dev/shm", "/run", "/private/tmp", "/private/var/folders"]
})
