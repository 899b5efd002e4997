/** What the environment says about the daemon, checked. */
import { Config, Effect, Schema } from "effect"
import { TIME_SCALE_MAX } from "../statechart/index.ts"

/** A variable of the environment that the daemon cannot use. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  message: Schema.String
}) {}

const setting = (name: string, schema: Schema.Codec<number, string>, unset: number, meant: string) =>
  Config.withDefault(Config.schema(schema, name), unset).pipe(
    Effect.mapError(() => new SettingInvalid({ message: `${name} must be ${meant}. Correct it, or unset it.` }))
  )

const Digits = Schema.String.check(Schema.isPattern(/^\d+(\.\d+)?$/))

const between = (minimum: number, maximum: number) =>
  Digits.pipe(Schema.decodeTo(Schema.NumberFromString.check(Schema.isBetween({ minimum, maximum }))))

/** `HOLDFAST_PORT`: the daemon's own API; 0 is any free port. */
export const apiPort = setting(
  "HOLDFAST_PORT",
  between(0, 65_535).check(Schema.isInt()),
  7071,
  "a whole number from 0 to 65535, the port of the daemon's own API; 0 is any free port"
)

/** `HOLDFAST_TEST_TIME_SCALE`: how many times as fast elapsed time runs, for tests with real processes. */
export const timeScale = setting(
  "HOLDFAST_TEST_TIME_SCALE",
  between(1, TIME_SCALE_MAX),
  1,
  `a number from 1 to ${TIME_SCALE_MAX}`
)
