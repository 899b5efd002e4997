/** The folder of agents as something that files are put into and taken out of, and where those came from. */
import { Context, DateTime, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { ConfigControl, Home } from "../domain/index.ts"
import { DurableFiles, isMissing, sha256Hex, storageStep } from "../storage/index.ts"
import { agentNameProblem } from "./AgentFileName.ts"
import { agentsFolderOf, MAX_BYTES } from "./AgentFiles.ts"
import { type AgentOrigin, type AgentRecord, decodeRecord } from "./AgentRecord.ts"
import { agentSettings } from "./AgentSettings.ts"

/** Everybody who may look into the home may read an agent. */
const AGENT_MODE = 0o644
const FOLDER_MODE = 0o755

/** Why a file was not put, read or removed. */
export const AGENT_FILE_FAILURES = [
  /** No agent file is called so. */
  "name_invalid",
  "too_large",
  /** Its bytes are not those that were announced. */
  "hash_mismatch",
  /** A file with another content has the name. */
  "file_exists",
  /** What has the name is no file: a directory, a pipe, a link that leads nowhere. */
  "not_a_file",
  "file_unknown",
  "storage_failed"
] as const

/** The folder is as it was. `message`: what happened, why, what to do. */
export class AgentFileRefused extends Schema.TaggedError<AgentFileRefused>()("AgentFileRefused", {
  reason: Schema.Literals(AGENT_FILE_FAILURES),
  message: Schema.String
}) {}

/** What became of a file since it was installed; `local`: nobody installed it, it was put there by hand. */
export const AGENT_CONDITIONS = ["intact", "modified", "missing", "local"] as const
export type AgentCondition = (typeof AGENT_CONDITIONS)[number]

/** A file of the folder, or one that was installed and is gone. */
export interface StoredAgent {
  readonly file: string
  readonly condition: AgentCondition
  /** Of its bytes now; null when it is missing. */
  readonly sha256: string | null
  /** Bytes; 0 when it is missing. */
  readonly size: number
  readonly record: AgentRecord | null
}

/** A file that is to be there. */
export interface AgentWrite {
  readonly file: string
  readonly bytes: Uint8Array
  /** What is recorded; null: put there by hand, and what was recorded is forgotten. */
  readonly origin: AgentOrigin | null
  /** SHA-256 of what it may take the place of; null: of nothing; `any`: of whatever file is there. */
  readonly replaces: string | null
}

/**
 * A record has a file of its own: the command line and the daemon write without a lock, and none loses what another one
 * wrote. The agent is written before its record, and removed before it: whoever is killed in between leaves a file that
 * runs as it is, is told as `local`, `modified` or `missing`, and is as it should be once the same is done again.
 *
 * @ref LLP 0026#the-record [implements]
 */
export class AgentStore extends Context.Service<
  AgentStore,
  {
    /** Absolute; waits until the configuration is known. */
    readonly folder: Effect.Effect<string>
    /** Every agent file, and every one that was installed, by name. */
    readonly list: Effect.Effect<ReadonlyArray<StoredAgent>, AgentFileRefused>
    /** `file_unknown`: neither there nor recorded. */
    readonly look: (file: string) => Effect.Effect<StoredAgent, AgentFileRefused>
    /** With its bytes; a missing one is `file_unknown`. */
    readonly read: (file: string) => Effect.Effect<StoredAgent & { readonly bytes: Uint8Array }, AgentFileRefused>
    /** Replaces the file as a whole; whoever calls the agent next meets the new one. */
    readonly write: (write: AgentWrite) => Effect.Effect<StoredAgent, AgentFileRefused>
    /** The file, its packages and what was recorded. */
    readonly remove: (file: string) => Effect.Effect<void, AgentFileRefused>
  }
>()("holdfast/agents/AgentStore") {
  static readonly layer = Layer.effect(
    AgentStore,
    Effect.suspend(() => make)
  )
}

const RECORD_END = ".json"

const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = yield* Home
  const files = yield* DurableFiles
  const control = yield* ConfigControl
  const folder = Effect.flatMap(agentSettings(control), ({ agentsPath }) => agentsFolderOf(agentsPath)).pipe(
    Effect.provideService(Home, home),
    Effect.provideService(Path.Path, path)
  )
  const records = path.join(home.state, "agents")

  const placeOf = (file: string) =>
    Effect.suspend(() => {
      const problem = agentNameProblem(file)
      return problem === undefined
        ? Effect.map(folder, (directory) => path.join(directory, file))
        : refuse("name_invalid", `${shown(file)} is no name of an agent file: ${problem}.`)
    })

  /** Its bytes; null when nothing is there. Whatever is no file is left alone. */
  const bytesOf = Effect.fnUntraced(function* (place: string) {
    if (!(yield* files.exists(place))) return null
    const { size, type } = yield* fs.stat(place).pipe(
      storageStep("stat", place),
      Effect.catchIf(isMissing, () => refuse("not_a_file", `${place} is a link that leads nowhere: remove it.`))
    )
    if (type !== "File") return yield* noFile(place, type)
    if (size > MAX_BYTES) return yield* tooLarge(place)
    return yield* fs.readFile(place).pipe(storageStep("read", place))
  }, Effect.mapError(asRefused))

  const recordOf = Effect.fnUntraced(function* (file: string) {
    const place = path.join(records, `${file}${RECORD_END}`)
    const bytes = yield* files.read(place)
    if (Option.isNone(bytes)) return null
    const record = Option.getOrNull(decodeRecord(new TextDecoder().decode(bytes.value)))
    if (record?.file === file) return record
    yield* Effect.logWarning(
      `${place} is no record of ${file}: it counts as not installed until it is installed again.`
    )
    return null
  })

  const unknown = (file: string) =>
    Effect.flatMap(folder, (directory) =>
      refuse("file_unknown", `There is no agent file ${file} in ${directory}: holdfast agent list names them.`)
    )

  const lookAt = Effect.fnUntraced(function* (file: string) {
    const place = yield* placeOf(file)
    const bytes = yield* bytesOf(place)
    const record = yield* recordOf(file)
    if (bytes === null && record === null) return yield* unknown(file)
    const sha256 = bytes === null ? null : yield* sha256Hex(bytes)
    const stored: StoredAgent = {
      file,
      condition: conditionOf(sha256, record),
      sha256,
      size: bytes?.length ?? 0,
      record
    }
    return { stored, bytes }
  })

  const look = Effect.fn("AgentStore.look")(
    (file: string) => Effect.map(lookAt(file), ({ stored }) => stored),
    Effect.mapError(asRefused)
  )

  const namesIn = (directory: string) =>
    files
      .exists(directory)
      .pipe(
        Effect.flatMap((isThere) =>
          isThere
            ? fs.readDirectory(directory).pipe(storageStep("readDirectory", directory))
            : Effect.succeed<ReadonlyArray<string>>([])
        )
      )

  const list = Effect.gen(function* () {
    const recorded = (yield* namesIn(records))
      .filter((name) => name.endsWith(RECORD_END))
      .map((name) => name.slice(0, -RECORD_END.length))
    const names = new Set([...(yield* namesIn(yield* folder)), ...recorded])
    const known = [...names].filter((name) => agentNameProblem(name) === undefined).toSorted()
    const looks = yield* Effect.forEach(known, (name) =>
      // What cannot be read as an agent file is the roster's to tell.
      lookAt(name).pipe(
        Effect.asSome,
        Effect.catchTag("AgentFileRefused", () => Effect.succeedNone)
      )
    )
    return looks.flatMap((found) => (Option.isSome(found) ? [found.value.stored] : []))
  }).pipe(Effect.mapError(asRefused), Effect.withSpan("AgentStore.list"))

  const read = Effect.fn("AgentStore.read")(function* (file: string) {
    const { bytes, stored } = yield* lookAt(file)
    if (bytes !== null) return { ...stored, bytes }
    return yield* refuse(
      "file_unknown",
      `${file} was installed, and is gone from ${yield* folder}: holdfast agent update ${file}`
    )
  }, Effect.mapError(asRefused))

  const write = Effect.fn("AgentStore.write")(
    function* ({ bytes, file, origin, replaces }: AgentWrite) {
      const place = yield* placeOf(file)
      if (bytes.length > MAX_BYTES) return yield* tooLarge(file)
      const present = yield* bytesOf(place)
      const presentHash = present === null ? null : yield* sha256Hex(present)
      const sha256 = yield* sha256Hex(bytes)
      if (presentHash !== sha256) {
        if (presentHash !== null && replaces !== "any" && replaces !== presentHash) {
          return yield* refuse("file_exists", `${place} is there already, with another content.`)
        }
        yield* files.makeDirectory(home.root)
        const directory = path.dirname(place)
        yield* files.makeDirectory(directory, FOLDER_MODE)
        yield* files.write(directory, file, bytes, AGENT_MODE)
      }
      yield* keepRecord(file, origin, sha256)
      return yield* look(file)
    },
    Effect.mapError(asRefused),
    Effect.uninterruptible
  )

  const keepRecord = Effect.fnUntraced(function* (file: string, origin: AgentOrigin | null, sha256: string) {
    if (origin === null) return yield* forget(file)
    const installed_at = DateTime.formatIso(yield* DateTime.now)
    const record: AgentRecord = { version: 1, file, ...origin, sha256, installed_at }
    yield* files.makeDirectory(records)
    yield* files.write(records, `${file}${RECORD_END}`, `${JSON.stringify(record, null, 2)}\n`)
  })

  const forget = Effect.fnUntraced(function* (file: string) {
    const place = path.join(records, `${file}${RECORD_END}`)
    if (!(yield* files.exists(place))) return
    yield* files.remove(place)
    yield* files.syncDirectory(records)
  })

  const remove = Effect.fn("AgentStore.remove")(
    function* (file: string) {
      const place = yield* placeOf(file)
      const isThere = yield* files.exists(place)
      if (!isThere && (yield* recordOf(file)) === null) return yield* unknown(file)
      if (isThere) {
        const { type } = yield* fs.lstat(place).pipe(storageStep("stat", place))
        if (type !== "File" && type !== "SymbolicLink") return yield* noFile(place, type)
        yield* files.remove(place)
        yield* files.syncDirectory(path.dirname(place))
      }
      yield* files.remove(path.join(home.packages, file))
      yield* forget(file)
    },
    Effect.mapError(asRefused),
    Effect.uninterruptible
  )

  return AgentStore.of({ folder, list, look, read, write, remove })
})

const conditionOf = (sha256: string | null, record: AgentRecord | null): AgentCondition => {
  if (sha256 === null) return "missing"
  if (record === null) return "local"
  return record.sha256 === sha256 ? "intact" : "modified"
}

const refuse = (reason: AgentFileRefused["reason"], message: string) =>
  Effect.fail(new AgentFileRefused({ reason, message }))

const noFile = (place: string, type: FileSystem.File.Type) =>
  refuse("not_a_file", `${place} is no file (${type}): move it away.`)

const tooLarge = (file: string) =>
  refuse("too_large", `${file} is longer than ${MAX_BYTES >> 20} MiB, which no agent file may be: make it smaller.`)

/** A name for people, of any length and content. */
const shown = (file: string): string => JSON.stringify(file.length > 200 ? `${file.slice(0, 200)}…` : file)

const asRefused = (error: { readonly _tag: string; readonly message: string }): AgentFileRefused =>
  error instanceof AgentFileRefused ? error : new AgentFileRefused({ reason: "storage_failed", message: error.message })
