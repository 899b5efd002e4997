import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { HeldToken, LoginFlow, SavedLogin } from "../../machines/index.ts"
import { atLoginDesk, record } from "./Desk.ts"

const NOBODY: SavedLogin = { flow: null, account: null, candidate: null, session: false }

const flow = (phase: LoginFlow["phase"]): LoginFlow => ({
  id: "f1",
  phase,
  intervalMs: 5_000,
  lifeMs: 900_000,
  code: null,
  message: null
})

const codes = (provider: string, deadline: number) => ({
  deviceCode: Redacted.make("device-secret"),
  userCode: "AB-CD",
  verificationUri: "https://example.com/device",
  deadline,
  provider
})

const named = (token: HeldToken): HeldToken => ({ ...token, name: "octocat", access: "granted" })

describe("the login's file", () => {
  it.live("is 0600 and holds account and session, which the next process finds", () =>
    atLoginDesk(({ home, id, standIn, store }) =>
      Effect.gen(function* () {
        const account = named(yield* store.hold(record(id, "ghu_a", "ghr_a")))
        yield* store.keepSession(account.handle, {
          token: Redacted.make("tid_a"),
          endpoint: "https://api.example.com",
          expires_at: 4e12
        })
        yield* store.save({ ...NOBODY, account, session: true })
        const fs = yield* FileSystem.FileSystem
        assert.strictEqual(Number((yield* fs.stat(home.login)).mode) & 0o777, 0o600)
        yield* atLoginDesk(
          (next) =>
            Effect.gen(function* () {
              const loaded = yield* next.store.load(id)
              assert.deepInclude(loaded, { session: true, problem: null, flow: null })
              assert.deepInclude(loaded.account, { name: "octocat", access: "granted", refreshable: true })
            }),
          { root: home.root, standIn }
        )
      })
    )
  )

  it.live("says nothing of an account that belongs to another provider, and leaves it where it is", () =>
    atLoginDesk(({ home, id, store }) =>
      Effect.gen(function* () {
        yield* store.save({ ...NOBODY, account: named(yield* store.hold(record(id, "ghu_a"))) })
        const fs = yield* FileSystem.FileSystem
        const before = yield* fs.readFileString(home.login)
        assert.deepInclude(yield* store.load("https://github.com https://api.github.com"), { account: null })
        assert.strictEqual(yield* fs.readFileString(home.login), before)
      })
    )
  )

  it.live("keeps a flow that waits, with what is left of its life and never more", () =>
    atLoginDesk(({ id, store }) =>
      Effect.gen(function* () {
        const now = Date.now()
        yield* store.keepCodes("f1", codes(id, now + 600_000))
        yield* store.save({ ...NOBODY, flow: flow("waiting") })
        const loaded = yield* store.load(id)
        assert.deepInclude(loaded.flow, { id: "f1", phase: "waiting", intervalMs: 5_000 })
        assert.isAtMost(loaded.flow?.lifeMs ?? Infinity, 600_000)
        assert.isAtLeast(loaded.flow?.lifeMs ?? 0, 595_000)
        // The wall clock goes back by a day: what was left stays the most.
        const early = yield* store.load(id).pipe(Effect.provide(TestClock.layer()))
        assert.strictEqual(early.flow?.lifeMs, 900_000)
      })
    )
  )

  it.live("drops the device code once the token is there, and the token once the account has it", () =>
    atLoginDesk(({ home, id, store }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* store.keepCodes("f1", codes(id, 4e12))
        yield* store.save({ ...NOBODY, flow: flow("waiting") })
        assert.include(yield* fs.readFileString(home.login), "device-secret")
        const candidate = yield* store.hold(record(id, "ghu_a"))
        yield* store.save({ ...NOBODY, flow: flow("exchanging"), candidate })
        const exchanging = yield* fs.readFileString(home.login)
        assert.notInclude(exchanging, "device-secret")
        assert.include(exchanging, "ghu_a")
        assert.deepInclude(yield* store.load(id), { account: null, session: false })
        yield* store.save({ ...NOBODY, flow: flow("ok"), account: candidate })
        assert.isTrue(Option.isNone(yield* store.codes("f1")))
      })
    )
  )

  it.live("goes with the last secret, and its memory with it", () =>
    atLoginDesk(({ home, id, store }) =>
      Effect.gen(function* () {
        const account = yield* store.hold(record(id, "ghu_a"))
        yield* store.save({ ...NOBODY, account })
        yield* store.save(NOBODY)
        assert.isFalse(yield* (yield* FileSystem.FileSystem).exists(home.login))
        assert.isTrue(Option.isNone(yield* store.token(account.handle)))
      })
    )
  )

  it.live("of a session whose account is superseded is gone before the first request", () =>
    atLoginDesk(({ home, id, store }) =>
      Effect.gen(function* () {
        const account = yield* store.hold(record(id, "ghu_a"))
        yield* store.keepSession(account.handle, {
          token: Redacted.make("tid_a"),
          endpoint: "https://x.example",
          expires_at: 4e12
        })
        yield* store.save({ ...NOBODY, account, session: true })
        yield* store.save({ ...NOBODY, account, flow: flow("requesting") })
        assert.notInclude(yield* (yield* FileSystem.FileSystem).readFileString(home.login), "tid_a")
        assert.isTrue(Option.isNone(yield* store.session(account.handle)))
      })
    )
  )

  it.live("never holds the token of the environment, and keeps the login that sleeps", () =>
    atLoginDesk(({ home, id, store }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* store.save({ ...NOBODY, account: yield* store.hold(record(id, "ghu_sleeps")) })
        const before = yield* fs.readFileString(home.login)
        const account = yield* store.holdEnvironment(record(id, "ghp_environment"))
        yield* store.save({ ...NOBODY, account, session: true })
        assert.strictEqual(yield* fs.readFileString(home.login), before)
      })
    )
  )

  it.live("that cannot be understood is kept aside, and said", () =>
    atLoginDesk(({ home, id, store }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* store.save({ ...NOBODY, account: yield* store.hold(record(id, "ghu_a")) })
        const text = yield* fs.readFileString(home.login)
        yield* fs.writeFileString(home.login, text.replace("ghu_a", "ghu_b"))
        const loaded = yield* store.load(id)
        assert.deepInclude(loaded, { account: null, flow: null })
        assert.include(loaded.problem, "login.json.unreadable")
        assert.isTrue(yield* fs.exists(`${home.login}.unreadable`))
      })
    )
  )

  it.live("on a disk that takes no writes fails the save, and everything is still there in memory", () =>
    atLoginDesk(({ disk, id, store }) =>
      Effect.gen(function* () {
        disk.fault = (call) => (call.startsWith("create ") || call.startsWith("mkdir ") ? "EROFS" : undefined)
        const account = yield* store.hold(record(id, "ghu_a"))
        const saved = yield* Effect.exit(store.save({ ...NOBODY, account }))
        assert.isTrue(Exit.isFailure(saved))
        assert.isTrue(Option.isSome(yield* store.token(account.handle)))
      })
    )
  )
})
