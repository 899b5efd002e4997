/** Wrong versions of how ConfigApply stages, proves and rolls back, and the properties that see them. */
import { assign, type AnyStateMachine } from "xstate"
import {
  activeSlot,
  committed,
  rolledBack,
  targetSlot,
  type ConfigApplyContext,
  type SlotName
} from "../../machines/index.ts"
import { invokes, mutantOf, withGuards, withState } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

interface Args {
  readonly context: ConfigApplyContext
  readonly event: any
}

const mutant = mutantOf("configApply")

const offerOf = (context: ConfigApplyContext) => context.offer ?? { etag: "", offer: 0, wall: 0 }
const commitWrite = ({ context }: Args) => ({
  state: committed(context.state, context.disk, offerOf(context), context.windowMs)
})
const previousOf = (context: ConfigApplyContext): SlotName => context.state.marker?.previous_slot ?? "a"

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
  mutant("goes bare although a slot is usable", ["bareAfterDamage"], (machine) =>
    withGuards(machine, { toBare: () => true })
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
  mutant("a throttling central extends a probation for ever", ["extendsOnce"], (machine) =>
    withGuards(machine, { mayExtend: ({ context }: Args) => context.throttled })
  ),
  mutant("a throttling central extends no probation", ["extendsOnce"], (machine) =>
    withGuards(machine, { mayExtend: () => false })
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
