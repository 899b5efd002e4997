/**
 * The apply engine's decisions: boot evaluation, staging, commit, probation, promotion, rollback.
 *
 * One mailbox, so confirm, expiry, charge and stage can never interleave; every verdict is taken on facts that were
 * read again under it.
 *
 * @ref LLP 0004#the-chart [implements]: states, verdicts and their order
 */
import { assign } from "xstate"
import { boot, impaired, settling } from "./ConfigApplyBoot.ts"
import { probation, rollingBack } from "./ConfigApplyProbation.ts"
import { steady } from "./ConfigApplyStage.ts"
import { applySetup, closingWrite, refuse, storageFailed } from "./ConfigApplySetup.ts"
import { runningOf } from "./ConfigBoot.ts"
import { EMPTY_STATE, UNREAD_DISK } from "./ConfigFacts.ts"
import { retryAllowed } from "./ConfigStage.ts"

const restarting = applySetup.createStateConfig({
  description: "R3, C5: this process has done its part; the daemon ends in order with exit 75.",
  tags: "settled",
  entry: { type: "requestRestart", params: ({ context }) => ({ reason: context.restart }) },
  always: { guard: "closing", target: "closing" },
  on: {
    ...refuse("restart_pending"),
    CLOSE: "closing"
  }
})

const closing = applySetup.createStateConfig({
  description: "The exit is recorded first, with what is left of the budget.",
  initial: "choosing",
  on: refuse("restart_pending"),
  states: {
    choosing: {
      always: [
        { guard: "exitRecorded", target: "#configApply.closed" },
        { guard: "neverCounted", target: "#configApply.closed" },
        { target: "timing" }
      ]
    },
    timing: {
      description: "What is left of the part in use, and how long this process ran.",
      invoke: {
        src: "readTime",
        onDone: { target: "writing", actions: assign(({ context, event }) => closingWrite(context, event.output)) },
        onError: "writing"
      }
    },
    writing: {
      description: "The unused budget goes back, and the exit becomes a planned one.",
      invoke: {
        src: "writeState",
        input: ({ context }) => ({ state: context.state }),
        onDone: { target: "#configApply.closed", actions: assign({ exitRecorded: true }) },
        onError: { target: "#configApply.closed", actions: assign(storageFailed) }
      }
    }
  }
})

const closed = applySetup.createStateConfig({
  description: "Nothing is written any more.",
  tags: "settled",
  entry: { type: "configClosed", params: ({ context }) => ({ recorded: context.exitRecorded }) },
  on: refuse("restart_pending")
})

export const ConfigApply = applySetup.createMachine({
  id: "configApply",
  description: "Decides what this machine runs, and whether what it runs has proved itself.",
  context: {
    disk: UNREAD_DISK,
    state: EMPTY_STATE,
    lost: false,
    start: "first",
    running: runningOf(UNREAD_DISK),
    bootedAt: 0,
    charged: null,
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
    restart: "config_applied",
    exitRecorded: false,
    unwritten: false,
    closing: false,
    storageProblem: null
  },
  initial: "boot",
  on: {
    PLUGINS_SETTLED: { actions: assign({ pluginsSettled: true }) },
    POLL_CONFIRMED: { actions: assign({ confirmed: true, throttled: false }) },
    POLL_THROTTLED: { actions: assign({ throttled: true }) },
    POLL_REFUSED: { actions: assign({ throttled: false }) },
    POLL_SETTLED: { guard: "fresh", actions: assign({ gap: false }) },
    GAP: { actions: assign({ gap: true }) },
    RETRY: {
      actions: assign(({ context, event }) => ({ state: retryAllowed(context.state, event.etag), unwritten: true }))
    },
    STABLE: {
      actions: assign(({ context }) => ({ state: { ...context.state, unexplained: undefined }, unwritten: true }))
    },
    HOLD_OVER: {
      actions: [assign({ restart: "safe_hold_over" }), { type: "requestRestart", params: { reason: "safe_hold_over" } }]
    },
    NORMAL_ASKED: {
      actions: [
        assign(({ context }) => ({ state: { ...context.state, unexplained: undefined } })),
        { type: "requestRestart", params: { reason: "operator" } }
      ]
    },
    CLOSE: { actions: assign({ closing: true }) }
  },
  states: {
    boot,
    settling,
    impaired,
    steady,
    probation,
    rollingBack,
    restarting,
    closing,
    closed
  }
})
