/**
 * What became of each revision, told from the trace alone: which steps ran and how they ended, what was written, which
 * processes began and ended. No machine is asked what it thinks.
 *
 * A machine remembers a bounded part of its past, and so does the ledger: the newest attempt, the newest rollback, the
 * revisions that are quarantined and the probation that is served; and all of it is lost with state.json.
 */
import { PROBATION_ATTEMPTS, type RollbackReason, type SlotName, type StateFile } from "../../machines/index.ts"
import { type Disk, findingOn, isWrite } from "./DiskModel.ts"
import { etagOf } from "./Revisions.ts"
import { answerOf, failureOf, type Outcome, reaches } from "./Tasks.ts"
import { stateIn, type RunningTask, type World } from "./World.ts"

/** One thing that happened. `task`: the one that ended or had its effect. */
export type Moved =
  | { readonly _tag: "ended"; readonly task: RunningTask; readonly outcome: Outcome }
  | { readonly _tag: "landed"; readonly task: RunningTask }
  | { readonly _tag: "killed" }
  | { readonly _tag: "retried"; readonly etag: string }
  | { readonly _tag: "other" }

/** The newest revision that was taken up, and what came of it; `nth`: so many times in a row. */
export interface Attempt {
  readonly etag: string
  readonly verdict: string
  readonly detail: string
  readonly transient: boolean
  readonly nth: number
}

/** Why a revision is not taken up again for now; `times`: so often since it was last forgiven. */
export interface Bad {
  readonly reason: string
  readonly times: number
}

export interface Memory {
  /** What is known to be promoted, in whatever slot. */
  readonly proven: ReadonlyArray<string>
  readonly newest: Attempt | null
  readonly rollback: { readonly etag: string | null; readonly reason: RollbackReason } | null
  readonly bad: Readonly<Record<string, Bad>>
  /** What is on probation, how often it was started without an explanation, and what it was blamed for before. */
  readonly trial: { readonly etag: string; readonly starts: number; readonly saved: Bad | null } | null
}

export interface Ledger {
  /** What the process that runs knows, and what the next one will. */
  readonly live: Memory
  readonly saved: Memory
  /** Of the process that runs: what it is applying; how its last poll and last write ended. */
  readonly staging: string | null
  readonly line: string
  readonly writeFailed: boolean
  /** state.json was gone when it began, although something was active. */
  readonly lost: boolean
}

const NOTHING: Memory = { proven: [], newest: null, rollback: null, bad: {}, trial: null }
const FRESH = { staging: null, line: "ok", writeFailed: false, lost: false } as const
export const BLANK_LEDGER: Ledger = { live: NOTHING, saved: NOTHING, ...FRESH }

const STAGING: ReadonlySet<string> = new Set([
  "checkShape",
  "installPins",
  "validate",
  "inspect",
  "writeSeedCopy",
  "writeSlot",
  "writeState",
  "flip"
])

const without = (bad: Memory["bad"], etag: string): Memory["bad"] =>
  Object.fromEntries(Object.entries(bad).filter(([known]) => known !== etag))

const slotOf = (disk: Disk) => (disk.active === "a" || disk.active === "b" ? disk.slots[disk.active] : null)
const provenOn = ({ slots }: Disk): ReadonlyArray<string> =>
  [slots.a, slots.b].flatMap((slot) => (slot?.promoted === true && slot.etag !== null ? [slot.etag] : []))
/** The process before left no record of its end, and the system is the same. */
const isUnexplained = ({ bootId, state }: Disk): boolean =>
  typeof state !== "string" && state.last_exit === undefined && state.boot_id === bootId
const isBroken = (disk: Disk): boolean => disk.active !== "absent" && slotOf(disk)?.intact !== true

/** The ledger after a move. */
export const noted = (ledger: Ledger, before: World, move: Moved, after: World): Ledger => {
  const told = taskEnded(ledger, before, move, after)
  const isOver = move._tag === "killed" || (before.process.boot !== null && after.process.boot === null)
  return isOver ? { ...told, live: NOTHING, ...FRESH } : settled(told, after)
}

/** Staging ends with its last step, whoever ended it. */
const settled = (ledger: Ledger, { process }: World): Ledger => {
  const steps = process.tasks.filter(({ machine, src }) => machine === "configApply" && STAGING.has(src))
  const offer = steps.find(({ src }) => src === "checkShape")?.input as { readonly offer: number } | undefined
  if (offer !== undefined) return { ...ledger, staging: etagOf(offer.offer) }
  return steps.length === 0 ? { ...ledger, staging: null } : ledger
}

const taskEnded = (ledger: Ledger, before: World, move: Moved, after: World): Ledger => {
  if (move._tag === "retried") return forgiven(ledger, move.etag)
  if (move._tag !== "ended" && move._tag !== "landed") return ledger
  const { task } = move
  const happened = before.disk !== after.disk ? hadEffect(ledger, before, task, after) : ledger
  if (move._tag === "landed") return happened
  if (task.src === "poll" && !stateIn(before, "daemon").startsWith("stopping")) {
    return { ...happened, line: lineOf(before, move.outcome) }
  }
  if (task.machine !== "configApply") return happened
  const isOk = move.outcome === "ok" && reaches(before, task)
  const written = isWrite(task.src) ? { ...happened, writeFailed: !isOk } : happened
  const known = isOk ? succeeded(written, before, task) : gaveUp(written, before, task)
  if (known.staging !== null) return staged(known, task, move.outcome, isOk, before.disk !== after.disk)
  return known
}

const lineOf = (before: World, outcome: Outcome): string => {
  if (typeof outcome === "string" && outcome !== "ok") return "network_error"
  const { kind } = answerOf(before, outcome)
  return kind === "unchanged" || kind === "good" ? "ok" : kind
}

/** What a process knows only when its task has come back. */
const succeeded = (ledger: Ledger, before: World, task: RunningTask): Ledger => {
  const { live } = ledger
  if (task.src === "writeState") return asked(ledger, before, task)
  if (task.src === "setStateAside") return { ...ledger, lost: true }
  if (task.src === "inspect") return looked(ledger, before, (task.input as { readonly repair: boolean }).repair)
  const running = before.process.boot?.running.etag ?? null
  if (task.src !== "writePromoted" || running === null) return ledger
  return { ...ledger, live: { ...live, proven: [...live.proven, running] } }
}

/** A look at the disk: at all of it while booting, later only at the slots; one that waits to begin looks in vain. */
const looked = (ledger: Ledger, { disk, process }: World, repairs: boolean): Ledger => {
  if (process.boot !== null) {
    return repairs ? ledger : { ...ledger, live: { ...ledger.live, proven: provenOn(disk) } }
  }
  const known = awake(ledger, disk)
  if (repairs && disk.readOnly === null) return known
  // On a disk that cannot be repaired, what is broken or gone is given up without a word on it.
  const { newest, trial } = known.live
  if (isBroken(disk)) return corrupted(known, disk)
  if (trial === null || trial.etag === slotOf(disk)?.etag) return known
  return { ...known, live: { ...known.live, trial: null, newest: newest?.etag === trial.etag ? null : newest } }
}

/** What a process does although it could not be written: it leaves what is broken, and watches no longer. */
const gaveUp = (ledger: Ledger, before: World, task: RunningTask): Ledger => {
  if (task.src === "inspect" && before.process.boot === null) {
    return (task.input as { readonly repair: boolean }).repair ? { ...ledger, live: NOTHING } : ledger
  }
  if (task.src !== "writeState") return ledger
  const { live } = asked(ledger, before, task)
  return live.rollback?.reason === "slot_corrupt" || live.rollback === ledger.live.rollback
    ? { ...ledger, live }
    : ledger
}

/** The first look at the disk: what is remembered is what is there. */
const awake = (ledger: Ledger, disk: Disk): Ledger => {
  const isGone = typeof disk.state === "string"
  const known = { ...(isGone ? NOTHING : ledger.saved), proven: provenOn(disk) }
  return { ...ledger, live: known, saved: known, lost: ledger.lost || (isGone && disk.active !== "absent") }
}

/** An operator asks for another try. */
const forgiven = (ledger: Ledger, etag: string): Ledger => ({
  ...ledger,
  live: {
    ...ledger.live,
    bad: without(ledger.live.bad, etag),
    newest: ledger.live.newest?.etag === etag ? null : ledger.live.newest
  }
})

const attempted = (live: Memory, etag: string, verdict: string, detail: string, transient: boolean): Memory => ({
  ...live,
  newest: { etag, verdict, detail, transient, nth: (live.newest?.etag === etag ? live.newest.nth : 0) + 1 }
})

/** A step of staging ended: with a finding, or in an error. */
const staged = (ledger: Ledger, task: RunningTask, outcome: Outcome, isOk: boolean, hasEffect: boolean): Ledger => {
  const etag = ledger.staging ?? ""
  const { live } = ledger
  if (!isOk) {
    // After its rename a flip counts, whatever it came back with.
    if (task.src === "flip" && hasEffect) return ledger
    const verdict = task.src === "installPins" ? "plugin_install_failed" : "apply_io_error"
    const { message } = failureOf(task, outcome)
    return { ...ledger, staging: null, live: attempted(live, etag, verdict, message, true) }
  }
  if (task.src !== "checkShape" && task.src !== "installPins" && task.src !== "validate") return ledger
  const finding = findingOn(task.src, (task.input as { readonly offer: number }).offer, 0)
  if (finding.verdict === "accepted") return ledger
  const next = attempted(live, etag, finding.verdict, finding.detail, finding.transient)
  const reason = finding.verdict === "config_invalid" ? "validation_failed" : finding.verdict
  const bad = { ...live.bad, [etag]: { reason, times: (live.bad[etag]?.times ?? 0) + 1 } }
  return { ...ledger, staging: null, live: finding.transient ? next : { ...next, bad } }
}

/** What a task changed on the disk. */
const hadEffect = (ledger: Ledger, before: World, task: RunningTask, after: World): Ledger => {
  switch (task.src) {
    case "executeJoin":
    case "executeLeave":
      return { ...ledger, saved: NOTHING }
    case "writeState": {
      if (before.process.boot !== null && before.process.boot.impaired !== null) return ledger
      const { live } = asked(ledger, before, task)
      // A commit takes the place of the newest attempt before it has happened.
      return { ...ledger, saved: ledger.staging === null ? live : { ...live, newest: null } }
    }
    case "flip":
      return flipped(ledger, before, (task.input as { readonly slot: SlotName }).slot, after)
    default:
      return ledger
  }
}

/** A flip to the slot that this process has just filled is the commit of what it applies. */
const flipped = (ledger: Ledger, before: World, slot: SlotName, after: World): Ledger => {
  const etag = after.disk.slots[slot]?.etag ?? null
  if (ledger.staging === null || etag !== ledger.staging || before.process.boot === null) return ledger
  const { bad } = ledger.live
  const next: Memory = {
    ...attempted(ledger.live, etag, "applied", "", false),
    bad: without(bad, etag),
    trial: { etag, starts: 0, saved: bad[etag] ?? null }
  }
  return { ...ledger, live: next, saved: next, staging: null }
}

/** What a process wants written tells what it has decided about the probation that it serves. */
const asked = (ledger: Ledger, before: World, task: RunningTask): Ledger => {
  const { live } = ledger
  const { state } = task.input as { readonly state: StateFile }
  const { disk, process } = before
  const active = slotOf(disk)
  // A process that could not begin writes down that it ends, and nothing else.
  if (process.boot !== null && process.boot.impaired !== null) return ledger
  if (process.boot === null && isBroken(process.read)) return corrupted(ledger, process.read)
  const starts = (live.trial?.starts ?? 0) + (process.boot === null && isUnexplained(disk) ? 1 : 0)
  if (state.marker !== undefined) {
    if (live.trial !== null) return { ...ledger, live: { ...live, trial: { ...live.trial, starts } } }
    const isArmed = state.marker.slot === disk.active && ledger.staging === null
    const trial = { etag: state.marker.etag, starts, saved: null }
    return isArmed ? { ...ledger, live: { ...live, trial } } : ledger
  }
  if (live.trial === null) return kept(ledger, before, state)
  const { etag, saved } = live.trial
  const isPromoted = active?.etag === etag && active.promoted
  const isBlamed = !isPromoted && state.quarantine.some((entry) => entry.etag === etag)
  if (!isBlamed) return { ...ledger, live: { ...live, trial: null } }
  const reason = starts >= PROBATION_ATTEMPTS ? "crash_loop" : "probation_expired"
  const bad = { ...live.bad, [etag]: { reason, times: (saved?.times ?? 0) + 1 } }
  return { ...ledger, live: { ...live, trial: null, bad, rollback: { etag, reason } } }
}

/** What runs although it is remembered as bad, with nowhere to go, is remembered no longer. */
const kept = (ledger: Ledger, { disk, process }: World, state: StateFile): Ledger => {
  const etag = slotOf(disk)?.etag ?? null
  const isKept = etag === null || process.boot !== null || state.quarantine.some((entry) => entry.etag === etag)
  return isKept ? ledger : { ...ledger, live: { ...ledger.live, bad: without(ledger.live.bad, etag) } }
}

/** What rots is given up and blamed for nothing; what it was blamed for before is remembered again. */
const corrupted = (ledger: Ledger, disk: Disk): Ledger => {
  const { live } = ledger
  const saved = live.trial?.saved ?? null
  const bad = live.trial === null || saved === null ? live.bad : { ...live.bad, [live.trial.etag]: saved }
  // Of a slot that is gone nothing is left but the probation that it was on.
  const etag = slotOf(disk)?.etag ?? live.trial?.etag ?? null
  return { ...ledger, live: { ...live, trial: null, bad, rollback: { etag, reason: "slot_corrupt" } } }
}
