/** `state/plugin-lock.json`: which plugins are installed, and what exactly they are. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Home, LockedPlugin, PluginNotInstalled } from "../domain/index.ts"
import { DurableFiles } from "../storage/index.ts"

export const PluginLockFile = Schema.Struct({
  schema_version: Schema.Literal(1),
  plugins: Schema.Record(Schema.String, LockedPlugin)
})

/** By name. */
export type LockedPlugins = Readonly<Record<string, LockedPlugin>>

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(PluginLockFile))
const encode = Schema.encodeSync(PluginLockFile)

/** Every revision that names its own artifacts runs without the lock: one that cannot be read costs only what nobody pins. */
export class PluginLock extends Context.Service<
  PluginLock,
  {
    /** Empty when there is none, and with one warning per process when it cannot be read. */
    readonly read: Effect.Effect<LockedPlugins>
    /** Replaces the file; one that could not be read is set aside first. */
    readonly write: (plugins: LockedPlugins) => Effect.Effect<void, PluginNotInstalled>
  }
>()("holdfast/plugins/PluginLock") {
  static readonly layer = Layer.effect(
    PluginLock,
    Effect.gen(function* () {
      const home = yield* Home
      const files = yield* DurableFiles
      const warn = yield* Effect.cached(
        Effect.logWarning(
          `${home.pluginLock} cannot be read, so plugins count as not installed unless the running revision pins them: ` +
            "holdfast plugin install brings one back"
        )
      )

      /** null: there is a file, and it says nothing. */
      const content = files.read(home.pluginLock).pipe(
        Effect.map(
          Option.match({
            onNone: (): LockedPlugins | null => ({}),
            onSome: (bytes) =>
              Option.match(decode(new TextDecoder().decode(bytes)), {
                onNone: () => null,
                onSome: ({ plugins }) => plugins
              })
          })
        ),
        Effect.orElseSucceed(() => null)
      )

      const read = Effect.tap(content, (found) => (found === null ? warn : Effect.void)).pipe(
        Effect.map((found) => found ?? {})
      )

      const write = Effect.fn("PluginLock.write")(function* (plugins: LockedPlugins) {
        const sorted = Object.fromEntries(Object.entries(plugins).toSorted(([one], [other]) => (one < other ? -1 : 1)))
        const text = `${JSON.stringify(encode({ schema_version: 1, plugins: sorted }), null, 2)}\n`
        yield* Effect.gen(function* () {
          yield* files.makeDirectory(home.state)
          if ((yield* content) === null && (yield* files.exists(home.pluginLock))) {
            yield* files.remove(`${home.pluginLock}.unreadable`)
            yield* files.rename(home.state, LOCK_NAME, `${LOCK_NAME}.unreadable`)
          }
          yield* files.write(home.state, LOCK_NAME, text)
        }).pipe(Effect.mapError(({ message }) => new PluginNotInstalled({ reason: "lock_write_error", message })))
      })

      return PluginLock.of({ read, write })
    })
  )
}

const LOCK_NAME = "plugin-lock.json"
