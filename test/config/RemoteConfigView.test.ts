import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { EMPTY_STATE, UNREAD_DISK } from "../../machines/ConfigFacts.ts"
import type { SlotFacts } from "../../machines/index.ts"
import { type ConfigView, remoteConfigOf } from "../../src/config/index.ts"
import { RemoteConfig } from "../../src/domain/index.ts"

const AT = Date.UTC(2026, 0, 1)
const ISO = "2026-01-01T00:00:00.000Z"

const slot = (etag: string | null, more: Partial<SlotFacts> = {}): SlotFacts => ({
  intact: true,
  etag,
  digest: `digest of ${etag}`,
  promoted: false,
  window_ms: 120_000,
  interval_ms: 5_000,
  central: true,
  ...more
})

const view = ({
  disk,
  ...more
}: { readonly disk?: Partial<ConfigView["disk"]> } & Partial<Omit<ConfigView, "disk">> = {}): ConfigView => ({
  disk: { ...UNREAD_DISK, ...disk },
  state: EMPTY_STATE,
  running: { source: "none", etag: null, digest: null },
  partLeftMs: 0,
  promotedAt: { a: null, b: null },
  ...more
})

describe("remote_config", () => {
  it("is null on a machine that never joined", () => {
    assert.isNull(remoteConfigOf(view()))
  })

  it("is not null as soon as there is something of a fleet to say", () => {
    assert.isNotNull(remoteConfigOf(view({ disk: { join: true } })))
    assert.isNotNull(remoteConfigOf(view({ disk: { active: "dangling" } })))
    for (const source of ["seed", "slot", "rescue"] as const) {
      assert.isNotNull(remoteConfigOf(view({ running: { source, etag: null, digest: null } })), source)
    }
    const last_rollback = { etag: '"1"', reason: "slot_corrupt", at: AT } as const
    assert.isNotNull(remoteConfigOf(view({ state: { ...EMPTY_STATE, last_rollback } })))
  })

  it("has no running etag on the seed", () => {
    const said = remoteConfigOf(view({ disk: { seed: true }, running: { source: "seed", etag: null, digest: null } }))
    assert.deepStrictEqual(said, {
      running_etag: null,
      running_digest: null,
      last_known_good: null,
      probation: null,
      last_rollback: null,
      bad_etag: null,
      quarantine: [],
      last_attempt: null
    })
  })

  it("names the last-known-good one: the active slot if promoted, else the other if promoted, never a damaged one", () => {
    const running = { source: "slot", etag: '"2"', digest: "d" } as const
    const promotedAt = { a: ISO, b: "2026-02-02T00:00:00.000Z" }
    const lkg = (slots: ConfigView["disk"]["slots"], active: "a" | "b" | "absent") =>
      remoteConfigOf(view({ disk: { active, slots }, running, promotedAt }))?.last_known_good
    const promoted = { promoted: true }
    const a = { etag: '"1"', slot: "a", promoted_at: ISO }
    const b = { etag: '"2"', slot: "b", promoted_at: "2026-02-02T00:00:00.000Z" }
    assert.deepStrictEqual(lkg({ a: slot('"1"', promoted), b: slot('"2"', promoted) }, "b"), b)
    assert.deepStrictEqual(lkg({ a: slot('"1"', promoted), b: slot('"2"') }, "b"), a)
    assert.deepStrictEqual(lkg({ a: slot('"1"', promoted), b: slot('"2"', promoted) }, "a"), a)
    assert.deepStrictEqual(lkg({ a: slot('"1"', promoted), b: slot('"2"', { promoted: true, intact: false }) }, "b"), a)
    assert.isNull(lkg({ a: slot(null), b: slot('"2"') }, "b"))
    assert.isNull(lkg({ a: null, b: null }, "absent"))
  })

  it("says how much of a probation is left: what is not charged yet, and of the part in use what is unused", () => {
    const marker = {
      etag: '"2"',
      slot: "b",
      previous_slot: "a",
      attempts_left: 3,
      budget_ms: 60_000,
      window_ms: 120_000,
      applied_at: AT
    } as const
    const said = remoteConfigOf(
      view({
        disk: { active: "b", slots: { a: slot('"1"'), b: slot('"2"') } },
        state: { ...EMPTY_STATE, marker },
        running: { source: "slot", etag: '"2"', digest: "d" },
        partLeftMs: 4_000
      })
    )
    assert.deepStrictEqual(said?.probation, {
      etag: '"2"',
      applied_at: ISO,
      remaining_seconds: 64,
      attempts_left: 3
    })
  })

  it("keeps etags byte for byte, with their quotes", () => {
    const said = remoteConfigOf(view({ running: { source: "slot", etag: 'W/"a\u00e9"', digest: "d" } }))
    assert.strictEqual(said?.running_etag, 'W/"a\u00e9"')
  })

  it("shows the newest bad revision, and all of them", () => {
    const entry = { digest: "d", environment: "e", recorded_at: AT, attempts: 1 }
    const said = remoteConfigOf(
      view({
        running: { source: "slot", etag: '"9"', digest: "d" },
        state: {
          ...EMPTY_STATE,
          quarantine: [
            { ...entry, etag: '"1"', reason: "validation_failed" },
            { ...entry, etag: '"2"', reason: "crash_loop", retry_at: AT + 3_600_000 }
          ]
        }
      })
    )
    const newest = {
      etag: '"2"',
      reason: "crash_loop",
      recorded_at: ISO,
      attempts: 1,
      retry_at: "2026-01-01T01:00:00.000Z"
    }
    assert.deepStrictEqual(said?.bad_etag, newest)
    assert.deepStrictEqual(said?.quarantine, [
      { etag: '"1"', reason: "validation_failed", recorded_at: ISO, attempts: 1 },
      newest
    ])
  })

  it("shows no probation of what has been promoted already, and one of what the next process will run", () => {
    const marker = {
      etag: '"2"',
      slot: "b",
      previous_slot: "a",
      attempts_left: 3,
      budget_ms: 60_000,
      window_ms: 120_000,
      applied_at: AT
    } as const
    const disk = {
      active: "b",
      slots: { a: slot('"1"', { promoted: true }), b: slot('"2"', { promoted: true }) }
    } as const
    const state = { ...EMPTY_STATE, marker }
    const shown = (etag: string) =>
      remoteConfigOf(view({ disk, state, running: { source: "slot", etag, digest: "d" } }))
    assert.isNull(shown('"2"')?.probation)
    assert.strictEqual(shown('"1"')?.probation?.etag, '"2"')
  })

  it("is not null where something is remembered, although nothing runs", () => {
    const last_attempt = { etag: '"3"', verdict: "config_invalid", at: AT, attempt: 1 } as const
    assert.isNotNull(remoteConfigOf(view({ state: { ...EMPTY_STATE, last_attempt } })))
  })

  it("is what the wire Schema says, so that central can read it", () => {
    const said = remoteConfigOf(
      view({
        disk: { active: "b", slots: { a: slot('"1"', { promoted: true }), b: slot('"2"') } },
        running: { source: "slot", etag: '"2"', digest: "d" },
        state: {
          ...EMPTY_STATE,
          last_rollback: { etag: null, reason: "probation_expired", at: AT, detail: "why" },
          last_attempt: { etag: '"3"', verdict: "config_invalid", reason: "why", at: AT, attempt: 2 }
        }
      })
    )
    assert.deepStrictEqual(Schema.decodeUnknownSync(RemoteConfig)(JSON.parse(JSON.stringify(said))), said)
  })
})
