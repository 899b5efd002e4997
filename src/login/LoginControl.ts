/**
 * The login as people and other areas see it: everybody reads, and asks the one machine that writes.
 *
 * @ref LLP 0015#readers [implements]: readers never ask the provider
 */
import { Clock, Context, Effect, Layer, Option, Redacted, Result } from "effect"
import type { SnapshotFrom } from "xstate"
import { type DeviceLogin, isLive } from "../../machines/index.ts"
import {
  type AccountStatus,
  isoTime,
  type LoginCode,
  LoginRefused,
  type LoginResult,
  type LoginStatus,
  type ModelAccount,
  NoModelAccess,
  NotSignedIn,
  ProviderUnavailable
} from "../domain/index.ts"
import { randomId } from "../http/index.ts"
import { type Interpreter, Uptime } from "../statechart/index.ts"
import { keyCredential } from "./KeyAccount.ts"
import { LoginStore } from "./LoginStore.ts"
import { EDITOR } from "./Provider.ts"
import { ProviderSettings } from "./ProviderSettings.ts"

type Snapshot = SnapshotFrom<typeof DeviceLogin>

/** What can be done about the login, and what there is to know of it. */
export interface LoginControl {
  /** The live flow's code, or a new flow's; `force` supersedes a live one. Waits until there is one. */
  readonly start: (options: { readonly force: boolean }) => Effect.Effect<LoginCode, LoginRefused>
  /** How the flow does, or how the last one ended. */
  readonly result: Effect.Effect<LoginResult>
  readonly status: Effect.Effect<LoginStatus>
  /** Another exchange with the token there is; answers how it ended. */
  readonly retry: Effect.Effect<LoginResult, LoginRefused>
  /** Ends the live flow, or only the one of this id; whether there was one. */
  readonly cancel: (flow?: string) => Effect.Effect<boolean>
  /** Whether there was anything to forget, and why it may still be on the disk, if so. */
  readonly logout: Effect.Effect<{ readonly signedOut: boolean; readonly problem: string | null }, LoginRefused>
  readonly account: ModelAccount["Service"]
}

/** The login of this machine. */
export class Login extends Context.Service<Login, LoginControl>()("holdfast/login/LoginControl/Login") {
  /** `machine` waits until it runs. */
  static readonly layerOf = (machine: Effect.Effect<Interpreter<typeof DeviceLogin>>) =>
    Layer.effect(Login, makeLoginControl(machine))
}

const makeLoginControl = Effect.fnUntraced(function* (machine: Effect.Effect<Interpreter<typeof DeviceLogin>>) {
  const store = yield* LoginStore
  const settings = yield* ProviderSettings
  const uptime = yield* Uptime

  /** Seconds that the code still lives, by the timer that ends it: no jump of the wall clock changes it. */
  const secondsLeft = Effect.fnUntraced(function* (running: Interpreter<typeof DeviceLogin>) {
    const { timers } = yield* running.instance
    const timer = timers.find(({ id }) => id.startsWith("xstate.after.codeLife."))
    return timer === undefined
      ? null
      : Math.max(0, Math.ceil((timer.dueAt - (yield* uptime.now)) / uptime.timeScale / 1_000))
  })

  /** The machine once it has read what there is. */
  const loaded = Effect.tap(machine, (running) => running.until((snapshot) => !snapshot.hasTag("loading")))

  const mayWrite = Effect.flatMap(loaded, (running) =>
    Effect.flatMap(running.current, ({ context: { source } }) => {
      if (source === "login") return Effect.succeed(running)
      return Effect.fail(
        source === "environment"
          ? new LoginRefused({
              code: "token_from_environment",
              message:
                "GITHUB_TOKEN is set, so nobody signs in here: unset it where the daemon is started, and restart."
            })
          : new LoginRefused({
              code: "no_login_needed",
              message: "The configured provider has a key of its own, so nobody signs in here."
            })
      )
    })
  )

  const signupUrl = Effect.map(Effect.option(settings.provider), (provider) =>
    Option.isSome(provider) && provider.value.kind === "github"
      ? `${provider.value.github}/github-copilot/signup`
      : null
  )

  const start = Effect.fn("Login.start")(function* ({ force }: { readonly force: boolean }) {
    const running = yield* mayWrite
    yield* running.ask({ type: "START", id: yield* randomId(8), force })
    const { context } = yield* running.until(({ context: { flow } }) => flow?.phase !== "requesting")
    const { flow } = context
    const codes = flow === null ? Option.none() : yield* store.codes(flow.id)
    if (flow === null || !isLive(flow) || Option.isNone(codes)) {
      return yield* new LoginRefused({
        code: flow?.code ?? "cancelled",
        message: flow?.message ?? "The login was cancelled before the provider gave a code: start again."
      })
    }
    const answer: LoginCode = {
      flow_id: flow.id,
      user_code: codes.value.userCode,
      verification_uri: codes.value.verificationUri,
      expires_in: (yield* secondsLeft(running)) ?? 0,
      interval: flow.intervalMs / 1_000
    }
    return answer
  })

  const resultOf = Effect.fnUntraced(function* (snapshot: Snapshot): Effect.fn.Return<LoginResult> {
    const { account, flow } = snapshot.context
    // How it ended counts once it is on the disk.
    if (isLive(flow) || snapshot.hasTag("loading") || snapshot.matches("settling")) {
      return { status: "pending" }
    }
    switch (flow?.phase) {
      case undefined:
        return { status: "error", code: "no_flow", error: "No login is under way: holdfast login starts one." }
      case "ok":
        return okResult(account?.name ?? null)
      case "expired":
        return { status: "expired", error: "The code was not entered in time. Start again." }
      case "cancelled":
        return { status: "error", code: "cancelled", error: "The login was cancelled." }
      default:
        return yield* errorResult(flow?.code ?? "internal", flow?.message ?? "The login failed.", account?.name ?? null)
    }
  })

  const errorResult = Effect.fnUntraced(function* (code: string, error: string, name: string | null) {
    const url = yield* signupUrl
    return {
      status: "error" as const,
      error,
      code,
      ...(code === "no_access" && name !== null ? { copilot_username: name } : {}),
      ...(code === "no_access" && url !== null ? { signup_url: url } : {})
    }
  })

  const status = Effect.gen(function* () {
    const running = yield* loaded
    const { flow, storageProblem } = (yield* running.current).context
    const codes = flow === null || !isLive(flow) ? Option.none() : yield* store.codes(flow.id)
    const left = yield* secondsLeft(running)
    const now = yield* Clock.currentTimeMillis
    const found: LoginStatus = {
      id: flow?.id ?? null,
      phase: flow?.phase ?? null,
      user_code: Option.match(codes, { onNone: () => null, onSome: ({ userCode }) => userCode }),
      verification_uri: Option.match(codes, { onNone: () => null, onSome: ({ verificationUri }) => verificationUri }),
      interval: flow === null ? null : flow.intervalMs / 1_000,
      deadline: left === null ? null : isoTime(now + left * 1_000),
      expires_in: left,
      code: flow?.code ?? null,
      error: flow?.message ?? null,
      account: yield* accountStatus,
      signup_url: yield* signupUrl,
      storage_problem: storageProblem
    }
    return found
  })

  const accountStatus = Effect.gen(function* () {
    const snapshot = yield* Effect.flatMap(machine, (running) => running.current)
    const { account, problem, source } = snapshot.context
    const provider = yield* Effect.result(settings.provider)
    const found: AccountStatus = {
      source,
      // Not from the source: that is `none` as well while nothing has been read.
      provider: Result.isSuccess(provider) ? provider.success.kind : "github",
      state: stateOf(snapshot),
      username: account?.name ?? null,
      problem: Result.isFailure(provider) ? provider.failure.message : problem
    }
    return found
  })

  const retry = Effect.gen(function* () {
    const running = yield* loaded
    const { context } = yield* running.current
    if (context.account === null && !isLive(context.flow)) {
      return yield* new LoginRefused({
        code: "not_signed_in",
        message: "Nobody is signed in, so there is nothing to try again: holdfast login"
      })
    }
    if (isLive(context.flow)) return { status: "pending" as const }
    yield* running.ask({ type: "RETRY" })
    const settled = yield* running.until((snapshot) => !snapshot.hasTag("asking"))
    const { account, problem } = settled.context
    if (isLive(settled.context.flow)) return { status: "pending" as const }
    const state = stateOf(settled)
    if (state === "ready") return okResult(account?.name ?? null)
    const code = state === "no_access" ? "no_access" : state === "refused" ? "unauthorized" : "provider_unavailable"
    return yield* errorResult(code, problem ?? "The provider could not be asked.", account?.name ?? null)
  }).pipe(Effect.withSpan("Login.retry"))

  const cancel = Effect.fn("Login.cancel")(function* (flow?: string) {
    const running = yield* loaded
    const { context } = yield* running.current
    if (!isLive(context.flow) || (flow !== undefined && context.flow?.id !== flow)) return false
    yield* running.ask({ type: "CANCEL" })
    yield* running.until((snapshot) => !snapshot.hasTag("asking"))
    return true
  })

  const logout = Effect.gen(function* () {
    const running = yield* mayWrite
    const { account, flow, storageProblem } = (yield* running.current).context
    yield* running.ask({ type: "LOGOUT" })
    const { context } = yield* running.until((snapshot) => !snapshot.hasTag("asking"))
    return {
      // A login that is being finished has its token already; what was not written may be on the disk still.
      signedOut: account !== null || flow?.phase === "exchanging" || storageProblem !== null,
      problem: context.storageProblem
    }
  })

  const credential = Effect.gen(function* () {
    const provider = yield* Effect.mapError(settings.provider, ({ message }) => new ProviderUnavailable({ message }))
    if (provider.kind === "openai-compatible") return keyCredential(provider)
    const running = yield* loaded
    const valid = Effect.flatMap(running.current, ({ context: { account, session } }) =>
      account === null || !session ? Effect.succeedNone : store.session(account.handle)
    )
    let session = yield* valid
    if (Option.isNone(session)) {
      yield* running.ask({ type: "USE" }, "use of the model")
      yield* running.until((snapshot) => !snapshot.hasTag("asking"))
      session = yield* valid
    }
    if (Option.isSome(session)) {
      return {
        baseUrl: session.value.endpoint,
        authorization: Redacted.make(`Bearer ${Redacted.value(session.value.token)}`),
        headers: EDITOR
      }
    }
    const snapshot = yield* running.current
    const { account, flow, problem } = snapshot.context
    if (account?.access === "no_access") {
      return yield* new NoModelAccess({
        message: problem ?? "The account has no subscription.",
        username: account.name
      })
    }
    if (account === null || isLive(flow) || stateOf(snapshot) === "refused") {
      return yield* new NotSignedIn({
        message: isLive(flow)
          ? "A login is under way: finish it, or cancel it."
          : "Nobody is signed in: run `holdfast login`."
      })
    }
    return yield* new ProviderUnavailable({ message: problem ?? "The provider gave no session." })
  }).pipe(Effect.withSpan("Login.credential"))

  const refused = Effect.flatMap(loaded, (running) => Effect.asVoid(running.ask({ type: "USE" }, "use of the model")))

  const control: LoginControl = {
    start,
    result: Effect.flatMap(loaded, (running) => Effect.flatMap(running.current, resultOf)),
    status,
    retry,
    cancel,
    logout,
    account: { credential, refused, status: accountStatus }
  }
  return control
})

const okResult = (name: string | null): LoginResult => ({
  status: "ok",
  message: name === null ? "Signed in." : `Signed in as ${name}.`,
  ...(name === null ? {} : { copilot_username: name })
})

const stateOf = (snapshot: Snapshot): AccountStatus["state"] => {
  const { account, problem } = snapshot.context
  if (snapshot.hasTag("loading") || snapshot.hasTag("asking")) return "asking"
  if (account === null) return "signed_out"
  if (account.access === "refused") return "refused"
  if (account.access === "no_access") return "no_access"
  if (problem !== null) return "failing"
  return account.access === "granted" ? "ready" : "unproven"
}
