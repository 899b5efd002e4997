/** Boot evaluation, E0 to E11, and what the machine does while its storage cannot be repaired. */
import { assign } from "xstate"
import {
  applySetup,
  type ConfigApplyContext,
  countedAfterAll,
  outcome,
  read,
  refuse,
  slotOr,
  storageFailed,
  target,
  toPart
} from "./ConfigApplySetup.ts"
import {
  asFarAsKnown,
  bootVerdict,
  corrupted,
  markerDropped,
  reconciled,
  rolledBack,
  runningOf,
  runningReadOnly,
  started,
  startKind
} from "./ConfigBoot.ts"
import { activeSlot, EMPTY_STATE, refuge, UNREAD_DISK, withoutQuarantine } from "./ConfigFacts.ts"
import { failureOf } from "./Task.ts"

const reasonAtBoot = ({ start, state }: ConfigApplyContext) =>
  bootVerdict(state, start) === "crash_loop" ? "crash_loop" : "probation_expired"

const rollbackNoted = {
  type: "note",
  params: ({ context }: { readonly context: ConfigApplyContext }) => ({
    event: "config.rollback",
    etag: context.state.marker?.etag ?? null,
    detail: reasonAtBoot(context)
  })
} as const

export const boot = applySetup.createStateConfig({
  description: "Boot evaluation E0 to E11, before the pull loop and any plugin code.",
  tags: "boot",
  initial: "inspecting",
  on: refuse("apply_engine_not_ready"),
  states: {
    inspecting: {
      description: "E0 and E2: everything is fsynced and swept, then read.",
      invoke: {
        src: "inspect",
        input: { repair: true },
        onDone: { target: "judging", actions: assign(({ context, event }) => read(context, event.output, true)) },
        onError: {
          target: "#configApply.impaired",
          actions: assign(({ event }) => ({
            ...storageFailed({ event }),
            // What was read before a repair is not what is there now.
            disk: UNREAD_DISK,
            state: EMPTY_STATE,
            impaired: failureOf(event).message
          }))
        }
      }
    },
    judging: {
      description: "E1 to E5, each before anything that follows it.",
      always: [
        {
          guard: "readOnly",
          target: "#configApply.impaired",
          actions: assign(({ context }) => ({
            impaired: context.disk.readOnly,
            state: asFarAsKnown(context.disk, context.state),
            running: runningReadOnly(context.disk, context.state),
            start: startKind(context.disk, context.state)
          }))
        },
        { guard: "leaveFound", target: "leaving" },
        { guard: "joinFound", target: "joining" },
        { guard: "stateUnreadable", target: "settingAside" },
        { guard: "activeBroken", target: "recordingCorrupt" },
        {
          guard: "quarantinedWithRefuge",
          target: "flipping",
          actions: { type: "note", params: { event: "config.bad_etag_active_recovered" } }
        },
        { guard: "quarantinedAndBare", target: "unlinking" },
        {
          guard: "quarantinedWithNowhereToGo",
          target: "reconciling",
          actions: assign(({ context }) => ({
            state: withoutQuarantine(context.state, context.disk.slots[slotOr(activeSlot(context.disk))]?.etag ?? "")
          }))
        },
        { target: "reconciling" }
      ]
    },
    leaving: {
      description: "E1: the machine left its fleet; leave.json goes last.",
      invoke: { src: "executeLeave", onDone: "inspecting", onError: "rereading" }
    },
    joining: {
      description: "E1: the joining intent becomes the seed; another fleet's layer goes as a whole.",
      invoke: { src: "executeJoin", onDone: "inspecting", onError: "rereading" }
    },
    settingAside: {
      description: "E3: a state.json that cannot be read is kept beside, never guessed at.",
      invoke: {
        src: "setStateAside",
        onDone: { target: "inspecting", actions: assign({ lost: true }) },
        onError: "rereading"
      }
    },
    recordingCorrupt: {
      description: "E4: bit rot is remembered as a rollback and blames no revision.",
      entry: assign(({ context }) => ({
        state: corrupted(context.disk, context.state)
      })),
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: context.state }),
        onDone: [{ guard: "refugeFound", target: "flipping" }, { target: "unlinking" }],
        onError: "rereading"
      }
    },
    reconciling: {
      description: "E6 to E9: is there a probation, who serves it, and does it survive this start?",
      entry: assign(({ context }) => ({
        state: reconciled(context.disk, context.state, context.lost),
        start: startKind(context.disk, context.state)
      })),
      always: [
        {
          guard: "condemnedAndStuck",
          target: "counting",
          actions: [
            assign(({ context }) => ({ state: markerDropped(context.state) })),
            { type: "note", params: { event: "config.rollback_no_target" } }
          ]
        },
        { guard: "condemned", target: "condemning" },
        { target: "counting" }
      ]
    },
    condemning: {
      description: "R1 at boot: the verdict is written before the flip, and before any plugin code.",
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: rolledBack(context.state, context.disk, reasonAtBoot(context)) }),
        onDone: [
          { guard: "toBare", target: "unlinking", actions: rollbackNoted },
          { target: "flippingBack", actions: rollbackNoted }
        ],
        onError: "rereading"
      }
    },
    flipping: {
      description: "E4, E5: to the slot that can be trusted.",
      invoke: {
        src: "flip",
        input: ({ context }) => ({ slot: slotOr(refuge(context.disk, context.state)) }),
        onDone: "inspecting",
        onError: "rereading"
      }
    },
    flippingBack: {
      description: "R2 at boot: in place, then everything is judged again.",
      invoke: {
        src: "flip",
        input: ({ context }) => ({ slot: slotOr(target(context)) }),
        onDone: "inspecting",
        onError: "rereading"
      }
    },
    unlinking: {
      description: "No slot can be trusted: bare.",
      invoke: { src: "unlinkActive", onDone: "inspecting", onError: "rereading" }
    },
    counting: {
      description: "E9, E10: one part charged, the start counted, the recorded exit used up; before any wait.",
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: started(context.disk, context.state, context.start) }),
        onDone: {
          target: "sweepingSeed",
          actions: assign(({ context, event }) => ({
            ...toPart(context, started(context.disk, context.state, context.start), event.output.uptime),
            bootedAt: event.output.uptime,
            running: runningOf(context.disk)
          }))
        },
        onError: {
          target: "rereading",
          actions: assign(({ context }) => ({ charged: started(context.disk, context.state, context.start) }))
        }
      }
    },
    sweepingSeed: { always: [{ guard: "seedSpent", target: "retiring" }, { target: "#configApply.settling" }] },
    retiring: {
      description: "E11: the token has done its work.",
      invoke: {
        src: "retireSeed",
        onDone: "#configApply.settling",
        onError: { target: "#configApply.settling", actions: assign(storageFailed) }
      }
    },
    rereading: {
      description: "A repair failed: look at what there is now, and run the best of it.",
      entry: assign(storageFailed),
      invoke: {
        src: "inspect",
        input: { repair: false },
        onDone: {
          target: "#configApply.impaired",
          actions: assign(({ context, event }) => {
            const known = { ...context, ...read(context, event.output, true) }
            const state = asFarAsKnown(event.output, known.state)
            return {
              ...known,
              state,
              impaired: context.storageProblem ?? "the state directory cannot be repaired",
              running: runningReadOnly(event.output, state),
              start: startKind(event.output, state)
            }
          })
        },
        onError: {
          target: "#configApply.impaired",
          actions: assign(({ context, event }) => ({
            ...storageFailed({ event }),
            impaired: context.storageProblem ?? failureOf(event).message,
            running: runningReadOnly(context.disk, context.state)
          }))
        }
      }
    }
  }
})

export const settling = applySetup.createStateConfig({
  description: "What runs is frozen for the life of this process.",
  entry: { type: "bootEvaluated", params: ({ context }) => outcome(context) },
  always: [{ guard: "closing", target: "closing" }, { guard: "onProbation", target: "probation" }, { target: "steady" }]
})

export const impaired = applySetup.createStateConfig({
  description: "Storage cannot be repaired or written: the machine runs and polls, stages nothing, and looks again.",
  tags: ["settled"],
  entry: { type: "bootEvaluated", params: ({ context }) => outcome(context) },
  initial: "waiting",
  on: {
    ...refuse("apply_engine_not_ready"),
    CLOSE: "#configApply.closed"
  },
  states: {
    waiting: { description: "Until it is time to look again.", after: { storageRetry: "probing" } },
    probing: {
      description: "Can the disk be repaired and written by now? Then a new process starts from it.",
      invoke: {
        src: "inspect",
        input: { repair: true },
        onDone: [
          {
            guard: "writable",
            target: "#configApply.restarting",
            actions: assign(({ context, event }) => ({
              ...countedAfterAll(context, event.output),
              restart: "storage_recovered" as const
            }))
          },
          { target: "waiting" }
        ],
        onError: "waiting"
      }
    }
  }
})
