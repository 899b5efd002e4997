/** A room for tests of fetching by git: a server, a user's home, and what there is to see afterwards. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Effect, Result } from "effect"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest"
import { fetchGit, type GitBounds } from "../../src/plugins/Git.ts"
import { type GitSource, parseSource } from "../../src/domain/PluginSource.ts"
import { type GitServer, startGitServer } from "./GitServer.ts"

/** A fresh folder, removed at the end. */
export const root = mkdtempSync(join(tmpdir(), "holdfast-git-"))
/** The user's, empty before each test. */
export const home = join(root, "home")
/** What lies below is served. */
export const served = join(root, "served")
export let server: GitServer
let rooms = 0

beforeAll(async () => {
  mkdirSync(served)
  server = await startGitServer(served)
})

afterAll(async () => {
  await server.close()
  rmSync(root, { recursive: true, force: true })
})

beforeEach(() => {
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home)
  vi.stubEnv("HOME", home)
  vi.stubEnv("XDG_CONFIG_HOME", undefined)
  vi.stubEnv("GIT_CONFIG_NOSYSTEM", "1")
  server.interfere = () => undefined
  server.questions.length = 0
})

afterEach(() => vi.unstubAllEnvs())

export const sourceOf = (text: string, version: string | null = null): GitSource => {
  const source = Result.getOrThrow(parseSource(text, { version, mayBeLocal: false }))
  if (source.kind !== "git") throw new Error(`${text} is no git source`)
  return source
}

export const makeRoom = (): string => {
  const into = join(root, `into-${++rooms}`)
  mkdirSync(into)
  return into
}

/** Fetches for real, as a program whose environment this is. */
export const attempt = (source: GitSource | string, into = makeRoom(), bounds?: GitBounds) =>
  Effect.runPromise(
    fetchGit(typeof source === "string" ? sourceOf(source) : source, into, bounds).pipe(
      Effect.result,
      Effect.provide([NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromEnv())])
    )
  )

export const fetched = async (source: GitSource | string) => Result.getOrThrow(await attempt(source))

export const refused = async (source: GitSource | string, bounds?: GitBounds) => {
  const { message, reason } = Result.getOrThrow(Result.flip(await attempt(source, makeRoom(), bounds)))
  return { reason, message }
}

/** All files of a work tree, by path. */
export const filesOf = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((path) => !path.startsWith(".git/") && statSync(join(directory, path)).isFile())
      .map((path) => [path, readFileSync(join(directory, path), "latin1")])
  )

/** The running programs of a fetch: all of them have its directory in their environment. */
export const running = (into: string): ReadonlyArray<string> =>
  readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`GIT_WORK_TREE=${into}\0`)) return []
      return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()]
    } catch {
      return []
    }
  })

/** The least that is a tree. */
export const oneFile = { "holdfast.plugin.json": "{}" }
