/** The product enumerated breadth-first, kept as numbers: a state is a row of five columns, a move a target and bits. */
import type { Node, Room } from "./ProductRoom.ts"
import { AT_ONCE, EXITS, GOES_BACK, HONEST, PLUGIN_KILLS, PLUGIN_REBOOTS } from "./ProductOutcomes.ts"

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

/** Numbers in a row that grows. */
class Row<T extends Int32Array | Uint8Array> {
  private cells: T
  private readonly larger: (length: number) => T
  length = 0
  constructor(larger: (length: number) => T) {
    this.larger = larger
    this.cells = larger(1 << 16)
  }
  push(value: number): void {
    if (this.length === this.cells.length) {
      const cells = this.larger(this.length * 2)
      cells.set(this.cells)
      this.cells = cells
    }
    this.cells[this.length++] = value
  }
  at(index: number): number {
    return this.cells[index] as number
  }
  put(index: number, value: number): void {
    this.cells[index] = value
  }
}
const ints = (): Row<Int32Array> => new Row((length) => new Int32Array(length))
const bytes = (): Row<Uint8Array> => new Row((length) => new Uint8Array(length))

const WIDTH = 5

/** Rows of five numbers, each kept once and known by its place. */
class Rows {
  private readonly cells = ints()
  private slots = new Int32Array(1 << 18).fill(-1)
  count = 0

  row(id: number): Node {
    const from = id * WIDTH
    const { cells } = this
    return [cells.at(from), cells.at(from + 1), cells.at(from + 2), cells.at(from + 3), cells.at(from + 4)]
  }

  /** The place of a row; new ones get the next. */
  of(node: Node): number {
    if (this.count * 2 > this.slots.length) this.grow()
    let slot = hashOf(node) & (this.slots.length - 1)
    for (let id = this.slots[slot] as number; id >= 0; id = this.slots[slot] as number) {
      if (this.is(id, node)) return id
      slot = (slot + 1) & (this.slots.length - 1)
    }
    this.slots[slot] = this.count
    for (const cell of node) this.cells.push(cell)
    return this.count++
  }

  private is(id: number, node: Node): boolean {
    const from = id * WIDTH
    for (let column = 0; column < WIDTH; column++) {
      if (this.cells.at(from + column) !== node[column]) return false
    }
    return true
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 2).fill(-1)
    for (let id = 0; id < this.count; id++) {
      let slot = hashOf(this.row(id)) & (this.slots.length - 1)
      while ((this.slots[slot] as number) >= 0) slot = (slot + 1) & (this.slots.length - 1)
      this.slots[slot] = id
    }
  }
}

const hashOf = (node: Node): number => {
  let hash = 0x9747b28c
  for (let column = 0; column < WIDTH; column++) {
    hash = Math.imul(hash ^ (node[column] as number), 0x5bd1e995)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** The states within the bounds, and every move between them. */
export interface Graph {
  readonly room: Room
  readonly states: number
  readonly edges: number
  /** By number of mishaps on the way: how many states. */
  readonly levels: ReadonlyArray<number>
  /** Every state within the mishaps was expanded. */
  readonly isWhole: boolean
  readonly flags: (state: number) => number
  readonly row: (state: number) => Node
  /** Calls back for every move from a state to a state of the graph. */
  readonly each: (state: number, visit: (target: number, bits: number) => void) => void
  /** The state that a state was first reached from; -1 for the first. */
  readonly parent: (state: number) => number
}

const FREE = HONEST | PLUGIN_KILLS | PLUGIN_REBOOTS | EXITS | GOES_BACK

/** Enumerates the room's states, those with fewer mishaps on their way first. */
export const enumerated = (room: Room, bounds: Bounds): Graph => {
  const rows = new Rows()
  const parents = ints()
  const flags = bytes()
  const known = (node: Node, parent: number): number => {
    const id = rows.of(node)
    if (id === parents.length) {
      parents.push(parent)
      flags.push(0)
      levelOf.push(255)
    }
    return id
  }
  const levelOf = bytes()
  const from = ints()
  const order = ints()
  const targets = ints()
  const kinds = bytes()
  const levels: Array<number> = []
  let next: Array<number> = [known(room.first(), -1)]
  for (let level = 0; level <= bounds.mishaps && next.length > 0 && order.length < bounds.states; level++) {
    const queue = next.filter((state) => levelOf.at(state) === 255)
    for (const state of queue) levelOf.put(state, level)
    next = []
    for (let index = 0; index < queue.length && order.length < bounds.states; index++) {
      const state = queue[index] as number
      const node = rows.row(state)
      order.push(state)
      from.push(targets.length)
      flags.put(state, flagsOf(room, node))
      const first = targets.length
      room.moves(node, (target, bits) => {
        const id = known(target, state)
        for (let edge = first; edge < targets.length; edge++) {
          if (targets.at(edge) === id) return kinds.put(edge, kinds.at(edge) | bits)
        }
        targets.push(id)
        kinds.push(bits)
        if (bounds.mishaps !== Infinity && (bits & FREE) === 0) next.push(id)
        else if (levelOf.at(id) === 255) {
          levelOf.put(id, level)
          queue.push(id)
        }
      })
    }
    levels.push(queue.length)
  }
  from.push(targets.length)
  const place = new Int32Array(rows.count).fill(-1)
  for (let index = 0; index < order.length; index++) place[order.at(index)] = index
  return {
    room,
    states: order.length,
    edges: targets.length,
    levels,
    isWhole: order.length === levels.reduce((sum, count) => sum + count, 0),
    flags: (state) => flags.at(order.at(state)),
    row: (state) => rows.row(order.at(state)),
    each: (state, visit) => {
      for (let edge = from.at(state); edge < from.at(state + 1); edge++) {
        const target = place[targets.at(edge)] as number
        if (target >= 0) visit(target, kinds.at(edge))
      }
    },
    parent: (state) => place[parents.at(order.at(state))] ?? -1
  }
}

const flagsOf = (room: Room, node: Node): number => {
  const loads = room.loads(node)
  const loaded = loads === "served" ? LOADS_SERVED : loads === "other" ? LOADS_OTHER : 0
  return loaded | (room.hasArrived(node) ? ARRIVED : 0)
}

/** Moves against their direction. */
export interface Reversed {
  readonly each: (state: number, visit: (source: number, bits: number) => void) => void
}

export const reversed = (graph: Graph): Reversed => {
  const starts = new Int32Array(graph.states + 1)
  for (let state = 0; state < graph.states; state++) {
    graph.each(state, (target) => {
      starts[target + 1] = (starts[target + 1] as number) + 1
    })
  }
  for (let state = 0; state < graph.states; state++) {
    starts[state + 1] = (starts[state + 1] as number) + (starts[state] as number)
  }
  const total = starts[graph.states] as number
  const sources = new Int32Array(total)
  const kinds = new Uint8Array(total)
  const filled = starts.slice()
  for (let state = 0; state < graph.states; state++) {
    graph.each(state, (target, bits) => {
      const place = filled[target] as number
      filled[target] = place + 1
      sources[place] = state
      kinds[place] = bits
    })
  }
  return {
    each: (state, visit) => {
      for (let edge = starts[state] as number; edge < (starts[state + 1] as number); edge++) {
        visit(sources[edge] as number, kinds[edge] as number)
      }
    }
  }
}

/** A cycle of moves that nobody waits in, as its states in order; null: there is none. */
export const cycleAtOnce = (graph: Graph): ReadonlyArray<number> | null => {
  const colours = new Uint8Array(graph.states)
  const successors = (state: number): Array<number> => {
    const found: Array<number> = []
    graph.each(state, (target, bits) => {
      if ((bits & AT_ONCE) !== 0) found.push(target)
    })
    return found
  }
  for (let root = 0; root < graph.states; root++) {
    if (colours[root] !== 0) continue
    const path = [root]
    const open = [successors(root)]
    colours[root] = 1
    while (path.length > 0) {
      const target = open[open.length - 1]?.pop()
      if (target === undefined) {
        colours[path.pop() as number] = 2
        open.pop()
      } else if (colours[target] === 1) {
        return path.slice(path.indexOf(target))
      } else if (colours[target] === 0) {
        colours[target] = 1
        path.push(target)
        open.push(successors(target))
      }
    }
  }
  return null
}
