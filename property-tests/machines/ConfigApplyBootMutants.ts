/** Wrong versions of how ConfigApply starts and ends, and the properties that tell them from the right ones. */
import { assign, type AnyStateMachine } from "xstate"
import {
  activeFacts,
  activeSlot,
  freshMarker,
  markerDropped,
  otherSlot,
  reconciled,
  started,
  startKind,
  withoutMarker,
  withQuarantine,
  type ConfigApplyContext,
  type DiskFacts,
  type SlotName,
  type StateFile
} from "../../machines/index.ts"
import { invokes, mutantOf, withGuards, withState, type Written } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

interface Args {
  readonly context: ConfigApplyContext
  readonly event: any
}

const mutant = mutantOf("configApply")

/** `usable` that trusts whatever is intact. */
const intact = (disk: DiskFacts, slot: SlotName): boolean => disk.slots[slot]?.intact === true

/** What reconciling does, with one of its steps replaced. */
const reconciling = (machine: AnyStateMachine, judge: (context: ConfigApplyContext) => StateFile): AnyStateMachine =>
  withState(machine, "boot.reconciling", (state) => ({
    ...state,
    entry: assign(({ context }: any) => ({ state: judge(context), start: startKind(context.disk, context.state) }))
  }))

export const CONFIG_APPLY_BOOT_MUTANTS: ReadonlyArray<Mutant> = [
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
  mutant("does not retire the seed", ["tokenGone"], (machine) =>
    withState(
      withState(machine, "probation.promoting.retiring", () => ({ always: "#configApply.steady" })),
      "boot.sweepingSeed",
      () => ({ always: "#configApply.settling" })
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
  mutant("forgives every reboot of the system", ["recovers"], (machine) =>
    withState(machine, "boot.counting", (state) =>
      invokes(state, {
        input: ({ context }: Args) => {
          const next = started(context.disk, context.state, context.start)
          const isForgiven = context.start === "explained"
          return { state: isForgiven ? { ...next, unexplained: context.state.unexplained } : next }
        },
        // What is remembered is what was written.
        onDone: [state["invoke"].onDone].flat().map((transition: Written) => ({
          ...transition,
          actions: [
            transition["actions"],
            assign(({ context }: any) =>
              context.start === "explained"
                ? { state: { ...context.state, unexplained: context.disk.state?.unexplained } }
                : {}
            )
          ].flat()
        }))
      })
    )
  ),
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
