import { describe, expect, it } from "vitest"
import type { Reply } from "../../src/web/FleetAsk.ts"
import { fleetQuestion } from "../../src/web/FleetQuestion.ts"
import { type FleetState, NOTHING_KNOWN } from "../../src/web/FleetState.ts"
import { readFleet } from "../../src/web/FleetWire.ts"
import { fleetOf } from "./FleetFixtures.ts"

const AWAY: Reply<string> = { type: "away", why: "lost" }
const ok = (value: string): Reply<string> => ({ type: "ok", value, etag: null, date: null })

/** A question whose answers come when the test says. */
const asking = () => {
  const open: Array<(reply: Reply<string>) => void> = []
  const told: Array<Reply<string>> = []
  const question = fleetQuestion<string>(
    () => new Promise((resolve) => open.push(resolve)),
    (reply) => told.push(reply)
  )
  return {
    question,
    told,
    asked: () => open.length,
    answer: async (reply: Reply<string>) => {
      open.at(-1)?.(reply)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

const live = (): FleetState => ({ ...NOTHING_KNOWN, connection: "live", fleet: readFleet(fleetOf({}, [])) })

describe("a question beside the fleet", () => {
  it("is asked when the fleet has changed, and not for the same fleet again", async () => {
    const { answer, asked, question, told } = asking()
    const state = live()
    question.update(NOTHING_KNOWN)
    question.update({ ...state, connection: "lost" })
    expect(asked()).toBe(0)
    question.update(state)
    await answer(ok("a"))
    question.update(state)
    expect([asked(), told]).toEqual([1, [ok("a")]])
    question.update(live())
    expect(asked()).toBe(2)
  })

  it("that is wanted while one is on its way is asked again after it: that answer may be of before", async () => {
    const { answer, asked, question, told } = asking()
    question.update(live())
    question.ask()
    question.update(live())
    expect(asked()).toBe(1)
    await answer(ok("before"))
    expect(asked()).toBe(2)
    await answer(ok("after"))
    expect([asked(), told]).toEqual([2, [ok("before"), ok("after")]])
  })

  it("that failed is asked again at the next word of the same fleet, and not by itself", async () => {
    const { answer, asked, question, told } = asking()
    const state = live()
    question.update(state)
    await answer(AWAY)
    expect([asked(), told]).toEqual([1, [AWAY]])
    question.update(state)
    await answer(ok("a"))
    expect(told).toEqual([AWAY, ok("a")])
  })

  it("that is closed tells nothing and asks nothing any longer", async () => {
    const { answer, asked, question, told } = asking()
    question.ask()
    question.ask()
    question.close()
    await answer(ok("late"))
    expect([asked(), told]).toEqual([1, []])
  })
})
