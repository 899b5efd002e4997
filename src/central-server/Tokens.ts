/** Policy tokens: multi-use join secrets, each bound to a config name. Only their SHA-256 is stored. */
import { Clock, Context, Effect, Layer, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { isoTime, type TokenView } from "../domain/index.ts"
import { equalDigests } from "../http/index.ts"
import { sha256Hex } from "../storage/index.ts"
import { checkName } from "./ConfigStore.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { AdminRefused, CredentialRefused } from "./Refused.ts"

/** Policy tokens. */
export class Tokens extends Context.Service<
  Tokens,
  {
    /** Makes a token; it can be read from this answer only. Refuses bad config names and lifetimes. */
    readonly create: (options: {
      readonly config: string
      readonly expiresInSeconds?: number | undefined
    }) => Effect.Effect<
      { readonly id: string; readonly token: Redacted.Redacted<string> },
      AdminRefused | DatabaseError
    >
    readonly list: Effect.Effect<ReadonlyArray<TokenView>, DatabaseError>
    /** Ends a token. Gateways that joined with it stay. */
    readonly revoke: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
    /** What a token admits to. */
    readonly admit: (
      token: Redacted.Redacted<string>
    ) => Effect.Effect<{ readonly id: string; readonly config: string }, CredentialRefused | DatabaseError>
  }
>()("holdfast/central-server/Tokens") {
  static readonly layer = Layer.effect(
    Tokens,
    Effect.gen(function* () {
      const database = yield* Database
      const random = yield* SecureRandom.SecureRandom
      const secret = (prefix: string, size: number) =>
        Effect.map(random.randomBytes(size), (bytes) => `${prefix}${Base64Url.encode(bytes)}`)

      return Tokens.of({
        create: Effect.fn("Tokens.create")(function* ({ config, expiresInSeconds }) {
          yield* checkName(config)
          if (expiresInSeconds !== undefined && !(expiresInSeconds > 0 && expiresInSeconds <= MAX_LIFE_SECONDS)) {
            return yield* new AdminRefused({
              reason: "invalid",
              message: "A token lives between 1 second and 100 years."
            })
          }
          const now = yield* Clock.currentTimeMillis
          const id = yield* secret("tok_", 9)
          const token = Redacted.make(yield* secret("hf_", 32))
          yield* database.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, NULL)",
            id,
            yield* hashOf(token),
            config,
            now,
            expiresInSeconds === undefined ? null : now + Math.round(expiresInSeconds * 1000)
          )
          return { id, token }
        }),
        list: Effect.map(database.query(ListedRow, LIST), (rows) =>
          rows.map(({ config, created_at, expires_at, gateways, id, revoked_at }) => ({
            id,
            config,
            created_at: isoTime(created_at),
            expires_at: isoOrNull(expires_at),
            revoked_at: isoOrNull(revoked_at),
            gateways
          }))
        ),
        revoke: Effect.fn("Tokens.revoke")(function* (id) {
          const now = yield* Clock.currentTimeMillis
          const changed = yield* database.execute(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?",
            now,
            id
          )
          if (changed === 0) {
            return yield* new AdminRefused({
              reason: "not_found",
              message: "There is no token with this id: `central token list` shows them."
            })
          }
        }),
        admit: Effect.fn("Tokens.admit")(function* (token) {
          const hash = yield* hashOf(token)
          const rows = yield* database.query(Row, "SELECT * FROM tokens WHERE hash = ?", hash)
          const row = rows.find((candidate) => equalDigests(candidate.hash, hash))
          if (row === undefined) {
            yield* database.sound("tokens")
            return yield* refused("token_unknown", "is not known to this central")
          }
          if (row.revoked_at !== null) return yield* refused("token_revoked", "was revoked")
          if (row.expires_at !== null && row.expires_at <= (yield* Clock.currentTimeMillis)) {
            return yield* refused("token_expired", "has expired")
          }
          return { id: row.id, config: row.config }
        })
      })
    })
  )
}

const MAX_LIFE_SECONDS = 100 * 366 * 86_400

const Row = Schema.Struct({
  id: Schema.String,
  hash: Schema.String,
  config: Schema.String,
  created_at: Schema.Int,
  expires_at: Schema.NullOr(Schema.Int),
  revoked_at: Schema.NullOr(Schema.Int)
})

const ListedRow = Schema.Struct({ ...Row.fields, gateways: Schema.Int })

const LIST = `
SELECT tokens.*, count(gateways.id) AS gateways FROM tokens LEFT JOIN gateways ON gateways.token_id = tokens.id
GROUP BY tokens.id ORDER BY tokens.created_at, tokens.id`

/** A stored time that may not have come. */
export const isoOrNull = (millis: number | null): string | null => (millis === null ? null : isoTime(millis))

const hashOf = (token: Redacted.Redacted<string>) => sha256Hex(new TextEncoder().encode(Redacted.value(token)))

const refused = (error: CredentialRefused["error"], what: string) =>
  new CredentialRefused({ error, message: `The policy token ${what}: ask for a new one and join again.` })
