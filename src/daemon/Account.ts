/** The login over its running machine, for the API and for whoever uses a model. */
import { Effect, Layer, Option } from "effect"
import { type AccountStatus, ModelAccount } from "../domain/index.ts"
import { Login, Models, ProviderSettings } from "../login/index.ts"
import { Fleet } from "./Fleet.ts"

const loginLayer = Layer.unwrap(
  Effect.map(Fleet, (fleet) => Login.layerOf(Effect.map(fleet.machines, ({ login }) => login)))
)

const accountLayer = Layer.effect(
  ModelAccount,
  Effect.map(Login, ({ account }) => account)
)

export const modelAccountLayer = Models.layer.pipe(Layer.provideMerge(accountLayer), Layer.provideMerge(loginLayer))

/** What health says of the account, without asking anybody. */
export const accountHealth = Effect.gen(function* () {
  const account = yield* (yield* ModelAccount).status
  const isNeeded = yield* (yield* ProviderSettings).isNeeded
  return {
    /** Agents or chat are to run here, and no provider works. */
    isMissing: isNeeded && !(account.provider === "openai-compatible" || account.state === "ready"),
    shown: {
      model: Option.getOrNull(yield* (yield* Models).picked),
      copilot: COPILOT[account.state] ?? (account.provider === "openai-compatible" ? null : "pending"),
      copilot_username: account.username
    }
  }
})

const COPILOT: Readonly<Partial<Record<AccountStatus["state"], string>>> = { ready: "\u2713", no_access: "no_access" }
