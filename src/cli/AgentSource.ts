/** Where agent files are installed from: what a command line names, and the files that lie there. */
import { Effect, FileSystem, Path, Result } from "effect"
import type { AgentOrigin } from "../agents/index.ts"
import { packageRoot, parseSource, type PluginSource, showSource } from "../domain/index.ts"
import { sha256Hex } from "../storage/index.ts"
import { loadAgents } from "./AgentServices.ts"
import { Refused } from "./Failures.ts"
import { plain, reasonOf } from "./Output.ts"

/** A file as its source has it. */
export interface SourceFile {
  readonly file: string
  readonly bytes: Uint8Array
  readonly sha256: string
  /** Where it lies for now, absolute. */
  readonly path: string
}

/** What a source holds. */
export interface SourceFiles {
  /** Null: the folder of agents itself. */
  readonly origin: AgentOrigin | null
  /** By name; never empty. */
  readonly files: ReadonlyArray<SourceFile>
}

const loadPlugins = Effect.promise(() => import("../plugins/index.ts"))

/** The form of repositories that people know, such as `github.com/org/repo@v1`. */
const SHORT = /^([a-z0-9-]+(?:\.[a-z0-9-]+)+\/[^\s@#]+?)\/?(?:@([^#]+))?$/i

/** What Holdfast brings itself, as `bundled:FILE`. */
const BUNDLED = "bundled:"

const bundledAgent = Effect.fnUntraced(function* (text: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { isAgentFile } = yield* loadAgents
  const file = text.slice(BUNDLED.length)
  const folder = path.join(yield* packageRoot, "examples", "agents")
  const names = (yield* Effect.orElseSucceed(fs.readDirectory(folder), () => [])).filter(isAgentFile).toSorted()
  if (!names.includes(file)) {
    return yield* new Refused({
      message:
        names.length === 0
          ? `${folder} has no agents: install Holdfast again.`
          : `Holdfast brings no ${plain(JSON.stringify(file))}. It brings ${names.map((name) => BUNDLED + name).join(", ")}.`
    })
  }
  const found: SourceFiles = {
    origin: { source: text, ref: null, commit: null },
    files: [yield* readAgent(path.join(folder, file), "Holdfast")]
  }
  return found
})

/** Fetches a source, and reads its agent files: of its top level, else of the folder `agents` there. */
export const fetchAgents = Effect.fn("cli.fetchAgents")(function* (text: string, ref: string | null = null) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { AgentStore, isAgentFile } = yield* loadAgents
  const folder = yield* (yield* AgentStore).folder
  if (text.startsWith(BUNDLED)) return yield* bundledAgent(text)
  const isLocal = /^(\.{0,2}\/|\.{1,2}$)/.test(text)
  const local = isLocal ? path.resolve(text) : path.join(folder, text)
  if (isLocal || (isAgentFile(text) && !text.includes("/"))) {
    if ((yield* typeOf(local)) === "File") {
      const origin = path.dirname(local) === folder ? null : { source: local, ref: null, commit: null }
      const found: SourceFiles = { origin, files: [yield* readAgent(local, "the command line")] }
      return found
    }
  }
  const source = yield* parse(isLocal ? local : text, ref)
  const { PluginFetcher } = yield* loadPlugins
  const into = yield* fs
    .makeTempDirectoryScoped({ prefix: "holdfast-agents-" })
    .pipe(Effect.mapError((error) => new Refused({ message: `There is no room to fetch it to: ${reasonOf(error)}.` })))
  const { directory, resolvedRef } = yield* PluginFetcher.use(({ fetch }) => fetch(source, into, null))
  const named = source.kind === "git" ? source.ref : null
  const shown = showSource(source.kind === "git" ? { ...source, ref: null } : source)
  const whole = named === null ? shown : `${shown}#${named}`
  const found: SourceFiles = {
    origin: { source: shown, ref: named, commit: resolvedRef },
    files: yield* readAgents(directory, whole)
  }
  return found
})

const parse = Effect.fnUntraced(function* (text: string, ref: string | null): Effect.fn.Return<PluginSource, Refused> {
  const [, place, version] = SHORT.exec(text) ?? []
  const full = place === undefined ? text : `git+https://${place}${version === undefined ? "" : `#${version}`}`
  return yield* Effect.fromResult(
    parseSource(ref === null ? full : `${full}#${ref}`, { version: null, mayBeLocal: true })
  ).pipe(
    Effect.mapError(
      ({ message }) => new Refused({ message: `${message} Of GitHub, github.com/ORG/REPO@REF is enough.` })
    )
  )
})

/** Null: nothing is there. */
const typeOf = Effect.fnUntraced(function* (place: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(place).pipe(
    Effect.map(({ type }) => type),
    Effect.orElseSucceed(() => null)
  )
})

const readAgents = Effect.fnUntraced(function* (root: string, shown: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { isAgentFile } = yield* loadAgents
  for (const directory of [root, path.join(root, "agents")]) {
    const names = yield* fs.readDirectory(directory).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "NotFound" && directory !== root,
        () => Effect.succeed<ReadonlyArray<string>>([])
      ),
      Effect.mapError((error) => new Refused({ message: `${directory} cannot be listed: ${reasonOf(error)}.` }))
    )
    const files = names.filter(isAgentFile).toSorted()
    if (files.length === 0) continue
    const twice = files.find((file, index) => files.findIndex((other) => sameName(file, other)) < index)
    if (twice !== undefined) {
      return yield* new Refused({
        message: `${plain(shown)} has two files that some disks take for one, ${plain(twice)}: rename one of them there.`
      })
    }
    return yield* Effect.forEach(files, (file) => readAgent(path.join(directory, file), plain(shown)))
  }
  return yield* new Refused({
    message:
      `${plain(shown)} has no agent file, neither at its top nor in its folder agents: their names end in _agent.py, ` +
      "_agent.js, _agent.mjs or _agent.ts. Check what was named."
  })
})

const sameName = (one: string, other: string): boolean => folded(one) === folded(other)
const folded = (name: string): string => name.normalize("NFC").toLowerCase()

const readAgent = Effect.fnUntraced(function* (place: string, from: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { agentNameProblem, MAX_AGENT_BYTES } = yield* loadAgents
  const file = path.basename(place)
  const refuse = (why: string) => Effect.fail(new Refused({ message: `${JSON.stringify(file)} of ${from} ${why}` }))
  const problem = agentNameProblem(file)
  if (problem !== undefined) return yield* refuse(`is no name of an agent file: ${problem}.`)
  const info = yield* Effect.result(fs.lstat(place))
  if (Result.isFailure(info)) return yield* refuse(`cannot be read: ${reasonOf(info.failure)}.`)
  if (info.success.type !== "File") {
    return yield* refuse(
      info.success.type === "SymbolicLink"
        ? "is a link, and links are not installed: name the file itself."
        : "is no file: leave it out, or rename it."
    )
  }
  if (info.success.size > MAX_AGENT_BYTES) {
    return yield* refuse(`is longer than ${MAX_AGENT_BYTES >> 20} MiB, which no agent file may be: make it smaller.`)
  }
  const bytes = yield* Effect.result(fs.readFile(place))
  if (Result.isFailure(bytes)) return yield* refuse(`cannot be read: ${reasonOf(bytes.failure)}.`)
  const found: SourceFile = { file, bytes: bytes.success, sha256: yield* sha256Hex(bytes.success), path: place }
  return found
})
