/** What has been proved about a machine, as a page says it. Pure. */
import type { Coverage } from "./Wire.ts"
import { sourceOf, stepWords } from "./Words.ts"

/** One line of figures. */
export interface Figure {
  readonly name: string
  readonly value: string
  /** Whether everything is covered; null where there is no whole to compare with. */
  readonly whole: boolean | null
}

/** How much of a machine the tests reach. */
export const figuresOf = ({ guardOutcomes, mutants, pairs, states, transitions }: Coverage): ReadonlyArray<Figure> => [
  { name: "states", value: String(states), whole: null },
  share("transitions taken", transitions.taken, transitions.all),
  share("guard outcomes heard", guardOutcomes.heard, guardOutcomes.all),
  { name: "pairs of transitions taken", value: count(pairs), whole: null },
  share("mutants killed", mutants.killed, mutants.killed + mutants.alive)
]

const share = (name: string, part: number, all: number): Figure => ({
  name,
  value: `${count(part)} of ${count(all)}`,
  whole: part === all
})

const count = (number: number): string => number.toLocaleString("en-US")

/** A small wrong change, and what became of it. */
export interface Fate {
  readonly mutant: string
  /** The properties that noticed it. */
  readonly killers: ReadonlyArray<string>
}

/** Every mutant of a machine; those that live come first. */
export const fatesOf = ({ fates }: Coverage): ReadonlyArray<Fate> =>
  Object.entries(fates)
    .map(([mutant, met]) => ({
      mutant,
      killers: Object.entries(met)
        .filter(([, fate]) => fate === "killed")
        .map(([property]) => property)
    }))
    .sort((a, b) => Math.sign(a.killers.length) - Math.sign(b.killers.length))

/** One step on the way to a transition. */
export interface Step {
  readonly name: string
  readonly detail: string
}

/** The moves that take a transition, from the start of the process on; null where none is known. */
export const pathOf = ({ paths }: Coverage, id: string): ReadonlyArray<Step> | null => paths[id]?.map(stepWords) ?? null

/** All transitions by the state that they start in, for a list to choose from. */
export const bySource = (
  ids: ReadonlyArray<string>
): ReadonlyArray<{ readonly source: string; readonly ids: ReadonlyArray<string> }> => {
  const groups = new Map<string, Array<string>>()
  for (const id of ids) groups.set(sourceOf(id), [...(groups.get(sourceOf(id)) ?? []), id])
  return [...groups].map(([source, group]) => ({ source, ids: group }))
}
