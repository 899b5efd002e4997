/** Properties of runs: whatever happens, wherever the process dies, and from every state that can be reached. */
import * as fc from "fast-check"
import {
  CLEAN_BOUND_MS,
  PREPARE_BOUND_MS,
  RUN_LADDER_MS,
  STALE_MS,
  START_BOUND_MS,
  START_CANCEL_BOUND_MS,
  STOP_BOUND_MS,
  TAIL_BOUND_MS,
  TAIL_DRAIN_MS,
  TAIL_DRAIN_SHORT_MS,
  TAIL_FLUSH_MS,
  TAIL_VERIFY_MS,
  WIND_UP_MS
} from "../../machines/index.ts"
import { counterexample, type Check, type Sample } from "./Check.ts"
import { heldOpen } from "./RunEnds.ts"
import {
  begun,
  courses,
  histories,
  limits,
  lived,
  play,
  runChart,
  until,
  type Lived,
  type Move
} from "./RunHistories.ts"
import type { RunRoom } from "./RunRoom.ts"
import { RUN_INVARIANTS, type RunInvariant } from "./RunWatch.ts"
import type { Charts } from "./World.ts"

const judged = ({ watch }: Lived, invariants: ReadonlyArray<RunInvariant>): void => {
  const found = watch.violations.find(({ invariant }) => invariants.includes(invariant))
  if (found !== undefined) throw new Error(`${found.invariant}: ${found.detail}`)
}

/** Searches arbitrary histories for a violation of these invariants. */
export const runViolated = (charts: Charts, invariants: ReadonlyArray<RunInvariant>, sample: Sample): string | null =>
  counterexample(
    fc.property(courses, (course) => judged(lived(charts, course), invariants)),
    sample
  )

const invariantChecks = Object.fromEntries(
  Object.entries(RUN_INVARIANTS).map(([name, title]) => [
    name,
    {
      title,
      // A history is cheap, and some ways to go wrong are narrow.
      find: (charts: Charts, sample: Sample) =>
        runViolated(charts, [name as RunInvariant], { ...sample, numRuns: sample.numRuns * 5 })
    }
  ])
) as Readonly<Record<RunInvariant, Check>>

const adopts: Check = {
  title: "killed anywhere, a run that nobody wants to end is taken up, made once, and has the verdict of its own end",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories, fc.constantFrom(null, 0, 1), (moves, torn) => {
        const { room, watch } = begun(charts, 0)
        if (torn !== null) {
          // Asked for, and made or not: the process dies before it hears of it.
          until(room, asksStart(room))
          room.land(room.taskOf("start"), { honest: false, pick: torn })
          room.kill()
        }
        const calm = moves.filter(({ move }) => !["cancel", "trouble", "siege", "lands"].includes(move))
        for (const move of calm) {
          // A start that is not answered in time is given up.
          const isBeginning = room.taskOf("prepare") !== undefined || room.taskOf("start") !== undefined
          if (!isBeginning || !["wait", "tick"].includes(move.move)) play(room, [move])
        }
        room.kill()
        const { file, work } = room
        const runs = work.state === "running" || (work.state === "none" && file.verdict === null)
        if (!until(room, () => room.work.state === "running" || room.isClosed)) throw new Error(`stuck: ${room.state}`)
        for (let count = 0; count < 8; count++) if (!room.tasks.some((task) => room.finish(task))) break
        room.exits(0, 1)
        room.kill()
        if (!until(room, () => room.isClosed)) throw new Error(`never ends: ${room.state}`)
        if (room.file.verdict === null || !room.file.cleaned) throw new Error(`closed as ${JSON.stringify(room.file)}`)
        if (room.work.made !== 1) throw new Error(`made ${room.work.made} times`)
        const expected = runs ? "succeeded" : file.verdict
        if (expected !== null && room.file.verdict !== expected) {
          throw new Error(`${room.file.verdict} instead of ${expected}, after ${watch.verdicts.join()}`)
        }
      }),
      sample
    )
}

const ends: Check = {
  title: "no state from which a run cannot end, whatever fails, refuses or never answers",
  find: (charts) => heldOpen(runChart(charts).machine)
}

// ---------------------------------------------------------------------------------------------- bounds

/** What hangs, what comes of it, and after how long; null: never, and a cancel ends it at once. */
interface Hanging {
  readonly hung: ReadonlyArray<string>
  readonly limitMs?: number
  readonly cancels?: boolean
  /** The work has ended by itself before. */
  readonly exits?: boolean
  readonly goal: (room: RunRoom) => boolean
  readonly ms: number | null
}

const asks =
  (src: string) =>
  (room: RunRoom): boolean =>
    room.taskOf(src) !== undefined
const asksStart = (room: RunRoom) => (): boolean => asks("start")(room)
const drains = ({ drained }: RunRoom): boolean => drained

/** Every task that may hang. Three are open without a person, by what they are: a queue, work without a limit, a disk. */
const HANGING: ReadonlyArray<Hanging> = [
  { hung: ["awaitTurn"], goal: asks("record"), ms: null },
  { hung: ["awaitTurn"], cancels: true, goal: asks("record"), ms: 0 },
  { hung: ["prepare"], goal: asks("record"), ms: PREPARE_BOUND_MS },
  { hung: ["start"], goal: asks("stop"), ms: START_BOUND_MS },
  { hung: ["start"], cancels: true, goal: asks("stop"), ms: START_CANCEL_BOUND_MS },
  { hung: ["watch"], goal: asks("stop"), ms: null },
  { hung: ["watch"], cancels: true, goal: asks("stop"), ms: 0 },
  { hung: ["watch"], limitMs: 5_000, goal: asks("stop"), ms: 5_000 },
  { hung: ["watch", "follow"], cancels: true, goal: drains, ms: 10_000 + STOP_BOUND_MS },
  { hung: ["watch", "stop", "follow"], cancels: true, goal: drains, ms: 10_000 + STOP_BOUND_MS },
  { hung: ["watch"], exits: true, goal: asks("record"), ms: WIND_UP_MS },
  { hung: ["follow"], exits: true, goal: asks("record"), ms: TAIL_BOUND_MS },
  { hung: ["record"], exits: true, goal: asks("clean"), ms: null },
  { hung: ["clean"], exits: true, goal: ({ isClosed }) => isClosed, ms: CLEAN_BOUND_MS }
]

const MONTH_MS = 30 * 86_400_000

const bounds: Check = {
  title: "whatever hangs is left after its bound, exactly; queue, work without a limit and disk wait for a person",
  find: (charts) => {
    const sumOfTail = TAIL_DRAIN_SHORT_MS + TAIL_DRAIN_MS + TAIL_VERIFY_MS + TAIL_FLUSH_MS
    if (TAIL_BOUND_MS <= sumOfTail) return `the tailer may take ${sumOfTail} ms, and has ${TAIL_BOUND_MS}`
    for (const { cancels, exits, goal, hung, limitMs = 0, ms } of HANGING) {
      const { room } = begun(charts, limitMs)
      const isThere = (): boolean => hung.every((src) => room.taskOf(src) !== undefined || src === "stop")
      const isLate = hung.includes("record") || hung.includes("clean")
      until(room, () => (isLate ? room.work.state === "running" : isThere()), hung)
      if (exits) room.exits(0, 1)
      if (isLate) until(room, isThere, hung)
      if (cancels) room.cancel()
      const from = room.now
      until(room, () => goal(room) || room.now - from > MONTH_MS, hung, 200)
      const took = goal(room) ? room.now - from : null
      if (took !== ms) return `${hung.join(" and ")} hangs: ${took} ms instead of ${ms}, ${room.state}`
    }
    return null
  }
}

const ladder: Check = {
  title: "a stop that fails is asked for again after 1, 2, 5, 10 and 30 s, for a quarter of an hour and the grace",
  find: (charts) => {
    const { room } = begun(charts, 0)
    // The start was in vain at first, and that is forgotten.
    until(room, asksStart(room))
    for (let count = 0; count < 3; count++) {
      room.finish(room.taskOf("start"), { honest: false, pick: 3 })
      room.tick()
    }
    until(room, () => room.state.startsWith("live"))
    room.cancel()
    const from = room.now
    const asked: Array<number> = []
    for (let count = 0; count < 100 && !room.drained; count++) {
      const stop = room.taskOf("stop")
      if (stop === undefined) room.tick()
      else {
        asked.push(room.now - from)
        room.finish(stop, { honest: false, pick: 3 })
      }
    }
    const expected = [0]
    const bound = STOP_BOUND_MS + 10_000
    for (let at = 0, count = 0; ; count++) {
      at += RUN_LADDER_MS[Math.min(count, RUN_LADDER_MS.length - 1)] ?? 0
      if (at >= bound) break
      expected.push(at)
    }
    const said = `${asked.join()} until ${room.now - from}`
    return said === `${expected.join()} until ${bound}` ? null : `asked at ${said}`
  }
}

// ---------------------------------------------------------------------------------------------- signs of life

/** How a history goes on to its end when nobody answers a cancel; with or without signs of life all the time. */
const told = (charts: Charts, moves: ReadonlyArray<Move>, limitMs: number, isAlive: boolean): string => {
  const { room, watch } = begun(charts, limitMs)
  const sign = (): void => (isAlive ? room.send("ALIVE") : undefined)
  const seen: Array<string> = []
  const look = (): void => {
    sign()
    seen.push(`${room.now} ${room.state.replace(/,live\.pulse\.\w+/, "")}`)
  }
  play(
    room,
    moves.filter(({ move }) => move !== "tick" && move !== "siege" && move !== "alive"),
    look
  )
  room.cancel()
  for (let count = 0; count < 20; count++) {
    room.pass(60_000)
    look()
  }
  return [...seen, ...watch.verdicts].join("\n")
}

const alive: Check = {
  title: "signs of life keep no run from ending",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories, limits, (moves, limitMs) => {
        const [without, having] = [told(charts, moves, limitMs, false), told(charts, moves, limitMs, true)]
        if (without !== having) throw new Error(`${having.slice(-300)} instead of ${without.slice(-300)}`)
      }),
      sample
    )
}

const stale: Check = {
  title: "a run is stale five minutes after the last sign of life, until the next, and goes on all the same",
  find: (charts, sample) =>
    counterexample(
      fc.property(fc.array(fc.integer({ min: 1, max: 450 }), { minLength: 1, maxLength: 12 }), (gaps) => {
        const { room } = begun(charts, 0)
        until(room, () => room.work.state === "running" && room.state.startsWith("live"))
        for (const seconds of gaps) {
          room.send("ALIVE")
          if (!room.state.includes("pulse.fresh")) throw new Error(`not fresh after a sign of life: ${room.state}`)
          room.pass(seconds * 1_000)
          const isStale = room.state.includes("pulse.stale")
          if (isStale !== seconds * 1_000 >= STALE_MS) throw new Error(`${seconds} s of silence: ${room.state}`)
        }
        room.exits(0, 1)
        until(room, () => room.isClosed)
        if (room.file.verdict !== "succeeded") throw new Error(`${room.file.verdict}`)
      }),
      sample
    )
}

/** A backend that is away: nothing is concluded before a quarter of an hour is over, and then nothing is guessed. */
const outOfSight: Check = {
  title: "a backend that is away for ten minutes costs nothing; the record counts meanwhile",
  find: (charts, sample) =>
    counterexample(
      fc.property(fc.integer({ min: 0, max: 600 }), fc.boolean(), fc.boolean(), (seconds, ends, rests) => {
        const { room } = begun(charts, 0)
        until(room, () => room.work.state === "running" && room.state.startsWith("live"))
        // Away before as well: a minute in which it answers makes that forgotten.
        for (const ms of rests ? [600_000, seconds * 1_000] : [seconds * 1_000]) {
          const end = room.now + ms
          for (let count = 0; count < 200 && room.now < end; count++) {
            if (!room.finish(room.taskOf("watch"), { honest: false, pick: 1 })) room.tick()
          }
          until(room, () => room.taskOf("watch") !== undefined, ["follow"])
          if (rests) room.pass(60_000)
        }
        if (ends) room.exits(0, 1)
        else if (room.state.includes("work.ended")) throw new Error(`given up: ${room.state}`)
        room.exits(0, 1)
        const from = room.now
        until(room, () => room.isClosed, ends ? ["watch"] : [])
        if (ends && room.now - from > WIND_UP_MS) throw new Error(`its record is there for ${room.now - from} ms`)
        if (room.file.verdict !== "succeeded") throw new Error(`${room.file.verdict}: ${room.file.message}`)
      }),
      sample
    )
}

export const RUN_CHECKS = {
  ...invariantChecks,
  runAdopts: adopts,
  runEnds: ends,
  runBounds: bounds,
  runStopsOnLadder: ladder,
  runAlive: alive,
  runStale: stale,
  runOutOfSight: outOfSight
} as const satisfies Readonly<Record<string, Check>>
