import { assert, describe, it } from "@effect/vitest"
import { EMPTY_STATE, UNREAD_DISK } from "../../machines/ConfigFacts.ts"
import { APPLY_VERDICTS, QUARANTINE_REASONS, ROLLBACK_REASONS } from "../../machines/Vocabulary.ts"
import type { ConfigApplyContext, DiskFacts, StateFile } from "../../machines/index.ts"
import {
  DEGRADING_KINDS,
  type EffectiveConfig,
  engineDiagnostics,
  layerDiagnostics,
  remoteConfigOf,
  revisionDiagnostics,
  stagingDiagnostics
} from "../../src/config/index.ts"
import { Option } from "effect"

const AT = Date.UTC(2026, 0, 1)
const marker = {
  etag: '"2"',
  slot: "b",
  previous_slot: "a",
  attempts_left: 5,
  budget_ms: 120_000,
  window_ms: 120_000,
  applied_at: AT
} as const
const entry = { etag: '"2"', digest: "d", environment: "e", recorded_at: AT, attempts: 1 } as const

const slot = (etag: string, promoted: boolean) => ({
  intact: true,
  etag,
  digest: "d",
  promoted,
  window_ms: 120_000,
  interval_ms: 5_000,
  central: true
})

const running = (etag: string) =>
  ({ source: "slot", slot: "a", etag, digest: "d", central: true, intervalMs: 5_000 }) as const

/** What may have become of the revision "2" on a machine that ran "1": every one of them a different outcome. */
const outcomes = (): ReadonlyArray<readonly [what: string, state: StateFile, etag: string, promoted: boolean]> => {
  const refused = APPLY_VERDICTS.filter((verdict) => verdict !== "applied").flatMap((verdict) => {
    const last_attempt = { etag: '"2"', verdict, at: AT, attempt: 1 }
    return [
      [`${verdict}`, { ...EMPTY_STATE, last_attempt }, '"1"', true],
      [`${verdict}, with a reason`, { ...EMPTY_STATE, last_attempt: { ...last_attempt, reason: "why" } }, '"1"', true],
      [
        `${verdict}, for the second time`,
        { ...EMPTY_STATE, last_attempt: { ...last_attempt, attempt: 2 } },
        '"1"',
        true
      ]
    ] as const
  })
  const applied = { etag: '"2"', verdict: "applied", at: AT, attempt: 1 } as const
  const rolledBack = ROLLBACK_REASONS.flatMap((reason) => {
    const last_rollback = { etag: '"2"', reason, at: AT }
    return [
      [`rolled back: ${reason}`, { ...EMPTY_STATE, last_attempt: applied, last_rollback }, '"1"', true],
      [
        `rolled back: ${reason}, with a detail`,
        { ...EMPTY_STATE, last_attempt: applied, last_rollback: { ...last_rollback, detail: "why" } },
        '"1"',
        true
      ]
    ] as const
  })
  const remembered = QUARANTINE_REASONS.flatMap((reason) => [
    [`remembered as bad: ${reason}`, { ...EMPTY_STATE, quarantine: [{ ...entry, reason }] }, '"1"', true] as const,
    [
      `remembered as bad: ${reason}, until later`,
      { ...EMPTY_STATE, quarantine: [{ ...entry, reason, retry_at: AT + 1_000 }] },
      '"1"',
      true
    ] as const
  ])
  return [
    ["never received", EMPTY_STATE, '"1"', true],
    ["applied, restart to come", { ...EMPTY_STATE, last_attempt: applied, marker }, '"1"', true],
    ["on probation", { ...EMPTY_STATE, last_attempt: applied, marker }, '"2"', false],
    [
      "on probation, after a crash",
      { ...EMPTY_STATE, last_attempt: applied, marker: { ...marker, attempts_left: 4 } },
      '"2"',
      false
    ],
    [
      "on probation, half of it over",
      { ...EMPTY_STATE, last_attempt: applied, marker: { ...marker, budget_ms: 60_000 } },
      '"2"',
      false
    ],
    ["promoted", { ...EMPTY_STATE, last_attempt: applied }, '"2"', true],
    ["runs, unwatched", { ...EMPTY_STATE, last_attempt: applied }, '"2"', false],
    ...refused,
    ...rolledBack,
    ...remembered
  ]
}

describe("two different outcomes of a revision", () => {
  it("never print the same status", () => {
    const printed = new Map<string, string>()
    for (const [what, state, etag, promoted] of outcomes()) {
      const status = JSON.stringify({
        remote_config: remoteConfigOf({
          disk: {
            ...UNREAD_DISK,
            active: etag === '"2"' ? "b" : "a",
            slots: { a: slot('"1"', true), b: etag === '"2"' ? slot('"2"', promoted) : null }
          },
          state,
          running: running(etag),
          partLeftMs: 0,
          promotedAt: { a: null, b: null }
        }),
        diagnostics: revisionDiagnostics(state)
      })
      assert.isUndefined(printed.get(status), `"${what}" prints as "${printed.get(status)}"`)
      printed.set(status, what)
    }
    assert.isAbove(printed.size, 60)
  })
})

describe("a revision", () => {
  it("that was refused raises one warning, with what to do", () => {
    const state: StateFile = {
      ...EMPTY_STATE,
      last_attempt: { etag: '"2"', verdict: "config_invalid", reason: "/sinks: must be an object", at: AT, attempt: 1 }
    }
    const [found, ...more] = revisionDiagnostics(state)
    assert.lengthOf(more, 0)
    assert.deepInclude(found, {
      severity: "warning",
      kind: "revision_refused",
      message: 'revision "2" was not applied: config_invalid (/sinks: must be an object)'
    })
    assert.match(found?.repair.join() ?? "", /config retry/)
  })

  it("that failed transiently says when it is tried again", () => {
    const last_attempt = { etag: '"2"', verdict: "plugin_install_failed", at: AT, attempt: 1, retry_at: AT } as const
    const [found] = revisionDiagnostics({ ...EMPTY_STATE, last_attempt })
    assert.strictEqual(found?.kind, "revision_failed")
    assert.include(found?.repair.join() ?? "", "2026-01-01T00:00:00.000Z")
  })

  it("that was applied raises nothing, and one that was rolled back raises a warning also after that", () => {
    const last_attempt = { etag: '"2"', verdict: "applied", at: AT, attempt: 1 } as const
    assert.deepStrictEqual(revisionDiagnostics({ ...EMPTY_STATE, last_attempt }), [])
    const last_rollback = { etag: '"2"', reason: "crash_loop", at: AT } as const
    const quarantine = [{ ...entry, reason: "crash_loop" }] as const
    const kinds = revisionDiagnostics({ ...EMPTY_STATE, last_attempt, last_rollback, quarantine })
    assert.deepStrictEqual(
      kinds.map(({ kind }) => kind),
      ["rolled_back"]
    )
  })

  it("that was rolled back, tried again and promoted raises nothing", () => {
    const last_attempt = { etag: '"2"', verdict: "applied", at: AT, attempt: 2 } as const
    const last_rollback = { etag: '"2"', reason: "crash_loop", at: AT } as const
    assert.deepStrictEqual(revisionDiagnostics({ ...EMPTY_STATE, last_attempt, last_rollback }), [])
    const [corrupt] = revisionDiagnostics({
      ...EMPTY_STATE,
      last_attempt,
      last_rollback: { ...last_rollback, reason: "slot_corrupt" }
    })
    assert.strictEqual(corrupt?.kind, "rolled_back")
  })

  it("that was refused or rolled back does not make the machine degraded: what runs is good", () => {
    for (const kind of ["revision_refused", "revision_failed", "rolled_back"]) assert.isFalse(DEGRADING_KINDS.has(kind))
  })
})

/** The revision "1" runs, promoted, and another one could be gone back to. */
const SOUND: DiskFacts = { ...UNREAD_DISK, active: "a", slots: { a: slot('"1"', true), b: slot('"0"', true) } }

const context = (more: Partial<ConfigApplyContext>): ConfigApplyContext => ({
  disk: SOUND,
  state: EMPTY_STATE,
  lost: false,
  start: "explained",
  running: running('"1"'),
  bootedAt: 0,
  impaired: null,
  part: { ms: 0, since: 0 },
  confirmed: false,
  pluginsSettled: false,
  throttled: false,
  gap: false,
  urlRemembered: false,
  offer: null,
  pending: null,
  windowMs: 0,
  restart: "operator",
  exitRecorded: false,
  charged: null,
  unwritten: false,
  closing: false,
  storageProblem: null,
  ...more
})

const effective = (more: Partial<EffectiveConfig>): EffectiveConfig => ({
  boot: {
    running: running('"1"'),
    start: "explained",
    probation: false,
    bundledOnly: false,
    safeStart: false,
    unexplained: 0,
    ranMs: 0,
    safeHoldMs: 0,
    impaired: null
  },
  document: { version: 2 },
  central: Option.none(),
  localUsed: false,
  localProblem: null,
  losses: [],
  trees: {},
  dropped: [],
  localPlugins: [],
  unusedPlugins: [],
  problem: null,
  ...more
})

describe("a revision that is being applied", () => {
  const offer = { etag: '"2"', offer: 1, wall: AT }

  it("is named from the first step to the flip, and never before or after", () => {
    for (const state of ["steady.checking", "steady.installing", "steady.validating", "steady.committing.slot"]) {
      const [found] = stagingDiagnostics(context({ offer }), state)
      assert.deepInclude(found, {
        severity: "info",
        kind: "revision_staging",
        message: 'revision "2" is being applied'
      })
    }
    for (const state of ["steady.idle", "steady.recording", "restarting", "probation.using"]) {
      assert.deepStrictEqual(stagingDiagnostics(context({ offer }), state), [])
    }
  })

  it("that has just been rolled back does not run unwatched", () => {
    const unproven: DiskFacts = { ...SOUND, slots: { ...SOUND.slots, a: slot('"1"', false) } }
    const quarantine = [{ ...entry, etag: '"1"', reason: "probation_expired" }] as const
    const state = { ...EMPTY_STATE, quarantine }
    assert.deepStrictEqual(engineDiagnostics(context({ disk: unproven, state })), [])
  })
})

describe("the machine itself", () => {
  it("raises nothing while all is well", () => {
    assert.deepStrictEqual(engineDiagnostics(context({})), [])
    assert.deepStrictEqual(layerDiagnostics(effective({})), [])
  })

  it("is degraded by each thing that is wrong with it, once, with the reason and with what to do", () => {
    const { boot } = effective({})
    const unproven: DiskFacts = { ...SOUND, slots: { ...SOUND.slots, a: slot('"1"', false) } }
    const gone: DiskFacts = { ...SOUND, active: "dangling", slots: { ...SOUND.slots, a: null } }
    const cutOff = { ...running('"1"'), source: "none", slot: null, etag: null, central: false } as const
    const last_attempt = { etag: '"1"', verdict: "applied", at: AT, attempt: 1 } as const
    const table: ReadonlyArray<
      readonly [string, ReadonlyArray<{ kind: string; message: string; repair: ReadonlyArray<string> }>, RegExp]
    > = [
      ["storage_impaired", engineDiagnostics(context({ impaired: "EROFS!", storageProblem: "EROFS!" })), /EROFS!/],
      ["storage_failing", engineDiagnostics(context({ storageProblem: "ENOSPC!" })), /ENOSPC!/],
      ["rollback_no_target", engineDiagnostics(context({ disk: unproven })), /"1" did not prove itself/],
      ["rollback_no_target", engineDiagnostics(context({ disk: gone })), /"1" did not prove itself/],
      [
        "central_forgotten",
        engineDiagnostics(context({ disk: UNREAD_DISK, running: cutOff, state: { ...EMPTY_STATE, last_attempt } })),
        /nothing is polled/
      ],
      ["state_lost", engineDiagnostics(context({ lost: true })), /state\.json/],
      ["rescue", engineDiagnostics(context({ running: { ...running('"1"'), source: "rescue" } })), /line to central/],
      [
        "safe_start",
        layerDiagnostics(effective({ boot: { ...boot, safeStart: true, unexplained: 3 } })),
        /^3 unexplained/
      ],
      ["central_layer_unusable", layerDiagnostics(effective({ problem: "EIO!" })), /EIO!/],
      ["local_layer_unusable", layerDiagnostics(effective({ localProblem: "line 1" })), /line 1/]
    ]
    for (const [kind, found, message] of table) {
      assert.deepStrictEqual(
        found.map((one) => one.kind),
        [kind]
      )
      assert.match(found[0]?.message ?? "", message)
      assert.isTrue(DEGRADING_KINDS.has(kind), kind)
      assert.isAbove(found[0]?.repair.length ?? 0, 0, `${kind} says what to do`)
    }
  })

  it("warns of a start that cannot be explained on this system, and of local entries that are not used", () => {
    const [start] = engineDiagnostics(context({ start: "indeterminate" }))
    assert.strictEqual(start?.kind, "indeterminate_start")
    const dropped = [{ entry: "/sinks/a", reason: "because" }]
    const [local] = layerDiagnostics(effective({ dropped }))
    assert.deepInclude(local, { severity: "warning", kind: "local_entry_dropped" })
    assert.match(local?.message ?? "", /^\/sinks\/a .*: because$/)
    for (const kind of ["indeterminate_start", "local_entry_dropped"]) assert.isFalse(DEGRADING_KINDS.has(kind), kind)
  })
})
