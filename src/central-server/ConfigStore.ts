/** The documents of a central: every revision of every config name, byte for byte. */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { isoTime } from "../domain/index.ts"
import { sha256Hex } from "../storage/index.ts"
import { Database } from "./Database.ts"
import { damaged, type DatabaseError } from "./DatabaseError.ts"
import { AdminRefused, RevisionChanged } from "./Refused.ts"

/** A revision without its bytes. `created_at` in Unix milliseconds. */
export const Revision = Schema.Struct({
  config: Schema.String,
  seq: Schema.Int,
  etag: Schema.String,
  forced: Schema.Literals([0, 1]),
  created_at: Schema.Int,
  saved_by: Schema.String,
  restores: Schema.NullOr(Schema.Int),
  size: Schema.Int
})
export type Revision = typeof Revision.Type

/** A revision of a config name, whole. */
export const Document = Schema.Struct({ seq: Schema.Int, etag: Schema.String, bytes: Schema.Uint8Array })
export type Document = typeof Document.Type

/** Who saves: a command, central's page, or a program by its API. */
export type SavedBy = "command" | "page" | "api"

/** How a revision is saved. */
export interface PutOptions {
  /** Against objections. */
  readonly forced: boolean
  readonly savedBy: SavedBy
  /** The newest etag that the admin has seen, or "none": there must be no revision yet. Undefined: whatever is there. */
  readonly expect?: string | undefined
  /** The number of the revision whose bytes these are. */
  readonly restores?: number | undefined
}

/** The strong, quoted ETag of a document: it changes exactly when the bytes do. */
export const etagOf = (bytes: Uint8Array): Effect.Effect<string> => Effect.map(sha256Hex(bytes), (hash) => `"${hash}"`)

/** What may be a config name: letters, digits, `.`, `_`, `-`, at most 64, starting with a letter or digit. */
export const isConfigName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)

/** Refuses what cannot be a config name. */
export const checkName = (name: string): Effect.Effect<void, AdminRefused> =>
  isConfigName(name)
    ? Effect.void
    : Effect.fail(
        new AdminRefused({
          reason: "invalid",
          message:
            "A config name has 1 to 64 letters, digits, dots, underscores or dashes, and begins with a letter or digit."
        })
      )

/** Central's documents. */
export class ConfigStore extends Context.Service<
  ConfigStore,
  {
    /**
     * Adds a revision, and gives its number and etag. The bytes of the newest revision again are no new revision, and
     * never a conflict: a save whose answer was lost may be sent again.
     */
    readonly put: (
      name: string,
      bytes: Uint8Array,
      options: PutOptions
    ) => Effect.Effect<{ readonly seq: number; readonly etag: string }, AdminRefused | DatabaseError | RevisionChanged>
    /** The newest document. */
    readonly document: (name: string) => Effect.Effect<Option.Option<Document>, DatabaseError>
    /** One document by its number. */
    readonly revision: (name: string, seq: number) => Effect.Effect<Option.Option<Document>, DatabaseError>
    /** The number of the newest revision whose bytes are not those of the newest. */
    readonly previous: (name: string) => Effect.Effect<Option.Option<number>, DatabaseError>
    /** The newest etag, without reading the document. */
    readonly etag: (name: string) => Effect.Effect<Option.Option<string>, DatabaseError>
    /** Every revision of every name, oldest first. */
    readonly history: Effect.Effect<ReadonlyArray<Revision>, DatabaseError>
  }
>()("holdfast/central-server/ConfigStore") {
  static readonly layer = Layer.effect(
    ConfigStore,
    Effect.gen(function* () {
      const database = yield* Database

      // SQLite does not know whether the bytes of a page are still what was written: the etag does.
      const checked = Effect.fnUntraced(function* (
        name: string,
        sql: string,
        ...params: ReadonlyArray<string | number>
      ) {
        const [found] = yield* database.query(Document, sql, ...params)
        if (found === undefined) return Option.none()
        if ((yield* etagOf(found.bytes)) === found.etag) return Option.some(found)
        return yield* damaged(database.path, `revision ${found.seq} of ${name} is not the document that was saved`)
      })

      const put = Effect.fn("ConfigStore.put")(function* (name: string, bytes: Uint8Array, options: PutOptions) {
        yield* checkName(name)
        const etag = yield* etagOf(bytes)
        const { expect = null, forced, restores = null, savedBy } = options
        const now = yield* Clock.currentTimeMillis
        // What was the reason not to insert may be over when it is looked for: then it is tried again.
        for (;;) {
          const row = [name, etag, forced ? 1 : 0, now, bytes, savedBy, restores, expect] as const
          const [saved] = yield* database.change(Seq, INSERT, ...row)
          if (saved !== undefined) return { seq: saved.seq, etag }
          const [newest] = yield* database.query(Newest, newestOf("seq, etag, created_at, saved_by"), name)
          if (newest?.etag === etag) return { seq: newest.seq, etag }
          if (expect === null || expect === (newest?.etag ?? "none")) continue
          const seen =
            newest === undefined
              ? null
              : {
                  seq: newest.seq,
                  etag: newest.etag,
                  saved_at: isoTime(newest.created_at),
                  saved_by: newest.saved_by
                }
          return yield* new RevisionChanged({ config: name, newest: seen })
        }
      })

      return ConfigStore.of({
        put,
        document: Effect.fn("ConfigStore.document")((name) => checked(name, newestOf("seq, etag, bytes"), name)),
        revision: Effect.fn("ConfigStore.revision")((name, seq) => checked(name, ONE_REVISION, name, seq)),
        previous: (name) =>
          Effect.map(
            first(database.query(Seq, PREVIOUS, name, name)),
            Option.map(({ seq }) => seq)
          ),
        etag: (name) =>
          Effect.map(
            first(database.query(Etag, newestOf("etag"), name)),
            Option.map(({ etag }) => etag)
          ),
        history: database.query(Revision, HISTORY)
      })
    })
  )
}

const first = <A, E>(rows: Effect.Effect<ReadonlyArray<A>, E>): Effect.Effect<Option.Option<A>, E> =>
  Effect.map(rows, (found) => Option.fromUndefinedOr(found[0]))

const newestOf = (columns: string) => `SELECT ${columns} FROM revisions WHERE config = ? ORDER BY seq DESC LIMIT 1`

// One statement, so that of two admins who save at once each gets a number of its own, or one of them is refused.
const INSERT = `
WITH
  offered (config, etag, forced, created_at, bytes, saved_by, restores, expected) AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?)),
  newest (seq, etag) AS (
    SELECT seq, etag FROM revisions WHERE config = (SELECT config FROM offered) ORDER BY seq DESC LIMIT 1
  )
INSERT INTO revisions (config, seq, etag, forced, created_at, bytes, saved_by, restores)
SELECT config, coalesce((SELECT seq FROM newest), 0) + 1, etag, forced, created_at, bytes, saved_by, restores
FROM offered
WHERE etag IS NOT (SELECT etag FROM newest)
  AND (expected IS NULL OR expected = coalesce((SELECT etag FROM newest), 'none'))
RETURNING seq`

const ONE_REVISION = "SELECT seq, etag, bytes FROM revisions WHERE config = ? AND seq = ?"

const PREVIOUS = `
SELECT seq FROM revisions WHERE config = ? AND etag <> (${newestOf("etag")}) ORDER BY seq DESC LIMIT 1`

const HISTORY = `
SELECT config, seq, etag, forced, created_at, saved_by, restores, length(bytes) AS size
FROM revisions INDEXED BY revisions_listed ORDER BY config, seq`

const Seq = Schema.Struct({ seq: Schema.Int })
const Etag = Schema.Struct({ etag: Schema.String })
const Newest = Schema.Struct({
  seq: Schema.Int,
  etag: Schema.String,
  created_at: Schema.Int,
  saved_by: Schema.String
})
