/** `holdfast login`. */
import { Config, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Home, LoginFileJson, type LoginStatus } from "../domain/index.ts"
import { DaemonLock, DurableFiles, unsealed } from "../storage/index.ts"
import { Refused } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, plain, print, printJson } from "./Output.ts"
import { withLiveDaemon } from "./WithDaemon.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, one document a line"), Flag.withDefault(false))
const open = Flag.Boolean("open").pipe(
  Flag.withDescription("Open the verification page in a browser"),
  Flag.withDefault(false)
)

const withDaemon = withLiveDaemon("it is the daemon that signs in")

const follow = Effect.fnUntraced(function* (
  daemon: LiveDaemon,
  options: { readonly force: boolean; readonly open: boolean; readonly json: boolean }
) {
  const { followLogin } = yield* Effect.promise(() => import("./LoginFollow.ts"))
  return yield* followLogin(daemon, options)
})

const switchCommand = Command.make("switch", { open, json }, (options) =>
  withDaemon((daemon) => follow(daemon, { ...options, force: true }))
).pipe(
  Command.withDescription("Sign in with another account. What is signed in stays until the new account is."),
  Command.withExamples([{ command: "holdfast login switch" }])
)

const statusCommand = Command.make(
  "status",
  { json },
  Effect.fnUntraced(function* ({ json: asJson }) {
    const status = yield* withDaemon((daemon, client) => client.loginStatus(daemon))
    yield* asJson ? printJson(status) : print(statusText(status))
  })
).pipe(
  Command.withDescription("Who is signed in to the model provider, and how a login that is under way does."),
  Command.withExamples([{ command: "holdfast login status --json" }])
)

const retryCommand = Command.make(
  "retry",
  {},
  Effect.fnUntraced(function* () {
    const result = yield* withDaemon((daemon, client) => client.retryLogin(daemon))
    if (result.status === "ok") return yield* print(plain(result.message))
    if (result.status === "pending") return yield* print("A login is under way: holdfast login status")
    return yield* new Refused({ message: plain(result.error) })
  })
).pipe(
  Command.withDescription("Ask the provider again with the account there is, as after signing up for a subscription."),
  Command.withExamples([{ command: "holdfast login retry" }])
)

const cancelCommand = Command.make(
  "cancel",
  {},
  Effect.fnUntraced(function* () {
    const { cancelled } = yield* withDaemon((daemon, client) => client.cancelLogin(daemon, null))
    yield* print(cancelled ? "The login is cancelled." : "No login is under way.")
  })
).pipe(
  Command.withDescription("End a login that is under way. The account that was signed in before stays."),
  Command.withExamples([{ command: "holdfast login cancel" }])
)

const logoutCommand = Command.make(
  "logout",
  {},
  Effect.fnUntraced(function* () {
    const daemon = yield* findDaemon
    const { signed_out: wasSignedIn } = yield* Option.isNone(daemon)
      ? forgetHere
      : withDaemon((live, client) => client.logout(live))
    yield* print(
      wasSignedIn
        ? "Signed out: the token is gone from this machine. The provider's own list of devices may still show it."
        : "Nobody was signed in."
    )
  })
).pipe(
  Command.withDescription("Remove the account's token from this machine; also while no daemon runs."),
  Command.withExamples([{ command: "holdfast login logout" }])
)

/** No daemon runs: whoever takes its lock may write in its place. */
const forgetHere = Effect.gen(function* () {
  const home = yield* Home
  const files = yield* DurableFiles
  yield* (yield* DaemonLock).acquire(home.root)
  const isThere = yield* files.exists(home.login)
  const hadToken = isThere && (yield* mayHoldToken(home.login))
  if (isThere) {
    yield* files.remove(home.login)
    yield* files.syncDirectory(home.state)
  }
  if (Option.isSome(yield* Config.option(Config.Redacted("GITHUB_TOKEN")))) {
    yield* note("GITHUB_TOKEN is set: a daemon that is started with it uses that account. Unset it to be signed out.")
  }
  return { signed_out: hadToken }
}).pipe(Effect.scoped)

/** A login's file also says how the last login ended, when nobody is signed in; one that cannot be read may hold anything. */
const mayHoldToken = Effect.fnUntraced(function* (file: string) {
  const bytes = yield* Effect.option((yield* DurableFiles).read(file))
  const text = yield* unsealed(new TextDecoder().decode(Option.getOrUndefined(Option.flatten(bytes))))
  const found = Option.flatMap(text, Schema.decodeUnknownOption(LoginFileJson))
  return Option.isNone(found) || found.value.account !== undefined || found.value.flow?.token !== undefined
})

/** Signs in to the model provider by device code. */
export const loginCommand = Command.make(
  "login",
  { open, json },
  Effect.fnUntraced(function* (options) {
    yield* withDaemon(
      Effect.fnUntraced(function* (daemon, client) {
        const { account, phase } = yield* client.loginStatus(daemon)
        const isUnderWay = phase === "requesting" || phase === "waiting" || phase === "exchanging"
        if (account.state === "ready" && !isUnderWay && !options.json) {
          yield* note(
            `${plain(account.username ?? "An account")} is signed in. Another account: holdfast login switch. Sign out: holdfast login logout`
          )
          return
        }
        yield* follow(daemon, { ...options, force: false })
      })
    )
  })
).pipe(
  Command.withSubcommands([statusCommand, switchCommand, retryCommand, cancelCommand, logoutCommand]),
  Command.withDescription(
    "Sign in to the model provider by device code: shows a code and where to enter it, and waits. Copies nothing, opens nothing."
  ),
  Command.withShortDescription("Sign in to the model provider"),
  Command.withExamples([
    { command: "holdfast login", description: "Show a code, wait until it is entered" },
    { command: "holdfast login --open", description: "The same, with the page opened in a browser" },
    { command: "holdfast login switch", description: "Use another account" },
    { command: "holdfast login logout" }
  ]),
  Command.provide(homeLayer)
)

const statusText = ({
  account,
  code,
  deadline,
  error,
  phase,
  storage_problem,
  user_code,
  verification_uri
}: LoginStatus): string =>
  [
    phase === "waiting" && user_code !== null
      ? `A login is under way: enter ${plain(user_code)} at ${plain(verification_uri ?? "")} before ${deadline ?? "its end"}.`
      : phase === "requesting" || phase === "exchanging"
        ? "A login is under way."
        : phase === "error"
          ? `The last login failed (${plain(code ?? "")}): ${plain(error ?? "")}`
          : undefined,
    accountText(account),
    storage_problem === null ? undefined : `Warning: ${plain(storage_problem)}`
  ]
    .filter((line) => line !== undefined)
    .join("\n")

const accountText = ({ problem, source, state, username }: LoginStatus["account"]): string => {
  if (source === "none") return "The configured provider has a key of its own: nobody needs to sign in."
  const who = username === null ? "the account" : plain(username)
  const from = source === "environment" ? " (token from GITHUB_TOKEN)" : ""
  const why = problem === null ? "" : `: ${plain(problem)}`
  switch (state) {
    case "ready":
      return `Signed in as ${who}${from}.`
    case "no_access":
      return `Signed in as ${who}${from}, which has no Copilot subscription. Again after signing up: holdfast login retry`
    case "refused":
      return `The token of ${who}${from} is not taken any more${why}. Sign in again: holdfast login`
    case "failing":
      return `Signed in as ${who}${from}, but the provider could not be asked${why}. It is tried again with the next use.`
    case "asking":
      return `The token of ${who}${from} is being checked.`
    case "unproven":
      return `There is a token${from}; its first use will show whether it is good: holdfast login retry`
    case "signed_out":
      return problem === null ? "Nobody is signed in: holdfast login" : `The model provider cannot be used${why}`
  }
}
