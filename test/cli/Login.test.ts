import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import type { LoginStatus } from "../../src/domain/index.ts"
import { sealed } from "../../src/storage/index.ts"
import { type Asked, standIn } from "./Gateway.ts"
import { atDesk } from "./InProcess.ts"

const code = {
  flow_id: "f1",
  user_code: "AB12-CD34",
  verification_uri: "https://github.example/login/device",
  expires_in: 900,
  interval: 5
}

const signedOut: LoginStatus = {
  id: null,
  phase: null,
  user_code: null,
  verification_uri: null,
  interval: null,
  deadline: null,
  expires_in: null,
  code: null,
  error: null,
  account: { source: "login", provider: "github", state: "signed_out", username: null, problem: null },
  signup_url: "https://github.example/github-copilot/signup",
  storage_problem: null
}
const ended = (phase: LoginStatus["phase"], more: Partial<LoginStatus> = {}): LoginStatus => ({
  ...signedOut,
  id: "f1",
  phase,
  ...more
})
const octocat = { ...signedOut.account, state: "ready" as const, username: "octocat" }

/** Answers `POST /login` with the code, and `GET /login/status` with each of these in turn. */
const playing = (statuses: ReadonlyArray<LoginStatus>) => {
  let turn = 0
  return ({ method, url }: Asked): readonly [number, unknown] => {
    if (method === "POST") return [200, url === "/login/cancel" ? { cancelled: true } : code]
    const status = statuses[Math.min(turn, statuses.length - 1)]
    turn += 1
    return [200, status]
  }
}

describe("login", () => {
  it.live("shows the code and where to enter it, and waits until somebody has", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(
          desk,
          playing([signedOut, ended("waiting"), ended("exchanging"), ended("ok", { account: octocat })])
        )
        const said = yield* desk.run(["login"])
        expect(said.code).toBe(0)
        expect(said.out).toBe(
          "Open https://github.example/login/device\nand enter the code AB12-CD34\nSigned in as octocat."
        )
        expect(said.err).toContain("good for 15 minutes")
        expect(said.err).toContain("checking the account")
        expect(asked.map(({ method, url }) => `${method} ${url}`)).toContain("POST /login")
      })
    )
  )

  it.live("says who is signed in already, and starts nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(desk, playing([{ ...signedOut, account: octocat }]))
        const said = yield* desk.run(["login"])
        expect(said).toMatchObject({ code: 0, out: "" })
        expect(said.err).toContain("octocat is signed in")
        expect(said.err).toContain("holdfast login switch")
        expect(asked.filter(({ method }) => method === "POST")).toEqual([])
      })
    )
  )

  const endings: ReadonlyArray<readonly [what: string, status: LoginStatus, said: ReadonlyArray<string>]> = [
    [
      "an account without a subscription",
      ended("error", { code: "no_access", error: "The account octocat has no Copilot subscription." }),
      ["octocat has no Copilot", "https://github.example/github-copilot/signup", "holdfast login switch", "login retry"]
    ],
    ["a code that nobody entered", ended("expired"), ["not entered in time", "holdfast login"]],
    ["a login that was declined", ended("error", { code: "access_denied", error: "It was declined." }), ["declined"]],
    ["a login that was cancelled elsewhere", ended("cancelled"), ["was cancelled"]],
    ["another login in its place", ended("waiting", { id: "f2" }), ["Another login has taken the place"]]
  ]
  it.live.each(endings)("ends with exit code 1 on %s", ([, status, words]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, playing([status]))
        const said = yield* desk.run(["login", "switch"])
        expect(said.code).toBe(1)
        for (const word of words) expect(said.err).toContain(word)
      })
    )
  )

  it.live("prints one document a line with --json", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, playing([signedOut, ended("ok", { account: octocat })]))
        const said = yield* desk.run(["login", "--json"])
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(said.out.split("\n").map((line) => JSON.parse(line))).toMatchObject([code, { phase: "ok" }])
      })
    )
  )

  it.live("passes on why there is no code", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, ({ method }) =>
          method === "GET"
            ? [200, signedOut]
            : [409, { error: "token_from_environment", detail: "GITHUB_TOKEN is set." }]
        )
        const said = yield* desk.run(["login"])
        expect(said).toMatchObject({ code: 1, out: "" })
        expect(said.err).toContain("GITHUB_TOKEN is set.")
      })
    )
  )

  it.live("says what to do when no daemon runs", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        for (const argv of [["login"], ["login", "status"], ["login", "retry"], ["login", "cancel"]]) {
          const said = yield* desk.run(argv)
          expect(said).toMatchObject({ code: 1, out: "" })
          expect(said.err).toContain("Start it (holdfast daemon)")
        }
      })
    )
  )
})

describe("login status", () => {
  const account = (more: Partial<LoginStatus["account"]>): LoginStatus => ({
    ...signedOut,
    account: { ...octocat, ...more }
  })
  const texts: ReadonlyArray<readonly [LoginStatus, string]> = [
    [signedOut, "Nobody is signed in"],
    [
      { ...signedOut, account: { ...signedOut.account, problem: "provider.base_url uses http" } },
      "The model provider cannot be used: provider.base_url uses http"
    ],
    [account({}), "Signed in as octocat."],
    [account({ source: "environment" }), "token from GITHUB_TOKEN"],
    [account({ state: "no_access" }), "no Copilot subscription"],
    [account({ state: "refused", problem: "spent" }), "not taken any more: spent"],
    [account({ state: "failing", problem: "502" }), "could not be asked: 502"],
    [account({ state: "asking" }), "is being checked"],
    [account({ state: "unproven", username: null }), "first use will show"],
    [account({ source: "none" }), "nobody needs to sign in"],
    [{ ...signedOut, storage_problem: "the disk is full" }, "Warning: the disk is full"],
    [
      ended("waiting", {
        user_code: "AB12-CD34",
        verification_uri: code.verification_uri,
        deadline: "2026-11-21T20:00:00Z"
      }),
      "enter AB12-CD34 at https://github.example/login/device before 2026-11-21T20:00:00Z"
    ]
  ]
  it.live.each(texts)("says in words %#", ([status, text]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, () => [200, status])
        const said = yield* desk.run(["login", "status"])
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(said.out).toContain(text)
      })
    )
  )
})

describe("login logout", () => {
  it.live("removes the login also while no daemon runs", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const file = yield* desk.write("home/state/login.json", "{}")
        const said = yield* desk.run(["login", "logout"])
        expect(said).toMatchObject({ code: 0 })
        expect(said.out).toContain("Signed out")
        expect(yield* (yield* FileSystem.FileSystem).exists(file)).toBe(false)
      })
    )
  )

  const account = { provider: "p", access_token: "t", obtained_at: 1, account: "octocat", access: "granted" }
  it.live.each([
    ["no file", null, "Nobody was signed in."],
    ["how the last login ended", { version: 1 }, "Nobody was signed in."],
    ["a token", { version: 1, account }, "Signed out"]
  ] as const)("while no daemon runs says what it found: %s", ([, file, text]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        if (file !== null) yield* desk.write("home/state/login.json", yield* sealed(JSON.stringify(file)))
        const said = yield* desk.run(["login", "logout"])
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(said.out).toContain(text)
      })
    )
  )

  it.live("says whose account is used all the same", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["login", "logout"], { env: { GITHUB_TOKEN: "gho_x" } })
        expect(said).toMatchObject({ code: 0, out: "Nobody was signed in." })
        expect(said.err).toContain("GITHUB_TOKEN is set")
        expect(said.err).not.toContain("gho_x")
      })
    )
  )

  it.live.each([
    [true, "Signed out"],
    [false, "Nobody was signed in."]
  ] as const)("says what the daemon found: %s", ([signed_out, text]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, () => [200, { signed_out }])
        expect((yield* desk.run(["login", "logout"])).out).toContain(text)
      })
    )
  )

  it.live("says that the token is still there when it is", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, () => [500, { error: "storage_failed", detail: "the token is still on the disk" }])
        const said = yield* desk.run(["login", "logout"])
        expect(said).toMatchObject({ code: 1, out: "" })
        expect(said.err).toContain("still on the disk")
      })
    )
  )
})
