import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { makeTickets, TICKETS_MAX } from "../../src/http/index.ts"

describe("a ticket", () => {
  it.effect("is good once", () =>
    Effect.gen(function* () {
      const { issue, redeem } = yield* makeTickets
      const ticket = yield* issue
      expect(Redacted.value(ticket)).toMatch(/^[\w-]{43}$/)
      expect(yield* redeem(ticket)).toBe(true)
      expect(yield* redeem(ticket)).toBe(false)
    })
  )

  it.effect("is good once, also when many come with it together", () =>
    Effect.gen(function* () {
      const { issue, redeem } = yield* makeTickets
      const ticket = yield* issue
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.andThen(Effect.yieldNow, redeem(ticket))),
        { concurrency: "unbounded" }
      )
      expect(answers.filter(Boolean)).toHaveLength(1)
    })
  )

  it.effect("is good for less than 60 seconds, whatever the wall clock says", () =>
    Effect.gen(function* () {
      const { issue, redeem } = yield* makeTickets
      const [one, other] = [yield* issue, yield* issue]
      yield* TestClock.adjust(59_999)
      expect(yield* redeem(one)).toBe(true)
      yield* TestClock.adjust(1)
      expect(yield* redeem(other)).toBe(false)
    })
  )

  it.effect("does not use up another", () =>
    Effect.gen(function* () {
      const { issue, redeem } = yield* makeTickets
      const [one, other] = [yield* issue, yield* issue]
      expect(yield* redeem(Redacted.make("wrong"))).toBe(false)
      expect(yield* redeem(one)).toBe(true)
      expect(yield* redeem(other)).toBe(true)
    })
  )

  it.effect(`gives way to newer ones: ${TICKETS_MAX} are good at a time`, () =>
    Effect.gen(function* () {
      const { issue, redeem } = yield* makeTickets
      const tickets = yield* Effect.all(Array.from({ length: TICKETS_MAX + 1 }, () => issue))
      const good = yield* Effect.forEach(tickets, redeem)
      expect(good).toEqual([false, ...Array.from({ length: TICKETS_MAX }, () => true)])
    })
  )
})
