/** What a fault cost, as somebody sees it who looks at the machine meanwhile. */
import type { AnyMachineSnapshot } from "xstate"
import type { ConfigApplyContext } from "../../machines/ConfigApplySetup.ts"
import type { StateFile } from "../../machines/index.ts"
import { StorageError } from "../../src/storage/index.ts"
import type { Disk } from "../crash/Disk.ts"
import { seen, slotOf } from "../crash/Oracle.ts"
import type { MachineId } from "../crash/Services.ts"
import { Violated, type Witness } from "../crash/Witness.ts"
import { tellsTheTruth } from "./StatusTruth.ts"
import type { Trouble } from "./Trouble.ts"

/** From the dearest to the cheapest. */
export const OUTCOMES = {
  refused: "a command refused with advice, then repeated",
  rolledBack: "a good revision rolled back: its whole probation passed without a disk",
  rot: "taken for rot: another slot ran, or memory was lost",
  impaired: "impaired, then restarted by itself",
  ioError: "apply_io_error, then applied",
  noted: "storage problem shown, and done again",
  absorbed: "absorbed"
} as const
export type Outcome = keyof typeof OUTCOMES

const ADVICE = /Free space|remount it|Check the disk|Give the user|Raise the limit/

/** Watches one life, and holds its words against its disk. */
export class Observer {
  private readonly seen = new Set<Outcome>()
  private readonly blamed: Set<string>
  private readonly disk: () => Disk
  private readonly witness: () => Witness
  private readonly learn: (witness: Witness) => void

  constructor(
    disk: () => Disk,
    witness: () => Witness,
    learn: (witness: Witness) => void,
    blamed: ReadonlyArray<string>
  ) {
    this.disk = disk
    this.witness = witness
    this.learn = learn
    this.blamed = new Set(blamed)
  }

  outcome(trouble: Trouble): Outcome {
    if (trouble.impairedBoots > 0) this.seen.add("impaired")
    const outcomes = Object.keys(OUTCOMES) as ReadonlyArray<Outcome>
    return outcomes.find((outcome) => this.seen.has(outcome)) ?? "absorbed"
  }

  commandFailed(error: unknown): boolean {
    const isClear = error instanceof StorageError && ADVICE.test(error.message)
    if (!isClear) throw new Violated("receivesTheNext", `a command failed without advice: ${String(error)}`)
    this.seen.add("refused")
    return true
  }

  readonly onStep = (id: MachineId, snapshot: AnyMachineSnapshot): void => {
    if (id !== "configApply") return
    const { lost, state, storageProblem } = snapshot.context as ConfigApplyContext
    if (storageProblem !== null) this.seen.add("noted")
    if (state.last_attempt?.verdict === "apply_io_error") this.seen.add("ioError")
    if (lost || state.last_rollback?.reason === "slot_corrupt") this.seen.add("rot")
    if (state.quarantine.some(({ etag }) => etag.startsWith('"G'))) this.seen.add("rolledBack")
    this.blamedJustly(state.quarantine)
    tellsTheTruth(snapshot, this.disk())
    if (snapshot.matches({ steady: "idle" })) this.learnPromotion()
  }

  /** A disk that fails is no crash: it does not use up the starts of a revision. */
  private blamedJustly(quarantine: StateFile["quarantine"]): void {
    for (const { etag, reason } of quarantine) {
      if (this.blamed.has(etag)) continue
      this.blamed.add(etag)
      const kills = this.witness().facts?.kills ?? 0
      if (reason === "crash_loop" && kills < 5) throw new Violated("fiveStarts", `${etag} after ${kills} kills`)
    }
  }

  /** A promotion that reported an error and was found done: the machine takes it for one, so the witness does. */
  private learnPromotion(): void {
    const witness = this.witness()
    const etag = witness.facts?.promoting
    if (witness.facts === null || etag === null || etag === undefined) return
    const now = seen(this.disk())
    const isThere = (["a", "b"] as const).some((slot) => {
      const found = slotOf(now, slot)
      return found?.etag === etag && found?.promoted === true
    })
    if (!isThere) return
    const { bad, promoted, ran } = witness.facts
    const without = (list: ReadonlyArray<string>) => list.filter((one) => one !== etag)
    const facts = {
      ...witness.facts,
      promoting: null,
      promoted: [...without(promoted), etag],
      bad: without(bad),
      ran: without(ran)
    }
    this.learn({ ...witness, facts })
  }
}
