/** The documents of a central: every revision of every config name, byte for byte. */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { sha256Hex } from "../storage/index.ts"
import { Database, type DatabaseError } from "./Database.ts"
import { AdminRefused } from "./Refused.ts"

/** A revision without its bytes. `created_at` in Unix milliseconds. */
export const Revision = Schema.Struct({
  config: Schema.String,
  seq: Schema.Int,
  etag: Schema.String,
  forced: Schema.Literals([0, 1]),
  created_at: Schema.Int
})
export type Revision = typeof Revision.Type

/** The newest revision of a config name, whole. */
export interface ServedDocument {
  readonly etag: string
  readonly bytes: Uint8Array
}

/** The strong, quoted ETag of a document: it changes exactly when the bytes do. */
export const etagOf = (bytes: Uint8Array): Effect.Effect<string> => Effect.map(sha256Hex(bytes), (hash) => `"${hash}"`)

/** Refuses what cannot be a config name: letters, digits, `.`, `_`, `-`, at most 64, starting with a letter or digit. */
export const checkName = (name: string): Effect.Effect<void, AdminRefused> =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)
    ? Effect.void
    : Effect.fail(
        new AdminRefused({
          message:
            "A config name has 1 to 64 letters, digits, dots, underscores or dashes, and begins with a letter or digit."
        })
      )

/** Central's documents. */
export class ConfigStore extends Context.Service<
  ConfigStore,
  {
    /** Adds a revision and gives its etag. The bytes of the newest revision again are no new revision. */
    readonly put: (
      name: string,
      bytes: Uint8Array,
      options: { readonly forced: boolean }
    ) => Effect.Effect<string, AdminRefused | DatabaseError>
    /** The newest document. */
    readonly document: (name: string) => Effect.Effect<Option.Option<ServedDocument>, DatabaseError>
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
      return ConfigStore.of({
        put: Effect.fn("ConfigStore.put")(function* (name, bytes, { forced }) {
          yield* checkName(name)
          const etag = yield* etagOf(bytes)
          const now = yield* Clock.currentTimeMillis
          yield* database.execute(INSERT, name, etag, forced ? 1 : 0, now, bytes, name, name, etag)
          return etag
        }),
        document: Effect.fn("ConfigStore.document")((name) =>
          Effect.map(database.query(Document, newest("etag, bytes"), name), (rows) => Option.fromUndefinedOr(rows[0]))
        ),
        etag: (name) =>
          Effect.map(database.query(Etag, newest("etag"), name), (rows) =>
            Option.map(Option.fromUndefinedOr(rows[0]), ({ etag }) => etag)
          ),
        history: database.query(
          Revision,
          "SELECT config, seq, etag, forced, created_at FROM revisions ORDER BY config, seq"
        )
      })
    })
  )
}

const newest = (columns: string) => `SELECT ${columns} FROM revisions WHERE config = ? ORDER BY seq DESC LIMIT 1`

// One statement, so that two admins who save at once get two numbers.
const INSERT = `
INSERT INTO revisions (config, seq, etag, forced, created_at, bytes)
SELECT ?, coalesce(max(seq), 0) + 1, ?, ?, ?, ? FROM revisions WHERE config = ?
HAVING coalesce((SELECT etag FROM revisions WHERE config = ? ORDER BY seq DESC LIMIT 1), '') <> ?`

const Etag = Schema.Struct({ etag: Schema.String })
const Document = Schema.Struct({ etag: Schema.String, bytes: Schema.Uint8Array })
