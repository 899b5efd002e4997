/**
 * Tailing the output of one run from a file: how often it is looked at, and when the tailing is over.
 *
 * One region per file. Bytes, lines and offsets are the service's; none of them is an event.
 *
 * @ref LLP 0017#the-chart [implements]: cadence, doubts, and the bounds of the end
 */
import { assign } from "xstate"
import { TAIL_ACTIVE_MS, TAIL_DORMANT_MS, TAIL_IDLE_MS, TAIL_TROUBLE_LADDER_MS, tailerSetup } from "./TailerSetup.ts"

export const Tailer = tailerSetup.createMachine({
  id: "tailer",
  description: "How often is a run's output looked at, and when is it over?",
  context: {
    found: false,
    cadenceMs: TAIL_ACTIVE_MS,
    listensFor: "nothing",
    quietMs: 0,
    doubted: false,
    failures: 0,
    promise: null,
    ended: false
  },
  initial: "waitingForFile",
  states: {
    waitingForFile: {
      description: "The directory is listed until the file is in it.",
      on: {
        FOUND: "following",
        DRAIN: { target: "draining", actions: assign({ ended: ({ event }) => event.ended }) },
        RECORD: { target: "draining", actions: assign({ promise: ({ event }) => event.promise }) }
      },
      after: { appear: "missing" }
    },
    following: {
      description: "Polled as often as it grows.",
      initial: "active",
      entry: assign({ found: true }),
      on: {
        SHRUNK: [
          {
            guard: "doubted",
            target: ".active",
            actions: [assign({ doubted: false }), { type: "restart", params: { reason: "truncated" } }]
          },
          { actions: assign({ doubted: true }) }
        ],
        REPLACED: {
          target: ".active",
          actions: [assign({ doubted: false, failures: 0 }), { type: "restart", params: { reason: "replaced" } }]
        },
        TROUBLE: { actions: assign({ failures: ({ context }) => nextFailure(context.failures) }) },
        SOUND: { actions: assign({ doubted: false, failures: 0 }) },
        DRAIN: { target: "draining", actions: assign({ ended: ({ event }) => event.ended }) },
        RECORD: { target: "draining", actions: assign({ promise: ({ event }) => event.promise }) }
      },
      states: {
        active: {
          description: "Grew lately.",
          entry: assign({ cadenceMs: TAIL_ACTIVE_MS, listensFor: "quiet" }),
          on: { QUIET: { target: "idle", actions: assign({ quietMs: ({ event }) => event.quietMs }) } }
        },
        idle: {
          description: "Did not grow for five polls.",
          entry: assign({ cadenceMs: TAIL_IDLE_MS, listensFor: "growth" }),
          on: { GREW: "active" },
          after: { untilDormant: "dormant" }
        },
        dormant: {
          description: "Did not grow for a minute.",
          entry: assign({ cadenceMs: TAIL_DORMANT_MS, listensFor: "growth" }),
          on: { GREW: "active" }
        }
      }
    },
    draining: {
      description: "Asked to stop: what is still to come has a bounded time for it.",
      initial: "reading",
      entry: assign({ cadenceMs: TAIL_ACTIVE_MS, listensFor: "nothing" }),
      states: {
        reading: {
          description: "Until every byte of the promise is acknowledged.",
          on: {
            FOUND: { actions: assign({ found: true }) },
            SHRUNK: [
              {
                guard: "doubted",
                actions: [assign({ doubted: false }), { type: "restart", params: { reason: "truncated" } }]
              },
              { actions: assign({ doubted: true }) }
            ],
            REPLACED: {
              actions: [assign({ doubted: false, failures: 0 }), { type: "restart", params: { reason: "replaced" } }]
            },
            TROUBLE: { actions: assign({ failures: ({ context }) => nextFailure(context.failures) }) },
            SOUND: { actions: assign({ doubted: false, failures: 0 }) },
            // What is learnt has its own time, from now on; it is learnt twice at most.
            DRAIN: { guard: "learnsEnd", target: "reading", reenter: true, actions: assign({ ended: true }) },
            RECORD: {
              guard: "learnsPromise",
              target: "reading",
              reenter: true,
              actions: assign({ promise: ({ event }) => event.promise })
            },
            REACHED: "verifying"
          },
          after: { drain: "flushing" }
        },
        flushing: {
          description: "What had no newline yet is delivered as it is.",
          on: { FLUSHED: "judging" },
          after: { flush: "judging" }
        },
        verifying: {
          description: "Length and hash of what was delivered against the record's.",
          on: { VERIFIED: [{ guard: "isWhole", target: "#tailer.complete" }, { target: "#tailer.corrupt" }] },
          after: { verify: "#tailer.incomplete" }
        },
        judging: {
          always: [
            { guard: "agentTruncated", target: "#tailer.corrupt" },
            { guard: "neverFound", target: "#tailer.missing" },
            { target: "#tailer.incomplete" }
          ]
        }
      }
    },
    complete: { description: "Every byte of the record was delivered, with its hash.", tags: "settled" },
    incomplete: { description: "Bytes are missing, or nobody can say whether any are.", tags: "settled" },
    corrupt: { description: "What was delivered is not what the agent wrote.", tags: "settled" },
    missing: { description: "The file never appeared.", tags: "settled" }
  }
})

const nextFailure = (failures: number): number => Math.min(failures + 1, TAIL_TROUBLE_LADDER_MS.length)
