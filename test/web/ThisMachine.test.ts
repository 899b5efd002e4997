import { describe, expect, it } from "vitest"
import { APPLY_VERDICTS, ROLLBACK_REASONS } from "../../machines/index.ts"
import type { Status } from "../../src/domain/index.ts"
import {
  daemonOf,
  identityOf,
  pluginsOf,
  reasonWords,
  runningOf,
  triedOf,
  verdictOf
} from "../../src/web/ThisMachine.ts"
import { NOON, status } from "./Entries.ts"

const time = (seconds = 0) => ({ now: NOON + seconds * 1000, zone: "UTC" })
const heard = (of: Status) => ({ status: of, at: NOON })

const probation = { etag: '"aaaa"', applied_at: "2026-11-21T12:00:00.000Z", remaining_seconds: 120, attempts_left: 5 }
const rollback = { etag: '"bbbb"', reason: "probation_expired", at: "2026-11-21T12:05:00.000Z" }

describe("what runs, in one word", () => {
  it.each<[string, Status]>([
    ["Promoted", status()],
    ["On probation", status({ probation })],
    ["Rolled back", status({ last_rollback: rollback })],
    ["Going back", status({ running_etag: '"bbbb"', last_rollback: rollback })],
    [
      "Joining",
      status(
        { running_etag: null },
        { config_layers: { ...status().config_layers, central: { source: "seed", slot: null, etag: null, url: null } } }
      )
    ],
    ["No revision", status({ running_etag: null }, { config_layers: { ...status().config_layers, central: null } })],
    ["Unwatched", status({ last_known_good: null })],
    ["Not joined", status(null)]
  ])("is %s", (word, of) => {
    expect(verdictOf(heard(of), time()).word).toBe(word)
  })

  it("is promoted again once a revision proved itself after the rollback", () => {
    const last_known_good = { etag: '"aaaa"', slot: "a", promoted_at: "2026-11-21T12:06:00.000Z" }
    expect(verdictOf(heard(status({ last_rollback: rollback, last_known_good })), time()).word).toBe("Promoted")
  })

  it("is not on probation because of a revision that the next process runs", () => {
    expect(verdictOf(heard(status({ probation: { ...probation, etag: '"cccc"' } })), time()).word).toBe("Promoted")
  })

  it("counts the probation down, as fast as the daemon's time runs, and not below nothing", () => {
    const why = (seconds: number, time_scale: number) =>
      verdictOf(heard(status({ probation }, { daemon: { ...status().daemon, time_scale } })), time(seconds)).why
    expect(why(0, 1)).toBe("2 min left to reach central, and 5 unexplained starts before it is given up.")
    expect(why(30, 1)).toContain("1 min 30 s left")
    expect(why(3, 10)).toContain("1 min 30 s left")
    expect(why(500, 1)).toContain("0 s left")
  })
})

describe("the facts", () => {
  it("say what runs and since when", () => {
    expect(runningOf(heard(status()), time(300))).toEqual([
      { name: "Revision", value: "aaaa", full: '"aaaa"', note: "slot a" },
      { name: "Promoted", value: "12:00", note: "5 min ago", full: "2026-11-21T12:00:00.000Z" },
      { name: "In this process", value: "12:00", note: "5 min ago", full: "2026-11-21T12:00:00.000Z" },
      { name: "Central", value: "http://127.0.0.1:7070" }
    ])
  })

  it("say what was tried, and when it is tried again", () => {
    const last_attempt = {
      etag: '"bbbb"',
      verdict: "config_invalid",
      reason: "unknown key",
      at: "2026-11-21T11:59:00.000Z",
      attempt: 2
    }
    const quarantine = [
      { etag: '"bbbb"', reason: "probation_expired", attempts: 2, retry_at: "2026-11-21T13:00:00.000Z" },
      { etag: '"dddd"', reason: "validation_failed", retry_at: null }
    ]
    const told = triedOf(heard(status({ last_attempt, last_rollback: rollback, quarantine })), time(600))
    expect(told.map(({ name, note }) => [name, note])).toEqual([
      ["Last attempt", "11:59, 11 min ago · attempt 2 · unknown key"],
      ["Last rollback", "12:05, 5 min ago"],
      ["Remembered as bad", "tried again after 13:00 (in 50 min)"],
      ["Remembered as bad", "not tried again"]
    ])
    expect(triedOf(heard(status(null)), time())).toEqual([])
  })

  it("say who the machine is, and what is wrong with that", () => {
    const identity = { gateway_id: null, expires_at: null, state: "retrying", problem: "central is away" }
    expect(identityOf(heard(status({}, { identity })), time()).map(({ value }) => value)).toEqual([
      "none yet",
      "retrying",
      "central is away"
    ])
  })

  it("say how the process came to be, and how long it runs", () => {
    expect(daemonOf(heard(status()), time(3_700)).map(({ name, value }) => [name, value])).toEqual([
      ["State", "running"],
      ["Version", "0.1.0"],
      ["Process", "100"],
      ["Uptime", "1 h 1 min"],
      ["Last start", "planned: the process before ended in order"]
    ])
  })

  it("put plugins with trouble first", () => {
    const plugins = [
      { name: "well", version: "1.0.0", state: "active" },
      { name: "broken", version: "1.0.0", state: "failed" }
    ]
    expect(pluginsOf(heard(status({}, { plugins }))).map(({ name, tone }) => [name, tone])).toEqual([
      ["broken", "bad"],
      ["well", "good"]
    ])
  })

  it("have words for every verdict and reason that lasts, and keep its name", () => {
    const passing = [
      "restart_pending",
      "apply_engine_not_ready",
      "probation_pending",
      "apply_in_progress",
      "noop_same_etag",
      "retry_pending",
      "applied"
    ]
    for (const reason of [...APPLY_VERDICTS, ...ROLLBACK_REASONS]) {
      if (!passing.includes(reason)) expect(reasonWords(reason)).toContain(`(${reason})`)
    }
  })
})
