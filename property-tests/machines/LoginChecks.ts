/** Properties of signing in: whatever happens, from everywhere, and with one user action. */
import * as fc from "fast-check"
import { counterexample, type Check, type Sample } from "./Check.ts"
import { isLive } from "../../machines/index.ts"
import { HONEST, UNAVAILABLE } from "./LoginAnswers.ts"
import { begun, histories, lived, ONE_ACTION, play, until, type Lived, type Move } from "./LoginHistories.ts"
import type { LoginRoom } from "./LoginRoom.ts"
import { LOGIN_INVARIANTS, type LoginInvariant } from "./LoginWatch.ts"
import type { Charts } from "./World.ts"

const judged = ({ watch }: Lived, invariants: ReadonlyArray<LoginInvariant>): void => {
  const found = watch.violations.find(({ invariant }) => invariants.includes(invariant))
  if (found !== undefined) throw new Error(`${found.invariant}: ${found.detail}`)
}

/** Searches arbitrary histories, then schedules of polls, for a violation of these invariants. */
export const loginViolated = (
  charts: Charts,
  invariants: ReadonlyArray<LoginInvariant>,
  sample: Sample
): string | null =>
  counterexample(
    fc.property(histories(), fc.boolean(), (moves, signedIn) => judged(lived(charts, moves, signedIn), invariants)),
    sample
  ) ?? crowded(charts, sample, invariants)

const invariantChecks = Object.fromEntries(
  Object.entries(LOGIN_INVARIANTS).map(([name, title]) => [
    name,
    { title, find: (charts: Charts, sample: Sample) => loginViolated(charts, [name as LoginInvariant], sample) }
  ])
) as Readonly<Record<LoginInvariant, Check>>

// ---------------------------------------------------------------------------------------------- poll spacing

/** One poll of a schedule: how long it takes, what it brings, how long the disk takes, and whether the process dies. */
interface Turn {
  readonly latency: number
  readonly honest: boolean
  readonly pick: number
  readonly disk: number
  readonly dies: boolean
}

interface Schedule {
  readonly code: number
  readonly disk: number
  /** The turn at which the person enters the code. */
  readonly enters: number
  /** Nothing is answered, all the time. */
  readonly isDown: boolean
  readonly turns: ReadonlyArray<Turn>
}

const schedules: fc.Arbitrary<Schedule> = fc.record({
  code: fc.nat(1_023),
  disk: fc.nat(9_000),
  enters: fc.nat(20),
  isDown: fc.integer({ min: 0, max: 5 }).map((dice) => dice === 0),
  turns: fc.array(
    fc.record({
      latency: fc.nat(12_000),
      honest: fc.integer({ min: 0, max: 2 }).map((dice) => dice > 0),
      pick: fc.nat(1_023),
      disk: fc.nat(9_000),
      dies: fc.integer({ min: 0, max: 19 }).map((dice) => dice === 0)
    }),
    { minLength: 1, maxLength: 14, size: "max" }
  )
})

/** How many schedules were tried, and how many polls they made. */
export interface Tally {
  schedules: number
  polls: number
}

const followed = (room: LoginRoom, { enters, isDown, turns }: Schedule): void => {
  for (const [index, { dies, disk, honest, latency, pick }] of turns.entries()) {
    if (index === enters) room.enter("a")
    while (room.tasks.length === 0 && !room.isSettled && room.tick());
    if (room.tasks.length === 0) return
    const saves = room.tasks.some(({ src }) => src === "save")
    const loads = room.tasks.some(({ src }) => src === "load")
    room.land(0, saves || loads ? HONEST : isDown ? UNAVAILABLE : { honest, pick })
    room.pass(saves ? disk : latency)
    if (dies && !isDown) room.kill()
    else room.finish(0)
  }
}

/** Searches schedules of slow answers, slow writes and restarts for polls that come too soon or too late. */
export const crowded = (
  charts: Charts,
  sample: Sample,
  invariants: ReadonlyArray<LoginInvariant> = ["loginPollsCalmly", "loginNoFalseExpiry"],
  tally: Tally = { schedules: 0, polls: 0 }
): string | null =>
  counterexample(
    fc.property(schedules, (schedule) => {
      const life = begun(charts)
      const { room, watch } = life
      room.finish(0)
      room.begin(false)
      room.finish(0)
      room.finish(0, { honest: true, pick: schedule.code })
      room.pass(schedule.disk)
      followed(room, schedule)
      tally.schedules++
      tally.polls += watch.polls
      judged(life, invariants)
    }),
    sample
  )

// ---------------------------------------------------------------------------------------------- one action

const oneUserAction: Check = {
  title: "a code entered once is enough, wherever the process dies, unless the provider's one answer dies with it",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories(ONE_ACTION, 20), histories(ONE_ACTION, 40), (first, second) => {
        const { room } = begun(charts)
        until(room, () => room.isSettled, 9)
        const id = room.begin(false)
        // Written from here on; before that, nobody has seen anything of it.
        until(room, () => room.tasks.some(({ src }) => src === "requestCode"), 9)
        play(room, first)
        until(room, () => room.context.flow?.phase === "waiting", 9)
        const code = room.code
        if (!room.enter("a")) return
        let isLost = false
        for (const move of second) {
          const task = room.tasks[0]
          const brings = task !== undefined && task.landed !== null && task.src === "pollToken"
          const keeps = room.state === "exchange.keeping" && task?.landed === null
          isLost ||= move.move === "kill" && room.file.candidate === null && (keeps || (brings && given(room.code)))
          play(room, [move])
        }
        function given(shown: string | null): boolean {
          return shown !== null && !room.provider.isAlive(shown, room.now)
        }
        if (isLost) return
        until(room, () => room.isSettled, 60)
        const { flow, session } = room.context
        if (flow?.id !== id || flow.phase !== "ok" || !session) {
          throw new Error(`${code} was entered, and ${flow?.id} is ${flow?.phase} ${flow?.code ?? ""} in ${room.state}`)
        }
      }),
      sample
    )
}

// ---------------------------------------------------------------------------------------------- from everywhere

const fromEverywhere = (title: string, judge: (life: Lived, moves: ReadonlyArray<Move>) => void): Check => ({
  title,
  find: (charts, sample) =>
    counterexample(
      fc.property(histories(), fc.boolean(), (moves, signedIn) => {
        const life = lived(charts, moves, signedIn)
        life.room.diskWorks = true
        judge(life, moves)
      }),
      sample
    )
})

const startsAlways = fromEverywhere(
  "from every state a start shows a fresh code when the provider answers; one that finds a live flow shows its code",
  ({ room }, moves) => {
    if (moves.length % 3 === 0) room.kill()
    until(room, () => room.state !== "loading", 3)
    const live = room.context.flow
    const force = moves.length % 2 === 0
    const id = room.begin(force)
    const expected = !force && live !== null && isLive(live) ? live.id : id
    until(room, () => room.context.flow?.phase !== "requesting", 12)
    const { flow } = room.context
    if (flow?.id !== expected) throw new Error(`${flow?.id} instead of ${expected}`)
    if (isLive(flow) && room.isSettled) throw new Error(`${flow.id} is ${flow.phase}, and nothing is under way`)
    if (expected !== id) return
    const isFresh = room.code !== null && room.provider.isAlive(room.code, room.now)
    if (flow.phase !== "waiting" || !isFresh) throw new Error(`${room.state}, ${flow.phase}, ${room.code}`)
  }
)

const settles = fromEverywhere("every state is left, until the login rests or waits for a person", ({ room }) => {
  const isCalm = (): boolean => room.isSettled || (room.state === "flow.pending.waiting" && room.tasks.length === 0)
  if (!until(room, isCalm, 60)) throw new Error(`never at rest: ${room.state}`)
  if (room.isSettled) return
  // Nobody comes, and nobody answers: the code's life ends, and so does the flow.
  const before = room.context.flow?.id
  const polls = (): boolean => room.tasks[0]?.src === "pollToken"
  for (let count = 0; count < 400 && !room.isSettled; count++) {
    if (polls()) play(room, [{ move: "netless", pick: 0 }])
    else room.honestly()
  }
  if (!room.isSettled || room.context.flow?.id !== before) throw new Error(`waits for ever in ${room.state}`)
})

const elsewhere: Check = {
  title: "with a token of the environment, or where none is needed, nothing begins and nothing is forgotten",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories(), fc.constantFrom("environment" as const, "none" as const), (moves, source) => {
        const { room } = begun(charts, source, true)
        const before = room.file
        room.finish(0)
        for (const move of moves) {
          play(room, [move])
          const { account, flow } = room.context
          if (room.state === "loading") continue
          if (flow !== null) throw new Error(`${flow.id} begins, by ${move.move}`)
          if ((account === null) !== (source === "none")) throw new Error(`the token is lost, by ${move.move}`)
        }
        if (room.file !== before) throw new Error("the file was written")
      }),
      sample
    )
}

export const LOGIN_CHECKS = {
  ...invariantChecks,
  loginPollSpacing: {
    title: "no schedule of slow answers, slow writes and restarts brings two polls too close, or one too late",
    find: (charts, sample) => crowded(charts, sample)
  },
  loginOneUserAction: oneUserAction,
  loginStartsAlways: startsAlways,
  loginSettles: settles,
  loginElsewhere: elsewhere
} as const satisfies Readonly<Record<string, Check>>
