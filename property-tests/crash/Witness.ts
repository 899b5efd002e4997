/**
 * What somebody beside the machine has seen of its life, and the sentences that it holds against the machine.
 *
 * The witness trusts nothing that the machine says: it knows what it asked for, which calls returned before the power
 * failed, and reads the disk by itself. What was begun and not seen to return may have happened or not.
 */
import type { BootOutcome, StateFile } from "../../machines/index.ts"
import { documentOf, MAIN_URL, OTHER_URL, revisionOf, serialOf, TOKENS } from "./Central.ts"
import {
  activeSlotOf,
  isUsable,
  lastKnownGood,
  markerOf,
  quarantined,
  type Seen,
  type SlotName,
  slotOf
} from "./Oracle.ts"

/** The sentences, by the name under which mutants are killed. */
export const SENTENCES = {
  activeNotQuarantined: "the active revision is never quarantined",
  bootsWhatIsProven: "a machine that was promoted once boots a once-promoted revision, or the one on probation",
  lkgByPromotionOnly: "last-known-good changes by promotion only, and a promotion that returned is never lost",
  digestBelongs: "document, etag and digest belong together",
  noSlotDamaged: "no slot is ever damaged unless a bit rotted",
  usablePrevious: "on probation there is always a usable previous slot",
  rolledBackIsQuarantined: "a revision that ran on probation and was rolled back is quarantined",
  quarantineSurvives: "what was quarantined stays quarantined, whatever is cut",
  fiveStarts: "no revision is blamed for fewer than five unexplained starts",
  crashLoopNoticed: "the fifth unexplained start rolls back before plugin code runs",
  windowSpent: "no revision expires before its window is spent",
  bareBeforeTheFirst: "bare is used only before the first apply",
  armsAfterLoss: "a probation is armed without a commit only after a lost state.json",
  stateKept: "state.json is never lost",
  tokenGone: "the policy token is nowhere after promotion, while a slot is active",
  promotedByProof: "a revision is promoted only by the process that runs it, confirmed, with its plugins settled",
  slotsSpared: "the slot that runs and the slot to go back to are never written",
  joinKept: "a join that returned is carried out, and never mixed with the fleet before it",
  leaveKept: "a leave that returned leaves nothing of the fleet",
  identityKept: "a credential that was stored is there after any cut",
  bootsUnimpaired: "a boot on a disk that works is evaluated to its end",
  treesThere: "every artifact that a slot names is there and is what its hash says",
  lockTruthful: "the lock never names an artifact that is not there and whole",
  choiceKept: "what an operator installed stays the operator's choice",
  neededSpared: "what is collected is named by no slot, by no operator, and by no revision that is being staged",
  garbageGoes:
    "after a collection nothing half installed is left, and no artifact or entry of the lock that nobody needs",
  runsItsOwn: "a revision runs with the artifacts that it was staged with",
  receivesTheNext: "from every state the next good revision is received and promoted"
} as const
export type Sentence = keyof typeof SENTENCES

/** A sentence that turned out wrong. */
export class Violated extends Error {
  readonly sentence: Sentence
  constructor(sentence: Sentence, detail: string) {
    super(`${sentence} (${SENTENCES[sentence]}): ${detail}`)
    this.sentence = sentence
  }
}

export const hold = (sentence: Sentence, holds: boolean, detail: () => string): void => {
  if (!holds) throw new Violated(sentence, detail())
}

/** What was seen of one fleet's configuration; a join begins another one. */
export interface Facts {
  readonly url: string
  /** A flip was seen to return. */
  readonly flipped: boolean
  readonly promoted: ReadonlyArray<string>
  /** A promotion that was begun and not seen to return. */
  readonly promoting: string | null
  /** Revisions that ran on probation and were not promoted. */
  readonly ran: ReadonlyArray<string>
  /** Revisions whose quarantine was seen to be written. */
  readonly bad: ReadonlyArray<string>
  /** Since the last marker was written: kills, starts, elapsed ms on probation. */
  readonly kills: number
  /** Of these, crashes of plugin code that the next boot evaluation must have seen. */
  readonly crashes: number
  readonly starts: number
  readonly spentMs: number
  /** The newest credential that was seen to be stored. */
  readonly serial: number
  readonly seedRetired: boolean
}

export interface Witness {
  /** Which of the life's goals is pursued. */
  readonly goal: number
  readonly issued: number
  readonly bootSeq: number
  /** Plugin code ended the last process, and no boot evaluation has come since. */
  readonly crashed: boolean
  readonly facts: Facts | null
  readonly joining: { readonly url: string; readonly returned: boolean } | null
  readonly leaving: { readonly returned: boolean } | null
  /** The artifact that an operator chose, or one of these where an install was cut; null: none. */
  readonly chosen: ReadonlyArray<string | null>
}

export const NEWBORN: Witness = {
  goal: 0,
  issued: 0,
  bootSeq: 1,
  crashed: false,
  facts: null,
  joining: null,
  leaving: null,
  chosen: [null]
}

/** What is known of a machine that has just been told to join. */
export const newFleet = (url: string): Facts => ({
  url,
  flipped: false,
  promoted: [],
  promoting: null,
  ran: [],
  bad: [],
  kills: 0,
  crashes: 0,
  starts: 0,
  spentMs: 0,
  serial: 0,
  seedRetired: false
})

const withFacts = (witness: Witness, change: (facts: Facts) => Facts): Witness =>
  witness.facts === null ? witness : { ...witness, facts: change(witness.facts) }

const without = (list: ReadonlyArray<string>, item: string): ReadonlyArray<string> => list.filter((one) => one !== item)
const plus = (list: ReadonlyArray<string>, item: string): ReadonlyArray<string> => [...without(list, item), item]

// ---------------------------------------------------------------------------------------------- what is seen

/** The fleet that the machine works for, by the disk alone. */
const fleetOn = (now: Seen, boot: BootOutcome): string | null => {
  const { etag, source } = boot.running
  if (source === "none") return null
  if (etag !== null) return [MAIN_URL, OTHER_URL].find((url) => etag.endsWith(`-${new URL(url).hostname}"`)) ?? null
  const document = source === "seed" ? now.seed : source === "slot" ? activeSlotOf(now)?.document : null
  return [MAIN_URL, OTHER_URL].find((url) => document?.includes(url) === true) ?? null
}

/** Nothing of a fleet: what `leave` must have removed. */
const REMAINS = /\/(a|b|active|leave\.json|(seed|join|identity|trust)(\.bak)?\.json)(\/|$)|\.(tmp|new|old|unreadable)$/

export const holdsNothing = (now: Seen): void => {
  const left = now.paths.filter((path) => REMAINS.test(path))
  const told = Object.values(TOKENS).flatMap((token) => now.holding(token))
  hold("leaveKept", left.length === 0 && told.length === 0, () => [...left, ...told].join(" "))
}

/** Boot evaluation is over: which process of which fleet is this? `before` is the disk as it found it. */
export const evaluated = (witness: Witness, boot: BootOutcome, before: Seen, now: Seen): Witness => {
  hold("bootsUnimpaired", boot.impaired === null, () => String(boot.impaired))
  let next = witness
  const fleet = fleetOn(now, boot)
  if (next.leaving !== null) {
    const gone = fleet === null
    hold("leaveKept", gone || !next.leaving.returned, () => `still runs ${boot.running.source} of ${fleet}`)
    if (gone) holdsNothing(now)
    next = { ...next, facts: gone ? null : next.facts, leaving: null }
  }
  if (next.joining !== null) {
    const taken = fleet === next.joining.url && boot.running.source === "seed"
    hold("joinKept", taken || !next.joining.returned, () => `runs ${boot.running.source} of ${fleet}`)
    if (taken) {
      const strange = now.active !== "absent" || now.slots.a !== null || now.slots.b !== null
      hold("joinKept", !strange, () => `slots of another fleet beside the seed: ${now.paths.join(" ")}`)
      const other = next.facts !== null && next.facts.url !== fleet ? now.holding(TOKENS[next.facts.url] ?? "?") : []
      hold("joinKept", other.length === 0, () => `the token of the fleet before it: ${other.join(" ")}`)
    }
    next = { ...next, facts: taken ? newFleet(next.joining.url) : next.facts, joining: null }
  }
  const crashed = next.crashed
  next = { ...next, crashed: false }
  if (next.facts === null) return next
  hold("joinKept", fleet === next.facts.url, () => `runs ${boot.running.source} of ${fleet}, joined ${next.facts?.url}`)
  return { ...next, facts: judged(next.facts, boot, before, now, crashed) }
}

const judged = (known: Facts, boot: BootOutcome, before: Seen, now: Seen, crashed: boolean): Facts => {
  const { running } = boot
  const etag = running.etag
  const marker = markerOf(now)
  let facts = known
  // A promotion that was cut may have happened, and is then as good as any.
  if (facts.promoting !== null) {
    const happened = (["a", "b"] as const).some((slot) => {
      const found = slotOf(now, slot)
      return found?.etag === facts.promoting && found?.promoted === true
    })
    if (happened) {
      const promoted = facts.promoting
      facts = { ...facts, promoted: plus(facts.promoted, promoted), ran: without(facts.ran, promoted) }
    }
    facts = { ...facts, promoting: null }
  }
  hold("stateKept", before.state !== "damaged" && (before.state !== null || !facts.flipped), () => "state.json is lost")
  slotsAreWhole(facts, now)
  const proven = etag !== null && facts.promoted.includes(etag)
  hold(
    "bootsWhatIsProven",
    facts.promoted.length === 0 || proven || boot.probation,
    () => `runs ${etag ?? running.source} after ${facts.promoted.join()}`
  )
  hold("bareBeforeTheFirst", running.slot !== null || !facts.flipped, () => `runs ${running.source}`)
  const good = facts.promoted.at(-1) ?? null
  hold("lkgByPromotionOnly", lastKnownGood(now) === good, () => `${lastKnownGood(now)} instead of ${good}`)
  hold("activeNotQuarantined", quarantined(now, etag) === undefined, () => `${etag}`)
  const armed = marker !== undefined && markerOf(before)?.etag !== marker.etag
  hold("armsAfterLoss", !armed || before.state === null || before.state === "damaged", () => `${marker?.etag}`)
  if (marker !== undefined && boot.probation) {
    hold("usablePrevious", isUsable(now, marker.previous_slot), () => `slot ${marker.previous_slot} under ${etag}`)
  }
  remembers(facts, now, etag)
  blamesJustly(facts, now)
  if (facts.seedRetired) hold("tokenGone", now.holding(TOKENS[facts.url] ?? "?").length === 0, () => "after a restart")
  if (!boot.probation || etag === null) return facts
  const crashes = facts.crashes + (crashed ? 1 : 0)
  hold("crashLoopNoticed", crashes < 5, () => `${etag} after ${crashes} crashes`)
  return { ...facts, ran: plus(facts.ran, etag), starts: facts.starts + 1, crashes }
}

const slotsAreWhole = (facts: Facts, now: Seen): void => {
  for (const slot of ["a", "b"] as const) {
    const found = now.slots[slot]
    if (found === null) continue
    hold("noSlotDamaged", found !== "damaged" && found.intact, () => `slot ${slot}`)
    if (found === "damaged" || found.etag === null) continue
    const revision = revisionOf(found.etag)
    hold("digestBelongs", found.document === documentOf(revision, facts.url), () => `slot ${slot} says ${found.etag}`)
  }
  hold("noSlotDamaged", now.active !== "dangling", () => "active leads nowhere")
}

const remembers = (facts: Facts, now: Seen, etag: string | null): void => {
  const saved = markerOf(now)?.saved_quarantine?.etag
  const known = (one: string) => quarantined(now, one) !== undefined || one === etag || one === saved
  const forgotten = facts.ran.filter((one) => !known(one))
  hold("rolledBackIsQuarantined", forgotten.length === 0, () => forgotten.join())
  const lost = facts.bad.filter((one) => !known(one))
  hold("quarantineSurvives", lost.length === 0, () => lost.join())
}

const blamesJustly = (facts: Facts, now: Seen): void => {
  if (now.state === null || now.state === "damaged") return
  for (const { etag, reason } of now.state.quarantine) {
    if (facts.bad.includes(etag)) continue
    hold("fiveStarts", reason !== "crash_loop" || facts.kills >= 5, () => `${etag} after ${facts.kills} kills`)
    const spent = facts.spentMs + (facts.starts + 1) * PART_MS
    hold("windowSpent", reason !== "probation_expired" || spent >= WINDOW_MS, () => `${etag} after ${spent} ms`)
  }
}

const WINDOW_MS = 120_000
const PART_MS = WINDOW_MS / 24

// ---------------------------------------------------------------------------------------------- calls and time

/** What of the running process the witness sees beside the disk. */
export interface ProcessSeen {
  readonly boot: BootOutcome | null
  readonly confirmed: boolean
  readonly pluginsSettled: boolean
}

/** A task of the apply engine is about to be carried out. */
export const began = (witness: Witness, src: string, input: unknown, process: ProcessSeen, now: Seen): Witness => {
  const etag = process.boot?.running.etag ?? null
  switch (src) {
    case "writePromoted": {
      const { slot } = input as { readonly slot: SlotName }
      const proof = process.confirmed && process.pluginsSettled && slotOf(now, slot)?.etag === etag
      hold("promotedByProof", proof, () => `slot ${slot} while ${etag} runs`)
      return withFacts(witness, (facts) => ({ ...facts, promoting: etag }))
    }
    case "writeSlot": {
      const { slot } = input as { readonly slot: SlotName }
      const spared = now.active !== slot && markerOf(now)?.previous_slot !== slot
      hold("slotsSpared", spared, () => `slot ${slot} while ${now.active} is active`)
      return witness
    }
    case "writeState": {
      const { state } = input as { readonly state: StateFile }
      const fresh = state.marker !== undefined && state.marker.etag !== markerOf(now)?.etag
      return fresh
        ? withFacts(witness, (facts) => ({ ...facts, kills: 0, crashes: 0, starts: 0, spentMs: 0 }))
        : witness
    }
    default:
      return witness
  }
}

/** A task of the apply engine returned without an error. */
export const returned = (witness: Witness, src: string, input: unknown): Witness => {
  switch (src) {
    case "flip":
      return withFacts(witness, (facts) => ({ ...facts, flipped: true }))
    case "writePromoted":
      return withFacts(witness, (facts) =>
        facts.promoting === null
          ? facts
          : {
              ...facts,
              promoted: plus(facts.promoted, facts.promoting),
              ran: without(facts.ran, facts.promoting),
              bad: without(facts.bad, facts.promoting),
              promoting: null
            }
      )
    case "writeState": {
      const { state } = input as { readonly state: StateFile }
      const bad = state.quarantine.map(({ etag }) => etag)
      return withFacts(witness, (facts) => ({ ...facts, bad }))
    }
    case "retireSeed":
      return withFacts(witness, (facts) => ({ ...facts, seedRetired: true }))
    default:
      return witness
  }
}

export const stored = (witness: Witness, serial: number): Witness =>
  withFacts({ ...witness, issued: Math.max(witness.issued, serial) }, (facts) => ({ ...facts, serial }))

/** The process is gone without a word; `byPlugin` if plugin code did it. */
export const killed = (witness: Witness, byPlugin: boolean): Witness => ({
  ...withFacts(witness, (facts) => ({ ...facts, kills: facts.kills + 1 })),
  crashed: byPlugin || witness.crashed
})

/** The machine reboots: nobody can tell what happened to the process before that. */
export const rebooted = (witness: Witness): Witness => ({
  ...witness,
  bootSeq: witness.bootSeq + 1,
  crashed: false
})

export const passed = (witness: Witness, ms: number, boot: BootOutcome | null): Witness =>
  boot?.probation === true ? withFacts(witness, (facts) => ({ ...facts, spentMs: facts.spentMs + ms })) : witness

/** The machine rests, or a goal is reached: nothing is under way that could excuse anything. */
export const rested = (witness: Witness, now: Seen): void => {
  const { facts } = witness
  if (facts === null) return
  if (facts.promoted.length > 0 && activeSlotOf(now) !== null) {
    const places = now.holding(TOKENS[facts.url] ?? "?")
    hold("tokenGone", places.length === 0, () => places.join(" "))
  }
  credentialIsThere(facts, now)
}

const credentialIsThere = (facts: Facts, now: Seen): void => {
  if (facts.serial === 0) return
  const jwt = now.identities[facts.url]?.jwt
  hold("identityKept", jwt !== undefined && serialOf(jwt) >= facts.serial, () => `credential ${facts.serial}`)
}

/** A disk that a power cut left, before anything runs on it. */
export const survivedCut = (witness: Witness, now: Seen): void => {
  const { facts, joining, leaving } = witness
  if (facts === null || joining !== null || leaving !== null) return
  credentialIsThere(facts, now)
  if (facts.seedRetired)
    hold("tokenGone", now.holding(TOKENS[facts.url] ?? "?").length === 0, () => "after a power cut")
}
