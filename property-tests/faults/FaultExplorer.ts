/**
 * Every file operation of a life, every way in which it may fail, and the life after it.
 *
 * A run begins where the process began that meets the fault, and ends where it becomes a life that was lived before. A
 * fault comes once, or stays until the machine has had to live with it for a while; a command's operator mends the disk
 * and repeats the command. Somewhere after the fault the power is cut as well.
 */
import { emptyDisk, makeDirectory, ROOT, sync } from "../crash/Disk.ts"
import type { Operation } from "../crash/DiskFileSystem.ts"
import { isIn, keyOf } from "../crash/Explorer.ts"
import { type Goal, Life, type Moment } from "../crash/Life.ts"
import { seen } from "../crash/Oracle.ts"
import { powerCuts } from "../crash/PowerCut.ts"
import { type Engine, HOME } from "../crash/Services.ts"
import { NEWBORN, rebooted, survivedCut, Violated } from "../crash/Witness.ts"
import { type Code, type FaultKind, faultsOf, type Lasting, meets } from "./FaultKinds.ts"
import { Observer, type Outcome } from "./Outcome.ts"
import { Trouble } from "./Trouble.ts"
import { Untrue } from "./StatusTruth.ts"

/** How far an exploration goes. */
export interface Bounds {
  /** Of the faults, one in so many is tried, from the one of this number on. */
  readonly stride: number
  readonly offset: number
  /** Also what no known kernel answers. */
  readonly allCodes: boolean
  readonly lastings: ReadonlyArray<Lasting>
  /** Moments after each fault at which the power is cut, and disks for each. */
  readonly cuts: number
  readonly disks: number
  /** Only these faults. */
  readonly only?: (call: Pick<Call, "operation" | "path">, kind: FaultKind) => boolean
  /** After so many violations it is enough. */
  readonly violations: number
}

export interface Run {
  readonly operation: Operation
  readonly code: Code
  readonly lasting: Lasting
  readonly outcome: Outcome
}

export interface Explored {
  readonly operations: number
  readonly runs: ReadonlyArray<Run>
  readonly powerCuts: number
  readonly violations: ReadonlyArray<Violation>
}

/** A sentence that turned out wrong, and how to get there. */
export interface Violation {
  readonly sentence: string
  readonly message: string
  readonly path: string
}

type From = Omit<Moment, "label">

interface Call {
  readonly from: From
  /** How many calls the process made before. */
  readonly index: number
  readonly operation: Operation
  readonly path: string
}

/** A machine with a home and nothing in it. */
const BLANK: From = {
  disk: sync(makeDirectory(emptyDisk, HOME), ROOT),
  witness: NEWBORN,
  now: { uptime: 0, wall: 1_700_000_000_000 }
}

/** Thrown where the calls of one process have all been seen. */
const ENOUGH = Symbol("enough")

/** Explores one life. Errors are thrown by the thousand and looked at by code alone: they carry no stacks meanwhile. */
export const exploreFaults = (engine: Engine, goals: ReadonlyArray<Goal>, bounds: Bounds): Explored => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return new Exploration(engine, goals, bounds).explored()
  } finally {
    Error.stackTraceLimit = limit
  }
}

class Exploration {
  private readonly known = new Set<string>()
  private readonly launched = new Set<string>()
  private readonly runs: Array<Run> = []
  private cutsMade = 0
  private readonly engine: Engine
  private readonly goals: ReadonlyArray<Goal>
  private readonly bounds: Bounds

  constructor(engine: Engine, goals: ReadonlyArray<Goal>, bounds: Bounds) {
    this.engine = engine
    this.goals = goals
    this.bounds = bounds
  }

  explored(): Explored {
    const calls = this.calls()
    const { allCodes, lastings, only } = this.bounds
    const faults = calls.flatMap((call) =>
      faultsOf(call.operation, allCodes)
        .filter((kind) => only?.(call, kind) !== false)
        .flatMap((kind) =>
          lastings
            .filter((lasting) => lasting === "once" || kind.code !== "short")
            .map((lasting) => ({ call, kind, lasting }))
        )
    )
    const violations: Array<Violation> = []
    for (let index = this.bounds.offset % this.bounds.stride; index < faults.length; index += this.bounds.stride) {
      const fault = faults[index]
      if (fault === undefined) break
      const violation = this.lived(fault.call, fault.kind, fault.lasting)
      if (violation !== null) violations.push(violation)
      if (violations.length >= this.bounds.violations) break
    }
    const { cutsMade, runs } = this
    return { operations: calls.length, runs, powerCuts: cutsMade, violations }
  }

  /** The calls of a life in which nothing fails. */
  private calls(): ReadonlyArray<Call> {
    const launches: Array<From> = [BLANK]
    new Life(
      {
        engine: this.engine,
        goals: this.goals,
        isKnown: (moment, memory) => {
          this.known.add(keyOf(moment, memory))
          return false
        },
        onLaunch: (moment) => launches.push(moment)
      },
      BLANK
    ).run()
    return launches.flatMap((from) => this.callsOf(from))
  }

  private callsOf(from: From): ReadonlyArray<Call> {
    const calls: Array<Call> = []
    const onLaunch = () => {
      if (calls.length > 0) throw ENOUGH
    }
    const life = new Life({ engine: this.engine, goals: this.goals, onLaunch }, from)
    life.around.mounted.fault = (operation, path) => {
      calls.push({ from, index: calls.length, operation, path })
      return undefined
    }
    try {
      life.run()
    } catch (reason) {
      if (reason !== ENOUGH) throw reason
    }
    return calls
  }

  private lived(call: Call, kind: FaultKind, lasting: Lasting): Violation | null {
    const path = `${kind.code} (${kind.done}, ${lasting === "once" ? "once" : `${lasting / 1_000} s`}) of call ${call.index}: ${call.operation} ${call.path}`
    const trouble = new Trouble()
    const moments: Array<Moment> = []
    const broken = this.judged(path, () => {
      const observer = this.liveUnder(call, kind, lasting, trouble, moments)
      const { code } = kind
      this.runs.push({ operation: call.operation, code, lasting, outcome: observer.outcome(trouble) })
    })
    return broken ?? this.cut(path, moments)
  }

  private liveUnder(call: Call, kind: FaultKind, lasting: Lasting, trouble: Trouble, moments: Array<Moment>): Observer {
    let index = 0
    let since: number | null = null
    let isOver = false
    const observer = new Observer(
      () => life.disk,
      () => life.witness,
      (witness) => void (life.witness = witness),
      call.from.witness.facts?.bad ?? []
    )
    const life = new Life(
      {
        engine: this.engine,
        goals: this.goals,
        evaluated: trouble.evaluated,
        onLaunch: () => trouble.launched(),
        onStep: observer.onStep,
        onMoment: (moment) => {
          if (since !== null) moments.push(moment)
        },
        commandFailed: (error) => {
          isOver = true
          return observer.commandFailed(error)
        },
        isKnown: (moment, memory) => isOver && trouble.isOver && this.isKnown(moment, memory)
      },
      call.from
    )
    const { around } = life
    around.mounted.fault = (operation) => {
      const isFirst = index++ === call.index
      if (isFirst) since = around.now.uptime
      if (since === null || isOver) return undefined
      if (!isFirst && (lasting === "once" || around.now.uptime - since >= lasting)) {
        isOver = true
        return undefined
      }
      if (!isFirst && !meets(kind.code, operation)) return undefined
      trouble.answered()
      return isFirst ? kind : { code: kind.code, done: "none" }
    }
    life.run()
    return observer
  }

  private isKnown(moment: From, memory: string): boolean {
    return isIn(this.known, keyOf(moment, memory))
  }

  /** The power fails soon after the fault, or late: what returned before must have survived. */
  private cut(path: string, moments: ReadonlyArray<Moment>): Violation | null {
    for (const moment of spread(moments, this.bounds.cuts, this.runs.length)) {
      const { disks } = powerCuts(moment.disk, this.bounds.disks)
      for (const disk of spread(disks, this.bounds.disks, this.runs.length)) {
        const from = { disk, witness: rebooted(moment.witness), now: moment.now }
        if (this.isKnown(from, "start")) continue
        this.cutsMade++
        const violation = this.judged(`${path}, and a power cut before ${moment.label}`, () => {
          survivedCut(from.witness, seen(disk))
          const isKnown = (later: Moment, memory: string) => this.isKnown(later, memory)
          const isLaunched = (later: Moment, memory: string) => isIn(this.launched, keyOf(later, memory))
          new Life({ engine: this.engine, goals: this.goals, isKnown, isLaunched }, from).run()
        })
        if (violation !== null) return violation
      }
    }
    return null
  }

  private judged(path: string, live: () => void): Violation | null {
    try {
      live()
      return null
    } catch (error) {
      if (error instanceof Violated) return { sentence: error.sentence, message: error.message, path }
      if (error instanceof Untrue) return { sentence: "statusIsDurable", message: error.message, path }
      const { message, stack } = error as Error
      return { sentence: "noDefect", message: `${message} ${stack ?? ""}`, path }
    }
  }
}

/** The first one, and others up to a number, not the same for each run. */
const spread = <T>(list: ReadonlyArray<T>, count: number, turn: number): ReadonlyArray<T> => {
  if (list.length <= count) return list
  const [first, ...rest] = list
  const others = Array.from({ length: count - 1 }, (_, step) => rest[(turn * 7 + step * step * 3 + step) % rest.length])
  return [first, ...others].flatMap((one) => (one === undefined ? [] : [one]))
}
