/** The models that the account can use, and the one that was picked. */
import { Context, Effect, Layer, Option, Ref, Schema } from "effect"
import { HttpClient } from "effect/http"
import {
  Home,
  ModelAccount,
  nearest,
  type NoModelAccess,
  type NotSignedIn,
  ProviderUnavailable
} from "../domain/index.ts"
import { makeOutgoing } from "../http/index.ts"
import { DurableFiles, sealed, type StorageError, unsealed } from "../storage/index.ts"

const NAME = "model.json"
const DEADLINE_MS = 20_000
const MAX_ANSWER_BYTES = 1_048_576

/** A model that the provider offers. */
export const Model = Schema.Struct({ id: Schema.NonEmptyString, name: Schema.optionalKey(Schema.String) })
export type Model = typeof Model.Type

const Listed = Schema.fromJsonString(Schema.Struct({ data: Schema.Array(Model) }))
const Picked = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), model: Schema.NonEmptyString }))

/** The provider offers no model of that name. */
export class UnknownModel extends Schema.TaggedError<UnknownModel>()("UnknownModel", { message: Schema.String }) {}

type AskFailure = NotSignedIn | NoModelAccess | ProviderUnavailable

export class Models extends Context.Service<
  Models,
  {
    /** Asks the provider. */
    readonly list: Effect.Effect<ReadonlyArray<Model>, AskFailure>
    /** The model that was picked; none means the provider's own choice. */
    readonly picked: Effect.Effect<Option.Option<string>>
    /** Picks one of `list`, for this and later processes. */
    readonly pick: (model: string) => Effect.Effect<void, AskFailure | UnknownModel | StorageError>
    /** None is picked any more, for this and later processes; nobody is asked. */
    readonly forget: Effect.Effect<void, StorageError>
  }
>()("holdfast/login/Models") {
  static readonly layer = Layer.effect(
    Models,
    Effect.gen(function* () {
      const account = yield* ModelAccount
      const files = yield* DurableFiles
      const home = yield* Home
      const known = yield* Ref.make<Option.Option<string> | null>(null)
      const send = yield* makeOutgoing({
        peer: "the model provider",
        remedy: "The token stays here: correct the provider's address.",
        maxBytes: MAX_ANSWER_BYTES,
        deadlineMs: DEADLINE_MS
      }).pipe(Effect.provideService(HttpClient.HttpClient, yield* HttpClient.HttpClient))

      const ask = Effect.gen(function* () {
        const { authorization, baseUrl, headers } = yield* account.credential
        return yield* send({
          method: "GET",
          url: `${baseUrl}/models`,
          headers,
          ...(authorization === null ? {} : { authorization })
        }).pipe(Effect.mapError(({ message }) => new ProviderUnavailable({ message })))
      })

      const list = Effect.gen(function* () {
        const first = yield* ask
        // The session may have been ended before its time.
        const { body, status } = first.status === 401 ? yield* Effect.andThen(account.refused, ask) : first
        const listed = Schema.decodeUnknownOption(Listed)(body === null ? "" : new TextDecoder().decode(body))
        if (status === 200 && Option.isSome(listed)) return listed.value.data
        return yield* new ProviderUnavailable({ message: `The provider's list of models cannot be read (${status}).` })
      }).pipe(Effect.withSpan("Models.list"))

      const read = Effect.gen(function* () {
        const bytes = yield* files.read(home.model)
        const text = yield* unsealed(
          Option.match(bytes, { onNone: () => "", onSome: (some) => new TextDecoder().decode(some) })
        )
        return Option.map(Option.flatMap(text, Schema.decodeUnknownOption(Picked)), ({ model }) => model)
      }).pipe(
        Effect.catchTag("StorageError", ({ message }) => Effect.as(Effect.logWarning(message), Option.none<string>()))
      )

      const picked = Effect.flatMap(Ref.get(known), (before) =>
        before === null ? Effect.tap(read, (found) => Ref.set(known, found)) : Effect.succeed(before)
      )

      const pick = Effect.fn("Models.pick")(function* (model: string) {
        const names = (yield* list).map(({ id }) => id)
        if (!names.includes(model)) {
          const meant = nearest(model, names)
          return yield* new UnknownModel({
            message: `The provider offers no model of that name${meant === undefined ? "." : `: did you mean \`${meant}\`?`} GET /models lists them.`
          })
        }
        const text = yield* Schema.encodeEffect(Picked)({ version: 1, model }).pipe(Effect.orDie)
        yield* files.write(home.state, NAME, yield* sealed(text))
        yield* Ref.set(known, Option.some(model))
      })

      const forget = Effect.gen(function* () {
        yield* files.remove(home.model)
        yield* files.syncDirectory(home.state)
        yield* Ref.set(known, Option.none())
      }).pipe(Effect.withSpan("Models.forget"))

      return Models.of({ list, picked, pick, forget })
    })
  )
}
