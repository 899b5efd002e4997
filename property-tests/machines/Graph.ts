/** The product enumerated breadth-first, kept as numbers: a state is a place and an order of timers. */
import { AT_ONCE, EXITS, GOES_BACK, HONEST, PLUGIN_KILLS, PLUGIN_REBOOTS } from "./ProductOutcomes.ts"
import { Places } from "./ProductPlaces.ts"
import type { Columns, Room } from "./ProductRoom.ts"
import { bytes, ints } from "./ProductRows.ts"

/** What is known of a state, as bits. */
export const LOADS_SERVED = 1
export const LOADS_OTHER = 2
export const ARRIVED = 4

/**
 * How far the enumeration goes: so many mishaps on a way, `Infinity` when they are not counted. Exits never count: the
 * process may end without a word in every state.
 */
export interface Bounds {
  readonly mishaps: number
  readonly states: number
}

/** By state, where its moves start, and one number more; the state at the other end of each, and what it is, as bits. */
export interface Moves {
  readonly starts: Int32Array
  readonly others: Int32Array
  readonly kinds: Uint8Array
}

/** The states within the bounds, and every move between them. */
export interface Graph {
  readonly room: Room
  /** How many states there are, each of them once. */
  readonly states: number
  /** How many moves there are, out of the bounds too. */
  readonly edges: number
  /** By number of mishaps on the way: how many states. */
  readonly levels: ReadonlyArray<number>
  /** Every state within the mishaps was expanded. */
  readonly isWhole: boolean
  readonly flags: Uint8Array
  readonly moves: Moves
  readonly columns: (state: number) => Columns
  /** The order of timers. */
  readonly order: (state: number) => number
  /** The state that a state was first reached from; -1 for the first. */
  readonly parent: (state: number) => number
}

/** States, each kept once and known by its number, in the order in which they were found. */
class Found {
  private readonly newest = ints()
  private readonly older = ints()
  readonly places = ints()
  readonly orders = ints()
  readonly parents = ints()
  readonly levels = bytes()

  of(place: number, order: number, parent: number): number {
    while (this.newest.length <= place) this.newest.push(-1)
    for (let state = this.newest.at(place); state >= 0; state = this.older.at(state)) {
      if (this.orders.at(state) === order) return state
    }
    const state = this.places.length
    this.older.push(this.newest.at(place))
    this.newest.put(place, state)
    this.places.push(place)
    this.orders.push(order)
    this.parents.push(parent)
    this.levels.push(NO_LEVEL)
    return state
  }
}

const NO_LEVEL = 255
const FREE = HONEST | PLUGIN_KILLS | PLUGIN_REBOOTS | EXITS | GOES_BACK

/** Enumerates the room's states, those with fewer mishaps on their way first. */
export const enumerated = (room: Room, bounds: Bounds): Graph => {
  const places = new Places(room)
  const found = new Found()
  const flags = bytes()
  const starts = ints()
  const order = ints()
  const targets = ints()
  const kinds = bytes()
  const levels: Array<number> = []
  let next: Array<number> = [found.of(places.of(room.first()), room.orders.of([]), -1)]
  for (let level = 0; level <= bounds.mishaps && next.length > 0 && order.length < bounds.states; level++) {
    const queue: Array<number> = []
    const reached = (state: number): void => {
      if (found.levels.at(state) !== NO_LEVEL) return
      found.levels.put(state, level)
      queue.push(state)
    }
    for (const state of next) reached(state)
    next = []
    for (let index = 0; index < queue.length && order.length < bounds.states; index++) {
      const state = queue[index] as number
      const place = found.places.at(state)
      const first = targets.length
      order.push(state)
      starts.push(first)
      flags.push(flagsOf(room, places.at(place)))
      places.moves(place, found.orders.at(state), (to, timers, bits) => {
        const target = found.of(to, timers, state)
        let edge = first
        while (edge < targets.length && targets.at(edge) !== target) edge++
        if (edge === targets.length) {
          targets.push(target)
          kinds.push(bits)
        } else kinds.put(edge, kinds.at(edge) | bits)
        if (bounds.mishaps === Infinity || (bits & FREE) !== 0) reached(target)
        else if (level < bounds.mishaps && found.levels.at(target) === NO_LEVEL) next.push(target)
      })
    }
    levels.push(queue.length)
  }
  starts.push(targets.length)
  const edges = targets.length
  const numbers = new Int32Array(found.places.length).fill(-1)
  for (let index = 0; index < order.length; index++) numbers[order.at(index)] = index
  return {
    room,
    states: order.length,
    edges,
    levels,
    isWhole: order.length === levels.reduce((sum, count) => sum + count, 0),
    flags: flags.all(),
    moves: within({ starts: starts.all(), others: targets.all(), kinds: kinds.all() }, numbers),
    columns: (state) => places.at(found.places.at(order.at(state))),
    order: (state) => found.orders.at(order.at(state)),
    parent: (state) => numbers[found.parents.at(order.at(state))] ?? -1
  }
}

/** The moves between states that have a number, by these numbers, in the room that all of them took. */
const within = ({ kinds, others, starts }: Moves, numbers: Int32Array): Moves => {
  let kept = 0
  for (let state = 0, edge = 0; state < starts.length - 1; state++) {
    const end = starts[state + 1] as number
    starts[state] = kept
    for (; edge < end; edge++) {
      const other = numbers[others[edge] as number] as number
      if (other < 0) continue
      others[kept] = other
      kinds[kept++] = kinds[edge] as number
    }
  }
  starts[starts.length - 1] = kept
  return { starts, others: others.subarray(0, kept), kinds: kinds.subarray(0, kept) }
}

const flagsOf = (room: Room, columns: Columns): number => {
  const loads = room.loads(columns)
  const loaded = loads === "served" ? LOADS_SERVED : loads === "other" ? LOADS_OTHER : 0
  return loaded | (room.hasArrived(columns) ? ARRIVED : 0)
}

/** The same moves against their direction. */
export const reversed = ({ moves: { kinds, others, starts } }: Graph): Moves => {
  const states = starts.length - 1
  const ends = new Int32Array(states + 1)
  for (const target of others) ends[target + 1] = (ends[target + 1] as number) + 1
  for (let state = 0; state < states; state++) {
    ends[state + 1] = (ends[state + 1] as number) + (ends[state] as number)
  }
  const filled = ends.slice()
  const sources = new Int32Array(others.length)
  const back = new Uint8Array(others.length)
  for (let state = 0; state < states; state++) {
    for (let edge = starts[state] as number; edge < (starts[state + 1] as number); edge++) {
      const target = others[edge] as number
      const place = filled[target] as number
      filled[target] = place + 1
      sources[place] = state
      back[place] = kinds[edge] as number
    }
  }
  return { starts: ends, others: sources, kinds: back }
}

/** A cycle of moves that nobody waits in, as its states in order; null: there is none. */
export const cycleAtOnce = ({ moves: { kinds, others, starts }, states }: Graph): ReadonlyArray<number> | null => {
  const colours = new Uint8Array(states)
  for (let root = 0; root < states; root++) {
    if (colours[root] !== 0) continue
    const path = [root]
    const edges = [starts[root] as number]
    colours[root] = 1
    while (path.length > 0) {
      const state = path[path.length - 1] as number
      const edge = edges.pop() as number
      if (edge === starts[state + 1]) {
        colours[state] = 2
        path.pop()
        continue
      }
      edges.push(edge + 1)
      const target = others[edge] as number
      if (((kinds[edge] as number) & AT_ONCE) === 0 || colours[target] === 2) continue
      if (colours[target] === 1) return path.slice(path.indexOf(target))
      colours[target] = 1
      path.push(target)
      edges.push(starts[target] as number)
    }
  }
  return null
}
