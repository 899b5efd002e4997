/** Arbitrary histories of a login: what people, provider, disk and clocks do, in any order. */
import * as fc from "fast-check"
import type { AnyStateMachine } from "xstate"
import type { TokenSource } from "../../machines/index.ts"
import type { Chart } from "../../src/statechart/Core.ts"
import { HONEST, UNAVAILABLE } from "./LoginAnswers.ts"
import type { Person } from "./LoginProvider.ts"
import { asksProvider, LoginRoom, type LoginTask } from "./LoginRoom.ts"
import { LoginWatch } from "./LoginWatch.ts"
import type { Charts } from "./World.ts"

/** What a move does; `pick` chooses among its variants. */
const MOVES = {
  honest: (room: LoginRoom) => void room.honestly(),
  arrives: (room: LoginRoom) => room.land(0, HONEST),
  netless: (room: LoginRoom) => {
    if (room.tasks[0]?.src === "pollToken") room.finish(0, UNAVAILABLE)
  },
  breath: (room: LoginRoom) => room.pass(1_000),
  go: (room: LoginRoom, pick: number) => void room.honestly(pick),
  goOn: (room: LoginRoom, pick: number) => {
    for (let count = 0; count < 6; count++) room.honestly(pick)
  },
  login: (room: LoginRoom, pick: number) => {
    until(room, () => room.isSettled, 12)
    room.begin(false)
    until(room, () => room.context.flow?.phase === "waiting", 6)
    room.look()
    room.enter(personOf(pick))
    until(room, () => room.context.flow?.phase === "exchanging", 4)
  },
  unavailable: (room: LoginRoom, pick: number) => {
    for (let count = 0; count < 1 + (pick % 12); count++) {
      if (room.tasks.length === 0) room.tick()
      else room.finish(0, asksProvider(room.tasks[0] as LoginTask) ? UNAVAILABLE : HONEST)
    }
  },
  rejected: (room: LoginRoom, pick: number) => {
    for (let count = 0; count < 1 + (pick % 8); count++) {
      const token = room.tokenOf(room.context.candidate ?? room.context.account)
      if (token !== null && room.tasks[0]?.src === "exchange") room.provider.revoke(token)
      room.honestly(pick)
    }
  },
  trouble: (room: LoginRoom, pick: number) => room.finish(pick, { honest: false, pick }),
  lands: (room: LoginRoom, pick: number) => room.land(pick, { honest: pick % 4 !== 0, pick }),
  wait: (room: LoginRoom, pick: number) =>
    room.pass([200, 1_000, 5_000, 5_100, 20_000, 61_000, 400_000][pick % 7] ?? 0),
  look: (room: LoginRoom) => room.look(),
  enter: (room: LoginRoom, pick: number) => void room.enter(personOf(pick)),
  start: (room: LoginRoom) => void room.begin(false),
  force: (room: LoginRoom) => void room.begin(true),
  cancel: (room: LoginRoom) => room.send({ type: "CANCEL" }),
  logout: (room: LoginRoom) => room.send({ type: "LOGOUT" }),
  retry: (room: LoginRoom) => room.send({ type: "RETRY" }),
  use: (room: LoginRoom) => room.send({ type: "USE" }),
  kill: (room: LoginRoom) => room.kill(),
  disk: (room: LoginRoom) => {
    room.diskWorks = !room.diskWorks
  },
  jump: (room: LoginRoom, pick: number) => room.jump([86_400_000, -86_400_000, 30_000, -30_000][pick % 4] ?? 0),
  subscription: (room: LoginRoom, pick: number) => room.provider.toggleSubscription(personOf(pick)),
  revoke: (room: LoginRoom) => {
    const token = room.tokenOf(room.context.candidate ?? room.context.account)
    if (token !== null) room.provider.revoke(token)
  }
} as const
export type MoveName = keyof typeof MOVES

export interface Move {
  readonly move: MoveName
  readonly pick: number
}

/** How often each move is drawn. */
const EVERYTHING: ReadonlyArray<readonly [weight: number, move: MoveName]> = [
  [10, "go"],
  [8, "goOn"],
  [3, "login"],
  [2, "unavailable"],
  [2, "rejected"],
  [7, "trouble"],
  [4, "lands"],
  [6, "wait"],
  [1, "look"],
  [5, "enter"],
  [4, "start"],
  [2, "force"],
  [1, "cancel"],
  [1, "logout"],
  [2, "retry"],
  [3, "use"],
  [2, "kill"],
  [1, "disk"],
  [1, "jump"],
  [1, "subscription"],
  [2, "revoke"]
]
/** A login that a person wants, once; everything else goes wrong for a passing reason. */
export const ONE_ACTION: ReadonlyArray<readonly [weight: number, move: MoveName]> = [
  [7, "honest"],
  [4, "arrives"],
  [2, "kill"],
  [1, "netless"],
  [2, "breath"]
]

const personOf = (pick: number): Person => (pick % 3 === 0 ? "b" : "a")

const pick = fc.nat(1_023)
export const histories = (
  moves: ReadonlyArray<readonly [weight: number, move: MoveName]> = EVERYTHING,
  maxLength = 60
): fc.Arbitrary<ReadonlyArray<Move>> =>
  fc.array(
    fc.record({
      move: fc.oneof(...moves.map(([weight, move]) => ({ weight, arbitrary: fc.constant(move) }))),
      pick
    }),
    { minLength: 5, maxLength, size: "max" }
  )

export const chartOf = (charts: Charts): Chart<AnyStateMachine> => {
  const chart = charts.deviceLogin
  if (chart === undefined) throw new Error("there is no deviceLogin")
  return chart
}

export interface Lived {
  readonly room: LoginRoom
  readonly watch: LoginWatch
}

export const begun = (charts: Charts, source: TokenSource = "login", signedIn = false): Lived => {
  const watch = new LoginWatch()
  return { watch, room: new LoginRoom(chartOf(charts), watch, source, signedIn) }
}

export const play = (room: LoginRoom, moves: ReadonlyArray<Move>): void => {
  for (const { move, pick: variant } of moves) MOVES[move](room, variant)
}

/** Lives a history on a fresh machine, where somebody may have signed in long ago. */
export const lived = (
  charts: Charts,
  moves: ReadonlyArray<Move>,
  signedIn: boolean,
  source: TokenSource = "login"
): Lived => {
  const life = begun(charts, source, signedIn)
  play(life.room, moves)
  return life
}

/** Honest steps until something is so; false when it is not after so many. */
export const until = (room: LoginRoom, isSo: () => boolean, steps: number): boolean => {
  for (let count = 0; count < steps && !isSo(); count++) if (!room.honestly()) break
  return isSo()
}
