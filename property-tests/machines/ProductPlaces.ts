/** The product kept as numbers: where the machines are, and, of each place, what can come next, whatever the timers. */
import type { Columns, Room } from "./ProductRoom.ts"
import { ints } from "./ProductRows.ts"

/** How many bits say what kind of move it is. */
const BITS = 8
const MASK = (1 << BITS) - 1

/** Where the machines may be, each kept once and known by its place. */
class Rows {
  private readonly cells = ints()
  private slots = new Int32Array(1 << 16).fill(-1)
  count = 0

  at(place: number): Columns {
    const from = place * 4
    const { cells } = this
    return [cells.at(from), cells.at(from + 1), cells.at(from + 2), cells.at(from + 3)]
  }

  /** The place of a row; new ones get the next. */
  of(row: Columns): number {
    if (this.count * 2 > this.slots.length) this.grow()
    const [a, b, c, d] = row
    const { cells, slots } = this
    let slot = hashOf(row) & (slots.length - 1)
    for (let place = slots[slot] as number; place >= 0; place = slots[slot] as number) {
      const from = place * 4
      if (cells.at(from) === a && cells.at(from + 1) === b && cells.at(from + 2) === c && cells.at(from + 3) === d) {
        return place
      }
      slot = (slot + 1) & (slots.length - 1)
    }
    slots[slot] = this.count
    for (const cell of row) cells.push(cell)
    return this.count++
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 2).fill(-1)
    for (let place = 0; place < this.count; place++) {
      let slot = hashOf(this.at(place)) & (this.slots.length - 1)
      while ((this.slots[slot] as number) >= 0) slot = (slot + 1) & (this.slots.length - 1)
      this.slots[slot] = place
    }
  }
}

const hashOf = ([a, b, c, d]: Columns): number => {
  let hash = Math.imul(a ^ 0x9747b28c, 0x5bd1e995)
  hash = Math.imul(hash ^ (hash >>> 15) ^ b, 0x5bd1e995)
  hash = Math.imul(hash ^ (hash >>> 15) ^ c, 0x5bd1e995)
  hash = Math.imul(hash ^ (hash >>> 15) ^ d, 0x5bd1e995)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** One list of courses for each place: most states differ from others by the order of timers alone. */
export class Places {
  private readonly room: Room
  private readonly rows = new Rows()
  /**
   * By place: where its courses start, or -1 until somebody asks. There, how many they are, and then two numbers for
   * each: where to, and the timers that were armed with the bits of the move.
   */
  private readonly starts = ints()
  private readonly courses = ints()
  constructor(room: Room) {
    this.room = room
  }

  /** Where the machines are. */
  at(place: number): Columns {
    return this.rows.at(place)
  }

  /** The number of where the machines are; new ones get the next. */
  of(columns: Columns): number {
    const place = this.rows.of(columns)
    if (place === this.starts.length) this.starts.push(-1)
    return place
  }

  /** Calls back for every move from a state; for the same one more than once, where it can come about in several ways. */
  moves(place: number, order: number, emit: (place: number, order: number, bits: number) => void): void {
    const move = (to: number, armed: number, bits: number): void => {
      for (const next of this.room.orders.next(order, this.at(to), armed)) emit(to, next, bits)
    }
    const { courses } = this
    const start = this.startOf(place)
    const end = start + 1 + courses.at(start) * 2
    for (let at = start + 1; at < end; at += 2) {
      const how = courses.at(at + 1)
      move(courses.at(at), how >> BITS, how & MASK)
    }
    const first = this.room.orders.first(order)
    if (first === undefined) return
    this.room.fires(this.at(place), first, (columns, armed, bits) => move(this.of(columns), armed, bits))
  }

  /** The courses of a place do not depend on the order of timers: they are found once. */
  private startOf(place: number): number {
    const { courses, starts } = this
    if (starts.at(place) >= 0) return starts.at(place)
    const start = courses.length
    starts.put(place, start)
    courses.push(0)
    this.room.happens(this.at(place), (columns, armed, bits) => {
      const to = this.of(columns)
      for (let at = start + 1; at < courses.length; at += 2) {
        const how = courses.at(at + 1)
        if (courses.at(at) === to && how >> BITS === armed) return courses.put(at + 1, how | bits)
      }
      courses.push(to)
      courses.push((armed << BITS) | bits)
    })
    courses.put(start, (courses.length - start - 1) / 2)
    return start
  }
}
