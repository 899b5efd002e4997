import type { Effect } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import type { ConfigPull, PollAnswer } from "../../machines/index.ts"
import type { Handlers, TaskError } from "../../src/statechart/index.ts"

type PullHandlers = Handlers<typeof ConfigPull, never>

describe("the handlers of a machine", () => {
  it("has one handler for every task, typed by its input and output", () => {
    expectTypeOf<keyof PullHandlers["tasks"]>().toEqualTypeOf<"poll" | "sendReport">()
    expectTypeOf<ReturnType<PullHandlers["tasks"]["poll"]>>().toEqualTypeOf<Effect.Effect<PollAnswer, TaskError>>()
  })

  it("has one handler for every action that no wire carries, and none for the others", () => {
    expectTypeOf<keyof PullHandlers["actions"]>().toEqualTypeOf<"pollNoted">()
    expectTypeOf<Parameters<PullHandlers["actions"]["pollNoted"]>>().toEqualTypeOf<
      [params: { readonly answer: PollAnswer; readonly failures: number }]
    >()
  })
})
