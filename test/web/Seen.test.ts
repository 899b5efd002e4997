import { describe, expect, it } from "vitest"
import {
  activeOf,
  disconnected,
  greeted,
  happened,
  INSTANCES,
  lastOf,
  nothingSeen,
  REMEMBERED,
  rowsOf,
  type Seen
} from "../../src/web/Seen.ts"
import { entry, hello, NOON } from "./Entries.ts"

const first = entry({ uptime: 10, event: "BEGIN" })
const second = entry({ uptime: 20, event: "LOADED", from: "loading", to: "enrolled" })
const third = entry({ uptime: 30, event: "REFRESH_NEEDED", from: "enrolled", to: "refreshing" })

const events = (seen: Seen) =>
  rowsOf(seen, "join").map((row) => (row.kind === "restart" ? `restart ${row.pid}` : row.entry.event))

describe("what a page has seen", () => {
  it("begins with what the daemon remembers, and goes on with what happens", () => {
    const seen = happened(greeted(nothingSeen, hello({ entries: [first] })), second)
    expect(seen.connection).toBe("live")
    expect(events(seen)).toEqual(["BEGIN", "LOADED"])
    expect(seen.machines.map(activeOf)).toEqual(["enrolled"])
    expect(lastOf(seen, "join")).toBe(second)
  })

  it("is not doubled when the stream of the same process comes back, and misses nothing", () => {
    const before = greeted(nothingSeen, hello({ entries: [first, second] }))
    const after = greeted(disconnected(before, "lost"), hello({ entries: [first, second, third] }))
    expect(events(after)).toEqual(["BEGIN", "LOADED", "REFRESH_NEEDED"])
    expect(after.connection).toBe("live")
  })

  it("keeps the newest instances of a machine that has ever new ones", () => {
    const instances = Array.from({ length: INSTANCES + 50 }, (_, index) => `run-${index}`)
    const seen = instances.reduce(
      (before, instance) => happened(before, entry({ instance, to: "live" })),
      greeted(nothingSeen, hello())
    )
    const [machine] = seen.machines
    expect(machine?.states).toHaveLength(INSTANCES)
    expect(machine?.states.at(-1)?.instance).toBe(instances.at(-1))
    expect(machine === undefined ? "" : activeOf(machine)).toMatch(/^[^,]*,?live$/)
  })

  it("tells apart what happened in the same moment", () => {
    const same = entry({ uptime: 20, event: "OTHER", from: "enrolled", to: "enrolled" })
    const after = greeted(
      greeted(nothingSeen, hello({ entries: [first, second] })),
      hello({ entries: [first, second, same] })
    )
    expect(events(after)).toEqual(["BEGIN", "LOADED", "OTHER"])
  })

  it("is kept over a restart of the daemon, which is a row of its own", () => {
    const before = greeted(nothingSeen, hello({ entries: [second] }))
    const restarted = hello({ pid: 200, startedAt: "2026-11-21T12:03:04.000Z", entries: [first] })
    const after = greeted(disconnected(before, "lost"), restarted)
    expect(events(after)).toEqual(["LOADED", "restart 200", "BEGIN"])
    expect(after.rows.find(({ kind }) => kind === "restart")).toMatchObject({ at: NOON + 184_000 })
    // A second stream of the new process, whose clock runs from zero again.
    expect(events(greeted(after, restarted))).toEqual(["LOADED", "restart 200", "BEGIN"])
  })

  it("notices a restart under the same process id", () => {
    const after = greeted(greeted(nothingSeen, hello()), hello({ startedAt: "2026-11-21T13:00:00.000Z" }))
    expect(events(after)).toEqual(["restart 100"])
  })

  it("remembers the version that the page came with", () => {
    const after = greeted(greeted(nothingSeen, hello()), hello({ version: "0.2.0", pid: 2 }))
    expect([after.pageVersion, after.daemon?.version]).toEqual(["0.1.0", "0.2.0"])
  })

  it("is bounded per machine, and keys go on", () => {
    let seen = greeted(nothingSeen, hello({ entries: [entry({ machine: "daemon", uptime: 1 })] }))
    for (let uptime = 2; uptime < REMEMBERED + 20; uptime += 1) seen = happened(seen, entry({ uptime }))
    expect(rowsOf(seen, "join")).toHaveLength(REMEMBERED)
    expect(rowsOf(seen, "daemon")).toHaveLength(1)
    expect(new Set(seen.rows.map(({ key }) => key)).size).toBe(seen.rows.length)
  })

  it("forgets what moved nothing before it forgets a move", () => {
    let seen = happened(greeted(nothingSeen, hello()), first)
    for (let uptime = 20; uptime < REMEMBERED + 40; uptime += 1) {
      seen = happened(seen, entry({ uptime, event: "POLL", from: "loading", to: "loading" }))
    }
    expect(events(seen).slice(0, 2)).toEqual(["BEGIN", "POLL"])
    expect(rowsOf(seen, "join")).toHaveLength(REMEMBERED + 1)
  })

  it("follows each instance of a machine on its own", () => {
    const seen = happened(greeted(nothingSeen, hello()), entry({ instance: "two", to: "loading" }))
    expect(seen.machines.map(activeOf)).toEqual(["idle,loading"])
  })
})
