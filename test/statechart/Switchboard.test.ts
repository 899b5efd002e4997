import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Journal, JOURNAL_LENGTH, Switchboard, WAITING_MAX } from "../../src/statechart/index.ts"

const heardBy = (log: Array<string>) => (event: { readonly type: string }) => void log.push(event.type)

describe("the switchboard", () => {
  it.effect("keeps what is sent to a machine that has not been started, in order, the newest if too much", () =>
    Effect.gen(function* () {
      const board = yield* Switchboard
      for (let index = 0; index <= WAITING_MAX; index++) board.send("late", null, { type: String(index) }, "operator")
      const heard: Array<string> = []
      board.connect("late", null, heardBy(heard))
      expect(heard.length).toBe(WAITING_MAX)
      expect([heard.at(0), heard.at(-1)]).toEqual(["1", String(WAITING_MAX)])
    }).pipe(Effect.provide(Switchboard.layer({})))
  )

  it.effect("drops what is sent to a machine that is gone", () =>
    Effect.gen(function* () {
      const board = yield* Switchboard
      const heard: Array<string> = []
      board.connect("flow", null, heardBy(heard))
      board.disconnect("flow", null)
      board.send("flow", null, { type: "LATE" }, "operator")
      board.connect("flow", null, heardBy(heard))
      board.send("flow", null, { type: "FRESH" }, "operator")
      expect(heard).toEqual(["FRESH"])
    }).pipe(Effect.provide(Switchboard.layer({})))
  )

  it.effect("delivers to the sender's own instance, and to the only one where there are no instances", () =>
    Effect.gen(function* () {
      const board = yield* Switchboard
      const heard: Array<string> = []
      board.connect("tailer", "one", (event) => heard.push(`one ${event.type}`))
      board.connect("tailer", "two", (event) => heard.push(`two ${event.type}`))
      board.connect("daemon", null, (event) => heard.push(`daemon ${event.type}`))
      board.send("tailer", "two", { type: "DRAIN" }, "operator")
      board.send("daemon", "two", { type: "DONE" }, "operator")
      expect(heard).toEqual(["two DRAIN", "daemon DONE"])
    }).pipe(Effect.provide(Switchboard.layer({})))
  )
})

describe("the journal", () => {
  it.effect("keeps the last transitions of each machine and forgets an instance that is gone", () =>
    Effect.gen(function* () {
      const journal = yield* Journal
      const entry = (uptime: number) => ({
        machine: "run",
        instance: "one",
        at: uptime,
        uptime,
        event: "TICK",
        cause: "timer",
        from: "a",
        to: String(uptime),
        changed: true,
        visible: {},
        transitions: () => []
      })
      for (let uptime = 0; uptime <= JOURNAL_LENGTH; uptime++) journal.record(entry(uptime))
      const kept = yield* journal.entries("run")
      expect([kept.length, kept.at(0)?.uptime, kept.at(-1)?.uptime]).toEqual([JOURNAL_LENGTH, 1, JOURNAL_LENGTH])
      expect((yield* journal.states).map(({ state }) => state)).toEqual([String(JOURNAL_LENGTH)])
      journal.forget("run", "one")
      expect(yield* journal.entries()).toEqual([])
    }).pipe(Effect.provide(Journal.layer))
  )
})
