import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { eventText, type ServerEvent } from "../../src/http/index.ts"

/** Lets some time pass, and everything that follows from it happen. */
const pass = (ms: number) =>
  Effect.andThen(
    TestClock.adjust(ms),
    Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  )

const listening = Effect.gen(function* () {
  const events = yield* Queue.unbounded<ServerEvent>()
  const ended = yield* Deferred.make<void>()
  const heard: Array<string> = []
  const fiber = yield* eventText(Stream.fromQueue(events), Deferred.await(ended)).pipe(
    Stream.runForEach((text) => Effect.sync(() => void heard.push(text))),
    Effect.forkChild
  )
  yield* pass(0)
  return { events, ended, heard, fiber }
})

const lives = expect.stringMatching(/^: .*\n\n$/)

describe("server-sent events", () => {
  it.effect("are named, and hold one line of JSON", () =>
    Effect.gen(function* () {
      const { events, heard } = yield* listening
      yield* Queue.offer(events, { event: "hello", data: { text: "two\nlines", pid: 1 } })
      yield* pass(0)
      expect(heard).toEqual([lives, 'event: hello\ndata: {"text":"two\\nlines","pid":1}\n\n'])
    })
  )

  it.effect("say at once and every 15 seconds that the connection lives", () =>
    Effect.gen(function* () {
      const { heard } = yield* listening
      yield* pass(14_999)
      expect(heard).toEqual([lives])
      yield* pass(1)
      expect(heard).toEqual([lives, lives])
      yield* pass(30_000)
      expect(heard).toHaveLength(4)
    })
  )

  it.effect("end at once when the server does", () =>
    Effect.gen(function* () {
      const { ended, fiber } = yield* listening
      yield* pass(0)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(ended, undefined)
      yield* pass(0)
      expect(fiber.pollUnsafe()).toMatchObject({ _tag: "Success" })
    })
  )

  it.effect("end with what they tell of", () =>
    Effect.gen(function* () {
      const texts = yield* Stream.runCollect(eventText(Stream.make({ event: "a", data: 1 }), Effect.never))
      expect([...texts]).toEqual([lives, "event: a\ndata: 1\n\n"])
    })
  )
})
