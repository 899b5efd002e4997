/** What the page says of the model account, and what it offers. Pure. */
import type { LoginStatus } from "../domain/index.ts"
import { type Action, type Away, isFree, isLive, isTimedOut, type Login, secondsLeft } from "./Login.ts"
import type { Tone } from "./ThisMachine.ts"

/** A button. */
export interface Offer {
  readonly action: Action
  readonly label: string
  /** The one that most people want. */
  readonly isMain: boolean
  /** Something else has to end first. */
  readonly isOff?: boolean
}

/** An address that a link may have; `text` is what a person can type elsewhere. */
export interface Place {
  /** Null for anything but http and https. */
  readonly href: string | null
  readonly text: string
}

export interface View {
  /** For tests and looks. */
  readonly kind:
    | "unknown"
    | "environment"
    | "no-login"
    | "signed-out"
    | "requesting"
    | "waiting"
    | "checking"
    | "signed-in"
    | "no-access"
    | "refused"
    | "failing"
    | "timed-out"
    | "failed"
  readonly tone: Tone
  readonly word: string
  readonly text: string
  readonly code: { readonly text: string; readonly place: Place; readonly left: string | null } | null
  readonly offers: ReadonlyArray<Offer>
  readonly signUp: string | null
  /** What is wrong besides. */
  readonly warnings: ReadonlyArray<string>
  readonly failure: string | null
  /** For whom models can be listed; null when they cannot. */
  readonly models: string | null
}

const TIMED_OUT = "Login timed out — try again"

/** What there is to show at `at`. */
export const viewOf = (login: Login, at: number): View => {
  const { heard } = login
  const warnings = [
    ...(login.away === null ? [] : [AWAY_WORDS[login.away]]),
    ...(heard?.storage_problem == null ? [] : [heard.storage_problem])
  ]
  const shown = heard === null ? view("unknown", "plain", "…", "") : offered(login, stateOf(login, heard, at))
  const failure = login.failure?.words ?? null
  return { ...shown, warnings, failure: failure !== null && sentence(failure) === shown.text ? null : failure }
}

const AWAY_WORDS: Readonly<Record<Away, string>> = {
  lost: "The daemon does not answer; trying again…",
  refused: "Nothing can be done from this browser until it is let in again.",
  odd: "The daemon does not answer as it should; trying again…"
}

const view = (kind: View["kind"], tone: Tone, word: string, text: string, more: Partial<View> = {}): View => ({
  kind,
  tone,
  word,
  text,
  code: null,
  offers: [],
  signUp: null,
  warnings: [],
  failure: null,
  models: null,
  ...more
})

const stateOf = (login: Login, status: LoginStatus, at: number): View => {
  if (status.account.source === "environment") return environmentOf(status)
  if (status.account.source === "none") {
    const text = "The configured provider has a key of its own, or needs none."
    return view("no-login", "plain", "Nobody needs to sign in", text, { models: "none" })
  }
  if (isLive(status)) return flowOf(login, status, at)
  return accountOf(status)
}

const cancel: Offer = { action: "cancel", label: "Cancel", isMain: false }
const signOut: Offer = { action: "logout", label: "Sign out", isMain: false }
const switchAccount: Offer = { action: "switch", label: "Switch account", isMain: false }
const start = (label: string): Offer => ({ action: "login", label, isMain: true })
const tryAgain: Offer = { action: "retry", label: "Try again", isMain: true }

const requesting = view("requesting", "wait", "Asking for a code…", "This takes a moment.", { offers: [cancel] })

const flowOf = (login: Login, status: LoginStatus, at: number): View => {
  const { account, phase, user_code, verification_uri } = status
  if (isTimedOut(login)) {
    const text = "This page has waited for 15 minutes. If the code is still good, it is shown again."
    return view("timed-out", "bad", TIMED_OUT, text, { offers: [start("Try again"), cancel] })
  }
  if (phase === "exchanging") {
    const text = "The code was entered. The provider is asked what the account may use."
    return view("checking", "wait", "Checking your subscription…", text, { offers: [cancel] })
  }
  if (phase === "requesting" || user_code === null) return requesting
  const back = account.username === null ? "" : ` Cancel goes back to ${account.username}.`
  return view(
    "waiting",
    "plain",
    "Enter this code at the provider",
    `In any browser, also on another device. This page goes on by itself once it is entered.${back}`,
    {
      code: { text: user_code, place: placeOf(verification_uri ?? ""), left: leftWords(secondsLeft(login, at)) },
      offers: [cancel]
    }
  )
}

const accountOf = (status: LoginStatus): View => {
  const { account } = status
  const problem = sentence(account.problem ?? "")
  const name = account.username
  switch (account.state) {
    case "signed_out":
      return signedOutOf(status)
    case "ready":
    case "unproven":
      return view("signed-in", "good", name === null ? "Signed in" : `Signed in as ${name}`, usableOf(status), {
        offers: [switchAccount, signOut],
        models: `login ${name}`
      })
    case "no_access":
      return view("no-access", "bad", `No access${name === null ? "" : ` for ${name}`}`, noAccessOf(status), {
        offers: [{ ...switchAccount, isMain: true }, { ...tryAgain, isMain: false }, signOut],
        signUp: hrefOf(status.signup_url ?? "")
      })
    case "refused":
      return view("refused", "bad", "Sign in again", problem, { offers: [start("Sign in again"), signOut] })
    case "failing":
      return view("failing", "bad", `${name ?? "The account"} cannot be used just now`, problem, {
        offers: [tryAgain, switchAccount, signOut]
      })
    case "asking":
      return view("checking", "wait", "Checking your subscription…", "")
  }
}

const signedOutOf = (status: LoginStatus): View => {
  const { problem } = status.account
  if (problem !== null) return view("failing", "bad", "The model provider cannot be used", sentence(problem))
  switch (status.phase) {
    case "expired":
      return view("timed-out", "bad", TIMED_OUT, "The code was not entered in time.", { offers: [start("Try again")] })
    case "error":
      return view("failed", "bad", "The login failed", sentence(status.error ?? "The provider did not say why."), {
        offers: [start("Try again")]
      })
    default: {
      const why = "Agents and chat use models of GitHub Copilot: sign in with an account that has a subscription."
      const text = status.phase === "cancelled" ? `The login was cancelled. ${why}` : why
      return view("signed-out", "plain", "Not signed in", text, { offers: [start("Sign in")] })
    }
  }
}

/** Ends of an exchange: they are told as the account's own state, and outlive it in the flow. */
const EXCHANGED = new Set(["no_access", "internal", "bad_answer", "provider_invalid"])

/** What came of a last flow that did not change the account; empty when none did. */
const lastOf = ({ code, error, phase }: LoginStatus): string => {
  if (phase === "expired") return "The login timed out: the code was not entered in time."
  const isOther = phase === "error" && code !== null && !EXCHANGED.has(code) && !code.startsWith("provider_")
  return isOther ? sentence(`the last login failed: ${error ?? code}`) : ""
}

const usableOf = (status: LoginStatus): string =>
  lastOf(status) ||
  (status.account.state === "ready" ? "Models can be used." : "What its subscription allows is seen at the next use.")

const noAccessOf = ({ account: { problem } }: LoginStatus): string =>
  `${sentence(problem ?? "The account has no subscription.")} Once there is one, try again; the next use does so too.`

const environmentOf = ({ account }: LoginStatus): View => {
  const word = account.username === null ? "GITHUB_TOKEN is used" : `GITHUB_TOKEN of ${account.username} is used`
  const isBad = account.state === "no_access" || account.state === "refused" || account.state === "failing"
  const why = account.state === "refused" ? "The provider does not take it any more." : sentence(account.problem ?? "")
  const text = isBad
    ? `${why} It is set where the daemon is started: change it there, and restart.`
    : "It is set where the daemon is started: nobody signs in or out here."
  return view("environment", isBad ? "bad" : account.state === "ready" ? "good" : "plain", word, text, {
    models: isBad ? null : "environment"
  })
}

const BUSY: Readonly<Record<Action, string>> = {
  login: "Asking for a code…",
  switch: "Asking for a code…",
  retry: "Trying again…",
  cancel: "Cancelling…",
  logout: "Signing out…"
}

const offered = (login: Login, shown: View): View => ({
  ...shown,
  offers: shown.offers.map((offer) => ({
    ...offer,
    label: offer.action === login.action ? BUSY[offer.action] : offer.label,
    isOff: !isFree(login, offer.action)
  }))
})

/** An address of the web, or null: nothing else becomes a link. */
export const hrefOf = (text: string): string | null => {
  const url = URL.parse(text)
  return url !== null && (url.protocol === "https:" || url.protocol === "http:") ? url.href : null
}

const placeOf = (text: string): Place => {
  const href = hrefOf(text)
  return { href, text: href === null ? text : href.replace(/^https?:\/\//, "").replace(/\/$/, "") }
}

/** `14:05`, as clocks count down. */
const leftWords = (seconds: number | null): string | null =>
  seconds === null ? null : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`

/** A text of a program as a sentence. */
export const sentence = (text: string): string => {
  const trimmed = text.trim()
  if (trimmed === "") return ""
  return `${trimmed[0]?.toUpperCase() ?? ""}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? "" : "."}`
}
