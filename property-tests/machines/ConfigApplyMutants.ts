/** Wrong versions of ConfigApply, and the properties that tell them from the right one. */
import { assign, type AnyStateMachine } from "xstate"
import {
  activeFacts,
  activeSlot,
  committed,
  freshMarker,
  markerDropped,
  otherSlot,
  reconciled,
  rolledBack,
  started,
  startKind,
  targetSlot,
  withoutMarker,
  withQuarantine,
  type ConfigApplyContext,
  type DiskFacts,
  type SlotName,
  type StateFile
} from "../../machines/index.ts"
import { changed, withGuards, withState, type Written } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

interface Args {
  readonly context: ConfigApplyContext
  readonly event: any
}

const mutant = (name: string, killedBy: Mutant["killedBy"], change: (machine: AnyStateMachine) => AnyStateMachine) => ({
  name,
  machine: "configApply" as const,
  killedBy,
  apply: (charts: Parameters<Mutant["apply"]>[0]) => changed(charts, "configApply", change)
})

const offerOf = (context: ConfigApplyContext) => context.offer ?? { etag: "", offer: 0, wall: 0 }
const commitWrite = ({ context }: Args) => ({
  state: committed(context.state, context.disk, offerOf(context), context.windowMs)
})
const invokes = (state: Written, change: Written): Written => ({ ...state, invoke: { ...state["invoke"], ...change } })
/** `usable` that trusts whatever is intact. */
const intact = (disk: DiskFacts, slot: SlotName): boolean => disk.slots[slot]?.intact === true
const previousOf = (context: ConfigApplyContext): SlotName => context.state.marker?.previous_slot ?? "a"

/** What reconciling does, with one of its steps replaced. */
const reconciling = (machine: AnyStateMachine, judge: (context: ConfigApplyContext) => StateFile): AnyStateMachine =>
  withState(machine, "boot.reconciling", (state) => ({
    ...state,
    entry: assign(({ context }: any) => ({ state: judge(context), start: startKind(context.disk, context.state) }))
  }))

/** A restarting process that promotes what it has just flipped to, when its own poll is confirmed. */
const promotesFromTheOldProcess = (machine: AnyStateMachine): AnyStateMachine =>
  withState(machine, "restarting", (state) => ({
    ...state,
    initial: "resting",
    on: { ...state["on"], POLL_CONFIRMED: ".promoting", POLL_SETTLED: ".promoting" },
    states: {
      resting: {},
      promoting: {
        invoke: {
          src: "writePromoted",
          input: ({ context }: Args) => ({ slot: context.state.marker?.slot ?? "a" }),
          onDone: "resting",
          onError: "resting"
        }
      }
    }
  }))

export const CONFIG_APPLY_MUTANTS: ReadonlyArray<Mutant> = [
  mutant("flips before the marker is written", ["armsAfterLoss"], (machine) =>
    withState(
      withState(
        withState(machine, "steady.committing.slot", (state) => invokes(state, { onDone: "flip" })),
        "steady.committing.flip",
        (state) => invokes(state, { onDone: "marker", onError: "marker" })
      ),
      "steady.committing.marker",
      (state) => invokes(state, { input: commitWrite, onDone: "applied", onError: "applied" })
    )
  ),
  mutant("promotes at the start", ["promotedByProof"], (machine) => withGuards(machine, { provenGood: () => true })),
  mutant("promotes before plugins have settled", ["promotedByProof"], (machine) =>
    withGuards(machine, { provenGood: ({ context }: Args) => context.confirmed })
  ),
  mutant("promotes without a confirmed poll", ["promotedByProof"], (machine) =>
    withGuards(machine, { provenGood: ({ context }: Args) => context.pluginsSettled })
  ),
  mutant("confirms from the old process", ["promotedByProof"], promotesFromTheOldProcess),
  mutant("promotes the other slot", ["promotedByProof", "lkgByPromotionOnly"], (machine) =>
    withState(machine, "probation.promoting.marking", (state) =>
      invokes(state, { input: ({ context }: Args) => ({ slot: previousOf(context) }) })
    )
  ),
  mutant("rolls back without an intent first", ["rolledBackIsRemembered"], (machine) =>
    withState(
      withState(
        withState(machine, "rollingBack.intent", (state) => invokes(state, { onDone: "done", onError: "done" })),
        "rollingBack.flipping",
        (state) => invokes(state, { onDone: "intent", onError: "intent" })
      ),
      "rollingBack.choosing",
      () => ({ always: "flipping" })
    )
  ),
  mutant("rolls back to a slot without asking whether it is usable", ["flipsToUsable"], (machine) =>
    withGuards(machine, {
      toBare: () => false,
      nowhereToGo: () => false,
      condemnedAndStuck: () => false
    })
  ),
  mutant("does not charge the start before plugins run", ["recovers"], (machine) =>
    withState(machine, "boot.reconciling", (state) => ({
      ...state,
      always: state["always"].map((one: Written) =>
        one["target"] === "counting" ? { ...one, target: "sweepingSeed" } : one
      ),
      exit: assign(({ context }: any) => ({ running: runningAsCounted(context) }))
    }))
  ),
  mutant("does not use up the recorded exit", ["crashLoopNoticed"], (machine) =>
    withState(machine, "boot.counting", (state) =>
      invokes(state, {
        input: ({ context }: Args) => ({
          state: { ...started(context.disk, context.state, context.start), last_exit: "planned" }
        })
      })
    )
  ),
  mutant("does not charge the budget in advance", ["recovers"], (machine) =>
    withState(machine, "boot.counting", (state) =>
      invokes(state, {
        input: ({ context }: Args) => {
          const next = started(context.disk, context.state, context.start)
          return {
            state:
              next.marker === undefined || context.state.marker === undefined
                ? next
                : { ...next, marker: { ...next.marker, budget_ms: context.state.marker.budget_ms } }
          }
        }
      })
    )
  ),
  mutant("counts explained starts as unexplained", ["fiveStarts"], (machine) =>
    withState(machine, "boot.reconciling", (state) => ({
      ...state,
      entry: [...[state["entry"]].flat(), assign({ start: "unexplained" })]
    }))
  ),
  mutant("stages while on probation", ["usablePrevious", "slotsSpared"], (machine) =>
    withState(machine, "probation", (state) => ({
      ...state,
      on: {
        ...state["on"],
        STAGE: {
          target: "#configApply.steady.judging",
          actions: assign(({ event }: any) => ({
            offer: { etag: event.etag, offer: event.offer, wall: event.wall },
            pending: null
          }))
        }
      }
    }))
  ),
  mutant("forgets the quarantine entry that a commit carried (E6)", ["rolledBackIsRemembered"], (machine) =>
    reconciling(machine, (context) => {
      const { disk, state } = context
      const isForeign = state.marker !== undefined && state.marker.slot !== disk.active
      return reconciled(disk, isForeign ? markerDropped(state) : state, context.lost)
    })
  ),
  mutant("forgets a probation after an unexplained start", ["bootsWhatIsProven"], (machine) =>
    reconciling(machine, (context) => {
      const isSudden = startKind(context.disk, context.state) === "unexplained"
      return isSudden ? markerDropped(context.state) : reconciled(context.disk, context.state, context.lost)
    })
  ),
  mutant("never arms a lost probation (E7)", ["recovers"], (machine) =>
    reconciling(machine, (context) => {
      const had = context.state.marker !== undefined
      const next = reconciled(context.disk, context.state, context.lost)
      return had ? next : markerDropped(next)
    })
  ),
  mutant("arms a probation at every boot (E7)", ["armsAfterLoss"], (machine) =>
    reconciling(machine, (context) => {
      const next = reconciled(context.disk, context.state, context.lost)
      const slot = activeSlot(context.disk)
      return slot === null || next.marker !== undefined || activeFacts(context.disk)?.etag === null
        ? next
        : { ...next, marker: freshMarker(context.disk, slot) }
    })
  ),
  mutant("falls back to whatever is intact", ["flipsToUsable"], (machine) => {
    const guarded = withGuards(machine, {
      refugeFound: ({ context }: Args) => {
        const slot = activeSlot(context.disk)
        return slot !== null && intact(context.disk, otherSlot(slot))
      }
    })
    return withState(guarded, "boot.flipping", (state) =>
      invokes(state, {
        input: ({ context }: Args) => ({ slot: otherSlot(activeSlot(context.disk) ?? "b") })
      })
    )
  }),
  mutant("blames a revision for bit rot", ["rotBlamesNobody"], (machine) =>
    withState(machine, "boot.recordingCorrupt", (state) => ({
      ...state,
      entry: [
        ...[state["entry"]].flat(),
        assign(({ context }: any) => {
          const facts = activeFacts(context.disk)
          if (facts?.etag == null) return {}
          const entry = {
            etag: facts.etag,
            digest: facts.digest,
            environment: context.disk.environment,
            reason: "validation_failed" as const,
            recorded_at: context.disk.wall,
            attempts: 1
          }
          return { state: withQuarantine(context.state, entry, null) }
        })
      ]
    }))
  ),
  mutant("lets a probation expire during a gap", ["noVerdictAfterGap"], (machine) =>
    withGuards(machine, { gapOpen: () => false })
  ),
  mutant("takes a poll that was cut by the gap for a fresh one", ["noVerdictAfterGap"], (machine) =>
    withGuards(machine, { fresh: () => true })
  ),
  mutant("expires with budget left", ["windowSpent"], (machine) => withGuards(machine, { partsLeft: () => false })),
  mutant("takes the marker back after a flip whose end is unknown", ["armsAfterLoss"], (machine) =>
    withState(machine, "steady.committing.flip", (state) => invokes(state, { onError: "undoing" }))
  ),
  mutant("restores a quarantine entry when there is nowhere to go", ["activeNotQuarantined"], (machine) =>
    withState(machine, "boot.reconciling", (state) => ({
      ...state,
      always: [
        {
          ...state["always"][0],
          actions: assign(({ context }: any) => ({ state: withoutMarker(context.state, null) }))
        },
        ...state["always"].slice(1)
      ]
    }))
  ),
  mutant("keeps running what is quarantined (E5)", ["activeNotQuarantined"], (machine) =>
    withGuards(machine, {
      quarantinedWithRefuge: () => false,
      quarantinedAndBare: () => false,
      quarantinedWithNowhereToGo: () => false
    })
  ),
  mutant("goes bare although a slot is usable", ["bareAfterDamage"], (machine) =>
    withGuards(machine, { toBare: () => true })
  ),
  mutant("does not retire the seed", ["tokenGone"], (machine) =>
    withState(
      withState(machine, "probation.promoting.retiring", () => ({ always: "#configApply.steady" })),
      "boot.sweepingSeed",
      () => ({ always: "#configApply.settling" })
    )
  ),
  mutant("rolls a promoted revision back", ["promotedStays"], (machine) =>
    withGuards(machine, { promotedAlready: () => false })
  ),
  mutant("writes the slot that runs", ["slotsSpared"], (machine) =>
    withState(machine, "steady.committing.slot", (state) =>
      invokes(state, {
        input: ({ context }: Args) => ({
          ...offerOf(context),
          slot: activeSlot(context.disk) ?? targetSlot(context.disk)
        })
      })
    )
  ),
  mutant("boots the other slot's revision", ["digestBelongs"], (machine) =>
    withState(machine, "settling", (state) => ({
      ...state,
      entry: [
        assign(({ context }: any) => ({
          running: { ...context.running, digest: context.disk.slots.a?.digest ?? null }
        })),
        state["entry"]
      ]
    }))
  ),
  mutant("records the end of a start that was never counted", ["armsAfterLoss", "crashLoopNoticed"], (machine) =>
    withGuards(machine, { neverCounted: () => false })
  ),
  mutant("forgets what an operator asked for while it was busy", ["retriesAreKept"], (machine) =>
    withGuards(machine, { unwritten: () => false })
  ),
  {
    name: "spends calendar time on a probation",
    machine: "configApply",
    killedBy: ["wallJumps"],
    apply: (charts) => {
      const { configApply } = charts
      return configApply === undefined
        ? charts
        : { ...charts, configApply: { ...configApply, calendarDelays: ["part"] } }
    }
  },
  mutant("does not give back what an orderly stop left of the budget", ["restartIsInvisible"], (machine) =>
    withState(machine, "closing.writing", (state) =>
      invokes(state, {
        input: ({ context }: Args) => {
          const { marker } = context.state
          const spent =
            marker === undefined ? {} : { marker: { ...marker, budget_ms: Math.max(0, marker.budget_ms - 1_000) } }
          return { state: { ...context.state, ...spent } }
        }
      })
    )
  ),
  mutant("does not record an orderly exit", ["restartIsInvisible"], (machine) =>
    withState(machine, "closing.writing", (state) =>
      invokes(state, {
        input: ({ context }: Args) => {
          const { last_exit: _unsaid, ...rest } = context.state
          return { state: rest }
        }
      })
    )
  ),
  mutant("charges two parts for a start", ["killIsNearlyInvisible"], (machine) =>
    withState(machine, "boot.counting", (state) =>
      invokes(state, {
        input: ({ context }: Args) => {
          const next = started(context.disk, context.state, context.start)
          return { state: started(context.disk, next, "explained") }
        }
      })
    )
  ),
  mutant("blames the revision twice for one rollback", ["countsOnce"], (machine) =>
    withState(machine, "rollingBack.intent", (state) =>
      invokes(state, {
        input: ({ context }: Args) => {
          const next = rolledBack(context.state, context.disk, "probation_expired")
          return {
            state: {
              ...next,
              quarantine: next.quarantine.map((entry) => ({ ...entry, attempts: entry.attempts + 1 }))
            }
          }
        }
      })
    )
  )
]

const runningAsCounted = (context: ConfigApplyContext) => {
  const slot = activeSlot(context.disk)
  const facts = activeFacts(context.disk)
  return slot === null || facts === null
    ? { ...context.running, source: context.disk.seed ? ("seed" as const) : ("rescue" as const), central: true }
    : {
        source: "slot" as const,
        slot,
        etag: facts.etag,
        digest: facts.digest,
        central: facts.central,
        intervalMs: facts.interval_ms
      }
}
