/** Arbitrary histories of a run: what backend, agent, people, disk and time do, in any order. */
import * as fc from "fast-check"
import type { AnyStateMachine } from "xstate"
import type { Chart } from "../../src/statechart/Core.ts"
import { HONEST, RunRoom, type RunTask } from "./RunRoom.ts"
import { RunWatch } from "./RunWatch.ts"
import type { Charts } from "./World.ts"

const taskAt = ({ tasks }: RunRoom, pick: number): RunTask | undefined => tasks[pick % Math.max(1, tasks.length)]

/** Answers come, as they should, to whatever can be answered; the work goes on. */
const answers = (room: RunRoom, count: number): void => {
  for (let left = count; left > 0; left--) if (!room.tasks.some((task) => room.finish(task))) return
}

/** What a move does; `pick` chooses among its variants. */
const MOVES = {
  answer: (room: RunRoom) => answers(room, 1),
  answers: (room: RunRoom) => answers(room, 6),
  finish: (room: RunRoom, pick: number) => void room.finish(taskAt(room, pick), { honest: true, pick: pick >> 2 }),
  trouble: (room: RunRoom, pick: number) => void room.finish(taskAt(room, pick), { honest: false, pick: pick >> 2 }),
  /** The same answer fails again and again. */
  siege: (room: RunRoom, pick: number) => {
    const src = taskAt(room, pick)?.src ?? ""
    for (let count = 0; count < 1 + (pick % 9); count++) {
      if (!room.finish(room.taskOf(src), { honest: false, pick: pick >> 2 })) room.tick()
    }
  },
  lands: (room: RunRoom, pick: number) => room.land(taskAt(room, pick), { honest: pick % 4 !== 0, pick: pick >> 2 }),
  exits: (room: RunRoom, pick: number) => room.exits(pick % 2 === 0 ? 0 : 1, pick >> 1),
  dies: (room: RunRoom, pick: number) => room.dies(pick),
  cancel: (room: RunRoom) => room.cancel(),
  alive: (room: RunRoom) => room.send("ALIVE"),
  tick: (room: RunRoom) => void room.tick(),
  wait: (room: RunRoom, pick: number) => room.pass([200, 1_000, 10_000, 61_000, 240_000][pick % 5] ?? 0),
  kill: (room: RunRoom) => room.kill()
} as const
type MoveName = keyof typeof MOVES

export interface Move {
  readonly move: MoveName
  readonly pick: number
}

/** How often each move is drawn. */
const WEIGHTS: Readonly<Record<MoveName, number>> = {
  answer: 6,
  answers: 5,
  finish: 4,
  trouble: 5,
  siege: 2,
  lands: 3,
  exits: 2,
  dies: 1,
  cancel: 2,
  alive: 1,
  tick: 4,
  wait: 2,
  kill: 2
}

export const histories: fc.Arbitrary<ReadonlyArray<Move>> = fc.array(
  fc.record({
    move: fc.oneof(
      ...Object.entries(WEIGHTS).map(([move, weight]) => ({ weight, arbitrary: fc.constant(move as MoveName) }))
    ),
    pick: fc.nat(1_023)
  }),
  { minLength: 4, maxLength: 40, size: "max" }
)

/** For ever, shorter than most things, longer than most things. */
export const limits = fc.constantFrom(0, 5_000, 600_000)

export const runChart = (charts: Charts): Chart<AnyStateMachine> => {
  const chart = charts.run
  if (chart === undefined) throw new Error("there is no run")
  return chart
}

export interface Lived {
  readonly room: RunRoom
  readonly watch: RunWatch
}

export const begun = (charts: Charts, limitMs: number): Lived => {
  const watch = new RunWatch()
  return { watch, room: new RunRoom(runChart(charts), watch, limitMs) }
}

export const play = (room: RunRoom, moves: ReadonlyArray<Move>, between: () => void = () => {}): void => {
  for (const { move, pick } of moves) {
    MOVES[move](room, pick)
    between()
  }
}

/** A history, and where the run stands when it begins. */
export interface Course {
  readonly moves: ReadonlyArray<Move>
  readonly limitMs: number
  readonly from: "queued" | "starting" | "live"
}

export const courses: fc.Arbitrary<Course> = fc.record({
  moves: histories,
  limitMs: limits,
  from: fc.constantFrom("live", "starting", "live", "queued")
})

/** Lives a history on a fresh machine, and then honestly to its end. */
export const lived = (charts: Charts, { from, limitMs, moves }: Course): Lived => {
  const life = begun(charts, limitMs)
  const { room } = life
  until(room, () => room.state.startsWith(from))
  play(room, moves)
  if (room.now % 2 === 0) room.exits(0, 1)
  until(room, () => room.isClosed)
  return life
}

/** Everything but these is answered as it should be, and time passes when nothing else happens; true once it is so. */
export const until = (room: RunRoom, isSo: () => boolean, hung: ReadonlyArray<string> = [], steps = 60): boolean => {
  for (let count = 0; count < steps && !isSo(); count++) {
    if (!room.tasks.some((task) => !hung.includes(task.src) && room.finish(task, HONEST)) && !room.tick()) break
  }
  return isSo()
}
