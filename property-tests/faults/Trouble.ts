/**
 * What a fault excuses: the one boot that met it may be impaired, and nothing else.
 *
 * While the disk does not answer, the machine neither repairs nor counts; the witness keeps what it knows and judges the
 * next boot by it. Everything else that the witness says holds as if nothing had failed.
 */
import type { BootOutcome } from "../../machines/index.ts"
import { evaluated, Violated, type Witness } from "../crash/Witness.ts"

export class Trouble {
  impairedBoots = 0
  /** Faults answered since the process began. */
  private answers = 0

  answered(): void {
    this.answers++
  }

  launched(): void {
    this.answers = 0
  }

  /** The process that runs has met no fault. */
  get isOver(): boolean {
    return this.answers === 0
  }

  /** Judges a boot evaluation in the witness's stead. */
  readonly evaluated: typeof evaluated = (witness, boot, before, now) => {
    if (boot.impaired === null || this.isOver) return evaluated(witness, boot, before, now)
    this.impairedBoots++
    return impairedly(witness, boot)
  }
}

/** What runs while the disk does not answer is proven, or its plugins do not run. */
const impairedly = (witness: Witness, boot: BootOutcome): Witness => {
  const { facts } = witness
  const { etag } = boot.running
  if (facts === null || etag === null) return witness
  const proven = facts.promoted.includes(etag) || facts.promoting === etag
  if (!proven && !boot.bundledOnly) {
    throw new Violated("bootsWhatIsProven", `${etag} runs unwatched on a disk that does not answer`)
  }
  // The start may have been charged before the disk stopped answering.
  return boot.probation ? { ...witness, facts: { ...facts, starts: facts.starts + 1 } } : witness
}
