/** What the page of central decides, without a browser. */
import { describe, expect, it } from "vitest"
import { piecesOf, piecesWords, spreadOf } from "../../src/web/FleetBar.ts"
import { templateOf } from "../../src/web/FleetConfigPage.ts"
import { sentWords } from "../../src/web/FleetSentWords.ts"
import { firstSteps } from "../../src/web/FleetOverviewPage.ts"
import { ALL, listed, sorted } from "../../src/web/FleetRows.ts"
import { centralNow, isOld, learn, NOTHING_KNOWN } from "../../src/web/FleetState.ts"
import { tokenState } from "../../src/web/FleetTokensPage.ts"
import { readFleet, STANDS } from "../../src/web/FleetWire.ts"
import {
  headlineOf,
  newsOf,
  numbersOf,
  runsWords,
  spreadWords,
  STAND_WORDS,
  whyWords
} from "../../src/web/FleetWords.ts"
import { STANDINGS } from "../../src/domain/index.ts"
import { etagOf, fleetOf, gateway, HOSTILE, iso, many, NOW, REVISIONS, spreading } from "./FleetFixtures.ts"

const read = (value: unknown) => {
  const fleet = readFleet(JSON.parse(JSON.stringify(value)))
  if (fleet === null) throw new Error("this is no fleet")
  return fleet
}
const configOf = (converged: number) => read(fleetOf({ default: REVISIONS }, spreading(converged))).configs[0]

describe("the words of the fleet", () => {
  it("has a word for every standing, and one for those that it does not know", () => {
    expect([...STANDINGS, "unknown"].toSorted()).toEqual(STANDS.toSorted())
    expect(new Set(Object.values(STAND_WORDS).map(({ word }) => word)).size).toBe(STANDS.length)
    const fleet = read({
      ...fleetOf({ default: REVISIONS }, []),
      gateways: [{ ...gateway("gw_new"), standing: "levitating" }]
    })
    expect(fleet.gateways[0]?.standing).toBe("unknown")
    const config = { ...fleetOf({ default: REVISIONS }, []).configs[0], standings: { levitating: 3, converged: 1 } }
    expect(read({ ...fleetOf({}, []), configs: [config] }).configs[0]?.standings).toMatchObject({
      unknown: 3,
      converged: 1
    })
  })

  it("counts every gateway of a config once", () => {
    for (let converged = 0; converged < 20; converged += 1) {
      const config = configOf(converged)
      const pieces = config === undefined ? [] : piecesOf(config)
      expect(pieces.reduce((sum, { count }) => sum + count, 0)).toBe(20)
    }
  })

  it("says how far a revision is, and who gave it up", () => {
    const config = configOf(9)
    expect(config === undefined ? "" : headlineOf(config)).toBe("9 of 20 converged")
    expect(config === undefined ? "" : piecesWords(piecesOf(config))).toContain("1 rolled back")
    const [newest, before] = config?.newest ?? []
    expect(newest === undefined ? "" : spreadWords(newest)).toBe(
      "14 run it · 4 on probation · 1 restarting · 1 rolled back"
    )
    expect(before === undefined ? [] : spreadOf(before)).toEqual([{ stand: "converged", count: 6 }])
    expect(runsWords(etagOf("default 6"), numbersOf(config))).toMatch(/ · r6$/)
    expect(runsWords(null, numbersOf(config))).toBe("its joining document")
  })

  it("tells a rollback and a refusal by what the gateway reported, and how long ago", () => {
    const rolled = read(fleetOf({ default: REVISIONS }, spreading(9))).gateways.find(({ id }) => id === "gw_emme")
    expect(rolled === undefined ? "" : whyWords(rolled, NOW)).toBe(
      "14 s ago: no confirmed poll while it ran on probation (probation_expired): central could not be reached from the new revision"
    )
    const refused = gateway("gw_a", {
      standing: "refused",
      last_attempt: { etag: etagOf("default 7"), verdict: "config_invalid", reason: "/sinks is missing", at: iso(70) }
    })
    expect(whyWords(refused, NOW)).toBe(
      "1 min 10 s ago: refused, its content is wrong (config_invalid): /sinks is missing"
    )
    const older = gateway("gw_b", {
      standing: "rolled_back",
      why: "rolled back",
      last_rollback: { etag: etagOf("default 3"), reason: "crash_loop", at: iso(70) }
    })
    expect(whyWords(older, NOW)).toBe("rolled back")
  })

  it("reads out what changed, and nothing when nothing did", () => {
    const [before, after] = [configOf(5), configOf(9)]
    if (before === undefined || after === undefined) throw new Error("no config")
    expect(newsOf([before], [before])).toBe("")
    expect(newsOf([before], [after])).toBe("default: 9 of 20 converged, 1 rolled back.")
    expect(newsOf([], [after])).toBe("")
  })

  it("names the next command of a fleet that is empty, and none of one that is not", () => {
    expect(firstSteps(read(fleetOf({}, [])))).toHaveLength(3)
    expect(firstSteps(read(fleetOf({ default: REVISIONS }, [])))).toHaveLength(2)
    expect(firstSteps(read(fleetOf({}, [gateway("gw_a")])))).toEqual([])
  })

  it("knows what a gateway sent by its words, and shows all of what it does not know", () => {
    const said = (row: unknown) => {
      const { note, tone, words } = sentWords(row, new Map([[etagOf("seven"), 7]]))
      return [words, note, tone]
    }
    const etag = etagOf("seven")
    const short = etag.slice(1, 11)
    expect(said({ type: "config_promoted", etag })).toEqual([`Promoted ${short} · r7`, "", "good"])
    expect(said({ type: "config_rolled_back", etag, reason: "crash_loop" })).toEqual([
      `Gave up ${short} · r7`,
      "too many starts ended without a reason (crash_loop)",
      "bad"
    ])
    expect(said({ type: "config_rolled_back", reason: "slot_corrupt" })[0]).toBe("Gave up a revision")
    expect(said({ type: "daemon_started", reason: "unexplained" })).toEqual([
      "The daemon started",
      "the process before ended without a reason",
      "bad"
    ])
    expect(said({ type: "plugin_failed", plugin: HOSTILE.rtl })[0]).not.toMatch(/\u202E/)
    expect(said({ type: "gap", rows: 1_200, from: "a", to: "b" })).toEqual([
      "1,200 rows lost on the gateway: they will never arrive",
      "a – b",
      "bad"
    ])
    const run = { agent_id: "a", verdict: "timed_out", exit_code: 137, output_bytes: 2_500 }
    expect(said({ ...run, started_at: iso(90), ended_at: iso(30) })).toEqual([
      "a: timed out",
      "exit code 137 · took 1 min · 2.5 kB of output",
      "bad"
    ])
    // A word that this page does not have is no success, and none that every object has.
    expect(said({ agent_id: "a", verdict: "splendid" })).toEqual(["agent id a, verdict splendid", "", "plain"])
    expect(said({ type: "toString" })).toEqual(["type toString", "", "plain"])
    expect(said({ some: ["thing"] })[0]).toBe("some thing")
    expect(said(null)[0]).toBe("none")
  })

  it("tells tokens that are good from those that are over", () => {
    expect(tokenState({ expires_at: null, revoked_at: null }, NOW)).toBe("good")
    expect(tokenState({ expires_at: iso(1), revoked_at: null }, NOW)).toBe("expired")
    expect(tokenState({ expires_at: iso(-1), revoked_at: null }, NOW)).toBe("good")
    expect(tokenState({ expires_at: iso(1), revoked_at: iso(5) }, NOW)).toBe("revoked")
  })

  it("begins a new config with a document that points at this central", () => {
    expect(JSON.parse(templateOf("https://c.example.com")).sinks.central.config.url).toBe("https://c.example.com")
  })
})

describe("the rows of gateways", () => {
  const gateways = read(fleetOf({ default: REVISIONS }, many(300))).gateways

  it("puts first what needs somebody, and turns round on request", () => {
    expect(listed(gateways, ALL)[0]?.standing).toBe("rolled_back")
    const down = listed(gateways, sorted(ALL, "standing"))
    expect(down[0]?.standing).toBe("converged")
    expect(down.at(-1)?.standing).toBe("rolled_back")
    const ids = listed(gateways, sorted(ALL, "id")).map(({ id }) => id)
    expect(ids).toEqual(ids.toSorted())
  })

  it("puts what is unknown last in either order", () => {
    const some = [gateway("gw_a", { last_seen: null }), gateway("gw_b"), gateway("gw_c", { last_seen: iso(1) })]
    const both = [sorted(ALL, "seen"), sorted(sorted(ALL, "seen"), "seen")].map((listing) =>
      listed(some, listing).map(({ id }) => id)
    )
    expect(both).toEqual([
      ["gw_c", "gw_b", "gw_a"],
      ["gw_b", "gw_c", "gw_a"]
    ])
  })

  it("filters by config, standing and text together", () => {
    expect(listed(gateways, { ...ALL, stand: "waiting" })).toHaveLength(30)
    expect(listed(gateways, { ...ALL, stand: "waiting", config: "other" })).toEqual([])
    expect(listed(gateways, { ...ALL, text: " GW_000H " })).toHaveLength(1)
  })
})

describe("what the page knows of the fleet", () => {
  const fleet = read(fleetOf({ default: REVISIONS }, spreading(3)))
  const ok = { type: "ok", value: fleet, etag: '"1"', date: null } as const

  it("reckons central's clock by elapsed time, and stops it while nobody knows", () => {
    let state = learn(NOTHING_KNOWN, { type: "hello", version: "1" })
    expect(centralNow(state, 100)).toBeNull()
    state = learn(state, { type: "fleet", reply: ok, at: 1_000 })
    expect(centralNow(state, 6_000)).toBe(NOW + 5_000)
    state = learn(state, { type: "gone", how: "lost", at: 7_000 })
    expect(isOld(state)).toBe(true)
    expect(centralNow(state, 60_000)).toBe(NOW + 6_000)
    expect(state.fleet).toBe(fleet)
    state = learn(state, { type: "hello", version: "1" })
    expect(isOld(state)).toBe(false)
  })

  it("believes central's date after a sleep that elapsed time did not count", () => {
    let state = learn(NOTHING_KNOWN, { type: "fleet", reply: ok, at: 0 })
    state = learn(state, { type: "fleet", reply: { type: "same", date: NOW + 1_000 }, at: 2_000 })
    expect(centralNow(state, 2_000)).toBe(NOW + 2_000)
    state = learn(state, { type: "fleet", reply: { type: "same", date: NOW + 3_600_000 }, at: 3_000 })
    expect(centralNow(state, 3_000)).toBe(NOW + 3_600_000)
  })

  it("keeps what it knows when a question is refused, and says why", () => {
    let state = learn(learn(NOTHING_KNOWN, { type: "hello", version: "1" }), { type: "fleet", reply: ok, at: 0 })
    const reply = {
      type: "failed",
      status: 503,
      code: "storage_unavailable",
      words: "The disk is full.",
      body: {}
    } as const
    state = learn(state, { type: "fleet", reply, at: 1_000 })
    expect([state.fleet, state.trouble, state.connection]).toEqual([fleet, "The disk is full.", "live"])
    state = learn(state, { type: "fleet", reply: { type: "same", date: null }, at: 2_000 })
    expect(state.trouble).toBe("")
    state = learn(state, { type: "fleet", reply: { type: "away", why: "refused" }, at: 3_000 })
    expect(state.connection).toBe("refused")
  })

  it("takes no answer for a fleet that is none", () => {
    for (const value of [null, 1, [], {}, { central: {} }, { gateways: [] }]) expect(readFleet(value)).toBeNull()
    expect(readFleet({ central: {}, gateways: [null, 7, { id: "gw_a" }], configs: [{}, null] })?.gateways).toHaveLength(
      1
    )
  })
})
