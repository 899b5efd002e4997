/**
 * No state from which a run cannot end: every state that can be reached is enumerated, and from each of them the worst is
 * played: answers that never come, that fail for ever, that refuse for ever, and mixtures of these.
 */
import type { AnyStateMachine } from "xstate"
import {
  CLEAN_BOUND_MS,
  PREPARE_BOUND_MS,
  START_BOUND_MS,
  START_CANCEL_BOUND_MS,
  START_TRIES,
  STOP_BOUND_MS,
  TAIL_BOUND_MS,
  WATCH_TRIES,
  type RunContext
} from "../../machines/index.ts"
import { stateName } from "../../src/statechart/Core.ts"
import type { Alone } from "../../test/coverage/Alone.ts"
import type { Move } from "../../test/coverage/Explore.ts"
import { RunMoves } from "../../test/coverage/RunMoves.ts"

/** What becomes of a task: nothing, a failure worth another try, or one that is not. */
type Worst = "hangs" | "Unavailable" | "Refused"

interface Strategy {
  readonly name: string
  readonly of: (src: string) => Worst
}

const but =
  (rest: Worst, others: Readonly<Record<string, Worst>>) =>
  (src: string): Worst =>
    others[src] ?? rest

const STRATEGIES: ReadonlyArray<Strategy> = [
  { name: "nothing is answered", of: () => "hangs" },
  { name: "everything fails", of: () => "Unavailable" },
  { name: "everything is refused", of: () => "Refused" },
  { name: "everything fails, work and output go on", of: but("Unavailable", { watch: "hangs", follow: "hangs" }) },
  { name: "nothing is answered, the work is out of sight", of: but("hangs", { watch: "Unavailable" }) }
]

const GRACE_MS = 10_000
const LIMIT_MS = 600_000
const LADDER_MS = [1_000, 2_000, 5_000, 10_000]
const sum = (list: ReadonlyArray<number>): number => list.reduce((all, one) => all + one, 0)
/** Between removals that fail each time. */
const REMOVALS_MS = sum(LADDER_MS.slice(0, START_TRIES - 1))
/** Of looks that fail each time. */
const LOOKS_MS = sum(LADDER_MS) + 30_000 * (WATCH_TRIES - 1 - LADDER_MS.length)

/** From a cancel at any moment until the verdict is to be recorded, whatever everybody does. */
export const CANCEL_ENDS_MS = START_CANCEL_BOUND_MS + GRACE_MS + STOP_BOUND_MS + TAIL_BOUND_MS
/** The same without a cancel, for a run with a limit, or one whose backend is out of sight. */
const TIME_ENDS_MS =
  PREPARE_BOUND_MS + START_BOUND_MS + Math.max(LIMIT_MS, LOOKS_MS) + GRACE_MS + STOP_BOUND_MS + TAIL_BOUND_MS
/** From the verdict on the disk until nothing is left to do. */
const CLEAN_ENDS_MS = REMOVALS_MS + CLEAN_BOUND_MS

const contextOf = ({ instance }: Alone): RunContext => instance.snapshot.context as RunContext
const stateOf = ({ instance }: Alone): string => stateName(instance.snapshot.value)
const has = ({ tasks }: Alone, src: string): boolean => tasks.some((task) => task.src === src)

/** One control state: what the chart can tell apart, but for counts, exact times, and the pulse, which decides nothing. */
const keyOf = (alone: Alone): string => {
  const { adopted, begun, cancelled, limitMs, notStarted, tail, timedOut, verdict, work } = contextOf(alone)
  const state = stateOf(alone).replace(/,live\.pulse\.\w+/, "")
  const flags = [adopted, begun, cancelled, limitMs > 0, notStarted !== null, timedOut, verdict !== null, work !== null]
  return [state, ...flags, tail === null ? "" : tail.record === null].join("|")
}

interface Reached {
  readonly alone: Alone
  readonly path: ReadonlyArray<string>
}

/** Every control state that can be reached, each with a way to it. */
export const reachedBy = (machine: AnyStateMachine): ReadonlyArray<Reached> => {
  const seen = new Set<string>()
  const found: Array<Reached> = []
  const visit = (move: Move<Alone>, path: ReadonlyArray<string>): void => {
    const alone = move.play()
    const key = keyOf(alone)
    if (seen.has(key)) return
    seen.add(key)
    found.push({ alone, path: [...path, move.label] })
  }
  for (const move of RunMoves.begin(machine)) visit(move, [])
  for (let index = 0; index < found.length; index++) {
    const { alone, path } = found[index] as Reached
    for (const move of RunMoves.next(alone)) visit(move, path)
  }
  return found
}

const taken = (alone: Alone, label: string): Alone => {
  const move = RunMoves.next(alone).find((other) => other.label === label)
  if (move === undefined) throw new Error(`${label} cannot happen in ${stateOf(alone)}`)
  return move.play()
}

/** Plays a strategy until something is so; how long it took, in ms, or null: longer than it may. */
const lasts = (from: Alone, worst: Strategy["of"], isSo: (alone: Alone) => boolean, bound: number): number | null => {
  let alone = from
  for (let steps = 0; steps < 1_000; steps++) {
    const took = alone.now.uptime - from.now.uptime
    if (took > bound) return null
    if (isSo(alone)) return took
    const task = alone.tasks.find(({ src }) => worst(src) !== "hangs")
    const before = alone
    alone = taken(alone, task === undefined ? "time passes" : `${task.src}: ${worst(task.src)}`)
    if (alone === before) return null
  }
  return null
}

/** Whether time alone ends it: a limit, or a backend that does not say that the work goes on. */
const isTimed = (alone: Alone, { of }: Strategy): boolean => contextOf(alone).limitMs > 0 || of("watch") !== "hangs"

export interface Tally {
  states: number
  plays: number
  longestMs: number
}

/** Searches all states for one that the worst holds open; what was found, in words, or null. */
export const heldOpen = (
  machine: AnyStateMachine,
  tally: Tally = { states: 0, plays: 0, longestMs: 0 }
): string | null => {
  const reached = reachedBy(machine)
  tally.states = reached.length
  for (const { alone, path } of reached) {
    for (const strategy of STRATEGIES) {
      const told = `${strategy.name}, in ${stateOf(alone)}, after ${path.join(" · ")}`
      const isRecorded = has(alone, "clean") || stateOf(alone).startsWith("cl")
      const isJudged = (at: Alone): boolean => has(at, "record") || stateOf(at) === "recordingAgain"
      const play = (from: Alone, worst: Strategy["of"], isSo: (at: Alone) => boolean, bound: number): boolean => {
        const took = lasts(from, worst, isSo, bound)
        tally.plays++
        tally.longestMs = Math.max(tally.longestMs, took ?? 0)
        return took !== null
      }
      if (isRecorded) {
        const isClosed = (at: Alone): boolean => stateOf(at) === "closed"
        if (!play(alone, strategy.of, isClosed, CLEAN_ENDS_MS)) return `never closed: ${told}`
        continue
      }
      const cancelled = taken(alone, JSON.stringify({ type: "CANCEL" }))
      if (!play(cancelled, strategy.of, isJudged, CANCEL_ENDS_MS)) return `a cancel does not end it: ${told}`
      // Its turn comes when the agent's other runs have ended: a queue, which only a cancel leaves before that.
      if (!isTimed(alone, strategy) || (has(alone, "awaitTurn") && strategy.of("awaitTurn") === "hangs")) continue
      if (!play(alone, strategy.of, isJudged, TIME_ENDS_MS)) return `time does not end it: ${told}`
    }
  }
  return null
}
