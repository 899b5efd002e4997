/** The login over its running machine, for the API and for whoever uses a model. */
import { Effect, Layer } from "effect"
import { accountHealth } from "../agents/index.ts"
import { ModelAccount } from "../domain/index.ts"
import { Login, Models, ProviderSettings } from "../login/index.ts"
import { Fleet } from "./Fleet.ts"
import { daemonModels } from "./LazyAgents.ts"

const loginLayer = Layer.unwrap(
  Effect.map(Fleet, (fleet) => Login.layerOf(Effect.map(fleet.machines, ({ login }) => login)))
)

const accountLayer = Layer.effect(
  ModelAccount,
  Effect.map(Login, ({ account }) => account)
)

export const modelAccountLayer = Models.layer.pipe(Layer.provideMerge(accountLayer), Layer.provideMerge(loginLayer))

/** What health says of the account, without asking anybody. */
export const daemonAccount = Effect.gen(function* () {
  const account = yield* (yield* ModelAccount).status
  const isNeeded = yield* (yield* ProviderSettings).isNeeded
  const { requested } = yield* Effect.orElseSucceed(yield* daemonModels, () => ({ requested: null }))
  return accountHealth(account, isNeeded, requested)
})
