/** Finding the daemon of this home, by what it wrote down. */
import { Effect, FileSystem, Option, Result, Schema } from "effect"
import { Home } from "../domain/index.ts"

/** A daemon whose process is there. */
export interface LiveDaemon {
  readonly pid: number
  /** Null while it starts, or when it could not open its port. */
  readonly apiUrl: string | null
  /** ISO 8601. */
  readonly startedAt: string | null
}

// Only what finding needs, so that the daemon of another version is found as well.
const Written = Schema.fromJsonString(
  Schema.Struct({
    daemon: Schema.Struct({
      state: Schema.String,
      pid: Schema.NullOr(Schema.Int),
      started_at: Schema.NullOr(Schema.String),
      api_url: Schema.NullOr(Schema.String)
    })
  })
)

/** The daemon that `state/run/status.json` speaks of, if that process still exists. */
export const findDaemon = Effect.gen(function* () {
  const home = yield* Home
  const fs = yield* FileSystem.FileSystem
  const written = yield* fs.readFileString(home.statusFile).pipe(
    Effect.map(Schema.decodeUnknownOption(Written)),
    Effect.orElseSucceed(() => Option.none())
  )
  return Option.flatMap(written, ({ daemon: { api_url, pid, started_at, state } }): Option.Option<LiveDaemon> =>
    state === "stopped" || pid === null || !isAlive(pid)
      ? Option.none()
      : Option.some({ pid, apiUrl: api_url, startedAt: started_at })
  )
})

/** A process that belongs to another user is there as well. */
const isAlive = (pid: number): boolean =>
  Result.match(
    Result.try({
      try: () => globalThis.process.kill(pid, 0),
      catch: (cause) => cause instanceof Error && Reflect.get(cause, "code") === "EPERM"
    }),
    { onSuccess: () => true, onFailure: (foreign) => foreign }
  )
