import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { isSession, newSession, SESSION_SECONDS } from "../../src/http/index.ts"

const token = Redacted.make("token-of-this-home-0123456789abcdef")

const holds = (session: string, key = token) => isSession(key, Redacted.make(session))
const fresh = Effect.map(newSession(token), Redacted.value)

describe("a session", () => {
  it.effect("is known by the token that it was made with, for 30 days", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-11-21T10:00:00Z"))
      const session = yield* fresh
      expect(session).toMatch(/^1797847200\.[\w-]{43}\.[\w-]{43}$/)
      expect(yield* holds(session)).toBe(true)
      yield* TestClock.adjust((SESSION_SECONDS - 1) * 1_000)
      expect(yield* holds(session)).toBe(true)
      yield* TestClock.adjust(1_000)
      expect(yield* holds(session)).toBe(false)
    })
  )

  it.effect("of another token is none: a new token ends every session", () =>
    Effect.gen(function* () {
      expect(yield* holds(yield* fresh, Redacted.make("token-of-this-home-0123456789abcdeg"))).toBe(false)
    })
  )

  it.effect("is never the same twice", () =>
    Effect.gen(function* () {
      expect(yield* fresh).not.toBe(yield* fresh)
    })
  )

  it.effect("is none when any of its characters is another", () =>
    Effect.gen(function* () {
      const session = yield* fresh
      for (let place = 0; place < session.length; place++) {
        const other = session[place] === "1" ? "2" : "1"
        const tampered = session.slice(0, place) + other + session.slice(place + 1)
        // The last character of 43 carries two bits that mean nothing.
        if (place < session.length - 1) expect([place, yield* holds(tampered)]).toEqual([place, false])
      }
    })
  )

  it.effect("is none when it is no session at all, or only a part of one", () =>
    Effect.gen(function* () {
      const session = yield* fresh
      const [expires = "", nonce = "", tag = ""] = session.split(".")
      const wrong = [
        "",
        "..",
        "x",
        tag,
        `${expires}.${nonce}`,
        `${expires}.${nonce}.`,
        `${expires}..${tag}`,
        `.${nonce}.${tag}`,
        `-1.${nonce}.${tag}`,
        `9e9.${nonce}.${tag}`,
        `0${expires}.${nonce}.${tag}`,
        `${session}.`,
        ` ${session}`,
        `${session}\n`,
        Redacted.value(token)
      ]
      for (const one of wrong) expect([one, yield* holds(one)]).toEqual([one, false])
    })
  )
})
