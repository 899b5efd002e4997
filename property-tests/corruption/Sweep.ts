/** Every file of every base, damaged in every way, alone and in pairs. */
import type { Disk } from "../crash/Disk.ts"
import { CONTROL, type Engine, HOME } from "../crash/Services.ts"
import { Violated } from "../crash/Witness.ts"
import { type Base, textOf } from "./Bases.ts"
import { type Damage, damaged, damagesOf, fewDamagesOf, filesOf, type How } from "./Damage.ts"
import { judge, LOSS_KINDS, saidBy } from "./Judge.ts"
import { Readings } from "./Readings.ts"
import { type Survival, Survivals } from "./Survival.ts"

/** Many trials that came out the same. */
export interface Tally {
  readonly file: string
  readonly how: How | "pair"
  readonly outcome: string
  readonly count: number
}

export interface Failure {
  readonly base: string
  readonly damages: ReadonlyArray<string>
  readonly verdict: string
}

export interface Swept {
  readonly tallies: ReadonlyArray<Tally>
  readonly trials: number
  readonly booted: number
  readonly lived: number
  readonly failures: ReadonlyArray<Failure>
}

export interface SweepOptions {
  readonly engine: Engine
  readonly bases: ReadonlyArray<Base>
  /** `few`: one place of a byte in each file of a pair; null: no pairs. */
  readonly pairs: "all" | "few" | null
  readonly singles: boolean
  /** Of single files only these, and no further than to the first failure. */
  readonly hunting?: RegExp
}

/** Short: `b/record.json`, `identity.bak.json`. */
export const nameOf = (path: string): string =>
  path.replace(`${CONTROL}/`, "").replace(`${HOME}/state/`, "").replace(`${HOME}/`, "~/")

export const sweep = ({ bases, engine, hunting, pairs, singles }: SweepOptions): Swept => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return new Sweep(engine, hunting).run(bases, singles, pairs)
  } finally {
    Error.stackTraceLimit = limit
  }
}

class Sweep {
  private readonly readings: Readings
  private readonly survivals: Survivals
  private readonly hunting: RegExp | undefined
  private readonly counts = new Map<string, number>()
  private readonly failures: Array<Failure> = []
  /** By file and what it and its copy hold: what readers answer depends on nothing else. */
  private readonly answers = new Map<string, string>()
  private trials = 0

  constructor(engine: Engine, hunting: RegExp | undefined) {
    this.readings = new Readings(engine)
    this.survivals = new Survivals(engine, this.readings)
    this.hunting = hunting
  }

  run(bases: ReadonlyArray<Base>, singles: boolean, pairs: "all" | "few" | null): Swept {
    for (const base of bases) {
      if (singles) this.alone(base)
      if (pairs !== null) this.paired(base, pairs === "all")
      if (this.isDone) break
    }
    const tallies = [...this.counts].map(([key, count]): Tally => {
      const [file, how, outcome] = key.split("\n") as [string, How | "pair", string]
      return { file, how, outcome, count }
    })
    const { booted, lived } = this.survivals
    return { tallies, trials: this.trials, booted, lived, failures: this.failures }
  }

  private get isDone(): boolean {
    return this.hunting !== undefined && this.failures.length > 0
  }

  private alone(base: Base): void {
    const normal = this.survivals.of(base, base.disk)
    for (const kind of saidBy(normal)) if (LOSS_KINDS.has(kind)) this.fail(base, [], `says ${kind} of a sound disk`)
    for (const path of filesOf(base.disk)) {
      if (this.hunting?.test(path) === false) continue
      const outcomes = new Map<string, string>()
      const beside = filesOf(base.disk)
        .filter((each) => each !== path && readTogether(each, path))
        .map((each) => textOf(base.disk, each))
        .join("\n")
      for (const damage of damagesOf(base.disk, path)) {
        if (this.isDone) return
        this.trials++
        const disk = damaged(base.disk, [damage])
        // A reader's answer, and how the file was damaged, decide; lives of bytes that read the same are one.
        const key = `${kindOf(damage)}\n${this.answer(damage, beside, disk)}`
        const outcome = outcomes.get(key) ?? this.tried(base, [damage], disk, normal)
        outcomes.set(key, outcome)
        this.count(path, damage.how, outcome)
      }
    }
  }

  /** What the readers make of it; `beside`: what else they read. */
  private answer({ inode, path }: Damage, beside: string, disk: Disk): string {
    if (inode?.kind !== "file") return this.readings.of(disk, path)
    const key = [path, beside, Buffer.from(inode.content).toString("latin1")].join("\n")
    const known = this.answers.get(key) ?? this.readings.of(disk, path)
    this.answers.set(key, known)
    return known
  }

  private paired(base: Base, all: boolean): void {
    const normal = this.survivals.of(base, base.disk)
    const paths = filesOf(base.disk)
    const few = new Map(paths.map((path) => [path, fewDamagesOf(base.disk, path, all)]))
    for (const [index, one] of paths.entries()) {
      for (const two of paths.slice(index + 1)) {
        const outcomes = new Map<string, string>()
        for (const a of few.get(one) ?? []) {
          for (const b of few.get(two) ?? []) {
            if (this.isDone) return
            this.trials++
            const disk = damaged(base.disk, [a, b])
            const key = [a, b].map((damage) => `${kindOf(damage)}\n${this.readings.of(disk, damage.path)}`).join("\n")
            const outcome = outcomes.get(key) ?? this.tried(base, [a, b], disk, normal)
            outcomes.set(key, outcome)
            this.count(one, "pair", outcome)
          }
        }
      }
    }
  }

  private tried(base: Base, damages: ReadonlyArray<Damage>, disk: Disk, normal: Survival): string {
    try {
      const survival = this.survivals.of(base, disk)
      const verdict = judge(base, damages, survival)
      if (verdict !== null) this.fail(base, damages, verdict)
      return (
        outcomeOf(survival, normal) || (damages.every(({ path }) => TWINS.test(path)) ? "its copy is used" : "harmless")
      )
    } catch (error) {
      if (!(error instanceof Violated)) throw error
      this.fail(base, damages, error.message)
      return "violated"
    }
  }

  private fail(base: Base, damages: ReadonlyArray<Damage>, verdict: string): void {
    this.failures.push({
      base: base.name,
      damages: damages.map(({ path, what }) => `${nameOf(path)}: ${what}`),
      verdict
    })
  }

  private count(path: string, how: How | "pair", outcome: string): void {
    const key = [nameOf(path), how, outcome].join("\n")
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
  }
}

const TWINS = /\/(identity|trust|seed|join)(\.bak)?\.json$/

/** Of a file that holds something the reader's answer is all that counts. */
const kindOf = ({ how, what }: Damage): string => (how === "byte" || how === "cut" ? "" : what)

/** A file, its copy, and the files of one slot. */
const readTogether = (one: string, two: string): boolean => {
  const [a, b] = [one, two].map((path) => path.replace(".bak.json", ".json").replace(/\/(a|b)\/[a-z.]+$/, "/$1"))
  return a === b
}

const outcomeOf = (survival: Survival, normal: Survival): string => {
  const before = saidBy(normal)
  const kinds = [...saidBy(survival)]
    .filter((kind) => LOSS_KINDS.has(kind) || kind === "slot_corrupt")
    .filter((kind) => !before.has(kind))
  if (survival.end !== normal.end && survival.end !== "credentialDead") kinds.push(survival.end)
  return kinds.length === 0 ? "" : kinds.sort().join(" + ")
}
