/**
 * How the machines speak to each other, as data: an action of one is an event of another, its params the event's fields.
 *
 * The shell and the product graph of the proofs run the same wiring.
 */

/** machine → action → [machine, event] */
export type Wiring = Readonly<Record<string, Readonly<Record<string, readonly [machine: string, event: string]>>>>

export const wiring = {
  configApply: {
    bootEvaluated: ["daemon", "BOOT_EVALUATED"],
    verdictReached: ["configPull", "REPORT_DUE"],
    requestRestart: ["daemon", "RESTART_REQUESTED"],
    requestPoll: ["configPull", "POLL_NOW"],
    configClosed: ["daemon", "CONFIG_CLOSED"]
  },
  configPull: {
    confirmPoll: ["configApply", "POLL_CONFIRMED"],
    offerRevision: ["configApply", "STAGE"],
    pollThrottled: ["configApply", "POLL_THROTTLED"],
    pollRefused: ["configApply", "POLL_REFUSED"],
    pollSettled: ["configApply", "POLL_SETTLED"],
    refreshIdentity: ["join", "REFRESH_NEEDED"],
    pullStopped: ["daemon", "PULL_STOPPED"]
  },
  join: {
    identityReady: ["configPull", "IDENTITY_READY"],
    identityFailed: ["configPull", "IDENTITY_FAILED"]
  },
  daemon: {
    beginJoin: ["join", "BEGIN"],
    beginPull: ["configPull", "BEGIN"],
    endJoin: ["join", "END"],
    leaveFleet: ["join", "LEAVE"],
    endPull: ["configPull", "END"],
    closeConfig: ["configApply", "CLOSE"],
    pluginsSettled: ["configApply", "PLUGINS_SETTLED"],
    provenStable: ["configApply", "STABLE"],
    holdOver: ["configApply", "HOLD_OVER"]
  }
} as const satisfies Wiring
