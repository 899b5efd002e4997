/** Which models a conversation is held with. */
import { Effect, Option, Schema } from "effect"
import { AGENTS_PLUGIN, type ConfigControl, ProviderUnavailable } from "../domain/index.ts"

/** The model that is to answer (null: the provider chooses), and those that may instead, in order. */
export type ChatModels = Effect.Effect<
  { readonly requested: string | null; readonly fallbacks: ReadonlyArray<string> },
  ProviderUnavailable
>

const Settings = Schema.Struct({
  model: Schema.optionalKey(Schema.NonEmptyString),
  fallback_models: Schema.optionalKey(Schema.Array(Schema.NonEmptyString))
})

const decodeSettings = Schema.decodeUnknownEffect(Settings)

/** The model that a person picked, else the document's; others only where the document names them. */
export const chatModels = (
  control: ConfigControl["Service"],
  picked: Effect.Effect<Option.Option<string>>
): ChatModels =>
  Effect.gen(function* () {
    const { plugins } = yield* control.document
    const { fallback_models, model } = yield* decodeSettings(
      plugins?.find(({ name }) => name === AGENTS_PLUGIN)?.config ?? {}
    ).pipe(
      Effect.mapError(
        () =>
          new ProviderUnavailable({
            message: `The document's settings of ${AGENTS_PLUGIN} name models that cannot be understood: correct its \`model\` and \`fallback_models\`.`
          })
      )
    )
    return { requested: Option.getOrElse(yield* picked, () => model ?? null), fallbacks: fallback_models ?? [] }
  })
