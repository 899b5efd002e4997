import { describe, expect, it } from "vitest"
import { drawnOf, momentOf } from "../../src/web/Moment.ts"
import { stayOf } from "../../src/web/Walk.ts"
import { entry } from "./Entries.ts"

const drawn = [
  { id: "(root) · END", target: "ended" },
  { id: "idle · BEGIN #1", target: "loading" },
  { id: "idle · BEGIN #2", target: "solo" },
  { id: "loading · loadIdentity done #1", target: "enrolled" },
  { id: "loading · loadIdentity done #2", target: "enrolled.fresh" },
  { id: "enrolled · NOTED", target: null }
]

describe("a moment", () => {
  it("shows what the daemon says was taken", () => {
    const transitions = ["idle · BEGIN #1"]
    expect(momentOf(entry({ transitions }), drawn)).toEqual({ was: ["idle"], taken: transitions, active: ["loading"] })
  })

  it("finds the one transition that fits where the daemon does not say", () => {
    expect(momentOf(entry(), drawn).taken).toEqual(["idle · BEGIN #1"])
    expect(momentOf(entry({ event: "END", to: "ended" }), drawn).taken).toEqual(["(root) · END"])
    expect(momentOf(entry({ event: "NOTED", from: "enrolled.fresh", to: "enrolled.fresh" }), drawn).taken).toEqual([
      "enrolled · NOTED"
    ])
  })

  it("marks none where two fit, where none was taken, and at the start", () => {
    const event = "xstate.done.actor.0.join.loading"
    expect(momentOf(entry({ event, from: "loading", to: "enrolled.fresh" }), drawn).taken).toEqual([])
    expect(momentOf(entry({ changed: false, to: "idle" }), drawn).taken).toEqual([])
    expect(momentOf(entry({ event: "xstate.init", from: "", to: "idle" }), drawn).taken).toEqual([])
  })

  it("does not mark as left what is still active", () => {
    const moment = momentOf(entry({ from: "pull.polling,reports.idle", to: "pull.waiting,reports.idle" }), drawn)
    expect(moment.was).toEqual(["pull.polling"])
    expect(moment.active).toEqual(["pull.waiting", "reports.idle"])
  })
})

it("a state that is not drawn is marked at the nearest one around it", () => {
  const names = new Set(["boot", "boot.judging"])
  expect(drawnOf("boot.judging", names)).toBe("boot.judging")
  expect(drawnOf("boot.inner.deep", names)).toBe("boot")
  expect(drawnOf("elsewhere", names)).toBeNull()
})

describe("a walk through what happened", () => {
  it("shows each of a few steps long enough to see it", () => {
    expect([1, 5, 18].map(stayOf)).toEqual([160, 160, 160])
  })

  it("takes three seconds at most, however much happened at once", () => {
    for (const steps of [19, 50, 250]) expect(stayOf(steps) * steps).toBeLessThanOrEqual(3_000)
  })
})
