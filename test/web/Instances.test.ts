import { describe, expect, it } from "vitest"
import { choosable, countsOf, hasInstances, instanceOf, instancesWords } from "../../src/web/Instances.ts"
import {
  greeted,
  happened,
  nothingSeen,
  REMEMBERED_EACH,
  REMEMBERED_TOGETHER,
  rowsOf,
  type Seen
} from "../../src/web/Seen.ts"
import type { Machine } from "../../src/web/Wire.ts"
import { entry, hello } from "./Entries.ts"

const LIVE = "live.work.observed.watched,live.end.awaited,live.output.followed,live.pulse.fresh"

const runs = (...states: ReadonlyArray<readonly [instance: string, state: string]>): Machine => ({
  id: "run",
  title: "Run",
  document: "0018-run.spec.md",
  states: states.map(([instance, state]) => ({ instance, state, visible: {} }))
})
const seenOf = (machine: Machine): Seen => greeted(nothingSeen, hello({ machines: [machine] }))
const move = (instance: string, from: string, to: string, uptime: number) =>
  entry({ machine: "run", instance, event: "E", from, to, uptime })

const three = runs(["r1", LIVE], ["r2", LIVE], ["r3", "queued"])

describe("many instances of one machine", () => {
  it("are counted by state, each region for itself", () => {
    expect(hasInstances(three)).toBe(true)
    expect(countsOf(three).get("live.pulse.fresh")).toBe(2)
    expect(countsOf(three).get("queued")).toBe(1)
    expect(instancesWords(three)).toBe("3 instances: 2 live, 1 queued")
  })

  it("are offered newest first, the chosen one also when it has gone", () => {
    const seen = seenOf(three)
    expect(choosable(seen, three, null).map(({ instance }) => instance)).toEqual(["r3", "r2", "r1"])
    expect(choosable(seen, three, "r0")[0]).toEqual({ instance: "r0", words: "gone" })
    expect(instanceOf(seen, three, "r0")).toBeNull()
    expect(instanceOf(seen, three, "r3")?.state).toBe("queued")
  })

  it("leave the counts at their end, and what they did stays to be seen", () => {
    const seen = happened(seenOf(three), move("r3", "cleaning", "closed", 50))
    const [machine] = seen.machines
    if (machine === undefined) throw new Error("the machine is gone")
    expect(instancesWords(machine)).toBe("2 instances: 2 live")
    expect(choosable(seen, machine, "r3")[0]).toEqual({ instance: "r3", words: "closed" })
    expect(instanceOf(seen, machine, "r3")?.state).toBe("closed")
    expect(rowsOf(seen, "run", "r3")).toHaveLength(1)
    expect(rowsOf(seen, "run", "r1")).toHaveLength(0)
  })

  it("do not push each other out of what is remembered, and have a bound together", () => {
    let seen = happened(seenOf(three), move("r1", "queued", "preparing", 1))
    for (let uptime = 2; uptime < 200; uptime += 1) seen = happened(seen, move("r2", "live.a", "live.b", uptime))
    expect(rowsOf(seen, "run", "r1")).toHaveLength(1)
    expect(rowsOf(seen, "run", "r2")).toHaveLength(REMEMBERED_EACH)
    const many = Array.from({ length: REMEMBERED_TOGETHER + 100 }, (_, index) =>
      move(`x${index}`, "a", "b", 300 + index)
    )
    expect(rowsOf(greeted(seen, hello({ machines: [three], entries: many })), "run")).toHaveLength(REMEMBERED_TOGETHER)
  })
})
