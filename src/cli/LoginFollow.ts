/** Following a device-code login in the terminal: over restarts of the daemon, until it ends. */
import { Effect, Option, Ref } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { LoginCode, LoginStatus } from "../domain/index.ts"
import { DaemonClient } from "./DaemonClient.ts"
import { Refused, Unsuccessful } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { note, plain, print, printJson } from "./Output.ts"

const LOOK = "1 second"

export interface FollowOptions {
  /** Supersede a live flow. */
  readonly force: boolean
  /** Open the verification page in a browser. */
  readonly open: boolean
  readonly json: boolean
}

/** Starts a flow, or takes up the live one, and follows it to its end. An interrupt cancels it. */
export const followLogin = Effect.fnUntraced(function* (daemon: LiveDaemon, { force, json, open }: FollowOptions) {
  const client = yield* DaemonClient
  const code = yield* client.login(daemon, { force })
  yield* json ? printJson(code) : show(code)
  if (open) yield* openPage(code.verification_uri)
  const ended = yield* watch(code.flow_id).pipe(Effect.onInterrupt(() => withdraw(code.flow_id)))
  return yield* tell(ended, json)
})

const show = Effect.fnUntraced(function* ({ expires_in, user_code, verification_uri }: LoginCode) {
  yield* print(`Open ${plain(verification_uri)}`)
  yield* print(`and enter the code ${plain(user_code)}`)
  yield* note(`It is good for ${minutes(expires_in)}. Waiting for you; Ctrl-C cancels the login.`)
})

const minutes = (seconds: number): string =>
  seconds < 90 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`

/** Looks at the flow until it has ended. A daemon that is away is waited for: the flow goes on with the next one. */
const watch = Effect.fnUntraced(function* (flow: string) {
  const client = yield* DaemonClient
  const said = yield* Ref.make("")
  const sayOnce = (text: string) =>
    Effect.flatMap(Ref.getAndSet(said, text), (before) => (before === text ? Effect.void : note(text)))

  while (true) {
    const daemon = yield* findDaemon
    const status = Option.isNone(daemon) ? Option.none() : yield* Effect.option(client.loginStatus(daemon.value))
    if (Option.isNone(status)) yield* sayOnce("The daemon does not answer; the login goes on as soon as it does.")
    else if (status.value.id !== flow) return status.value.id === null ? GONE : SUPERSEDED
    else if (status.value.phase === "exchanging") yield* sayOnce("The code was entered; checking the account.")
    else if (status.value.phase !== "requesting" && status.value.phase !== "waiting") return status.value
    yield* Effect.sleep(LOOK)
  }
})

const SUPERSEDED = "Another login has taken the place of this one."
const GONE = "The login was ended, by signing out or because its file was lost. Start again: holdfast login"

const tell = Effect.fnUntraced(function* (ended: LoginStatus | string, json: boolean) {
  if (typeof ended === "string") return yield* new Refused({ message: ended })
  if (json) {
    yield* printJson(ended)
    return yield* ended.phase === "ok" ? Effect.void : new Unsuccessful({ message: ended.phase ?? "" })
  }
  if (ended.phase === "ok") return yield* print(signedIn(ended))
  return yield* new Refused({ message: whyNot(ended) })
})

/** `Signed in as NAME.` */
export const signedIn = ({ account }: Pick<LoginStatus, "account">): string =>
  account.username === null ? "Signed in." : `Signed in as ${plain(account.username)}.`

const whyNot = ({ code, error, phase, signup_url }: LoginStatus): string => {
  if (phase === "expired") return "The code was not entered in time. Try again: holdfast login"
  if (phase === "cancelled") return "The login was cancelled. Start again: holdfast login"
  if (code === "no_access") {
    const signUp = signup_url === null ? "" : `\nSign up: ${plain(signup_url)}, then: holdfast login retry`
    return `${plain(error ?? "")}${signUp}\nAnother account: holdfast login switch`
  }
  return `${plain(error ?? "The login failed.")} Try again: holdfast login`
}

const withdraw = Effect.fnUntraced(function* (flow: string) {
  const client = yield* DaemonClient
  const daemon = yield* findDaemon
  const cancelled = Option.isNone(daemon) ? Option.none() : yield* Effect.option(client.cancelLogin(daemon.value, flow))
  yield* note(
    Option.isSome(cancelled)
      ? "The login is cancelled."
      : "The daemon does not answer, so the login could not be cancelled: holdfast login cancel"
  )
})

const openPage = Effect.fnUntraced(
  function* (url: string) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const program = globalThis.process.platform === "darwin" ? "open" : "xdg-open"
    const exit = yield* spawner.exitCode(ChildProcess.make(program, [url]))
    if (exit !== 0) yield* note(`${program} could not open the page: open it yourself.`)
  },
  Effect.catch(() => note("No browser could be opened from here: open the page yourself."))
)
