/** Probation: the budget of elapsed time, promotion (P0 to P3) and rollback (R0 to R3). */
import { assign } from "xstate"
import {
  answer,
  applySetup,
  chargedState,
  confirmFailed,
  extended,
  promotedDisk,
  refuse,
  slotOr,
  storageFailed,
  storageWorks,
  target,
  toPart,
  toPending
} from "./ConfigApplySetup.ts"
import { markerDropped, promotionFinished, rolledBack } from "./ConfigBoot.ts"

export const probation = applySetup.createStateConfig({
  description: "The revision must be confirmed before its budget of elapsed time is spent.",
  initial: "using",
  tags: "probation",
  on: {
    STAGE: [{ guard: "confirmedAlready", actions: assign(toPending) }, { actions: answer("probation_pending") }],
    CLOSE: "#configApply.closing"
  },
  states: {
    using: {
      description: "One part of the budget, charged durably before it is used.",
      tags: "settled",
      always: { guard: "provenGood", target: "promoting" },
      after: { part: "spent" }
    },
    spent: {
      always: [
        { guard: "partsLeft", target: "charging" },
        { guard: "mayExtend", target: "extending" },
        { guard: "gapOpen", target: "holding" },
        { target: "#configApply.rollingBack" }
      ]
    },
    charging: {
      description: "The next part is charged; when that cannot be written, the part is used all the same.",
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: chargedState(context.state) }),
        onDone: {
          target: "using",
          actions: assign(({ context, event }) => ({
            ...toPart(context, chargedState(context.state), event.output.uptime),
            ...storageWorks
          }))
        },
        onError: {
          target: "using",
          actions: assign(({ context, event }) => ({
            ...toPart(context, chargedState(context.state), context.part.since + context.part.ms),
            ...storageFailed({ event })
          }))
        }
      }
    },
    extending: {
      description: "Central answers but throttles: one more window, once.",
      entry: assign(({ context }) => ({ state: extended(context.state) })),
      always: "charging"
    },
    holding: {
      description: "The process was suspended: no verdict before one more poll has been answered or timed out.",
      tags: "settled",
      entry: { type: "requestPoll", params: { reason: "suspended" } },
      always: { guard: "provenGood", target: "promoting" },
      on: {
        POLL_SETTLED: [
          { guard: "fresh", target: "spent", actions: assign({ gap: false }) },
          { target: "holding", reenter: true }
        ],
        GAP: { target: "holding", reenter: true }
      },
      after: { verdictHold: { target: "#configApply.rollingBack", actions: assign({ gap: false }) } }
    },
    promoting: {
      description: "P0 to P3: promoted in the slot is the commit point, the rest can be repeated.",
      initial: "reviewing",
      states: {
        reviewing: {
          description: "P0: the facts are read again.",
          invoke: {
            src: "inspect",
            input: { repair: false },
            onDone: { target: "choosing", actions: assign(({ event }) => ({ disk: event.output })) },
            onError: {
              target: "#configApply.probation.using",
              actions: assign(confirmFailed)
            }
          }
        },
        choosing: {
          always: [
            { guard: "stillMine", target: "rememberingUrl" },
            { target: "#configApply.restarting", actions: assign({ restart: "slot_corrupt" }) }
          ]
        },
        rememberingUrl: {
          description: "This URL may be used for rescue from now on.",
          invoke: {
            src: "rememberUrl",
            input: { prune: false },
            onDone: { target: "marking", actions: assign({ urlRemembered: true }) },
            onError: {
              target: "#configApply.probation.using",
              actions: assign(confirmFailed)
            }
          }
        },
        marking: {
          description: "P1: the commit point.",
          invoke: {
            src: "writePromoted",
            input: ({ context }) => ({ slot: slotOr(context.running.slot) }),
            onDone: {
              target: "finishing",
              actions: [
                assign(({ context }) => ({ disk: promotedDisk(context) })),
                {
                  type: "note",
                  params: ({ context }) => ({ event: "config.probation_cleared", etag: context.running.etag })
                }
              ]
            },
            onError: {
              target: "#configApply.probation.using",
              actions: assign(confirmFailed)
            }
          }
        },
        finishing: {
          description: "P2.",
          invoke: {
            src: "writeState",
            input: ({ context }) => ({ state: promotionFinished(context.state) }),
            onDone: {
              target: "retiring",
              actions: assign(({ context }) => ({
                state: promotionFinished(context.state),
                ...storageWorks
              }))
            },
            onError: { target: "finishingLater", actions: assign(storageFailed) }
          }
        },
        finishingLater: {
          description: "Promoted already; P2 is repeated until it is written.",
          after: { finishRetry: "finishing" }
        },
        retiring: {
          description: "P3: the token is gone.",
          invoke: {
            src: "retireSeed",
            onDone: {
              target: "#configApply.steady",
              actions: {
                type: "verdictReached",
                params: ({ context }) => ({
                  etag: context.running.etag ?? "",
                  verdict: "applied" as const,
                  detail: "promoted"
                })
              }
            },
            onError: { target: "retiringLater", actions: assign(storageFailed) }
          }
        },
        retiringLater: { description: "P3 is repeated until the token is gone.", after: { finishRetry: "retiring" } }
      }
    }
  }
})

export const rollingBack = applySetup.createStateConfig({
  description: "The verdict is latched: intent first, then the flip, then exit 75.",
  initial: "reviewing",
  tags: "probation",
  on: refuse("restart_pending"),
  states: {
    reviewing: {
      description: "The facts are read again: is there somewhere to go, and is the verdict still right?",
      invoke: {
        src: "inspect",
        input: { repair: false },
        onDone: { target: "choosing", actions: assign(({ event }) => ({ disk: event.output })) },
        onError: { target: "waiting", actions: assign(storageFailed) }
      }
    },
    choosing: {
      always: [
        { guard: "promotedAlready", target: "#configApply.probation.promoting.finishing" },
        // A late alarm may come before the news of the gap that made it late.
        { guard: "gapOpen", target: "#configApply.probation.holding" },
        {
          guard: "nowhereToGo",
          target: "staying",
          actions: [
            assign(({ context }) => ({ state: markerDropped(context.state) })),
            { type: "note", params: { event: "config.rollback_no_target" } }
          ]
        },
        {
          target: "intent",
          actions: {
            type: "note",
            params: ({ context }) => ({ event: "config.probation_expired", etag: context.running.etag })
          }
        }
      ]
    },
    intent: {
      description: "R1: the commit point.",
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: rolledBack(context.state, context.disk, "probation_expired") }),
        onDone: [{ guard: "toBare", target: "unlinking" }, { target: "flipping" }],
        onError: { target: "waiting", actions: assign(storageFailed) }
      }
    },
    flipping: {
      description: "R2.",
      invoke: {
        src: "flip",
        input: ({ context }) => ({ slot: slotOr(target(context)) }),
        onDone: "done",
        onError: { target: "done", actions: assign(storageFailed) }
      }
    },
    unlinking: {
      description: "R2: no slot can be trusted, so the machine runs bare.",
      invoke: {
        src: "unlinkActive",
        onDone: "done",
        onError: { target: "done", actions: assign(storageFailed) }
      }
    },
    done: {
      entry: [
        {
          type: "note",
          params: ({ context }) => ({
            event: "config.rollback",
            etag: context.running.etag,
            detail: "probation_expired"
          })
        },
        assign(({ context }) => ({
          state: rolledBack(context.state, context.disk, "probation_expired"),
          exitRecorded: true,
          restart: "config_rollback" as const
        }))
      ],
      always: "#configApply.restarting"
    },
    waiting: {
      description: "The disk failed: the verdict stands and is tried again.",
      after: { storageRetry: "reviewing" }
    },
    staying: {
      description: "Nowhere to go: the revision stays, unmarked, and health says so.",
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: context.state }),
        onDone: "#configApply.steady",
        onError: { target: "#configApply.steady", actions: assign(storageFailed) }
      }
    }
  }
})
