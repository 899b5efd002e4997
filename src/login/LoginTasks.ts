/** What DeviceLogin has done for it: the provider asked, and the login's file read and written. */
import { Clock, Context, Effect, Layer, Option, Result } from "effect"
import type { DeviceLogin, LoadedLogin } from "../../machines/index.ts"
import type { Handlers } from "../statechart/index.ts"
import { LoginStore } from "./LoginStore.ts"
import { Provider } from "./Provider.ts"
import { providerId, ProviderSettings } from "./ProviderSettings.ts"

const NOBODY: LoadedLogin = {
  source: "none",
  account: null,
  candidate: null,
  flow: null,
  session: false,
  problem: null
}

export class LoginTasks extends Context.Service<LoginTasks, Handlers<typeof DeviceLogin, never>>()(
  "holdfast/login/LoginTasks"
) {
  static readonly layer = Layer.effect(
    LoginTasks,
    Effect.gen(function* () {
      const store = yield* LoginStore
      const settings = yield* ProviderSettings
      const { exchange, pollToken, refresh, requestCode } = yield* Provider

      const load = Effect.fn("Login.load")(function* (): Effect.fn.Return<LoadedLogin> {
        const provider = yield* Effect.result(settings.provider)
        if (Result.isFailure(provider)) return { ...NOBODY, source: "login" }
        if (provider.success.kind === "openai-compatible") return NOBODY
        const id = providerId(provider.success)
        const environment = yield* settings.environmentToken
        if (Option.isNone(environment)) return { source: "login", ...(yield* store.load(id)) }
        const account = yield* store.holdEnvironment({
          provider: id,
          access_token: environment.value,
          obtained_at: yield* Clock.currentTimeMillis
        })
        return { ...NOBODY, source: "environment", account }
      })

      const save: Handlers<typeof DeviceLogin, never>["tasks"]["save"] = (saved) =>
        Effect.as(store.save(saved), undefined)

      return LoginTasks.of({ tasks: { load, save, requestCode, pollToken, exchange, refresh }, actions: {} })
    })
  )
}
