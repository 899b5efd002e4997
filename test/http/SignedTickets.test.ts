import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { isSession, makeSignedTickets, newSession, signTicket } from "../../src/http/index.ts"

const TOKEN = Redacted.make("s3cr3t-t0k3n-of-this-server-of-ours")

describe("a ticket that was signed without asking the server", () => {
  it.effect("works once, within a minute, for the holder of the token alone", () =>
    Effect.gen(function* () {
      const redeem = yield* makeSignedTickets(TOKEN)
      const ticket = yield* signTicket(TOKEN)
      expect(yield* redeem(ticket)).toBe(true)
      expect(yield* redeem(ticket)).toBe(false)
      const foreign = yield* signTicket(Redacted.make("another-token-that-is-not-the-one"))
      expect(yield* redeem(foreign)).toBe(false)
      const late = yield* signTicket(TOKEN)
      yield* TestClock.adjust("59 seconds")
      const good = yield* signTicket(TOKEN)
      yield* TestClock.adjust("1 second")
      expect(yield* redeem(late)).toBe(false)
      expect(yield* redeem(good)).toBe(true)
    })
  )

  it.effect("is no session, and a session is no ticket", () =>
    Effect.gen(function* () {
      const redeem = yield* makeSignedTickets(TOKEN)
      expect(yield* isSession(TOKEN, yield* signTicket(TOKEN))).toBe(false)
      expect(yield* redeem(yield* newSession(TOKEN))).toBe(false)
    })
  )

  it.effect("that was used before the server started again is too old", () =>
    Effect.gen(function* () {
      const before = yield* makeSignedTickets(TOKEN)
      const ticket = yield* signTicket(TOKEN)
      expect(yield* before(ticket)).toBe(true)
      yield* TestClock.adjust("2 seconds")
      const after = yield* makeSignedTickets(TOKEN)
      expect(yield* after(ticket)).toBe(false)
      expect(yield* after(yield* signTicket(TOKEN))).toBe(true)
    })
  )

  it.effect("of a clock that was set back since is not good for longer", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000_000)
      const ticket = yield* signTicket(TOKEN)
      yield* TestClock.setTime(0)
      const redeem = yield* makeSignedTickets(TOKEN)
      expect(yield* redeem(ticket)).toBe(false)
    })
  )
})
