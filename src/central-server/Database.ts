// @effect-diagnostics nodeBuiltinImport:off - the one file of central that talks to node:sqlite, the embedded database
/** Central's database: one SQLite file that the server and the admin commands may use at the same time. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite"
import { Context, Effect, FileSystem, Layer, Path, Predicate, Schema } from "effect"

/** The database could not be opened, read or written. `code` is SQLite's primary result code. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  path: Schema.String,
  code: Schema.Int,
  message: Schema.String
}) {}

/** Statements on central's database. Each is one transaction. */
export class Database extends Context.Service<
  Database,
  {
    /** The rows of a query, decoded. */
    readonly query: <A>(
      schema: Schema.ConstraintDecoder<A>,
      sql: string,
      ...params: ReadonlyArray<SQLInputValue>
    ) => Effect.Effect<ReadonlyArray<A>, DatabaseError>
    /** Runs one statement; the number of rows that it changed. */
    readonly execute: (sql: string, ...params: ReadonlyArray<SQLInputValue>) => Effect.Effect<number, DatabaseError>
    /** Runs one statement per row in one transaction, **without** changing {@link version}: for what no cache holds. */
    readonly executeQuietly: (
      sql: string,
      rows: ReadonlyArray<ReadonlyArray<SQLInputValue>>
    ) => Effect.Effect<void, DatabaseError>
    /** Changes whenever something was written, by this process or by another one. Costs no read of any table. */
    readonly version: Effect.Effect<string, DatabaseError>
  }
>()("holdfast/central-server/Database") {
  /** Opens (and creates) `central.sqlite` in a directory. Directory 0700, files 0600. */
  static readonly layer = (directory: string) => Layer.effect(Database, open(directory))
}

const open = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = (yield* Path.Path).join(directory, "central.sqlite")
  const failed = (cause: unknown) => databaseError(path, cause)
  yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 }).pipe(Effect.mapError(failed))
  // SQLite would create it readable for others; its -wal and -shm files take over the mode of this one.
  yield* Effect.scoped(fs.open(path, { flag: "a", mode: 0o600 })).pipe(Effect.mapError(failed))
  yield* fs.chmod(path, 0o600).pipe(Effect.mapError(failed))
  const sqlite = yield* loadSqlite
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => new sqlite.DatabaseSync(path, { timeout: BUSY_TIMEOUT_MILLIS }), catch: failed }),
    (database) => Effect.sync(() => database.close())
  )
  yield* Effect.try({ try: () => database.exec(PREPARATION), catch: failed })
  yield* migrate(database, path)

  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>()
  const prepare = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, known)
    return known
  }
  let ownWrites = 0

  return Database.of({
    query: (schema, sql, ...params) =>
      Effect.try({ try: () => prepare(sql).all(...params), catch: failed }).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Schema.Array(schema))),
        Effect.catchTag("SchemaError", (cause) => Effect.fail(undecodable(path, cause.message)))
      ),
    execute: (sql, ...params) =>
      Effect.try({
        try: () => {
          ownWrites += 1
          return Number(prepare(sql).run(...params).changes)
        },
        catch: failed
      }),
    executeQuietly: (sql, rows) => Effect.try({ try: () => runAll(database, prepare(sql), rows), catch: failed }),
    version: Effect.try({
      try: () => `${prepare("PRAGMA data_version").get()?.["data_version"]}.${ownWrites}`,
      catch: failed
    })
  })
})

const BUSY_TIMEOUT_MILLIS = 5000
const FORMAT = 1

// Loaded when a database is opened, for most commands never need one.
const loadSqlite = Effect.promise(() => import("node:sqlite"))

const PREPARATION = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"

const TABLES = `
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE tokens (
  id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, config TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER
) STRICT;
CREATE TABLE revisions (
  config TEXT NOT NULL, seq INTEGER NOT NULL, etag TEXT NOT NULL, forced INTEGER NOT NULL,
  created_at INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (config, seq)
) STRICT;
CREATE TABLE gateways (
  id TEXT PRIMARY KEY, config TEXT NOT NULL, token_id TEXT NOT NULL REFERENCES tokens (id), joined_at INTEGER NOT NULL,
  revoked_at INTEGER, polled_at INTEGER, polled_etag TEXT, reported_at INTEGER, status TEXT
) STRICT;
PRAGMA user_version = ${FORMAT};
`

const migrate = (database: DatabaseSync, path: string): Effect.Effect<void, DatabaseError> =>
  Effect.try({
    try: () =>
      inTransaction(database, () => {
        const found = Number(database.prepare("PRAGMA user_version").get()?.["user_version"])
        if (found === 0) database.exec(TABLES)
        return found
      }),
    catch: (cause) => databaseError(path, cause)
  }).pipe(
    Effect.flatMap((found) =>
      found <= FORMAT
        ? Effect.void
        : Effect.fail(
            new DatabaseError({
              path,
              code: 0,
              message: `${path} was written by a newer version (format ${found}): use that version, or another --data.`
            })
          )
    )
  )

const runAll = (
  database: DatabaseSync,
  statement: ReturnType<DatabaseSync["prepare"]>,
  rows: ReadonlyArray<ReadonlyArray<SQLInputValue>>
): void =>
  inTransaction(database, () => {
    for (const row of rows) statement.run(...row)
  })

const inTransaction = <A>(database: DatabaseSync, use: () => A): A => {
  database.exec("BEGIN IMMEDIATE")
  try {
    const result = use()
    database.exec("COMMIT")
    return result
  } catch (cause) {
    // A full disk has already rolled it back.
    if (database.isTransaction) database.exec("ROLLBACK")
    throw cause
  }
}

const undecodable = (path: string, detail: string) =>
  new DatabaseError({ path, code: 0, message: `${path} holds rows that this program did not write: ${detail}` })

const databaseError = (path: string, cause: unknown): DatabaseError => {
  const code = Predicate.hasProperty(cause, "errcode") && Predicate.isNumber(cause.errcode) ? cause.errcode & 0xff : 0
  const text = cause instanceof Error ? cause.message : String(cause)
  return new DatabaseError({
    path,
    code,
    message: `${path}: ${text}. ${ADVICE[code] ?? "Check the --data directory."}`
  })
}

// Keyed by SQLite's primary result codes: https://www.sqlite.org/rescode.html
const ADVICE: Record<number, string> = {
  5: "Another process has been writing for more than 5 seconds: try again when it has finished.",
  8: "The file or its disk is read-only: make it writable, or choose another --data directory.",
  10: "The disk reports an error: check it before anything else.",
  11: "The file is damaged: put a backup in its place, or choose another --data directory.",
  13: "The disk is full: free some space.",
  26: "The file is not a database: put a backup in its place, or choose another --data directory."
}
