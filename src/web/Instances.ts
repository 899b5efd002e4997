/** Machines of which there are many: one of them, or how many are where. Pure. */
import { lastOf, type Seen } from "./Seen.ts"
import type { Current, Entry, Machine } from "./Wire.ts"
import { spaced, statesOf } from "./Words.ts"

/** Whether a machine has instances, rather than being one thing. */
export const hasInstances = ({ states }: Machine): boolean => states.some(({ instance }) => instance !== null)

/** How many instances are in each state, by path; one that is in several regions counts in each. */
export const countsOf = ({ states }: Machine): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { state } of states) {
    for (const path of statesOf(state)) counts.set(path, (counts.get(path) ?? 0) + 1)
  }
  return counts
}

/** `3 instances: 2 live, 1 queued`. */
export const instancesWords = ({ states }: Machine): string => {
  const counts = new Map<string, number>()
  for (const current of states) counts.set(outerOf(current.state), (counts.get(outerOf(current.state)) ?? 0) + 1)
  const each = [...counts].map(([state, count]) => `${count} ${state}`).join(", ")
  return `${states.length} ${states.length === 1 ? "instance" : "instances"}: ${each}`
}

/** An instance to choose: its name, and where it is. */
export interface Choosable {
  readonly instance: string
  readonly words: string
}

/** Those that there are, the newest first; the chosen one is among them even when it has gone. */
export const choosable = (
  seen: Seen,
  machine: Machine | undefined,
  chosen: string | null
): ReadonlyArray<Choosable> => {
  const known = (machine?.states ?? []).flatMap(({ instance, state }): ReadonlyArray<Choosable> =>
    instance === null ? [] : [{ instance, words: outerOf(state) }]
  )
  if (chosen === null || known.some(({ instance }) => instance === chosen)) return known.toReversed()
  const last = machine === undefined ? null : lastOf(seen, machine.id, chosen)
  return [{ instance: chosen, words: last === null ? "gone" : outerOf(last.to) }, ...known.toReversed()]
}

/** Where one instance is; where it was last, if it has gone; null when nothing is known of it. */
export const instanceOf = (seen: Seen, machine: Machine, chosen: string): Pick<Current, "state" | "visible"> | null => {
  const current = machine.states.find(({ instance }) => instance === chosen)
  if (current !== undefined) return current
  const last: Entry | null = lastOf(seen, machine.id, chosen)
  return last === null ? null : { state: last.to, visible: last.visible }
}

/** `live.work.observed.watched,live.end.awaited` is `live`. */
const outerOf = (state: string): string => spaced(state.split(/[.,]/, 1)[0] ?? "")
