/**
 * What a history has shown so far, remembered independently of the machines, and the invariants held against it.
 *
 * Nothing here asks a machine what it thinks: the ghost knows how processes ended, which polls were answered, what was
 * written and what was damaged, and judges by the sentences of the design.
 */
import {
  PROBATION_ATTEMPTS,
  PROBATION_PARTS,
  usable,
  type BootOutcome,
  type Marker,
  type PollAnswerKind,
  type SlotName,
  type StateFile
} from "../../machines/index.ts"
import { type Disk, factsOf, lastKnownGood, type Write } from "./DiskModel.ts"
import { digestOf } from "./Revisions.ts"
import type { World } from "./World.ts"

export type Happening =
  | { readonly _tag: "Started" }
  | { readonly _tag: "Ended"; readonly how: "exited" | "killed" | "rebooted"; readonly crashed: boolean }
  | { readonly _tag: "Performed"; readonly machine: string; readonly type: string; readonly params: unknown }
  | {
      readonly _tag: "Moved"
      readonly machine: string
      readonly from: string
      readonly to: string
      readonly event: string
    }
  | { readonly _tag: "Effect"; readonly src: Write; readonly input: unknown; readonly before: Disk }
  | { readonly _tag: "Finished"; readonly src: string }
  | { readonly _tag: "Failed"; readonly src: string }
  | { readonly _tag: "Polled"; readonly kind: PollAnswerKind }
  | { readonly _tag: "Sent"; readonly type: string; readonly etag: string | null }
  | { readonly _tag: "Passed"; readonly ms: number }
  | { readonly _tag: "Suspended" }
  | { readonly _tag: "Disturbed"; readonly what: string; readonly before: Disk }

/** The invariants of the design, by the sentence that states them. */
export const INVARIANTS = {
  activeNotQuarantined: "the active revision is never quarantined",
  bootsWhatIsProven:
    "a machine that was promoted once boots a once-promoted revision, or the one on probation, or, after damage only, bare",
  lkgByPromotionOnly: "last-known-good changes by promotion only",
  digestBelongs: "document, etag and digest belong together",
  slotsSpared: "the slot that runs and the slot to go back to are never written",
  usablePrevious: "on probation there is always a usable previous slot",
  rolledBackIsRemembered: "a revision that ran on probation and was rolled back is quarantined",
  fiveStarts: "no revision is blamed for fewer than five unexplained starts",
  crashLoopNoticed: "the fifth unexplained start of a probation rolls back before plugin code runs",
  windowSpent: "no revision expires before its window is spent, but for one part per start",
  bareAfterDamage: "bare is used only after damage or before the first apply",
  armsAfterLoss: "a probation is armed without a commit only after a lost state.json",
  tokenGone: "the policy token is gone after promotion, while a slot is active",
  promotedByProof: "a revision is promoted only by the process that runs it, confirmed, with its plugins settled",
  promotedStays: "a promoted revision is never rolled back for its behaviour",
  flipsToUsable: "a slot becomes active only to serve its probation, or when it can be trusted",
  rotBlamesNobody: "bit rot and broken links blame no revision",
  countsOnce: "a rollback is counted once",
  noVerdictAfterGap: "no probation expires between a suspension and the end of one more poll"
} as const
export type Invariant = keyof typeof INVARIANTS

export interface Violation {
  readonly invariant: Invariant
  readonly detail: string
}

export interface Ghost {
  /** Revisions promoted since this machine joined. */
  readonly promoted: ReadonlyArray<string>
  /** Revisions that ran on probation, and neither were promoted nor forgiven since. */
  readonly tried: ReadonlyArray<string>
  /** Bits rotted, or the identity was lost. */
  readonly damaged: boolean
  readonly identityLost: boolean
  readonly everFlipped: boolean
  /** The probation that was served last, by its revision and its beginning. */
  readonly serving: string | null
  /** Unexplained starts and all starts of the probation that is being served, and elapsed ms spent on it. */
  readonly unexplained: number
  /** Kills of processes that had been evaluated and had not begun to end: the next evaluation cannot miss those. */
  readonly crashes: number
  /** The last kill was one of those, and no evaluation has come since. */
  readonly crashed: boolean
  readonly starts: number
  readonly spentMs: number
  readonly lastEnd: "none" | "recorded" | "unrecorded" | "rebooted"
  /** Of the process that runs. */
  readonly lostAtBoot: boolean
  readonly confirmed: boolean
  readonly pluginsSettled: boolean
  readonly retireFailed: boolean
  readonly gapOpen: boolean
  readonly pollIsStale: boolean
  readonly identityIsStale: boolean
  readonly violations: ReadonlyArray<Violation>
}

const FRESH_PROCESS = {
  confirmed: false,
  pluginsSettled: false,
  retireFailed: false,
  gapOpen: false,
  pollIsStale: false,
  identityIsStale: false
} as const

export const BLANK_GHOST: Ghost = {
  promoted: [],
  tried: [],
  damaged: false,
  identityLost: false,
  everFlipped: false,
  serving: null,
  unexplained: 0,
  crashes: 0,
  crashed: false,
  starts: 0,
  spentMs: 0,
  lastEnd: "none",
  lostAtBoot: false,
  ...FRESH_PROCESS,
  violations: []
}

const stateFile = (disk: Disk): StateFile | null => (typeof disk.state === "string" ? null : disk.state)
const markerOf = (disk: Disk): Marker | undefined => stateFile(disk)?.marker
const isBroken = (ghost: Ghost, invariant: Invariant, broken: boolean, detail: string): Ghost =>
  broken ? { ...ghost, violations: [...ghost.violations, { invariant, detail }] } : ghost

/** A probation that the disk speaks of: its marker names the slot that is active. */
const servedOn = (disk: Disk): Marker | undefined => {
  const marker = markerOf(disk)
  return marker !== undefined && marker.slot === disk.active ? marker : undefined
}

/** The ghost after a happening; `world` is the world right after it. */
export const observed = (ghost: Ghost, happening: Happening, world: World): Ghost => {
  switch (happening._tag) {
    case "Started":
      return started(ghost, world.disk)
    case "Ended":
      return {
        ...ghost,
        lastEnd: endOf(happening.how, world.disk),
        // Nobody can tell a crash that a reboot of the system follows from the reboot itself.
        crashed: happening.how !== "rebooted" && (ghost.crashed || (happening.how === "killed" && happening.crashed))
      }
    case "Finished":
      return happening.src === "loadPlugins" ? { ...ghost, pluginsSettled: true } : ghost
    case "Failed":
      return happening.src === "retireSeed" ? { ...ghost, retireFailed: true } : ghost
    case "Sent":
      return sent(ghost, happening.type, happening.etag)
    case "Passed":
      return world.process.boot?.probation === true ? { ...ghost, spentMs: ghost.spentMs + happening.ms } : ghost
    case "Polled":
      return {
        ...ghost,
        confirmed: ghost.confirmed || happening.kind === "unchanged" || happening.kind === "good",
        gapOpen: ghost.gapOpen && ghost.pollIsStale,
        pollIsStale: false
      }
    case "Suspended":
      return {
        ...ghost,
        gapOpen: true,
        pollIsStale: world.process.tasks.some((task) => task.src === "poll"),
        identityIsStale: world.process.tasks.some((task) => task.machine === "join")
      }
    case "Disturbed":
      return disturbed(ghost, happening.what)
    case "Performed":
      return performed(ghost, happening.machine, happening.type, happening.params, world)
    case "Effect":
      return written(ghost, happening.src, happening.input, happening.before, world)
    case "Moved":
      return happening.machine === "configApply" ? moved(ghost, happening.from, happening.to, world) : ghost
  }
}

const endOf = (how: "exited" | "killed" | "rebooted", disk: Disk): Ghost["lastEnd"] =>
  how === "rebooted"
    ? "rebooted"
    : stateFile(disk)?.last_exit === "planned" && how === "exited"
      ? "recorded"
      : "unrecorded"

const started = (ghost: Ghost, disk: Disk): Ghost => {
  const onProbation = servedOn(disk) !== undefined
  return {
    ...ghost,
    ...FRESH_PROCESS,
    lostAtBoot: typeof disk.state === "string" && disk.active !== "absent",
    starts: onProbation ? ghost.starts + 1 : ghost.starts,
    unexplained: onProbation && ghost.lastEnd === "unrecorded" ? ghost.unexplained + 1 : ghost.unexplained
  }
}

const sent = (ghost: Ghost, type: string, etag: string | null): Ghost => {
  if (type === "POLL_CONFIRMED") return { ...ghost, confirmed: true }
  if (type === "PLUGINS_SETTLED") return { ...ghost, pluginsSettled: true }
  if (type === "POLL_SETTLED") return { ...ghost, gapOpen: false }
  return type === "RETRY" ? { ...ghost, tried: ghost.tried.filter((known) => known !== etag) } : ghost
}

const disturbed = (ghost: Ghost, what: string): Ghost => {
  if (what === "state") return { ...ghost, lostAtBoot: true, tried: [] }
  if (what === "identity") return { ...ghost, damaged: true, identityLost: true }
  return what === "rot" || what === "dangle" ? { ...ghost, damaged: true } : ghost
}

const performed = (ghost: Ghost, machine: string, type: string, params: unknown, world: World): Ghost => {
  if (machine === "join" && type === "identityFailed") {
    return { ...ghost, gapOpen: ghost.gapOpen && ghost.identityIsStale, identityIsStale: false }
  }
  return machine === "configApply" && type === "bootEvaluated" ? evaluated(ghost, params as BootOutcome, world) : ghost
}

const evaluated = (before: Ghost, boot: BootOutcome, { disk }: World): Ghost => {
  const { running } = boot
  const etag = running.etag
  const marker = markerOf(disk)
  const isLost = typeof disk.state === "string"
  const onProbation = boot.probation && (isLost || (marker !== undefined && marker.slot === running.slot))
  let ghost = before
  if (boot.impaired !== null) return ghost
  const isCounted = ghost.crashed && onProbation && !ghost.lostAtBoot
  ghost = { ...ghost, crashed: false, crashes: ghost.crashes + (isCounted ? 1 : 0) }
  const proven = etag !== null && ghost.promoted.includes(etag)
  ghost = isBroken(
    ghost,
    "bootsWhatIsProven",
    ghost.promoted.length > 0 && !proven && !onProbation && !(ghost.damaged && (etag === null || ghost.identityLost)),
    `runs ${etag ?? "bare or the seed copy"}`
  )
  ghost = isBroken(
    ghost,
    "bareAfterDamage",
    running.slot === null && ghost.everFlipped && !ghost.damaged,
    `runs ${running.source}`
  )
  ghost = isBroken(ghost, "digestBelongs", running.slot !== null && running.digest !== digestOf(etag), `${etag}`)
  const isSeen = !onProbation || ghost.crashes < PROBATION_ATTEMPTS
  ghost = isBroken(ghost, "crashLoopNoticed", !isSeen, `${etag}: ${ghost.crashes} crashes`)
  const remembered = [
    ...(stateFile(disk)?.quarantine.map((entry) => entry.etag) ?? []),
    ...(marker?.saved_quarantine === undefined ? [] : [marker.saved_quarantine.etag])
  ]
  const forgotten = ghost.tried.filter((tried) => tried !== etag && !remembered.includes(tried))
  ghost = isBroken(ghost, "rolledBackIsRemembered", forgotten.length > 0 && !ghost.damaged, forgotten.join())
  return onProbation && etag !== null && !ghost.tried.includes(etag)
    ? { ...ghost, tried: [...ghost.tried, etag] }
    : ghost
}

const moved = (before: Ghost, from: string, to: string, world: World): Ghost => {
  let ghost = before
  const { disk, process } = world
  const expires = from.startsWith("probation") && to.startsWith("rollingBack")
  ghost = isBroken(ghost, "noVerdictAfterGap", expires && ghost.gapOpen && process.boot?.running.central === true, from)
  if (to !== "steady.idle" && to !== "probation.using") return ghost
  const etag = process.boot?.running.etag
  const isQuarantined = stateFile(disk)?.quarantine.some((entry) => entry.etag === etag) === true
  ghost = isBroken(ghost, "activeNotQuarantined", etag != null && isQuarantined, `${etag}`)
  const slotIsActive = disk.active === "a" || disk.active === "b"
  const isPromoted = disk.slots.a?.promoted === true || disk.slots.b?.promoted === true
  const tokenLeft = to === "steady.idle" && disk.seed && slotIsActive && isPromoted && !ghost.retireFailed
  ghost = isBroken(ghost, "tokenGone", tokenLeft, `seed.json beside ${disk.active}`)
  const marker = servedOn(disk)
  if (to !== "probation.using" || marker === undefined || ghost.damaged) return ghost
  const facts = factsOf(disk, world.now.wall, world.windows)
  const isSafe = usable(facts, stateFile(disk) ?? { version: 1, quarantine: [] }, marker.previous_slot)
  return isBroken(ghost, "usablePrevious", !isSafe, `${marker.etag} over slot ${marker.previous_slot}`)
}

const written = (before: Ghost, src: Write, input: unknown, was: Disk, world: World): Ghost => {
  const { disk } = world
  const replaced = src === "executeJoin" || src === "executeLeave"
  if (replaced) return { ...BLANK_GHOST, violations: before.violations, lastEnd: before.lastEnd, lostAtBoot: false }
  let ghost = before
  const lkgMoved = lastKnownGood(was) !== lastKnownGood(disk) && src !== "writePromoted" && !ghost.damaged
  ghost = isBroken(ghost, "lkgByPromotionOnly", lkgMoved, `${lastKnownGood(was)} → ${lastKnownGood(disk)} by ${src}`)
  if (src === "flip") ghost = flipped(ghost, (input as { readonly slot: SlotName }).slot, was, world)
  if (src === "writeSlot") ghost = slotWritten(ghost, (input as { readonly slot: SlotName }).slot, was)
  if (src === "writePromoted") ghost = promoted(ghost, (input as { readonly slot: SlotName }).slot, world)
  if (src === "writeState") ghost = stateWritten(ghost, was, world)
  return ghost
}

const flipped = (ghost: Ghost, slot: SlotName, was: Disk, world: World): Ghost => {
  // What rots between the look at a slot and its use is found by the next look.
  const looks = [was, world.process.read].map((disk) => factsOf(disk, world.now.wall, world.windows))
  const isTrusted = looks.some((facts) => usable(facts, stateFile(was) ?? { version: 1, quarantine: [] }, slot))
  const isServed = markerOf(was)?.slot === slot || ghost.lostAtBoot
  return isBroken({ ...ghost, everFlipped: true }, "flipsToUsable", !isTrusted && !isServed, `slot ${slot}`)
}

const slotWritten = (ghost: Ghost, slot: SlotName, was: Disk): Ghost => {
  const marker = servedOn(was)
  const isNeeded = was.active === slot || (marker !== undefined && marker.previous_slot === slot)
  return isBroken(ghost, "slotsSpared", isNeeded && !ghost.damaged, `slot ${slot}`)
}

const promoted = (before: Ghost, slot: SlotName, { disk, process }: World): Ghost => {
  const etag = disk.slots[slot]?.etag ?? ""
  const running = process.boot?.running
  const isProof = running?.slot === slot && running.etag === etag && disk.active === slot
  const ghost = isBroken(
    before,
    "promotedByProof",
    !(isProof && before.confirmed && before.pluginsSettled) && disk.slots[slot] !== null,
    `${etag}: ${isProof ? "" : "not running, "}${before.confirmed ? "" : "not confirmed, "}${before.pluginsSettled ? "" : "plugins not settled"}`
  )
  return { ...ghost, promoted: [...ghost.promoted, etag], tried: ghost.tried.filter((known) => known !== etag) }
}

const stateWritten = (before: Ghost, was: Disk, { disk, process, windows }: World): Ghost => {
  let ghost = before
  const old = stateFile(was)
  const next = stateFile(disk)
  const marker = servedOn(disk)
  const isProven = marker !== undefined && disk.slots[marker.slot]?.promoted === true
  const isArmed = marker !== undefined && old?.marker?.etag !== marker.etag && !isProven
  ghost = isBroken(ghost, "armsAfterLoss", isArmed && !ghost.lostAtBoot, `${marker?.etag}`)
  const serving = next?.marker === undefined ? null : `${next.marker.etag} ${next.marker.applied_at}`
  const isCommit = next?.marker !== undefined && next.marker.slot !== disk.active && old?.marker === undefined
  if (serving !== null && (isCommit || serving !== ghost.serving)) {
    ghost = { ...ghost, serving, unexplained: 0, crashes: 0, starts: isArmed ? 1 : 0, spentMs: 0 }
  }
  // After a loss the attempts begin again: nobody remembers the ones before.
  if (old === null && process.boot === null) ghost = { ...ghost, crashes: 0 }
  else ghost = rotBlamed(ghost, old, next, process)
  const blamed = next?.quarantine.find(
    (entry) =>
      entry.etag === old?.marker?.etag &&
      next.marker === undefined &&
      (entry.reason === "crash_loop" || entry.reason === "probation_expired") &&
      old.marker.saved_quarantine?.attempts !== entry.attempts
  )
  if (blamed === undefined || old?.marker === undefined) return ghost
  const times = (old.marker.saved_quarantine?.attempts ?? 0) + 1
  ghost = isBroken(ghost, "countsOnce", blamed.attempts !== times, `${blamed.etag}: ${blamed.attempts}`)
  const slot = old.marker.slot
  const wasPromoted = was.slots[slot]?.promoted === true && was.active === slot
  ghost = isBroken(ghost, "promotedStays", wasPromoted, blamed.etag)
  const tooFew = blamed.reason === "crash_loop" && ghost.unexplained < PROBATION_ATTEMPTS
  ghost = isBroken(ghost, "fiveStarts", tooFew, `${blamed.etag}: ${ghost.unexplained}`)
  const spent = ghost.spentMs + ghost.starts * Math.ceil(windows.windowMs / PROBATION_PARTS)
  const tooSoon = blamed.reason === "probation_expired" && spent < windows.windowMs
  return isBroken(ghost, "windowSpent", tooSoon, `${blamed.etag}: ${spent} of ${windows.windowMs} ms`)
}

/** Boot evaluation judges behaviour alone: whatever else it adds to the quarantine is blame for damage. */
const rotBlamed = (ghost: Ghost, old: StateFile | null, next: StateFile | null, process: World["process"]): Ghost => {
  if (process.boot !== null) return ghost
  const known = [
    ...(old?.quarantine ?? []),
    ...(old?.marker?.saved_quarantine === undefined ? [] : [old.marker.saved_quarantine])
  ]
  const blamed = next?.quarantine.find(
    (entry) =>
      !known.some(
        ({ attempts, etag, reason }) => etag === entry.etag && attempts === entry.attempts && reason === entry.reason
      ) &&
      entry.reason !== "crash_loop" &&
      entry.reason !== "probation_expired"
  )
  return isBroken(ghost, "rotBlamesNobody", blamed !== undefined, `${blamed?.etag}`)
}
