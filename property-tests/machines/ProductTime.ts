/**
 * Time in the product graph: which timer comes next, and nothing else. A new timer comes after every armed one that
 * cannot take longer than it; where lengths do not decide, both orders are explored.
 */
import type { Parts } from "./ProductParts.ts"

/** Room in a key: 5 sets of 128 and an order make less than 2^53. */
const SETS = 128
const ORDERS = 1 << 17

export class Orders {
  readonly values: Array<ReadonlyArray<number>> = []
  private readonly ids = new Map<string, number>()
  private readonly after = new Map<number, ReadonlyArray<number>>()
  private readonly parts: Parts
  constructor(parts: Parts) {
    this.parts = parts
  }

  of(order: ReadonlyArray<number>): number {
    const key = order.join()
    const known = this.ids.get(key)
    if (known !== undefined) return known
    this.ids.set(key, this.values.length)
    return this.values.push(order) - 1
  }

  /** The timer that comes next. */
  first(order: number): number | undefined {
    return this.values[order]?.[0]
  }

  /** Every order that the timers may be in once a set of them was armed and only those of these states are left. */
  next(order: number, states: ReadonlyArray<number>, armed: number): ReadonlyArray<number> {
    let key = order * SETS + armed
    for (let part = 0; part < states.length; part++) {
      key = key * SETS + this.parts.armedIn(part, states[part] as number)
    }
    let orders = this.after.get(key)
    if (orders === undefined) {
      if (this.parts.sets.values.length > SETS || order >= ORDERS)
        throw new Error("more sets of timers than a key has room for")
      orders = this.computed(order, states, this.parts.sets.at(armed))
      this.after.set(key, orders)
    }
    return orders
  }

  private computed(order: number, states: ReadonlyArray<number>, armed: ReadonlyArray<number>): ReadonlyArray<number> {
    const live = states.flatMap((state, part) => this.parts.sets.at(this.parts.armedIn(part, state)))
    const fresh = live.filter((timer) => armed.includes(timer))
    const old = (this.values[order] ?? []).filter((timer) => live.includes(timer) && !fresh.includes(timer))
    let lists: ReadonlyArray<ReadonlyArray<number>> = [old]
    for (const timer of fresh) {
      lists = lists.flatMap((list) => this.inserted(list, timer, old))
    }
    return [...new Set(lists.map((list) => this.of(list)))]
  }

  private inserted(
    list: ReadonlyArray<number>,
    timer: number,
    old: ReadonlyArray<number>
  ): ReadonlyArray<ReadonlyArray<number>> {
    const { least, most } = this.parts.timers.at(timer)
    const lists: Array<ReadonlyArray<number>> = []
    for (let place = 0; place <= list.length; place++) {
      const isEarly = list.slice(place).some((other) => this.parts.timers.at(other).most <= least)
      const isLate = list
        .slice(0, place)
        .some((other) => !old.includes(other) && most < this.parts.timers.at(other).least)
      if (!isEarly && !isLate) lists.push(list.toSpliced(place, 0, timer))
    }
    return lists
  }
}
