/** What every command on a central shares: its directory, and administration of it. */
import { Effect, FileSystem, Path, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import type { Admin } from "../central-server/index.ts"
import { Refused } from "./Failures.ts"

/** The directory of a central. */
export const dataFlag = Flag.String("data").pipe(
  Flag.withMetavar("<dir>"),
  Flag.withDescription("Directory of the central")
)

/** A port to listen on; 0 is any free one. */
export const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/** `--json`. */
export const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document"),
  Flag.withDefault(false)
)

/** A config of a central. */
export const nameArgument = Argument.String("name").pipe(Argument.withDescription("The config's name"))

/** `--force`. */
export const forceFlag = Flag.Boolean("force").pipe(
  Flag.withDescription("Save it against every objection; what may happen is printed"),
  Flag.withDefault(false)
)

/** `--if-match`. */
export const ifMatchFlag = Flag.String("if-match").pipe(
  Flag.withMetavar("<etag>"),
  Flag.withDescription(
    "Save only if this is still the newest revision, with or without its quotes; none: if there is none"
  ),
  Flag.map((etag) => (etag === "none" || etag.startsWith('"') ? etag : `"${etag}"`)),
  Flag.optional
)

/** Uses administration of the central in `data`, whether or not a server runs on it; makes it when it is not there. */
export const administer = <A, E, R>(data: string, use: (admin: Admin["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Effect.promise(() => import("../central-server/index.ts").then(({ Admin }) => ({ Admin }))),
    ({ Admin }) => Admin.use(use).pipe(Effect.provide(Admin.layer(data)))
  )

/** As {@link administer}, for a central that must be there already: a mistyped directory must not become one. */
export const administerExisting = Effect.fnUntraced(function* <A, E, R>(
  data: string,
  use: (admin: Admin["Service"]) => Effect.Effect<A, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(data, "central.sqlite")
  if (!(yield* Effect.orElseSucceed(fs.exists(file), () => true))) {
    return yield* new Refused({ message: `There is no central in ${data} (no ${file}). Check --data.` })
  }
  return yield* administer(data, use)
})
