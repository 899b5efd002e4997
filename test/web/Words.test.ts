import { describe, expect, it } from "vitest"
import coverage from "../../llp/machines/coverage.json" with { type: "json" }
import {
  agoWords,
  clockWords,
  dateWords,
  eventOf,
  eventWords,
  moveWords,
  shortEtag,
  sourceOf,
  spanWords,
  stateWords,
  stepWords
} from "../../src/web/Words.ts"
import { entry, NOON } from "./Entries.ts"

const idsOf = (machine: keyof typeof coverage) => Object.keys(coverage[machine].paths)

describe("the words for an event", () => {
  it.each([
    ["join", "xstate.init", "start"],
    ["join", "xstate.done.actor.0.join.loading", "loadIdentity done"],
    ["join", "xstate.error.actor.0.join.loading", "loadIdentity failed"],
    ["join", "xstate.after.retry.join.seeded", "after retry"],
    ["join", "REFRESH_NEEDED", "REFRESH_NEEDED"],
    ["configPull", "xstate.done.actor.0.configPull.reports.sending", "sendReport done"],
    ["configPull", "xstate.after.pollDelay.configPull.pull.waiting", "after pollDelay"],
    ["configApply", "xstate.error.actor.0.configApply.steady.committing.flip", "flip failed"],
    ["configApply", "xstate.done.actor.0.configApply.boot.inspecting", "inspect done"]
  ] as const)("of %s: %s is “%s”", (machine, event, words) => {
    expect(eventWords({ machine, event, cause: "" }, idsOf(machine))).toBe(words)
  })

  it("name the task by who sent it where the picture does not know it", () => {
    expect(eventWords({ machine: "join", event: "xstate.done.actor.0.join.new", cause: "task look" }, [])).toBe(
      "look done"
    )
    expect(eventWords({ machine: "join", event: "xstate.error.actor.look", cause: "" }, [])).toBe("look failed")
  })

  it("give a delay in milliseconds its unit", () => {
    expect(eventWords({ machine: "join", event: "xstate.after.1500.join.seeded", cause: "" }, [])).toBe("after 1.5 s")
  })
})

describe("the id of a transition", () => {
  it("holds its source and its event", () => {
    const id = "boot.judging · always #3"
    expect([sourceOf(id), eventOf(id)]).toEqual(["boot.judging", "always"])
    expect(eventOf("seeded · after retry")).toBe("after retry")
  })
})

describe("states", () => {
  it("of several regions are told together, none is a dash", () => {
    expect(stateWords("pull.idle,reports.idle")).toBe("pull.idle + reports.idle")
    expect(stateWords("")).toBe("—")
  })

  it("that stayed are not part of a move", () => {
    const move = { from: "pull.polling,reports.idle", to: "pull.waiting,reports.idle" }
    expect(moveWords(move)).toEqual({ from: "pull.polling", to: "pull.waiting" })
    expect(moveWords({ from: "idle", to: "idle" })).toEqual({ from: "idle", to: "idle" })
    expect(moveWords({ from: "", to: "idle" })).toEqual({ from: "—", to: "idle" })
  })
})

describe("a step of a path", () => {
  it("is an event with its fields in words", () => {
    expect(stepWords('{"type":"BEGIN","central":true,"intervalMs":30000}')).toEqual({
      name: "BEGIN",
      detail: "central yes, interval ms 30000"
    })
    expect(stepWords('{"type":"X","running":{"slot":"a","etag":null},"list":[]}').detail).toBe(
      "running (slot a, etag none), list none"
    )
  })

  it("is what it says where it is no event", () => {
    expect(stepWords("time passes")).toEqual({ name: "time passes", detail: "" })
    expect(stepWords("{broken")).toEqual({ name: "{broken", detail: "" })
  })

  it("has words for every path that is recorded", () => {
    const steps = Object.values(coverage).flatMap(({ paths }) => Object.values(paths).flat())
    expect(steps.map(stepWords).filter(({ name }) => name.includes("{"))).toEqual([])
  })
})

describe("times", () => {
  it("of the day are told to the second", () => {
    expect(clockWords(NOON + 184_000, "UTC")).toBe("12:03:04")
    expect(clockWords(Number.NaN)).toBe("unknown")
  })

  it("of another day have a date", () => {
    expect(dateWords(NOON, NOON + 1_000, "UTC")).toBe("12:00")
    expect(dateWords(NOON, NOON + 86_400_000, "UTC")).toBe("21 Nov 2026, 12:00")
  })

  it.each([
    [0, "0 s"],
    [59.6, "1 min"],
    [119, "1 min 59 s"],
    [7_500, "2 h 5 min"],
    [90_000, "1 d 1 h"],
    [-5, "0 s"]
  ])("of %s seconds are %s", (seconds, words) => {
    expect(spanWords(seconds)).toBe(words)
  })

  it("are told from now", () => {
    expect(agoWords(NOON, NOON + 300_000)).toBe("5 min ago")
    expect(agoWords(NOON + 7_200_000, NOON)).toBe("in 2 h")
    expect(agoWords(NOON, NOON + 900)).toBe("just now")
  })
})

it("an etag is told without its quotes, and not whole", () => {
  expect(shortEtag('"f2e8c5daf9aabbcc"')).toBe("f2e8c5daf9")
  expect(entry().machine).toBe("join")
})
