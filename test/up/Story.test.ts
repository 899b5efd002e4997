import { describe, expect, it } from "vitest"
import type { RemoteConfig, Status } from "../../src/domain/index.ts"
import { nothingTold, tell } from "../../src/up/index.ts"

const BEGIN = "2026-11-21T10:00:00.000Z"
const LATER = "2026-11-21T10:00:05.000Z"

const statusWith = (remote_config: RemoteConfig | null, more: Partial<Status> = {}): Status => ({
  overall: "healthy",
  diagnostics: [],
  daemon: {
    state: "running",
    pid: 1,
    started_at: BEGIN,
    api_url: null,
    version: "0.1.0",
    last_start: null,
    safe_start: false,
    time_scale: 1
  },
  identity: { gateway_id: "gw_1", expires_at: null, state: "enrolled" },
  remote_config,
  config_layers: { central: null, local: { path: "/c", used: false, dropped: [] } },
  plugins: [],
  machines: {},
  ...more
})

const probation = { etag: '"e1"', applied_at: LATER, remaining_seconds: 120, attempts_left: 5 }
const good = { etag: '"e1"', slot: "b", promoted_at: LATER }

/** The kinds of what is told of these statuses, one after the other. */
const kindsOf = (...statuses: ReadonlyArray<Status>) => {
  let told = nothingTold(BEGIN)
  return statuses.map((status) => {
    const [next, events] = tell(told, status)
    told = next
    return events.map(({ kind }) => kind)
  })
}

describe("the story of a gateway", () => {
  it("is joined, applied, on probation, promoted: each told once", () => {
    const seeded = statusWith({ running_etag: null })
    const applied = statusWith({
      running_etag: null,
      probation,
      last_attempt: { etag: '"e1"', verdict: "applied", at: LATER }
    })
    const trying = statusWith({ running_etag: '"e1"', probation })
    const promoted = statusWith({ running_etag: '"e1"', probation: null, last_known_good: good })
    expect(kindsOf(seeded, applied, applied, trying, trying, promoted, promoted)).toEqual([
      ["joined"],
      ["applied"],
      [],
      ["probation"],
      [],
      ["promoted"],
      []
    ])
  })

  it("does not tell what happened before it began", () => {
    const before = { at: "2026-11-20T00:00:00.000Z" }
    const status = statusWith({
      running_etag: '"e1"',
      last_known_good: good,
      last_attempt: { etag: '"x"', verdict: "config_invalid", ...before },
      last_rollback: { etag: '"x"', reason: "crash_loop", ...before }
    })
    expect(kindsOf(status)).toEqual([["joined", "promoted"]])
  })

  it("tells a refusal and a rollback with their reasons, without control characters", () => {
    const [, refused] = tell(
      nothingTold(BEGIN),
      statusWith({
        running_etag: '"e1"',
        last_attempt: { etag: '"e2"', verdict: "config_invalid", reason: "/plugins:\u001b[2J bad", at: LATER }
      })
    )
    expect(refused.at(-1)).toEqual({
      kind: "refused",
      text: "did not apply revision e2: config_invalid (/plugins: [2J bad)"
    })
    const [, back] = tell(
      nothingTold(BEGIN),
      statusWith({
        running_etag: '"e1"',
        last_known_good: good,
        last_rollback: {
          etag: '"e2"',
          reason: "probation_expired",
          at: LATER,
          detail: "no confirmed poll within 120 s"
        }
      })
    )
    expect(back.map(({ text }) => text)).toContain(
      "rolled back from revision e2: probation_expired (no confirmed poll within 120 s); runs revision e1"
    )
  })

  it("does not say that a machine runs the good revision before it does", () => {
    const other = { ...probation, etag: '"e2"' }
    const last_rollback = { etag: '"e2"', reason: "probation_expired", at: LATER }
    const promoted = statusWith({ running_etag: '"e1"', probation: null, last_known_good: good })
    const trying = statusWith({ running_etag: '"e2"', probation: other, last_known_good: good })
    const deciding = statusWith({ running_etag: '"e2"', probation: null, last_known_good: good, last_rollback })
    const back = statusWith({ running_etag: '"e1"', probation: null, last_known_good: good, last_rollback })
    let told = nothingTold(BEGIN)
    const texts = [promoted, trying, deciding, back, back].map((status) => {
      const [next, events] = tell(told, status)
      told = next
      return events.map(({ text }) => text)
    })
    expect(texts.slice(2)).toEqual([
      ["rolled back from revision e2: probation_expired; goes back to revision e1"],
      ["runs revision e1 again, which is known good"],
      []
    ])
  })

  it("tells a promotion again after another probation", () => {
    const promoted = statusWith({ running_etag: '"e1"', probation: null, last_known_good: good })
    const other = { ...probation, etag: '"e2"' }
    expect(
      kindsOf(
        promoted,
        statusWith({ running_etag: '"e2"', probation: other, last_known_good: good }),
        statusWith({ running_etag: '"e2"', probation: null, last_known_good: { ...good, etag: '"e2"' } })
      )
    ).toEqual([["joined", "promoted"], ["probation"], ["promoted"]])
  })

  it("tells trouble when it begins and when it ends", () => {
    const diagnostics: Status["diagnostics"] = [
      { severity: "error", kind: "poll_failing", message: "central cannot be reached", repair: [] }
    ]
    const fine = statusWith({ running_etag: null })
    const failing = statusWith({ running_etag: null }, { diagnostics })
    expect(kindsOf(fine, failing, failing, fine)).toEqual([["joined"], ["problem"], [], ["recovered"]])
  })
})
