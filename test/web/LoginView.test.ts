import { describe, expect, it } from "vitest"
import type { LoginStatus } from "../../src/domain/index.ts"
import { type Login, nothingHeard, POLL_ATTEMPTS } from "../../src/web/Login.ts"
import { hrefOf, sentence, viewOf } from "../../src/web/LoginView.ts"
import { readChoices, readStatus } from "../../src/web/LoginWire.ts"
import { loginStatus, waiting } from "./Entries.ts"

const knowing = (heard: LoginStatus, more: Partial<Login> = {}): Login => ({ ...nothingHeard, heard, ...more })
const shown = (heard: LoginStatus, more: Partial<Login> = {}) => {
  const { kind, offers, word } = viewOf(knowing(heard, more), 0)
  return [kind, word, offers.map(({ action, label }) => `${label} (${action})`).join(", ")]
}

const account = (state: LoginStatus["account"]["state"], more: Partial<LoginStatus["account"]> = {}) =>
  loginStatus({}, { state, username: "octocat", ...more })

const OUT = "Sign out (logout)"
const SWITCH = "Switch account (switch)"

describe("the model account", () => {
  it.each<readonly [string, LoginStatus, ReadonlyArray<string>]>([
    ["signed out", loginStatus(), ["signed-out", "Not signed in", "Sign in (login)"]],
    [
      "with a provider that is named wrongly",
      loginStatus({}, { problem: "provider.base_url uses http to h." }),
      ["failing", "The model provider cannot be used", ""]
    ],
    [
      "asking for a code",
      loginStatus({ id: "f", phase: "requesting" }),
      ["requesting", "Asking for a code…", "Cancel (cancel)"]
    ],
    ["with a code", waiting(), ["waiting", "Enter this code at the provider", "Cancel (cancel)"]],
    [
      "in the exchange",
      loginStatus({ id: "f", phase: "exchanging", expires_in: 0 }, { state: "asking" }),
      ["checking", "Checking your subscription…", "Cancel (cancel)"]
    ],
    ["signed in", account("ready"), ["signed-in", "Signed in as octocat", `${SWITCH}, ${OUT}`]],
    ["signed in, name unknown", account("ready", { username: null }), ["signed-in", "Signed in", `${SWITCH}, ${OUT}`]],
    [
      "without a subscription",
      account("no_access"),
      ["no-access", "No access for octocat", `${SWITCH}, Try again (retry), ${OUT}`]
    ],
    [
      "expired",
      loginStatus({ id: "f", phase: "expired" }),
      ["timed-out", "Login timed out — try again", "Try again (login)"]
    ],
    [
      "declined",
      loginStatus({ id: "f", phase: "error", code: "access_denied", error: "declined" }),
      ["failed", "The login failed", "Try again (login)"]
    ],
    ["refused", account("refused"), ["refused", "Sign in again", `Sign in again (login), ${OUT}`]],
    [
      "with a provider in trouble",
      account("failing", { problem: "the provider is in trouble (502)" }),
      ["failing", "octocat cannot be used just now", `Try again (retry), ${SWITCH}, ${OUT}`]
    ],
    [
      "with a token of the environment",
      account("ready", { source: "environment" }),
      ["environment", "GITHUB_TOKEN of octocat is used", ""]
    ],
    [
      "with a provider of its own",
      loginStatus({}, { source: "none", provider: "openai-compatible" }),
      ["no-login", "Nobody needs to sign in", ""]
    ]
  ])("%s says what it is and what can be done", (_, heard, expected) => {
    expect(shown(heard)).toEqual(expected)
  })

  it("is timed out when the page has polled long enough, and can still be cancelled", () => {
    const loop = { flow: "f1", attempts: POLL_ATTEMPTS, nextAt: 0, isOut: false }
    expect(shown(waiting(), { loop })).toEqual([
      "timed-out",
      "Login timed out — try again",
      "Try again (login), Cancel (cancel)"
    ])
  })

  it("shows the code, where to enter it, and how long it is good", () => {
    const { code } = viewOf(knowing(waiting(), { deadline: 845_000 }), 0)
    expect(code).toEqual({
      text: "ABCD-1234",
      place: { href: "https://github.com/login/device", text: "github.com/login/device" },
      left: "14:05"
    })
  })

  it("is never expired before the daemon says so", () => {
    const { code, kind } = viewOf(knowing(waiting("f1", { expires_in: 0 }), { deadline: 0 }), 60_000)
    expect([kind, code?.left]).toEqual(["waiting", "0:00"])
  })

  it("says what became of a flow that left the account as it was, and nothing of one that was healed", () => {
    const ended = (phase: LoginStatus["phase"], code: string | null, error: string | null) =>
      viewOf(knowing(loginStatus({ id: "f", phase, code, error }, { state: "ready", username: "octocat" })), 0).text
    expect(ended("expired", null, null)).toContain("timed out")
    expect(ended("error", "access_denied", "declined at the provider")).toContain("declined at the provider.")
    expect(ended("error", "no_access", "no subscription")).toBe("Models can be used.")
    expect(ended("error", "provider_unavailable", "in trouble (502)")).toBe("Models can be used.")
  })

  it("warns of a daemon that does not answer and of a file that cannot be written, and still shows the code", () => {
    const view = viewOf(knowing(waiting("f1", { storage_problem: "login.json: read-only" }), { away: "lost" }), 0)
    expect(view.warnings).toEqual(["The daemon does not answer; trying again…", "login.json: read-only"])
    expect(view.code?.text).toBe("ABCD-1234")
    expect(view.offers.map(({ isOff }) => isOff)).toEqual([true])
  })

  it("tells a failure once", () => {
    const failed = loginStatus({ id: "f", phase: "error", code: "access_denied", error: "It was declined." })
    expect(viewOf(knowing(failed, { failure: { words: "it was declined", of: null } }), 0).failure).toBeNull()
    expect(viewOf(knowing(failed, { failure: { words: "not heard", of: null } }), 0).failure).toBe("not heard")
  })

  it("lets a start be cancelled while it is under way, and nothing else be done", () => {
    const { offers } = viewOf(knowing(loginStatus({ id: "f", phase: "requesting" }), { action: "login" }), 0)
    expect(offers.map(({ action, isOff }) => [action, isOff])).toEqual([["cancel", false]])
    const busy = viewOf(knowing(account("no_access"), { action: "retry" }), 0)
    expect(busy.offers.map(({ isOff, label }) => [label, isOff])).toEqual([
      ["Switch account", true],
      ["Trying again…", true],
      ["Sign out", true]
    ])
  })
})

it.each([
  ["https://github.com/login/device", "https://github.com/login/device"],
  ["http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"],
  ["javascript:alert(1)", null],
  ["data:text/html,<script>alert(1)</script>", null],
  ["file:///etc/passwd", null],
  ["github.com/login", null],
  ["", null]
])("the address %s is linked as %s", (text, href) => {
  expect(hrefOf(text)).toBe(href)
})

it("a program's text becomes a sentence", () => {
  expect(["the provider is away", "Done.", "  ", "wait…"].map(sentence)).toEqual([
    "The provider is away.",
    "Done.",
    "",
    "Wait…"
  ])
})

describe("an answer of the daemon", () => {
  it("is read with what is known, and whatever else is in it is left out", () => {
    const status = waiting()
    expect(readStatus(JSON.parse(JSON.stringify({ ...status, device_code: "secret" })))).toEqual([status])
    expect(readStatus({ ...status, phase: "later", expires_in: "soon", user_code: 5 })?.[0]).toMatchObject({
      phase: null,
      expires_in: null,
      user_code: null
    })
  })

  it("without an account that is known is none", () => {
    for (const value of [null, 1, "x", [], {}, { account: {} }, { account: { state: "ready" } }]) {
      expect(readStatus(value)).toBeNull()
    }
  })

  it("lists models by id, with their names where they have one", () => {
    const value = { models: [{ id: "a", name: "A" }, { id: "b" }, { name: "no id" }, 5], model: null }
    expect(readChoices(value)).toEqual([
      {
        models: [
          { id: "a", name: "A" },
          { id: "b", name: "b" }
        ],
        model: null
      }
    ])
    expect(readChoices({ error: "not_signed_in" })).toBeNull()
  })
})
