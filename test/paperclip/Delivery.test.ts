import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { KEEP_ALIVE_MS, makeDelivery, pieces } from "../../src/paperclip/Delivery.ts"

const RUN = { companyId: "c", agentId: "a", runId: "r" }

const lines = (from: number, ...texts: ReadonlyArray<string>) => ({
  _tag: "Lines" as const,
  from,
  to: from + texts.join("\n").length + 1,
  lines: texts.map((text) => ({ text }))
})

describe("pieces of a text", () => {
  it("are as large as they may be, whole characters, and together the text", () => {
    const text = `\uFEFFa漢b😀${"é".repeat(50)}`
    for (let size = 4; size < 40; size += 1) {
      const parts = pieces(text, size)
      expect(parts.join("")).toBe(text)
      expect(parts.every((part) => new TextEncoder().encode(part).length <= size)).toBe(true)
      expect(parts.join("|")).not.toContain("\uFFFD")
    }
    expect(pieces("")).toEqual([])
  })
})

describe("the delivery to the host", () => {
  it.effect("awaits each call, and says what is missing", () =>
    Effect.gen(function* () {
      const given: Array<string> = []
      const { listener } = yield* makeDelivery((stream, chunk) => {
        given.push(`${stream}: ${chunk}`)
        return Promise.resolve()
      })
      yield* listener.take(RUN, lines(10, "one", "two"))
      yield* listener.take(RUN, { _tag: "Gap", from: 18, to: null, reason: "truncated" })
      yield* listener.take(RUN, {
        _tag: "Lines",
        from: 0,
        to: 3,
        lines: [{ text: "par", part: { index: 0, last: false } }]
      })
      yield* listener.takeErrors(RUN, "oops")
      expect(given).toEqual([
        "stdout: [holdfast] going on at byte 10 of the output; what was given out last may come twice\n",
        "stdout: one\ntwo\n",
        "stdout: [holdfast] gap: the output from byte 18 to an unknown byte cannot be delivered (truncated)\n",
        "stdout: par",
        "stderr: oops\n"
      ])
    })
  )

  it.effect("asks a host again that did not take something, and counts what it never took", () =>
    Effect.gen(function* () {
      let calls = 0
      const { listener, refused } = yield* makeDelivery(() => {
        calls += 1
        return Promise.reject(new Error("the disk is full"))
      })
      const fiber = yield* Effect.forkChild(listener.take(RUN, lines(0, "漢")))
      for (let step = 0; step < 10; step += 1) yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(fiber)
      expect([calls, yield* refused]).toEqual([6, 4])
    })
  )

  it.effect("says that it is there as long as the run is silent, and only then", () =>
    Effect.gen(function* () {
      const given: Array<string> = []
      const { keepAlive, listener } = yield* makeDelivery((_, chunk) => {
        given.push(chunk)
        return Promise.resolve()
      })
      yield* Effect.forkChild(keepAlive(Effect.succeed("run r is live")))
      yield* TestClock.adjust(KEEP_ALIVE_MS - 1_000)
      yield* listener.take(RUN, lines(0, "x"))
      yield* TestClock.adjust(KEEP_ALIVE_MS - 1_000)
      expect(given).toEqual(["x\n"])
      yield* TestClock.adjust(1_000)
      yield* TestClock.adjust(KEEP_ALIVE_MS)
      expect(given).toEqual(["x\n", ...Array(2).fill("[holdfast] keep-alive: run r is live\n")])
    })
  )
})
