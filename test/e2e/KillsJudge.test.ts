/** The judge of the kills can fail: each sentence is broken alone, by what a wrong daemon would show. */
import { describe, expect, it } from "vitest"
import type { GatewayView } from "../../src/domain/index.ts"
import type { RemoteConfig } from "../../src/domain/index.ts"
import { type Disk, type Killed, phaseOf } from "./KillsDisk.ts"
import { CHECKS, type Facts, judge, type Observation, type Revision, type Sentence } from "./KillsJudge.ts"

const etagOf = (name: string): string => `"${name.repeat(64)}"`
const OLD = etagOf("a")
const NEW = etagOf("b")
const BAD = etagOf("c")
const MINUTE = 60_000

const revision = (etag: string, nature: Revision["nature"]): Revision => ({
  etag,
  nature,
  servedAt: 0,
  windowMs: 2 * MINUTE
})

const facts: Facts = {
  served: [revision(OLD, "good"), revision(BAD, "crashing"), revision(NEW, "good")],
  confirmed: new Set([OLD, NEW]),
  unexplained: new Map([[BAD, 5]]),
  starts: new Map([[BAD, 6]]),
  promoted: new Set([OLD]),
  lastKnownGood: OLD,
  rolledBack: [BAD],
  timeScale: 1
}

const bad = { etag: BAD, reason: "crash_loop", recorded_at: "2030-01-01T00:00:00.000Z" }
const last_rollback = { etag: BAD, reason: "crash_loop", at: "2030-01-01T00:00:00.000Z" }

const remote: RemoteConfig = {
  running_etag: NEW,
  last_known_good: { etag: NEW, slot: "b", promoted_at: null },
  probation: null,
  last_rollback,
  bad_etag: bad,
  quarantine: [bad],
  last_attempt: null
}

const slot = (etag: string, promoted = true) => ({ etag, digest: etag.slice(1, -1), intact: true, promoted })

const disk: Disk = {
  active: "b",
  slots: { a: slot(OLD), b: slot(NEW) },
  state: { version: 1, quarantine: [] },
  seed: false,
  halfDone: [],
  identityWhole: true,
  draft: ""
}

const view: GatewayView = {
  id: "gw",
  config: "main",
  joined_at: "2030-01-01T00:00:00.000Z",
  last_seen: null,
  running_etag: NEW,
  running_since: null,
  running_revision: 1,
  running_forced: false,
  newest_etag: NEW,
  standing: "converged",
  on_probation: false,
  last_rollback,
  last_attempt: null,
  reported_at: null,
  version: null,
  platform: null,
  agents: null,
  runs: null,
  revoked: false,
  why: "runs the newest revision"
}

const seen: Observation = { when: "settled", offered: NEW, remote, disk, view, polls: 1, tokenIn: [] }

const marker = {
  etag: NEW,
  slot: "b",
  previous_slot: "a",
  attempts_left: 5,
  budget_ms: 1,
  window_ms: 1,
  applied_at: 0
} as const

/** What a wrong daemon shows, by the sentence that must notice it; several of a kind where one would not do. */
const wrong: ReadonlyArray<readonly [Sentence, string, Partial<Observation>, Partial<Facts>?]> = [
  ["the daemon comes back and polls", "it boots and never polls", { polls: 0 }],
  [
    "what runs was served",
    "it runs another machine's revision",
    { remote: { ...remote, running_etag: etagOf("d") }, view: { ...view, running_etag: etagOf("d") }, offered: null },
    { promoted: new Set([OLD, etagOf("d")]) }
  ],
  [
    "what runs was served",
    "it is back on its seed after a promotion",
    { remote: { ...remote, running_etag: null }, view: { ...view, running_etag: null }, offered: null }
  ],
  [
    "the active revision is not quarantined",
    "it runs what it remembers as bad",
    { remote: { ...remote, running_etag: BAD }, view: { ...view, running_etag: BAD }, offered: null },
    { promoted: new Set([OLD, BAD]) }
  ],
  [
    "the active revision is not quarantined",
    "the link points to what it remembers as bad",
    { disk: { ...disk, slots: { a: slot(NEW), b: slot(BAD) } } }
  ],
  [
    "last-known-good changes by promotion only",
    "it promoted at its start, before any poll was answered",
    {},
    { confirmed: new Set([OLD]) }
  ],
  [
    "last-known-good changes by promotion only",
    "it promoted what crashes",
    { remote: { ...remote, last_known_good: { etag: BAD, slot: "a", promoted_at: null } }, offered: null },
    { confirmed: new Set([BAD]) }
  ],
  [
    "last-known-good changes by promotion only",
    "it forgot what was good",
    { remote: { ...remote, last_known_good: null }, offered: null }
  ],
  [
    "last-known-good changes by promotion only",
    "it went back to an older good one",
    { remote: { ...remote, last_known_good: { etag: OLD, slot: "a", promoted_at: null } }, offered: null },
    { lastKnownGood: NEW }
  ],
  [
    "document, etag and digest belong together",
    "it stored the bytes of one revision under the etag of another",
    { disk: { ...disk, slots: { a: slot(OLD), b: { ...slot(NEW), digest: "a".repeat(64) } } } }
  ],
  [
    "document, etag and digest belong together",
    "it left a slot half written",
    { disk: { ...disk, slots: { a: { ...slot(OLD), intact: false }, b: slot(NEW) } } }
  ],
  [
    "a revision that was rolled back is quarantined",
    "it forgot why it went back",
    { remote: { ...remote, quarantine: [] } }
  ],
  ["nobody is blamed too early", "it gave up after four starts", {}, { unexplained: new Map([[BAD, 4]]) }],
  [
    "nobody is blamed too early",
    "its window ended early",
    {
      remote: {
        ...remote,
        last_rollback: { etag: BAD, reason: "probation_expired", at: new Date(MINUTE).toISOString() }
      },
      view: { ...view, last_rollback: { ...last_rollback, reason: "probation_expired" } }
    }
  ],
  [
    "nobody is blamed too early",
    "it found a slot damaged that nobody had damaged",
    {
      remote: { ...remote, last_rollback: { ...last_rollback, reason: "slot_corrupt" } },
      view: { ...view, last_rollback: { ...last_rollback, reason: "slot_corrupt" } }
    }
  ],
  [
    "on probation there is a usable previous slot",
    "it overwrote the slot to go back to",
    { disk: { ...disk, slots: { a: slot(BAD, false), b: slot(NEW) }, state: { version: 1, marker, quarantine: [] } } }
  ],
  [
    "the token is nowhere after promotion",
    "its seed outlived the promotion",
    { tokenIn: ["state/config-control/seed.json"] }
  ],
  [
    "no revision is lost",
    "it went on as if nothing had been served",
    {
      remote: { ...remote, running_etag: OLD, last_known_good: { etag: OLD, slot: "a", promoted_at: null } },
      view: { ...view, running_etag: OLD }
    }
  ],
  [
    "central's view is never better",
    "central calls proven what is on probation",
    {
      disk: { ...disk, slots: { a: slot(OLD), b: slot(NEW, false) }, state: { version: 1, marker, quarantine: [] } },
      when: "dead",
      remote: { ...remote, last_known_good: { etag: OLD, slot: "a", promoted_at: null } }
    }
  ],
  ["central's view is never better", "central never heard of the rollback", { view: { ...view, last_rollback: null } }],
  ["central's view is never better", "central says another revision", { view: { ...view, running_etag: OLD } }]
]

describe("the judge of the kills", () => {
  it("has nothing to say of a daemon that is as it must be", () => {
    expect(judge(facts, seen)).toEqual([])
    expect(judge(facts, { ...seen, when: "dead", polls: 0, tokenIn: ["state/config-control/seed.json"] })).toEqual([])
  })

  it.each(wrong)('says "%s" is broken, and nothing else, when %s', (sentence, _what, observed, known) => {
    const said = judge(Object.assign({}, facts, known), Object.assign({}, seen, observed))
    expect(said.map((violation) => violation.sentence)).toEqual([sentence])
  })

  it("has no sentence that nothing breaks", () => {
    const broken = new Set(wrong.map(([sentence]) => sentence))
    expect(Object.keys(CHECKS).filter((sentence) => !broken.has(sentence as Sentence))).toEqual([])
  })
})

describe("the phase of a kill", () => {
  const before: Disk = { ...disk, active: "a", slots: { a: slot(OLD), b: null } }
  const phase = (after: Partial<Disk>, more: Partial<Killed> = {}) =>
    phaseOf({ before, after: { ...before, ...after }, running: true, stopping: false, offered: NEW, ...more })
  const staged = { a: slot(OLD), b: slot(NEW, false) }
  const marked = { slots: staged, state: { version: 1, marker, quarantine: [], last_exit: "planned" } } as const

  it("is told by what the process left on the disk", () => {
    expect(phase({})).toBe("steady, nothing new received")
    expect(phase({ halfDone: ["identity.json.tmp"] })).toBe("identity half stored")
    expect(phase({ halfDone: ["b.new"] })).toBe("slot half written")
    expect(phase({ slots: staged })).toBe("slot written, no marker")
    expect(phase({ slots: staged, halfDone: ["state.json.tmp"] })).toBe("marker half written")
    expect(phase(marked)).toBe("marker written, not flipped")
    expect(phase({ ...marked, active: "b" })).toBe("flipped, not yet exited")
  })

  it("is not that of a process before, whose remains it found", () => {
    const found: Disk = { ...before, slots: staged, halfDone: ["b.new"] }
    expect(phase({ slots: staged, halfDone: ["b.new"] }, { before: found, running: false })).toBe(
      "booting, no probation"
    )
  })
})
