// @effect-diagnostics nodeBuiltinImport:off - node:sqlite copies databases that are in use
/**
 * A central as one file, and back, whether or not a server runs on it.
 *
 * @ref LLP 0007#backup-and-restore [implements]
 */
import type { DatabaseSync } from "node:sqlite"
import { Clock, Effect, FileSystem, Path, Schedule, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { isoTime } from "../domain/index.ts"
import { DurableFiles, keepOwner, type StorageError } from "../storage/index.ts"
import { etagOf, isConfigName } from "./ConfigStore.ts"
import { ADMIN_TOKEN, BUSY_TIMEOUT_MILLIS, DATABASE_FILE, loadSqlite, LOCK, migrate } from "./Database.ts"
import { type DatabaseError, databaseError } from "./DatabaseError.ts"
import { BackupRefused } from "./Refused.ts"

/** What a database holds. */
const Holdings = Schema.Struct({
  configs: Schema.Int,
  revisions: Schema.Int,
  tokens: Schema.Int,
  gateways: Schema.Int,
  rows: Schema.Int
})
export type Holdings = typeof Holdings.Type

type Failure = BackupRefused | DatabaseError | StorageError

/** Copies the central in `data` into one new file (0600), which is whole and checked before it has that name. */
export const backUp = Effect.fn("central.backUp")(
  function* (data: string, file: string) {
    const path = yield* Path.Path
    const durable = yield* DurableFiles
    const live = path.join(data, DATABASE_FILE)
    const target = path.resolve(file)
    const partial = `${target}.partial`
    if (!(yield* durable.exists(live))) {
      return yield* new BackupRefused({ message: `There is no central in ${data} (no ${live}). Check --data.` })
    }
    yield* checkTarget(data, target)
    // Before the copy begins: what is made later may or may not be in it.
    const made = yield* Clock.currentTimeMillis
    const source = yield* opened(live)
    yield* checkFormat(source, live)
    yield* Effect.addFinalizer(() => Effect.ignore(durable.remove(partial)))
    const copy = yield* copyTo(source, partial)
    yield* step(partial, () => {
      copy.prepare(SET).run("backed_up_at", String(made))
    })
    const holdings = yield* examine(copy, live, NOT_MADE)
    yield* checkContent(copy, live, NOT_MADE)
    yield* closed(copy, partial)
    yield* durable.rename(path.dirname(target), path.basename(partial), path.basename(target))
    return { backed_up_at: isoTime(made), ...holdings }
  },
  (effect) => effect.pipe(Effect.scoped, Effect.provide(DurableFiles.layer))
)

/** What putting a backup back would do. Nothing was changed yet. */
export interface Restoration {
  /** What is in the backup. `backed_up_at`: ISO 8601. */
  readonly backup: Holdings & { readonly backed_up_at: string }
  /** What is in the directory: nothing, a central that gave out the same identities, another one, or something damaged. */
  readonly found: "nothing" | "same" | "other" | "damaged"
  /** Does it: all or nothing, also when the process is killed. */
  readonly apply: Effect.Effect<Restored, Failure>
}

/** What was done. */
export interface Restored {
  /** Where what was there is kept; null when there was nothing. */
  readonly kept: string | null
  /** Gateways and tokens that had been revoked since the backup, and stay so. */
  readonly still_revoked: { readonly gateways: number; readonly tokens: number }
}

/** Checks a backup wholly, on a copy that is removed with the scope. */
export const prepareRestore = Effect.fn("central.prepareRestore")(function* (data: string, file: string) {
  const path = yield* Path.Path
  const fs = yield* FileSystem.FileSystem
  const durable = yield* DurableFiles
  const live = path.join(data, DATABASE_FILE)
  const staged = path.join(data, `${DATABASE_FILE}.restoring`)
  const { copy, held } = yield* Effect.gen(function* () {
    const source = yield* opened(file)
    yield* checkFormat(source, file)
    yield* durable.makeDirectory(data)
    yield* Effect.addFinalizer(() => Effect.ignore(durable.remove(staged)))
    const copy = yield* copyTo(source, staged)
    return { copy, held: yield* examine(copy, file, NOT_RESTORED) }
  }).pipe(
    Effect.catchIf(
      (error) => error._tag === "DatabaseError" && DAMAGED.has(error.code),
      () => noBackup(file)
    )
  )
  yield* migrate(copy, staged, {
    called: file,
    advice: "restore it with that version, or use another backup. Nothing was changed."
  })
  yield* checkContent(copy, file, NOT_RESTORED)
  const backedUpAt = yield* step(staged, () => backedUpAtOf(copy))
  const key = yield* step(staged, () => settingOf(copy, "signing_key"))
  const old = yield* openedLive(live)
  const found = old === "nothing" || old === "damaged" ? old : settingOf(old, "signing_key") === key ? "same" : "other"

  const apply = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const revoked = old === "nothing" || old === "damaged" ? NONE : yield* step(live, () => revokedIn(old))
    const still_revoked = yield* step(staged, () => {
      copy.exec("BEGIN")
      copy.prepare("INSERT INTO restorations VALUES (?, ?)").run(backedUpAt, now)
      copy.prepare("DELETE FROM settings WHERE key = 'backed_up_at'").run()
      const counts = found === "same" ? revokeAgain(copy, revoked) : { gateways: 0, tokens: 0 }
      const url = old === "nothing" || old === "damaged" ? null : settingOf(old, "external_url")
      // A server that runs has stored by which URL it is reached.
      if (url !== null) copy.prepare(SET).run("external_url", url)
      copy.exec("COMMIT")
      return counts
    })
    if (old === "nothing" || old === "damaged") {
      const kept = old === "nothing" ? null : yield* keepFiles(live, now)
      yield* closed(copy, staged)
      yield* keepOwner(staged, old === "nothing" ? data : live)
      // The log of another database would be taken for that of this one.
      yield* durable.remove(`${live}-wal`)
      yield* durable.remove(`${live}-shm`)
      yield* durable.rename(data, path.basename(staged), DATABASE_FILE)
      return { kept, still_revoked }
    }
    const kept = keptName(live, now)
    yield* closed(yield* copyTo(old, `${kept}.partial`), `${kept}.partial`)
    yield* keepOwner(`${kept}.partial`, live)
    yield* durable.rename(data, path.basename(`${kept}.partial`), path.basename(kept))
    yield* copyInto(copy, live)
    return { kept, still_revoked }
  }).pipe(Effect.scoped, Effect.provideService(FileSystem.FileSystem, fs), Effect.provideService(DurableFiles, durable))

  return { backup: { backed_up_at: isoTime(backedUpAt), ...held }, found, apply } satisfies Restoration
}, Effect.provide(DurableFiles.layer))

/** All pages in one step: what is read is of one moment. */
const WHOLE = { rate: 2_147_483_647 }

const NOT_MADE = "No backup was made: put an earlier one in its place with `holdfast central restore`."
const NOT_RESTORED = "Nothing was changed: use another backup."

const noBackup = (file: string) =>
  new BackupRefused({
    message: `${file} is not a database, or damaged. Nothing was changed: name a file that \`central backup\` wrote.`
  })

/** A backup is renamed to its name: never to that of a file which is in use, or of what is no file. */
const checkTarget = Effect.fnUntraced(function* (data: string, target: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = path.dirname(target)
  const refused = (why: string) => new BackupRefused({ message: `No backup can be written to ${target}: ${why}.` })
  if (path.basename(target) === "-") return yield* refused("it is not written to standard output. Name a file")
  const real = yield* Effect.mapError(fs.realPath(folder), () =>
    refused(`there is no directory ${folder}, or it may not be read`)
  )
  const isOwn = OWN_FILES.some((name) => path.basename(target).startsWith(name))
  if (isOwn && real === (yield* Effect.mapError(fs.realPath(data), storage(data)))) {
    return yield* refused("it is a file of the central itself")
  }
  if (!(yield* (yield* DurableFiles).exists(target))) return
  const { type: found } = yield* Effect.mapError(fs.lstat(target), storage(target))
  if (found === "File") return
  return yield* refused(NO_FILES[found] ?? "it is a device, a pipe or a socket. Name a file")
})

const NO_FILES: Readonly<Record<string, string>> = {
  Directory: "it is a directory. Name a file in it",
  SymbolicLink: "it is a link. Name the file itself"
}

const OWN_FILES = [DATABASE_FILE, ADMIN_TOKEN, LOCK.lockFile, LOCK.pidFile]

const SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

const step = <A>(path: string, use: () => A): Effect.Effect<A, DatabaseError> =>
  Effect.try({ try: use, catch: (cause) => databaseError(path, cause) })

const storage = (path: string) => (error: PlatformError) => databaseError(path, error)

const opened = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const { type } = yield* fs
    .stat(file)
    .pipe(Effect.mapError(() => new BackupRefused({ message: `There is no file ${file}, or it may not be read.` })))
  if (type !== "File") return yield* new BackupRefused({ message: `${file} is no file.` })
  return yield* openedHere(file)
})

const openedHere = Effect.fnUntraced(function* (file: string) {
  const sqlite = yield* loadSqlite
  return yield* Effect.acquireRelease(
    step(file, () => new sqlite.DatabaseSync(file, { timeout: BUSY_TIMEOUT_MILLIS })),
    (database) => Effect.sync(() => database.isOpen && database.close())
  )
})

/** What is in the directory, as far as it can be used. */
const openedLive = Effect.fnUntraced(function* (live: string) {
  const durable = yield* DurableFiles
  if (!(yield* durable.exists(live))) return "nothing" as const
  const sound = Effect.gen(function* () {
    const database = yield* openedHere(live)
    yield* checkFormat(database, live)
    yield* examine(database, live, NOT_RESTORED)
    return database
  })
  return yield* Effect.catchTag(sound, "BackupRefused", () => Effect.succeed("damaged" as const)).pipe(
    Effect.catchIf(
      (error) => DAMAGED.has(error.code),
      () => Effect.succeed("damaged" as const)
    )
  )
})

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26])

const copyTo = Effect.fnUntraced(function* (source: DatabaseSync, target: string) {
  const durable = yield* DurableFiles
  const sqlite = yield* loadSqlite
  yield* durable.remove(target)
  yield* durable.create(target, "")
  yield* Effect.tryPromise({
    try: () => sqlite.backup(source, target, WHOLE),
    catch: (cause) => databaseError(target, cause)
  })
  const copy = yield* openedHere(target)
  // One file, with no log beside it.
  yield* step(target, () =>
    copy.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
  )
  return copy
})

/** Into a database that others use: one transaction of it, for which they wait, and which they see as a change. */
const copyInto = Effect.fnUntraced(function* (source: DatabaseSync, live: string) {
  const sqlite = yield* loadSqlite
  yield* Effect.tryPromise({
    try: () => sqlite.backup(source, live, WHOLE),
    catch: (cause) => databaseError(live, cause)
  }).pipe(
    // It does not wait by itself for one that writes.
    Effect.retry({ schedule: Schedule.spaced("50 millis"), times: BUSY_TIMEOUT_MILLIS / 50 })
  )
})

const closed = Effect.fnUntraced(function* (database: DatabaseSync, path: string) {
  const fs = yield* FileSystem.FileSystem
  yield* step(path, () => database.close())
  yield* Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r+" }), (handle) => handle.sync)).pipe(
    Effect.mapError(storage(path))
  )
})

const keptName = (live: string, now: number): string =>
  live.replace(/\.sqlite$/, `-before-${isoTime(now).replace(/[:.]/g, "-")}.sqlite`)

/** What cannot be read as a database is kept as it is, with its log. */
const keepFiles = Effect.fnUntraced(function* (live: string, now: number) {
  const fs = yield* FileSystem.FileSystem
  const durable = yield* DurableFiles
  const kept = keptName(live, now)
  for (const end of ["", "-wal"]) {
    if (yield* durable.exists(`${live}${end}`)) {
      yield* fs.copyFile(`${live}${end}`, `${kept}${end}`).pipe(Effect.mapError(storage(kept)))
      yield* fs.chmod(`${kept}${end}`, 0o600).pipe(Effect.mapError(storage(kept)))
      yield* keepOwner(`${kept}${end}`, live)
    }
  }
  return kept
})

const checkFormat = Effect.fnUntraced(function* (database: DatabaseSync, path: string) {
  const tables = yield* step(path, () =>
    database
      .prepare("SELECT name FROM sqlite_schema WHERE name IN ('settings', 'tokens', 'revisions', 'gateways')")
      .all()
  )
  if (tables.length === 4) return
  return yield* new BackupRefused({
    message: `${path} is a database, but not one of a central: name a file that \`central backup\` wrote. Nothing was changed.`
  })
})

/** Whether every page and reference is sound; what there is. */
const examine = Effect.fnUntraced(function* (database: DatabaseSync, path: string, advice: string) {
  const findings = yield* step(path, () => [
    ...database
      .prepare("PRAGMA integrity_check(5)")
      .all()
      .map((row) => String(row["integrity_check"])),
    ...database
      .prepare("PRAGMA foreign_key_check")
      .all()
      .map((row) => `a row of ${String(row["table"])} refers to none`)
  ])
  const damage = findings.filter((finding) => finding !== "ok")
  if (damage.length > 0) {
    return yield* new BackupRefused({
      message: `${path} is damaged: ${damage.slice(0, 5).join("; ")}. ${advice}`
    })
  }
  const count = (what: string, table: string) =>
    Number(database.prepare(`SELECT count(${what}) AS n FROM ${table}`).get()?.["n"])
  return yield* step(path, (): Holdings => {
    const newer = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ingest_rows'").get() !== undefined
    return {
      configs: count("DISTINCT config", "revisions"),
      revisions: count("*", "revisions"),
      tokens: count("*", "tokens"),
      gateways: count("*", "gateways"),
      rows: newer ? count("*", "ingest_rows") : 0
    }
  })
})

const Content = Schema.Array(Schema.Struct({ config: Schema.String, etag: Schema.String, bytes: Schema.Uint8Array }))

/** Whether documents are what their names say. */
const checkContent = Effect.fnUntraced(function* (database: DatabaseSync, path: string, advice: string) {
  const refused = (what: string) => new BackupRefused({ message: `${path} ${what}. ${advice}` })
  const rows = yield* step(path, () => database.prepare("SELECT config, etag, bytes FROM revisions").all())
  const revisions = yield* Schema.decodeUnknownEffect(Content)(rows).pipe(
    Effect.mapError(() => refused("holds rows that this program did not write"))
  )
  for (const { bytes, config, etag } of revisions) {
    if (!isConfigName(config)) return yield* refused("holds a config whose name cannot be one")
    if ((yield* etagOf(bytes)) !== etag)
      return yield* refused(`holds a document of ${config} that is not the one of its etag ${etag}`)
  }
})

const settingOf = (database: DatabaseSync, key: string): string | null => {
  const value = database.prepare("SELECT value FROM settings WHERE key = ?").get(key)?.["value"]
  return value === undefined ? null : String(value)
}

/** When a backup was made; of a plain copy of a database, the newest time in it. Unix milliseconds. */
const backedUpAtOf = (database: DatabaseSync): number => {
  const said = Number(settingOf(database, "backed_up_at") ?? Number.NaN)
  return Number.isFinite(said) ? said : Number(database.prepare(NEWEST_TIME).get()?.["newest"] ?? 0)
}

const NEWEST_TIME = `
SELECT max(at) AS newest FROM (
  SELECT max(max(joined_at), coalesce(max(polled_at), 0), coalesce(max(reported_at), 0)) AS at FROM gateways
  UNION ALL SELECT max(created_at) FROM revisions UNION ALL SELECT max(created_at) FROM tokens
)`

type Row = ReturnType<ReturnType<DatabaseSync["prepare"]>["all"]>[number]

interface Revoked {
  readonly gateways: ReadonlyArray<Row>
  readonly tokens: ReadonlyArray<Row>
}

const NONE: Revoked = { gateways: [], tokens: [] }

const revokedIn = (database: DatabaseSync): Revoked => ({
  gateways: database
    .prepare("SELECT id, config, token_id, joined_at, revoked_at FROM gateways WHERE revoked_at NOTNULL")
    .all(),
  tokens: database
    .prepare(
      `SELECT id, hash, config, created_at, expires_at, revoked_at FROM tokens
       WHERE revoked_at NOTNULL OR id IN (SELECT token_id FROM gateways WHERE revoked_at NOTNULL)`
    )
    .all()
})

/** What was ended stays ended: it must not come back with a backup of a time when it was not. */
const revokeAgain = (copy: DatabaseSync, { gateways, tokens }: Revoked) => {
  const again = (table: string, rows: ReadonlyArray<Row>): number => {
    let changed = 0
    for (const row of rows) {
      const columns = Object.keys(row)
      const values = columns.map((column) => row[column] ?? null)
      const insert = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`
      const update =
        "UPDATE SET revoked_at = excluded.revoked_at WHERE revoked_at IS NULL AND excluded.revoked_at NOTNULL"
      const { changes } = copy.prepare(`${insert} ON CONFLICT (id) DO ${update}`).run(...values)
      if (row["revoked_at"] !== null) changed += Number(changes)
    }
    return changed
  }
  // Tokens first: gateways refer to them.
  const ended = again("tokens", tokens)
  return { gateways: again("gateways", gateways), tokens: ended }
}
