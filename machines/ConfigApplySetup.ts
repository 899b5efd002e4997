/**
 * What the chart of the apply engine is made of: its numbers, context, events, tasks, actions, guards and delays.
 * The states are in `ConfigApplyBoot.ts`, `ConfigApplyStage.ts`, `ConfigApplyProbation.ts` and `ConfigApply.ts`.
 */
import { setup } from "xstate"
import { bootVerdict, charged, chargeOf, holdIsOver, isSafeStart, rollbackTarget, seedIsSpent } from "./ConfigBoot.ts"
import {
  activeIsBroken,
  activeIsQuarantined,
  activeSlot,
  bareIsPossible,
  closed,
  type DiskFacts,
  EMPTY_STATE,
  isDue,
  NOT_FLIPPED,
  quarantineOf,
  refuge,
  type Running,
  type StateFile
} from "./ConfigFacts.ts"
import { failedTransiently, type Finding, type Offer, type Refusal, refused, retryIsPending } from "./ConfigStage.ts"
import { action, failureOf, outputOf, task } from "./Task.ts"
import type { ApplyVerdict, RestartReason, SlotName, StartKind } from "./Vocabulary.ts"

/** Wait before storage that failed is tried again. */
export const STORAGE_RETRY_MS = 30_000
/** Wait before the rest of a promotion that was cut by an I/O error is tried again. */
export const FINISH_RETRY_MS = 5_000
/** After a gap in elapsed time, the longest that a verdict waits for a fresh poll to end: over the longest wait for one. */
export const VERDICT_HOLD_MS = 4_200_000

/** Uptime and wall clock in ms. */
export interface Times {
  readonly uptime: number
  readonly wall: number
}

/** What the daemon learns from boot evaluation. */
export interface BootOutcome {
  readonly running: Running
  readonly start: StartKind
  readonly probation: boolean
  /** Only bundled plugins may run: safe start, or a start that could not be charged. */
  readonly bundledOnly: boolean
  readonly safeStart: boolean
  readonly unexplained: number
  readonly ranMs: number
  readonly safeHoldMs: number
  /** Why the disk cannot be written, if so. */
  readonly impaired: string | null
}

export interface ConfigApplyContext {
  readonly disk: DiskFacts
  readonly state: StateFile
  /** state.json was missing or unreadable at this boot. */
  readonly lost: boolean
  readonly start: StartKind
  readonly running: Running
  readonly bootedAt: number
  /** What a write that failed at E10 was to say: a start may be counted although nobody could say so. */
  readonly charged: StateFile | null
  readonly impaired: string | null
  /** What part of the probation budget is charged and in use, and since when (uptime, ms). */
  readonly part: { readonly ms: number; readonly since: number }
  readonly confirmed: boolean
  readonly pluginsSettled: boolean
  readonly throttled: boolean
  readonly gap: boolean
  readonly urlRemembered: boolean
  readonly offer: Offer | null
  readonly pending: Offer | null
  readonly windowMs: number
  readonly restart: RestartReason
  /** The exit is on the disk already (C4 or R1): nothing more may be written. */
  readonly exitRecorded: boolean
  /** A change that no write in flight carries waits to be written. */
  readonly unwritten: boolean
  readonly closing: boolean
  /** The last write that failed, until one succeeds. */
  readonly storageProblem: string | null
}

/** What of its context may be shown; nothing in it is secret. */
export const CONFIG_APPLY_VISIBLE = [
  "start",
  "confirmed",
  "pluginsSettled",
  "restart",
  "impaired",
  "storageProblem"
] as const satisfies ReadonlyArray<keyof ConfigApplyContext>

export type ConfigApplyEvent =
  | ({ readonly type: "STAGE" } & Offer)
  | { readonly type: "POLL_CONFIRMED" }
  | { readonly type: "POLL_THROTTLED" }
  | { readonly type: "POLL_REFUSED" }
  | { readonly type: "POLL_SETTLED"; readonly stale: boolean }
  | { readonly type: "PLUGINS_SETTLED" }
  | { readonly type: "GAP" }
  | { readonly type: "RETRY"; readonly etag: string }
  | { readonly type: "STABLE" }
  | { readonly type: "HOLD_OVER" }
  | { readonly type: "NORMAL_ASKED" }
  | { readonly type: "CLOSE" }

const facts = (context: ConfigApplyContext): DiskFacts => context.disk
const findingIsAccepted = ({ event }: { event: unknown }): boolean => findingOf(event).verdict === "accepted"
const findingIsTransient = ({ event }: { event: unknown }): boolean => {
  const finding = findingOf(event)
  return finding.verdict !== "accepted" && finding.transient
}
export const findingOf = (event: unknown): Finding => outputOf<Finding>(event)
export const refusalOf = (event: unknown): Refusal => outputOf<Refusal>(event)
export const offerOf = (context: ConfigApplyContext): Offer => context.offer ?? { etag: "", offer: 0, wall: 0 }
/** Where a rollback goes now (R0). */
export const target = (context: ConfigApplyContext) => rollbackTarget(context.disk, context.state)
export const slotOr = (slot: SlotName | "bare" | "nowhere" | null): SlotName => (slot === "b" ? "b" : "a")

/** What runs is a promoted revision: identities of centrals that nothing names any more may go. */
export const runsPromoted = ({ disk, running }: ConfigApplyContext): boolean =>
  running.slot !== null && disk.slots[running.slot]?.promoted === true

/** What a reading of the disk changes; the first one of a process also brings state.json. */
export const read = (context: ConfigApplyContext, disk: DiskFacts, first: boolean): Partial<ConfigApplyContext> => ({
  disk,
  ...(first
    ? {
        state: typeof disk.state === "string" ? { ...EMPTY_STATE } : disk.state,
        lost: context.lost || (typeof disk.state === "string" && disk.active !== "absent")
      }
    : {})
})

export const outcome = (context: ConfigApplyContext): BootOutcome => {
  const onProbation = context.state.marker !== undefined
  const safeStart = isSafeStart(context.state)
  const unproven = context.running.slot !== null && context.disk.slots[context.running.slot]?.promoted !== true
  return {
    running: context.running,
    start: context.start,
    probation: onProbation,
    bundledOnly: safeStart || (context.impaired !== null && unproven),
    safeStart,
    unexplained: context.state.unexplained?.count ?? 0,
    ranMs: context.state.unexplained?.ran_ms ?? 0,
    safeHoldMs: context.state.unexplained?.safe_hold_ms ?? 0,
    impaired: context.impaired
  }
}

/** Types, tasks, actions, guards and delays of the apply engine's chart. */
export const applySetup = setup({
  types: {
    context: {} as ConfigApplyContext,
    events: {} as ConfigApplyEvent,
    tags: {} as "boot" | "steady" | "probation" | "settled"
  },
  actors: {
    inspect: task<{ readonly repair: boolean }, DiskFacts>(),
    executeLeave: task(),
    executeJoin: task(),
    setStateAside: task(),
    writeState: task<{ readonly state: StateFile }, Times>(),
    writeSeedCopy: task(),
    writeSlot: task<{ readonly slot: SlotName; readonly offer: number; readonly etag: string }>(),
    flip: task<{ readonly slot: SlotName }>(),
    unlinkActive: task(),
    writePromoted: task<{ readonly slot: SlotName }>(),
    retireSeed: task(),
    rememberUrl: task<{ readonly prune: boolean }>(),
    checkShape: task<{ readonly offer: number }, Finding>(),
    installPins: task<{ readonly offer: number }, Finding>(),
    validate: task<{ readonly offer: number }, Finding>(),
    readTime: task<undefined, Times>()
  },
  actions: {
    bootEvaluated: action<BootOutcome>(),
    verdictReached: action<{ readonly etag: string; readonly verdict: ApplyVerdict; readonly detail: string }>(),
    requestRestart: action<{ readonly reason: RestartReason }>(),
    requestPoll: action<{ readonly reason: string }>(),
    configClosed: action<{ readonly recorded: boolean }>(),
    note: action<{ readonly event: string; readonly etag?: string | null; readonly detail?: string }>()
  },
  guards: {
    readOnly: ({ context }) => facts(context).readOnly !== null,
    leaveFound: ({ context }) => facts(context).leave,
    joinFound: ({ context }) => facts(context).join,
    stateUnreadable: ({ context }) => facts(context).state === "unreadable",
    activeBroken: ({ context }) => activeIsBroken(facts(context)),
    quarantinedWithRefuge: ({ context }) =>
      activeIsQuarantined(context.disk, context.state) && refuge(context.disk, context.state) !== null,
    quarantinedAndBare: ({ context }) =>
      activeIsQuarantined(context.disk, context.state) && bareIsPossible(context.disk),
    quarantinedWithNowhereToGo: ({ context }) => activeIsQuarantined(context.disk, context.state),
    refugeFound: ({ context }) => refuge(context.disk, context.state) !== null,
    condemnedAndStuck: ({ context }) =>
      bootVerdict(context.state, context.start) !== "go_on" && target(context) === "nowhere",
    condemned: ({ context }) => bootVerdict(context.state, context.start) !== "go_on",
    seedSpent: ({ context }) => seedIsSpent(context.disk),
    onProbation: ({ context }) => context.state.marker !== undefined,
    closing: ({ context }) => context.closing,
    hasOffer: ({ context }) => context.pending !== null,
    urlUnknown: ({ context }) => context.confirmed && !context.urlRemembered,
    etagEmpty: ({ context }) => offerOf(context).etag === "",
    sameRevision: ({ context }) => {
      const slot = activeSlot(context.disk)
      return (
        offerOf(context).etag === context.running.etag ||
        (slot !== null && offerOf(context).etag === context.disk.slots[slot]?.etag)
      )
    },
    knownBad: ({ context }) => {
      const entry = quarantineOf(context.state, offerOf(context).etag)
      return entry !== undefined && !isDue(entry, offerOf(context).wall, context.disk.environment)
    },
    retryNotDue: ({ context }) => retryIsPending(context.state, offerOf(context)),
    accepted: findingIsAccepted,
    transient: findingIsTransient,
    firstApply: ({ context }) => context.disk.active === "absent",
    // Or it rotted: nothing may be written over the other slot, which is all that boot could run then.
    bootedSlotMoved: ({ context }) => activeSlot(context.disk) !== context.running.slot || activeIsBroken(context.disk),
    notFlipped: ({ event }) => failureOf(event)._tag === NOT_FLIPPED,
    provenGood: ({ context }) => context.confirmed && context.pluginsSettled,
    partsLeft: ({ context }) => (context.state.marker?.budget_ms ?? 0) > 0,
    mayExtend: ({ context }) => context.throttled && context.state.marker?.extended !== true,
    confirmedAlready: ({ context }) => context.confirmed,
    // Without a central there is no poll to wait for.
    gapOpen: ({ context }) => context.gap && context.running.central,
    fresh: ({ event }) => event.type === "POLL_SETTLED" && !event.stale,
    stillMine: ({ context }) => {
      const { disk, running } = context
      const marker = context.state.marker
      const slot = activeSlot(disk)
      return (
        slot !== null &&
        slot === running.slot &&
        marker?.slot === slot &&
        marker.etag === running.etag &&
        disk.slots[slot]?.intact === true &&
        disk.slots[slot]?.etag === running.etag
      )
    },
    promotedAlready: ({ context }) => {
      const slot = context.state.marker?.slot
      return slot !== undefined && context.disk.slots[slot]?.promoted === true
    },
    nowhereToGo: ({ context }) => target(context) === "nowhere",
    toBare: ({ context }) => target(context) === "bare",
    exitRecorded: ({ context }) => context.exitRecorded,
    // A start that was never counted has no end to record: the next one takes its place, and finds what this one found.
    neverCounted: ({ context }) => context.impaired !== null && context.charged === null,
    unwritten: ({ context }) => context.unwritten,
    writable: ({ event }) => outputOf<DiskFacts>(event).readOnly === null
  },
  delays: {
    part: ({ context }) => context.part.ms,
    storageRetry: STORAGE_RETRY_MS,
    finishRetry: FINISH_RETRY_MS,
    verdictHold: VERDICT_HOLD_MS
  }
})

export type Patch = Partial<ConfigApplyContext>

/** A write succeeded or failed: the context remembers which, for health. */
export const storageWorks: Patch = { storageProblem: null }
export const storageFailed = ({ event }: { readonly event: unknown }): Patch => ({
  storageProblem: failureOf(event).message
})

/** A confirmation that could not be made durable does not count; the next poll brings another. */
export const confirmFailed = (args: { readonly event: unknown }): Patch => ({
  ...storageFailed(args),
  confirmed: false
})

interface Args {
  readonly context: ConfigApplyContext
  readonly event: unknown
}
const transiently =
  (verdict: "plugin_install_failed" | "apply_io_error", detail: (event: unknown) => string) =>
  ({ context, event }: Args): Patch => ({
    state: failedTransiently(context.state, offerOf(context), verdict, detail(event))
  })
export const ioFailed = transiently("apply_io_error", (event) => failureOf(event).message)
export const installFailed = transiently("plugin_install_failed", (event) => failureOf(event).message)
export const installRefused = transiently("plugin_install_failed", (event) => refusalOf(event).detail)
export const wasRefused = ({ context, event }: Args): Patch => ({
  state: refused(context.state, context.disk, offerOf(context), refusalOf(event))
})

/** The offer of the event waits; the newest one wins. */
export const toPending = ({ event }: { readonly event: unknown }): Patch => {
  const { etag, offer, wall } = event as Offer
  return { pending: { etag, offer, wall } }
}

export const closingWrite = (context: ConfigApplyContext, now: Times): Patch => {
  const inUse = context.state.marker === undefined ? 0 : context.part.ms - (now.uptime - context.part.since)
  const ran = context.impaired === null ? now.uptime - context.bootedAt : 0
  const state = closed(context.state, Math.min(inUse, context.part.ms), ran)
  return { state: context.restart === "safe_hold_over" ? holdIsOver(state) : state }
}

/** The disk works again: a start that it shows as counted has an end to record, or it would be counted twice. */
export const countedAfterAll = ({ charged }: ConfigApplyContext, { state }: DiskFacts): Patch =>
  charged !== null && typeof state !== "string" && saysTheSame(state, charged) ? { state } : { charged: null }

const saysTheSame = (state: StateFile, charged: StateFile): boolean =>
  state.last_exit === undefined &&
  state.boot_id === charged.boot_id &&
  state.unexplained?.count === charged.unexplained?.count &&
  state.marker?.attempts_left === charged.marker?.attempts_left &&
  state.marker?.budget_ms === charged.marker?.budget_ms

export const answer = (verdict: ApplyVerdict) =>
  ({
    type: "verdictReached",
    params: ({ context, event }: { context: ConfigApplyContext; event: ConfigApplyEvent }) => ({
      etag: event.type === "STAGE" ? event.etag : offerOf(context).etag,
      verdict,
      detail: ""
    })
  }) as const

/** States where an offer cannot be taken at all, and what they answer. */
export const refuse = (verdict: ApplyVerdict) => ({ STAGE: { actions: answer(verdict) } }) as const

export const toPart = (context: ConfigApplyContext, state: StateFile, since: number): Patch => ({
  state,
  part: { ms: context.state.marker === undefined ? 0 : chargeOf(context.state.marker), since }
})

export const extended = (state: StateFile): StateFile =>
  state.marker === undefined
    ? state
    : { ...state, marker: { ...state.marker, extended: true, budget_ms: state.marker.window_ms } }

export const chargedState = (state: StateFile): StateFile =>
  state.marker === undefined ? state : { ...state, marker: charged(state.marker) }

export const promotedDisk = ({ disk, running }: ConfigApplyContext): DiskFacts => {
  const slot = slotOr(running.slot)
  const known = disk.slots[slot]
  return { ...disk, slots: { ...disk.slots, [slot]: known === null ? null : { ...known, promoted: true } } }
}
