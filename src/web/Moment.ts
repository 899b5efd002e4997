/** What a picture marks: where a machine was, what it took, where it is. Pure. */
import type { Entry } from "./Wire.ts"
import { eventOf, eventWords, sourceOf, statesOf } from "./Words.ts"

/** States by path, transitions by id. */
export interface Moment {
  readonly was: ReadonlyArray<string>
  readonly taken: ReadonlyArray<string>
  readonly active: ReadonlyArray<string>
}

/** One transition as it is drawn. */
export interface Drawn {
  readonly id: string
  /** Null when it stays where it is. */
  readonly target: string | null
}

/** The moment of an entry: states that were left, the transitions taken, the states that are active after it. */
export const momentOf = (entry: Entry, drawn: ReadonlyArray<Drawn>): Moment => {
  const active = statesOf(entry.to)
  return {
    was: statesOf(entry.from).filter((state) => !active.includes(state)),
    taken: entry.transitions ?? guessTaken(entry, drawn),
    active
  }
}

/** Where the daemon does not tell: the transition, if only one fits the states and the event. */
const guessTaken = (entry: Entry, drawn: ReadonlyArray<Drawn>): ReadonlyArray<string> => {
  if (!entry.changed || entry.from === "") return []
  const event = eventWords(
    entry,
    drawn.map(({ id }) => id)
  )
  const from = statesOf(entry.from)
  const to = statesOf(entry.to)
  const fits = drawn
    .filter(({ id }) => eventOf(id) === event && from.some((state) => isWithin(state, sourceOf(id))))
    .filter(({ target }) =>
      target === null || target === "" ? entry.from === entry.to : to.some((state) => isWithin(state, target))
    )
  return fits.length === 1 ? fits.map(({ id }) => id) : []
}

const isWithin = (state: string, outer: string): boolean =>
  outer === "(root)" || state === outer || state.startsWith(`${outer}.`)

/** The innermost of a state's ancestors, itself first, that a picture draws. */
export const drawnOf = (state: string, names: ReadonlySet<string>): string | null => {
  const parts = state.split(".")
  for (let length = parts.length; length > 0; length -= 1) {
    const name = parts.slice(0, length).join(".")
    if (names.has(name)) return name
  }
  return null
}
