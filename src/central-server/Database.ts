// @effect-diagnostics nodeBuiltinImport:off - central talks to node:sqlite, the embedded database, here and in Backup.ts
/** Central's database: one SQLite file that the server and the admin commands may use at the same time. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite"
import { Context, Effect, FileSystem, Layer, Path, Schedule, Schema } from "effect"
import { storageStep } from "../storage/index.ts"
import { DatabaseError, databaseError, damaged, undecodable, unusable } from "./DatabaseError.ts"

/** Statements on central's database. Each is one transaction. */
export class Database extends Context.Service<
  Database,
  {
    /** The file. */
    readonly path: string
    /** The rows of a query, decoded. */
    readonly query: <A>(
      schema: Schema.ConstraintDecoder<A>,
      sql: string,
      ...params: ReadonlyArray<SQLInputValue>
    ) => Effect.Effect<ReadonlyArray<A>, DatabaseError>
    /** Runs one statement; the number of rows that it changed. */
    readonly execute: (sql: string, ...params: ReadonlyArray<SQLInputValue>) => Effect.Effect<number, DatabaseError>
    /** Runs one statement that changes rows; what its RETURNING gives of them. */
    readonly change: <A>(
      schema: Schema.ConstraintDecoder<A>,
      sql: string,
      ...params: ReadonlyArray<SQLInputValue>
    ) => Effect.Effect<ReadonlyArray<A>, DatabaseError>
    /** Runs one statement per row in one transaction, **without** changing {@link version}: for what no cache holds. */
    readonly executeQuietly: (
      sql: string,
      rows: ReadonlyArray<ReadonlyArray<SQLInputValue>>
    ) => Effect.Effect<void, DatabaseError>
    /** As {@link executeQuietly}, several statements in one transaction; without `patient` it fails where it would wait. */
    readonly writeQuietly: (
      steps: ReadonlyArray<{ readonly sql: string; readonly rows: ReadonlyArray<ReadonlyArray<SQLInputValue>> }>,
      options?: { readonly patient: boolean }
    ) => Effect.Effect<void, DatabaseError>
    /** Runs one statement, also without changing {@link version}; the number of rows that it changed. */
    readonly changeQuietly: (
      sql: string,
      ...params: ReadonlyArray<SQLInputValue>
    ) => Effect.Effect<number, DatabaseError>
    /** Changes whenever something was written, by this process or by another one. Costs no read of any table. */
    readonly version: Effect.Effect<string, DatabaseError>
    /** As {@link version}, and changes with what was written quietly too: for whoever shows the fleet. */
    readonly activity: Effect.Effect<string, DatabaseError>
    /** Fails where a table and its indexes do not agree: what is not found in a damaged one may be there. */
    readonly sound: (table: "settings" | "tokens" | "gateways") => Effect.Effect<void, DatabaseError>
  }
>()("holdfast/central-server/Database") {
  /** Opens (and creates) `central.sqlite` in a directory. Directory 0700, files 0600. */
  static readonly layer = (directory: string, { busyMillis = BUSY_TIMEOUT_MILLIS } = {}) =>
    Layer.effect(Database, open(directory, busyMillis))
}

/** The database's name in central's directory. */
export const DATABASE_FILE = "central.sqlite"

/** What a server holds for as long as it runs; commands do not. */
export const LOCK = {
  lockFile: "central.lock",
  pidFile: "central.pid.json",
  held: "a central already runs on this directory"
}

const open = Effect.fnUntraced(function* (directory: string, busyMillis: number) {
  const fs = yield* FileSystem.FileSystem
  const path = (yield* Path.Path).join(directory, DATABASE_FILE)
  const failed = (cause: unknown) => databaseError(path, cause)
  yield* fs
    .makeDirectory(directory, { recursive: true, mode: 0o700 })
    .pipe(storageStep("makeDirectory", directory), Effect.mapError(unusable(path)))
  yield* refuseLost(directory, path)
  const opening = storageStep("open", path)
  // SQLite would create it readable for others; its -wal and -shm files take over the mode of this one.
  yield* Effect.scoped(fs.open(path, { flag: "a", mode: 0o600 })).pipe(opening, Effect.mapError(unusable(path)))
  yield* fs.chmod(path, 0o600).pipe(opening, Effect.mapError(unusable(path)))
  const sqlite = yield* loadSqlite
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => new sqlite.DatabaseSync(path, { timeout: busyMillis }), catch: failed }),
    (database) => Effect.sync(() => database.close())
  )
  yield* Effect.try({ try: () => database.exec(PREPARATION), catch: failed })
  yield* migrate(database, path)
  const { checkPlace, patiently, waitMillis } = yield* Effect.try({
    try: () => ({ checkPlace: placeChecker(path), ...makePatience(database, busyMillis) }),
    catch: failed
  })

  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>()
  const prepare = (sql: string) => {
    const known = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, known)
    return known
  }
  let ownWrites = 0
  let quietWrites = 0
  // A reader that comes before the one before it has gone keeps the log of writes from being begun anew: then it is
  // waited for, for as long as a poll may wait.
  const tidyLog = () => {
    if ((ownWrites + quietWrites) % WRITES_PER_LOOK !== 0) return
    if (Number(prepare("PRAGMA wal_checkpoint(PASSIVE)").get()?.["log"]) < LONG_LOG_PAGES) return
    database.exec(`PRAGMA busy_timeout = ${LOG_WAIT_MILLIS}`)
    try {
      database.exec("PRAGMA wal_checkpoint(RESTART)")
    } finally {
      database.exec(`PRAGMA busy_timeout = ${waitMillis()}`)
    }
  }
  // What was written is written: that its log could not be tidied is told, and is no failure of the write.
  const tidied = Effect.try({ try: tidyLog, catch: failed }).pipe(
    Effect.catch(({ message }) => Effect.logWarning(message))
  )
  const attempt = <A>(use: () => A) =>
    Effect.try({
      try: () => {
        checkPlace()
        return use()
      },
      catch: failed
    })
  const rowsOf = <A>(
    schema: Schema.ConstraintDecoder<A>,
    rows: Effect.Effect<ReadonlyArray<unknown>, DatabaseError>
  ): Effect.Effect<ReadonlyArray<A>, DatabaseError> =>
    patiently(rows).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.Array(schema))),
      Effect.catchTag("SchemaError", (cause) => Effect.fail(undecodable(path, cause.message)))
    )
  const loudly = <A>(use: () => A) =>
    attempt(() => {
      ownWrites += 1
      return use()
    })
  const quietly = <A>(use: () => A) =>
    attempt(() => {
      quietWrites += 1
      return use()
    })
  const version = attempt(() => `${prepare("PRAGMA data_version").get()?.["data_version"]}.${ownWrites}`)

  return Database.of({
    path,
    query: (schema, sql, ...params) =>
      rowsOf(
        schema,
        attempt(() => prepare(sql).all(...params))
      ),
    execute: (sql, ...params) =>
      Effect.tap(patiently(loudly(() => Number(prepare(sql).run(...params).changes))), tidied),
    change: (schema, sql, ...params) =>
      Effect.tap(
        rowsOf(
          schema,
          loudly(() => prepare(sql).all(...params))
        ),
        tidied
      ),
    executeQuietly: (sql, rows) =>
      Effect.tap(patiently(quietly(() => runAll(database, prepare, [{ sql, rows }]))), tidied),
    writeQuietly: (steps, { patient } = { patient: true }) => {
      const write = quietly(() => runAll(database, prepare, steps))
      return Effect.tap(patient ? patiently(write) : write, tidied)
    },
    changeQuietly: (sql, ...params) =>
      Effect.tap(patiently(quietly(() => Number(prepare(sql).run(...params).changes))), tidied),
    version,
    activity: Effect.map(version, (loud) => `${loud}.${quietWrites}`),
    sound: (table) =>
      attempt(() => prepare(`PRAGMA integrity_check('${table}')`).get()?.["integrity_check"]).pipe(
        Effect.flatMap((finding) => (finding === "ok" ? Effect.void : Effect.fail(damaged(path, String(finding)))))
      )
  })
})

/** Another process that writes is waited for; only at once, and for moments, in a way that holds up everything else. */
const makePatience = (database: DatabaseSync, busyMillis: number) => {
  const atOnce = Math.min(AT_ONCE_MILLIS, busyMillis)
  let waiting = 0
  const waitMillis = (): number => (waiting > 0 ? 0 : atOnce)
  const setBusyTimeout = () => {
    if (database.isOpen) database.exec(`PRAGMA busy_timeout = ${waitMillis()}`)
  }
  const count = (by: 1 | -1) =>
    Effect.sync(() => {
      waiting += by
      setBusyTimeout()
    })
  setBusyTimeout()
  const again = { schedule: Schedule.spaced(RETRY_MILLIS), times: Math.floor((busyMillis - atOnce) / RETRY_MILLIS) }
  const patiently = <A>(use: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> =>
    Effect.catchIf(use, isBusy, () =>
      Effect.acquireUseRelease(
        count(1),
        () => Effect.retry(use, { ...again, while: isBusy }),
        () => count(-1)
      )
    )
  return { patiently, waitMillis }
}

const isBusy = ({ code }: DatabaseError): boolean => code === SQLITE_BUSY
const SQLITE_BUSY = 5

/** Fails once the file is another one than it was: SQLite goes on writing into one that nobody can find any more. */
const placeChecker = (path: string) => {
  const { statSync } = globalThis.process.getBuiltinModule("node:fs")
  const opened = statSync(path)
  return () => {
    const now = statSync(path, { throwIfNoEntry: false })
    if (now?.ino === opened.ino && now.dev === opened.dev) return
    throw new DatabaseError({
      path,
      code: 14,
      message:
        `${path} was ${now === undefined ? "removed" : "replaced"} while it was in use: nothing more is written to it. ` +
        (now === undefined
          ? "Put a backup in its place with `holdfast central restore`, and restart central."
          : "Restart central, so that it uses what is there now.")
    })
  }
}

/** A central whose database is gone is not made anew: with another signing key it would know none of its gateways. */
const refuseLost = Effect.fnUntraced(function* (directory: string, path: string) {
  const fs = yield* FileSystem.FileSystem
  const token = (yield* Path.Path).join(directory, ADMIN_TOKEN)
  const exists = (file: string) => Effect.orElseSucceed(fs.exists(file), () => false)
  if ((yield* exists(path)) || !(yield* exists(token))) return
  return yield* new DatabaseError({
    path,
    code: 14,
    message:
      `${path} is gone, and there has been a central in this directory (${token}). Put a backup in its place with ` +
      "`holdfast central restore`; or remove that file for a new central, to which every machine has to join again."
  })
})

/** Name of the file with the admin's token, in central's directory; mode 0600. */
export const ADMIN_TOKEN = "admin-token"

/** How long a process waits for another one that writes. */
export const BUSY_TIMEOUT_MILLIS = 5000

/** How much of that holds up the process: writes of others take a few milliseconds. And how often it looks after that. */
const AT_ONCE_MILLIS = 20
const RETRY_MILLIS = 50

/** How often the log is looked at, from which length (16 MiB) it is too long, and how long is waited for its readers. */
const WRITES_PER_LOOK = 64
const LONG_LOG_PAGES = 4_096
const LOG_WAIT_MILLIS = 100

/** Loaded when a database is opened, for most commands never need one. */
export const loadSqlite = Effect.promise(() => import("node:sqlite"))

// The log of writes is cut back to 16 MiB once a large one, as of a backup that was put back, is in the file.
const PREPARATION = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
PRAGMA journal_size_limit = 16777216`

/** Tenures that are kept of a gateway. */
export const KEPT_TENURES = 50

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
PRAGMA user_version = 1;
`

// Who saved what; what each gateway ran, and when; what gateways sent. Lists of revisions are read from their index: a
// column behind the bytes of a document costs a walk over all of them.
const FLEET = `
ALTER TABLE revisions ADD COLUMN saved_by TEXT NOT NULL DEFAULT 'command';
ALTER TABLE revisions ADD COLUMN restores INTEGER;
CREATE INDEX revisions_listed ON revisions
  (config, seq, etag, forced, created_at, saved_by, restores, length(bytes));
CREATE TABLE tenures (
  id INTEGER PRIMARY KEY, gateway_id TEXT NOT NULL REFERENCES gateways (id), since INTEGER NOT NULL, etag TEXT,
  until INTEGER
) STRICT;
CREATE INDEX tenures_listed ON tenures (gateway_id, id);
CREATE UNIQUE INDEX tenures_lasting ON tenures (gateway_id) WHERE until IS NULL;
CREATE TRIGGER tenures_one_lasts BEFORE INSERT ON tenures BEGIN
  UPDATE tenures SET until = max(since, NEW.since) WHERE gateway_id = NEW.gateway_id AND until IS NULL;
END;
CREATE TRIGGER tenures_newest_kept AFTER INSERT ON tenures BEGIN
  DELETE FROM tenures WHERE gateway_id = NEW.gateway_id AND id <= (
    SELECT id FROM tenures WHERE gateway_id = NEW.gateway_id ORDER BY id DESC LIMIT 1 OFFSET ${KEPT_TENURES}
  );
END;
INSERT INTO tenures (gateway_id, since, etag) SELECT id, polled_at, polled_etag FROM gateways WHERE polled_at NOTNULL;
ALTER TABLE gateways DROP COLUMN polled_etag;
CREATE TABLE ingest_batches (
  gateway_id TEXT NOT NULL REFERENCES gateways (id), signal TEXT NOT NULL, batch_id TEXT NOT NULL,
  stream TEXT, position INTEGER, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, received_at INTEGER NOT NULL,
  PRIMARY KEY (gateway_id, signal, batch_id)
) STRICT;
CREATE TABLE ingest_rows (
  id INTEGER PRIMARY KEY, gateway_id TEXT NOT NULL REFERENCES gateways (id), signal TEXT NOT NULL, key TEXT NOT NULL,
  at INTEGER, received_at INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (gateway_id, signal, key)
) STRICT;
CREATE INDEX ingest_rows_listed ON ingest_rows (signal, coalesce(at, received_at));
CREATE TABLE restorations (backed_up_at INTEGER NOT NULL, restored_at INTEGER NOT NULL) STRICT;
PRAGMA user_version = 2;
`

/** What makes each format of the one before it. */
const FORMATS = [TABLES, FLEET]

/** Brings a database to the newest format; refuses one of a newer version, with these words. */
export const migrate = (
  database: DatabaseSync,
  path: string,
  { advice, called }: { readonly called: string; readonly advice: string } = {
    called: path,
    advice: "use that version, or another --data."
  }
): Effect.Effect<void, DatabaseError> =>
  Effect.try({
    try: () =>
      inTransaction(database, () => {
        const found = Number(database.prepare("PRAGMA user_version").get()?.["user_version"])
        for (const step of FORMATS.slice(found)) database.exec(step)
        return found
      }),
    catch: (cause) => databaseError(path, cause)
  }).pipe(
    Effect.flatMap((found) =>
      found <= FORMATS.length
        ? Effect.void
        : Effect.fail(
            new DatabaseError({
              path,
              code: 0,
              message: `${called} was written by a newer version (format ${found}): ${advice}`
            })
          )
    )
  )

const runAll = (
  database: DatabaseSync,
  prepare: (sql: string) => ReturnType<DatabaseSync["prepare"]>,
  steps: ReadonlyArray<{ readonly sql: string; readonly rows: ReadonlyArray<ReadonlyArray<SQLInputValue>> }>
): void =>
  inTransaction(database, () => {
    for (const { rows, sql } of steps) {
      const statement = prepare(sql)
      for (const row of rows) statement.run(...row)
    }
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
