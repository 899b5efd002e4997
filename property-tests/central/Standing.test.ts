import { afterAll, describe, expect, it } from "vitest"
import * as fc from "fast-check"
import type { Gateway } from "../../src/central-server/Gateways.ts"
import { viewConfigs, viewGateways } from "../../src/central-server/FleetView.ts"
import type { Revision } from "../../src/central-server/ConfigStore.ts"
import type { KnownRevisions } from "../../src/central-server/Standing.ts"
import * as Real from "../../src/central-server/Standing.ts"
import { type RemoteConfig, type Standing, STANDINGS } from "../../src/domain/index.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { hunt, options } from "../Options.ts"

afterAll(removeMutants)

/** What a gateway really does, and which of its words arrive. */
type Step =
  | { readonly kind: "apply" | "rollback" | "refuse" | "boot"; readonly etag: string }
  | { readonly kind: "promote" | "poll" | "report" | "tick" }

const ETAGS = ['"a"', '"b"']
const etag = fc.constantFrom(...ETAGS)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("apply", "rollback", "refuse"), etag }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("boot"), etag }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("poll", "tick", "promote", "poll", "report") }) }
)
const life = fc.record({
  steps: fc.array(step, { maxLength: 40, size: "max" }),
  known: fc.uniqueArray(etag, { maxLength: 3 }),
  revoked: fc.boolean()
})
type Life = typeof life extends fc.Arbitrary<infer A> ? A : never

/** What truly happened with each etag, whether central was told or not. */
interface Truth {
  readonly ran: Set<string>
  readonly promoted: Set<string>
  readonly applied: Set<string>
  /** Runs now, as of its last word, since when it did so without a break. */
  stretch: { readonly etag: string | null; promoted: boolean }
}

const live = ({ known, revoked, steps }: Life): { gateway: Gateway; truth: Truth; revisions: KnownRevisions } => {
  const truth: Truth = {
    ran: new Set(),
    promoted: new Set(),
    applied: new Set(),
    stretch: { etag: null, promoted: true }
  }
  let now = 1
  let remote: RemoteConfig = {
    running_etag: null,
    probation: null,
    last_rollback: null,
    last_attempt: null,
    quarantine: []
  }
  let stored = {
    polled_at: null as number | null,
    reported_at: null as number | null,
    status: null as Gateway["status"],
    running_etag: null as string | null,
    running_since: null as number | null
  }
  const word = (running: string | null) => {
    if (stored.running_since === null || stored.running_etag !== running) {
      stored = { ...stored, running_etag: running, running_since: now }
    }
  }
  for (const action of steps) {
    switch (action.kind) {
      case "apply":
        truth.applied.add(action.etag)
        remote = { ...remote, last_attempt: { etag: action.etag, verdict: "applied", at: "" } }
        break
      case "refuse":
        remote = { ...remote, last_attempt: { etag: action.etag, verdict: "config_invalid", at: "" } }
        break
      case "rollback":
        remote = { ...remote, last_rollback: { etag: action.etag, reason: "crash_loop", at: "" } }
        break
      case "boot": {
        const probation = { etag: action.etag, applied_at: null, remaining_seconds: 1, attempts_left: 1 }
        truth.ran.add(action.etag)
        truth.stretch = { etag: action.etag, promoted: false }
        remote = { ...remote, running_etag: action.etag, probation }
        break
      }
      case "promote":
        if (truth.stretch.etag !== null) truth.promoted.add(truth.stretch.etag)
        truth.stretch.promoted = true
        remote = { ...remote, probation: null }
        break
      case "poll":
        stored = { ...stored, polled_at: now }
        word(remote.running_etag)
        break
      case "report":
        word(remote.running_etag)
        stored = { ...stored, reported_at: now, status: { remote_config: remote } }
        break
      case "tick":
        now += 1
    }
  }
  const newest = known.at(-1) ?? null
  const gateway: Gateway = {
    id: "gw",
    config: "fleet",
    token_id: "tok",
    joined_at: 0,
    revoked_at: revoked ? now : null,
    ...stored
  }
  return { gateway, truth, revisions: { newest, has: (etag) => known.includes(etag) } }
}

/** Why a standing is a lie; undefined when it is none. */
const lie = (standing: Standing, { gateway, revisions, truth }: ReturnType<typeof live>): string | undefined => {
  const { newest } = revisions
  const remote = gateway.status?.remote_config
  const seen = gateway.polled_at !== null || gateway.reported_at !== null
  const allowed: Record<Standing, boolean> = {
    revoked: gateway.revoked_at !== null,
    unconfigured: newest === null,
    never_seen: !seen,
    converged:
      newest !== null &&
      truth.promoted.has(newest) &&
      gateway.running_etag === newest &&
      remote?.running_etag === newest &&
      remote.probation === null,
    probation: newest !== null && truth.ran.has(newest) && gateway.running_etag === newest,
    unconfirmed: newest !== null && truth.ran.has(newest) && gateway.running_etag === newest,
    restarting: newest !== null && truth.applied.has(newest) && gateway.running_etag !== newest,
    rolled_back: remote?.last_rollback?.etag === newest && gateway.running_etag !== newest,
    refused: remote?.last_attempt?.etag === newest && remote.last_attempt.verdict !== "applied",
    waiting: seen && gateway.running_etag !== newest,
    ahead: gateway.running_etag !== null && !revisions.has(gateway.running_etag)
  }
  if (!STANDINGS.includes(standing)) return `${standing} is no standing`
  if (gateway.revoked_at !== null && standing !== "revoked") return `a revoked one stands ${standing}`
  // What it told of the stretch before says nothing of this one.
  if (standing === "converged" && (gateway.reported_at ?? 0) < (gateway.running_since ?? 0))
    return "an old report counts"
  return allowed[standing] ? undefined : `${standing} is not what happened`
}

const truthful = (standingOf: typeof Real.standingOf) =>
  fc.property(life, (each) => {
    const lived = live(each)
    expect(lie(standingOf(lived.gateway, lived.revisions), lived)).toBeUndefined()
  })

describe("the standing of a gateway", () => {
  it("is exactly one, and never better than what happened", () => {
    fc.assert(truthful(Real.standingOf), options(5))
  })

  it.each([
    ["takes an old report for one of now", "reported_at < running_since", "false"],
    ["takes what was never said for promotion", "remote.probation === undefined", "false"],
    ["forgets what was ended", 'if (gateway.revoked_at !== null) return "revoked"', ""],
    ["takes an attempt for a restart", 'attempt?.etag === etag && attempt.verdict !== "applied"', "false"],
    ["knows every revision", "!has(gateway.running_etag)", "false && has(gateway.running_etag)"]
  ])("is found out when it %s", async (_, search, replacement) => {
    const mutant = await loadMutant<typeof Real>("src/central-server/Standing.ts", search, replacement)
    const differs = fc.property(life, fc.boolean(), (each, silent) => {
      const lived = live(each)
      const told = lived.gateway.status?.remote_config
      if (silent && told != null) {
        const { probation: _, ...rest } = told
        const gateway = { ...lived.gateway, status: { remote_config: rest } }
        // Nothing was said of probation: then nobody knows.
        expect(mutant.onProbation(gateway) === false && gateway.running_etag !== null).toBe(false)
        return
      }
      const standing = mutant.standingOf(lived.gateway, lived.revisions)
      expect(lie(standing, lived)).toBeUndefined()
      // Whoever runs what is not known here, and has said nothing of the newest, is ahead.
      if (standing === "waiting" && lived.gateway.running_etag !== null) {
        expect(lived.revisions.has(lived.gateway.running_etag)).toBe(true)
      }
    })
    expect(fc.check(differs, hunt).failed).toBe(true)
  })
})

describe("the view of a fleet", () => {
  const fleet = fc.array(life, { maxLength: 12 })
  const history = fc.array(fc.tuple(fc.constantFrom("x", "y"), etag), { maxLength: 12 })

  it("counts each gateway in one standing, and in at most one place of each document", () => {
    fc.assert(
      fc.property(fleet, history, (lives, saved) => {
        const seqs: Record<string, number> = {}
        const revisions = saved
          .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
          .map(([config, etag]): Revision => {
            seqs[config] = (seqs[config] ?? 0) + 1
            const seq = seqs[config]
            return { config, seq, etag, forced: 0, created_at: seq, saved_by: "command", restores: null, size: 1 }
          })
        const gateways = lives.map((each, index): Gateway => ({
          ...live(each).gateway,
          id: `gw_${index}`,
          config: index % 2 === 0 ? "x" : "y"
        }))
        const views = viewGateways(gateways, revisions)
        for (const config of viewConfigs(gateways, views, revisions)) {
          const own = views.filter((view) => view.config === config.name)
          expect(Object.values(config.standings).reduce((sum, count) => sum + count, 0)).toBe(own.length)
          const running = own.filter(
            (view) => !view.revoked && config.newest.some(({ etag }) => etag === view.running_etag)
          )
          const counted = config.newest.map(({ convergence }) => convergence)
          // The same bytes saved again are one document: nobody is counted twice.
          expect(
            counted.reduce((sum, { probation, promoted, unconfirmed }) => sum + probation + promoted + unconfirmed, 0)
          ).toBe(running.length)
          const newest = config.newest[0]?.convergence
          if (newest !== undefined) expect(newest.promoted).toBe(config.standings["converged"] ?? 0)
        }
      }),
      options()
    )
  })

  it("of 2,000 gateways and 50 revisions is made in less than a second", () => {
    const revisions = Array.from({ length: 50 }, (_, n): Revision => {
      return {
        config: "x",
        seq: n + 1,
        etag: `"${n}"`,
        forced: 0,
        created_at: n,
        saved_by: "page",
        restores: null,
        size: 9
      }
    })
    const gateways = Array.from({ length: 2_000 }, (_, n): Gateway => ({
      id: `gw_${n}`,
      config: "x",
      token_id: "tok",
      joined_at: 0,
      revoked_at: null,
      polled_at: 1,
      reported_at: 1,
      status: {
        remote_config: { running_etag: `"${n % 50}"`, probation: null, quarantine: [{ etag: '"7"', reason: "x" }] }
      },
      running_etag: `"${n % 50}"`,
      running_since: 1
    }))
    const started = performance.now()
    const [config] = viewConfigs(gateways, viewGateways(gateways, revisions), revisions)
    expect(performance.now() - started).toBeLessThan(1_000)
    expect(config?.newest).toHaveLength(20)
    expect(config?.newest[0]?.convergence.promoted).toBe(40)
  })
})
