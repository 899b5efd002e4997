/** What each round does to the daemon: which revision is served, at which moment the kill falls, how many follow. */
import type { Nature } from "./KillsJudge.ts"

/** Chance from a seed: numbers from 0 to 1. */
export type Chance = () => number

/** Mulberry32: small, and the same everywhere. */
export const chanceFrom = (seed: number): Chance => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const below = (chance: Chance, bound: number): number => Math.floor(chance() * bound)

const pick = <A>(chance: Chance, from: ReadonlyArray<A>): A => {
  const picked = from[below(chance, from.length)]
  if (picked === undefined) throw new Error("nothing to pick from")
  return picked
}

/**
 * A moment of the daemon's life: a name that appears, changes or goes in one of its directories (`state`, `control`, a
 * `slot`), an exchange with central ("GET /v1/config 200"), or a process that starts. `after`: only from then on.
 */
export interface Moment {
  readonly where: "state" | "control" | "slot" | "process" | "wire"
  readonly name: RegExp
  readonly after?: "start" | "running" | "promotion" | "verdict" | "rollback"
}

const control = (name: RegExp, after?: Moment["after"]): Moment => ({
  where: "control",
  name,
  ...(after === undefined ? {} : { after })
})
const slot = (name: RegExp): Moment => ({ where: "slot", name })
const wire = (exchange: string): Moment => ({ where: "wire", name: new RegExp(`^${exchange}$`) })
const launch: Moment = { where: "process", name: /^start$/ }

/** From the first byte of a slot to the relaunched process. */
const APPLY: ReadonlyArray<Moment> = [
  wire("GET /v1/config 200"),
  control(/^[ab]\.new$/),
  control(/^[ab]$/),
  control(/^state\.json\.tmp$/),
  control(/^state\.json$/),
  control(/^active\.new$/),
  control(/^active$/),
  launch
]

const PROMOTE: ReadonlyArray<Moment> = [
  { ...wire("GET /v1/config 304"), after: "start" },
  slot(/^promoted\.tmp$/),
  slot(/^promoted$/),
  control(/^state\.json\.tmp$/, "promotion"),
  control(/^state\.json$/, "promotion")
]

/** One part of the budget after another. */
const PROBATION: ReadonlyArray<Moment> = [
  control(/^state\.json\.tmp$/, "start"),
  control(/^state\.json\.tmp$/, "running"),
  control(/^state\.json$/, "running")
]

const ROLL_BACK: ReadonlyArray<Moment> = [
  control(/^state\.json\.tmp$/, "verdict"),
  control(/^state\.json$/, "rollback"),
  control(/^active\.new$/, "rollback"),
  control(/^active$/, "rollback"),
  { ...launch, after: "rollback" }
]

const stateFile = (name: RegExp): Moment => ({ where: "state", name })
const IDENTITY: ReadonlyArray<Moment> = [
  wire("POST /v1/identity/\\w+ 200"),
  stateFile(/^identity\.json\.tmp$/),
  stateFile(/^identity\.json$/),
  stateFile(/^identity\.bak\.json\.tmp$/)
]

const FIRST: ReadonlyArray<Moment> = [
  ...IDENTITY,
  control(/^join\.json$/),
  ...APPLY,
  ...PROMOTE,
  control(/^state\.json$/, "promotion"),
  control(/^state\.json$/, "promotion"),
  control(/^seed\.json$/, "promotion")
]

export interface Plan {
  readonly round: number
  /** `joining`: the first round of a new home. `refresh`, `idle`, `stop`: nothing is served. */
  readonly kind: "joining" | "apply" | "rollback" | "refresh" | "idle" | "stop"
  /** What is served before the kill. */
  readonly nature: Nature
  /** Null: `delayMs` after the round began. */
  readonly moment: Moment | null
  /** From the moment to the kill. */
  readonly delayMs: number
  /** Further kills, each so many ms after the process that came back was launched. */
  readonly more: ReadonlyArray<number>
  /** Asks the stopped program for its status, too. */
  readonly askTheDead: boolean
  /** Asks gateway and central by their commands at the end; else in this process, which is cheaper. */
  readonly askByCommand: boolean
}

/** Whether a round puts a revision at central. */
export const serves = ({ kind }: Pick<Plan, "kind">): boolean =>
  kind === "joining" || kind === "apply" || kind === "rollback"

/** A plan on one line, for those who look for the reason of a violation. */
export const describePlan = ({ delayMs, kind, moment, more, nature, round }: Plan): string => {
  const at = moment === null ? "at" : `${moment.where} ${moment.name.source} after ${moment.after ?? "nothing"}, then`
  return `round ${round}: ${kind} (${nature}), killed ${at} ${delayMs} ms${more.map((ms) => `, again ${ms} ms`).join("")}`
}

/** A file's life is shorter than a process's. */
const delayAfter = (chance: Chance, moment: Moment | null): number => {
  if (moment === null) return below(chance, 700)
  if (moment.where === "process") return below(chance, 250)
  return pick(chance, [0, 0, 0, 0, 1, 2, 4, 12])
}

const moreKills = (chance: Chance): ReadonlyArray<number> => {
  const luck = chance()
  const count = luck < 0.82 ? 0 : luck < 0.93 ? 1 : luck < 0.97 ? 2 : 3 + below(chance, 4)
  return Array.from({ length: count }, () => below(chance, 250))
}

/** What a home goes through after its joining, over and over, so that even a short campaign leaves nothing out. */
const DECK = ["apply", "promote", "refresh", "apply", "roll back", "promote", "end", "apply", "promote"] as const

/** The plan of the `nth` round (from 0) of a home; the first one joins. */
export const planOf = (
  chance: Chance,
  { home, nth, round }: { readonly home: number; readonly nth: number; readonly round: number }
): Plan => {
  const make = (kind: Plan["kind"], nature: Nature, moments: ReadonlyArray<Moment>, blind = 0): Plan => {
    const moment = moments.length === 0 || chance() < blind ? null : pick(chance, moments)
    return {
      round,
      kind,
      nature,
      moment,
      delayMs: kind === "stop" ? below(chance, 60) : delayAfter(chance, moment),
      more: moreKills(chance),
      askTheDead: chance() < 0.3,
      askByCommand: chance() < 0.3
    }
  }
  if (nth === 0) return make("joining", "good", FIRST, 0.2)
  const card = DECK[(nth - 1) % DECK.length]
  if (card === "apply") return make("apply", "good", APPLY, 0.2)
  if (card === "promote") return make("apply", "good", PROMOTE)
  if (card === "refresh") return make("refresh", "good", IDENTITY)
  if (card === "end") return chance() < 0.5 ? make("stop", "good", []) : make("idle", "good", [])
  return (home + Math.floor(nth / DECK.length)) % 2 === 0
    ? make("rollback", "silent", [...PROBATION, ...ROLL_BACK])
    : make("rollback", "crashing", [launch, ...ROLL_BACK])
}
