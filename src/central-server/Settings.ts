/** Single values of a central: its external URL, its signing key; in a backup, when it was made. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"

/** What a setting may be called. */
export type SettingName = "external_url" | "signing_key" | "backed_up_at"

/** Central's settings. */
export class Settings extends Context.Service<
  Settings,
  {
    readonly get: (name: SettingName) => Effect.Effect<Option.Option<string>, DatabaseError>
    readonly set: (name: SettingName, value: string) => Effect.Effect<void, DatabaseError>
    /** Sets it unless it is set; gives what then holds, also when two processes do this at once. */
    readonly initialise: (name: SettingName, value: string) => Effect.Effect<string, DatabaseError>
  }
>()("holdfast/central-server/Settings") {
  static readonly layer = Layer.effect(
    Settings,
    Effect.gen(function* () {
      const database = yield* Database
      const get = Effect.fn("Settings.get")(function* (name: SettingName) {
        const rows = yield* database.query(Row, "SELECT value FROM settings WHERE key = ?", name)
        return Option.map(Option.fromUndefinedOr(rows[0]), ({ value }) => value)
      })
      const set = Effect.fn("Settings.set")((name: SettingName, value: string) =>
        Effect.asVoid(
          database.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            name,
            value
          )
        )
      )
      const initialise = Effect.fn("Settings.initialise")(function* (name: SettingName, value: string) {
        yield* database.sound("settings")
        yield* database.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", name, value)
        return Option.getOrElse(yield* get(name), () => value)
      })
      return Settings.of({ get, set, initialise })
    })
  )
}

const Row = Schema.Struct({ value: Schema.String })
