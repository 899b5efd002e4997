/** Staging, steps 3 to 11: one revision at a time, from the offer to the flip (C1 to C5). */
import { assign } from "xstate"
import {
  answer,
  applySetup,
  confirmFailed,
  installFailed,
  installRefused,
  ioFailed,
  offerOf,
  runsPromoted,
  storageFailed,
  storageWorks,
  toPending,
  wasRefused
} from "./ConfigApplySetup.ts"
import { committed, targetSlot } from "./ConfigStage.ts"

export const steady = applySetup.createStateConfig({
  description: "No probation: revisions may be staged, one at a time, the newest of the waiting ones next.",
  initial: "idle",
  tags: "steady",
  on: {
    STAGE: { actions: [assign(toPending), answer("apply_in_progress")] }
  },
  states: {
    idle: {
      description: "Nothing to do until central offers a revision, or somebody asks for something.",
      tags: "settled",
      always: [
        { guard: "closing", target: "#configApply.closing" },
        { guard: "unwritten", target: "recording" },
        { guard: "urlUnknown", target: "rememberingUrl" },
        {
          guard: "hasOffer",
          target: "judging",
          actions: assign(({ context }) => ({ offer: context.pending, pending: null }))
        }
      ],
      on: {
        STAGE: { actions: assign(toPending) }
      }
    },
    rememberingUrl: {
      description: "A confirming poll outside probation: this URL may be used for rescue.",
      on: { STAGE: { actions: assign(toPending) } },
      invoke: {
        src: "rememberUrl",
        input: ({ context }) => ({ prune: runsPromoted(context) }),
        onDone: { target: "idle", actions: assign({ urlRemembered: true }) },
        onError: { target: "idle", actions: assign(confirmFailed) }
      }
    },
    judging: {
      description: "Steps 3 to 5: is there anything to do with this revision now?",
      always: [
        { guard: "etagEmpty", target: "idle", actions: answer("config_invalid") },
        { guard: "sameRevision", target: "idle", actions: answer("noop_same_etag") },
        { guard: "knownBad", target: "idle", actions: answer("skipped_bad_etag") },
        { guard: "retryNotDue", target: "idle", actions: answer("retry_pending") },
        { target: "checking" }
      ]
    },
    checking: {
      description: "Steps 6 and 7: size and shape, on the bytes alone.",
      invoke: {
        src: "checkShape",
        input: ({ context }) => ({ offer: offerOf(context).offer }),
        onDone: [
          {
            guard: "accepted",
            target: "installing",
            actions: assign(({ event }) => ({
              windowMs: event.output.verdict === "accepted" ? event.output.window_ms : 0
            }))
          },
          { target: "refusing", actions: assign(wasRefused) }
        ],
        onError: { target: "failing", actions: assign(ioFailed) }
      },
      on: { CLOSE: "#configApply.closing" }
    },
    installing: {
      description: "Step 8: the pinned plugins, before full validation can know them.",
      invoke: {
        src: "installPins",
        input: ({ context }) => ({ offer: offerOf(context).offer }),
        onDone: [
          { guard: "accepted", target: "validating" },
          { guard: "transient", target: "failing", actions: assign(installRefused) },
          { target: "refusing", actions: assign(wasRefused) }
        ],
        onError: { target: "failing", actions: assign(installFailed) }
      },
      on: { CLOSE: "#configApply.closing" }
    },
    validating: {
      description: "Step 9: full validation against the catalogue on disk; no plugin code is loaded.",
      invoke: {
        src: "validate",
        input: ({ context }) => ({ offer: offerOf(context).offer }),
        onDone: [
          { guard: "accepted", target: "committing" },
          { target: "refusing", actions: assign(wasRefused) }
        ],
        onError: { target: "failing", actions: assign(ioFailed) }
      },
      on: { CLOSE: "#configApply.closing" }
    },
    refusing: {
      description: "The bytes are bad: remembered, until the environment or an operator changes it.",
      entry: {
        type: "verdictReached",
        params: ({ context }) => ({
          etag: offerOf(context).etag,
          verdict: context.state.last_attempt?.verdict ?? "config_invalid",
          detail: context.state.last_attempt?.reason ?? ""
        })
      },
      always: "recording"
    },
    failing: {
      description: "Nothing is wrong with the bytes as far as is known: tried again later, never quarantined.",
      entry: {
        type: "verdictReached",
        params: ({ context }) => ({
          etag: offerOf(context).etag,
          verdict: context.state.last_attempt?.verdict ?? "apply_io_error",
          detail: context.state.last_attempt?.reason ?? ""
        })
      },
      always: "recording"
    },
    recording: {
      description: "A verdict, or what an operator asked for, becomes durable.",
      entry: assign({ unwritten: false }),
      on: { STAGE: { actions: assign(toPending) } },
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: context.state }),
        onDone: { target: "idle", actions: assign(storageWorks) },
        onError: { target: "idle", actions: assign(storageFailed) }
      }
    },
    committing: {
      description: "C1 to C5: seed copy, slot, marker, flip. Whatever happens after the flip, the process restarts.",
      initial: "reviewing",
      states: {
        reviewing: {
          description: "The disk is read again before anything on it is changed.",
          invoke: {
            src: "inspect",
            input: { repair: false },
            onDone: { target: "choosing", actions: assign(({ event }) => ({ disk: event.output })) },
            onError: { target: "failed", actions: assign(ioFailed) }
          },
          on: { CLOSE: "#configApply.closing" }
        },
        choosing: {
          always: [
            {
              guard: "bootedSlotMoved",
              target: "#configApply.restarting",
              actions: assign({ restart: "slot_corrupt" })
            },
            { guard: "firstApply", target: "seedCopy" },
            { target: "slot" }
          ]
        },
        seedCopy: {
          description: "C1: where a first revision can roll back to; without the token.",
          invoke: {
            src: "writeSeedCopy",
            onDone: "slot",
            onError: { target: "failed", actions: assign(ioFailed) }
          },
          on: { CLOSE: "#configApply.closing" }
        },
        slot: {
          description: "C2, C3: never the slot that runs.",
          invoke: {
            src: "writeSlot",
            input: ({ context }) => ({
              slot: targetSlot(context.disk),
              offer: offerOf(context).offer,
              etag: offerOf(context).etag
            }),
            onDone: "marker",
            onError: { target: "failed", actions: assign(ioFailed) }
          },
          on: { CLOSE: "#configApply.closing" }
        },
        marker: {
          description: "C4: the probation is durable before the flip.",
          invoke: {
            src: "writeState",
            input: ({ context }) => ({
              state: committed(context.state, context.disk, offerOf(context), context.windowMs)
            }),
            onDone: "flip",
            onError: { target: "undoing", actions: assign(ioFailed) }
          }
        },
        flip: {
          description: "C5.",
          invoke: {
            src: "flip",
            input: ({ context }) => ({ slot: targetSlot(context.disk) }),
            onDone: { target: "applied", actions: assign(storageWorks) },
            onError: [
              { guard: "notFlipped", target: "undoing", actions: assign(ioFailed) },
              { target: "applied", actions: assign(storageFailed) }
            ]
          }
        },
        applied: {
          entry: [
            assign(({ context }) => ({
              state: committed(context.state, context.disk, offerOf(context), context.windowMs),
              exitRecorded: true,
              restart: "config_applied" as const
            })),
            answer("applied"),
            { type: "note", params: ({ context }) => ({ event: "config.applied", etag: offerOf(context).etag }) }
          ],
          always: "#configApply.restarting"
        },
        undoing: {
          description: "The flip did not happen: the marker goes again (or boot drops it, E6).",
          invoke: {
            src: "writeState",
            input: ({ context }) => ({ state: context.state }),
            onDone: "failed",
            onError: { target: "failed", actions: assign(storageFailed) }
          }
        },
        failed: {
          entry: {
            type: "verdictReached",
            params: ({ context }) => ({
              etag: offerOf(context).etag,
              verdict: "apply_io_error" as const,
              detail: context.state.last_attempt?.reason ?? ""
            })
          },
          always: "#configApply.steady.idle"
        }
      }
    }
  }
})
