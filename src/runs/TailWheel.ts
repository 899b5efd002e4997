/** Who is due when, for many: dues fall on few moments, so that one wait serves all that share one. */

/** Polls begin on multiples of this many milliseconds: every cadence is one of them, and files share their wake-ups. */
export const GRID_MS = 50

/** The first moment of the grid that is not before this one. */
export const onGrid = (ms: number): number => Math.ceil(ms / GRID_MS) * GRID_MS

export class TailWheel<T extends { due: number }> {
  private readonly moments = new Map<number, Array<T>>()

  /** Makes it due then, and at no other moment. */
  put(one: T, due: number): void {
    if (one.due === due) return
    one.due = due
    if (due === Infinity) return
    const others = this.moments.get(due)
    if (others === undefined) this.moments.set(due, [one])
    else others.push(one)
  }

  /** The next moment at which anybody is due; `Infinity` without one. */
  next(): number {
    let first = Infinity
    for (const moment of this.moments.keys()) if (moment < first) first = moment
    return first
  }

  /** Everybody who is due, each once; they are due at no moment afterwards. */
  take(now: number): ReadonlyArray<T> {
    const taken: Array<T> = []
    for (const [moment, all] of this.moments) {
      if (moment > now) continue
      this.moments.delete(moment)
      for (const one of all) {
        // It may have been put elsewhere since, or twice to this moment.
        if (one.due !== moment) continue
        one.due = Infinity
        taken.push(one)
      }
    }
    return taken
  }
}
