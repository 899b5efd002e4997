/**
 * The product of Join, ConfigPull, ConfigApply and Daemon over the wiring of `System.ts`, with the engine's disk and
 * central: its states, and every move from each of them.
 */
import { AT_ONCE, EXITS, HONEST, Outcomes, PLUGIN_KILLS, PLUGIN_REBOOTS, type End } from "./ProductOutcomes.ts"
import { Parts, type Cause } from "./ProductParts.ts"
import { applyContext, hearsGaps, namesIn, PARTS, type Part } from "./ProductState.ts"
import { Orders } from "./ProductTime.ts"
import { JOINING, type Disk } from "./DiskModel.ts"
import type { Charts } from "./World.ts"

/** One state: the engine, the poll loop, the identity, the process, and the order of timers. */
export type Node = readonly [engine: number, pull: number, join: number, daemon: number, order: number]

type Columns = readonly [number, number, number, number]
type Emit = (node: Node, bits: number) => void

interface Course {
  readonly columns: Columns
  readonly mail: ReadonlyArray<readonly [part: number, cause: number]>
  /** The set of timers that were armed on the way. */
  readonly armed: number
  readonly ends: boolean
}

/** What can happen from outside at any time. */
export interface Outside {
  readonly gaps: boolean
  readonly operators: boolean
  readonly joins: boolean
}

/** The engine looks, and hears offers, a close and the rest as it does in the state before and in the state after. */
const COMMUTING = /^steady\.(checking|validating|committing\.reviewing)/

export class Room {
  readonly parts: Parts
  readonly orders: Orders
  private readonly outcomes: Outcomes
  readonly outside: Outside
  private readonly events: Record<"gap" | "stop" | "normal" | "poll", number>
  private readonly fresh: Array<number> = []
  private readonly blank: readonly [number, number, number]
  constructor(charts: Charts, outside: Outside, like?: Room) {
    this.parts = new Parts(charts, like?.parts)
    this.orders = new Orders(this.parts)
    this.outcomes = new Outcomes(this.parts)
    this.outside = outside
    const event = (type: string, more: object = {}): number =>
      this.parts.cause({ _tag: "Event", event: { type, ...more } })
    this.events = {
      gap: event("GAP"),
      stop: event("STOP_REQUESTED", { leave: false }),
      normal: event("NORMAL_ASKED"),
      poll: event("POLL_NOW")
    }
    this.blank = [this.parts.begun(1), this.parts.begun(2), this.parts.begun(3)]
  }

  /** A machine on which `join` has just written its intent. */
  first(disk: Disk = JOINING): Node {
    return this.started(this.parts.begun(0, disk))
  }

  private started(engine: number): Node {
    return [engine, ...this.blank, this.orders.of([])]
  }

  /** The process starts anew on the disk of this engine. */
  private relaunched(engine: number): Node {
    const { disk, served } = this.parts.engine(engine)
    return this.started((this.fresh[engine] ??= this.parts.begun(0, disk, served)))
  }

  /** The columns of a state but for the order of timers, from machines that came there by themselves. */
  met(parts: ReadonlyArray<Part>): Columns {
    return parts.map((part, column) => this.parts.kept(column, part)) as unknown as Columns
  }

  /** Plugins of a configuration are being loaded; the bundled ones do no harm. */
  loads(node: Node): "nothing" | "served" | "other" {
    if (this.parts.name(3, node[3]) !== "booting.loading") return "nothing"
    const task = this.parts.part(3, node[3]).tasks.find(({ src }) => src === "loadPlugins")
    if (task === undefined || (task.input as { readonly bundledOnly: boolean }).bundledOnly) return "nothing"
    const engine = this.parts.engine(node[0])
    const { etag } = applyContext(engine).running
    if (etag === null) return "nothing"
    return etag === engine.served ? "served" : "other"
  }

  /** What central serves runs, was promoted, and the engine would take the next revision. */
  hasArrived(node: Node): boolean {
    if (this.parts.name(0, node[0]) !== "steady.idle") return false
    const engine = this.parts.engine(node[0])
    const { etag, slot } = applyContext(engine).running
    return (
      engine.served === etag &&
      slot !== null &&
      engine.disk.active === slot &&
      engine.disk.slots[slot]?.etag === etag &&
      engine.disk.slots[slot]?.promoted === true &&
      this.parts.name(3, node[3]).startsWith("running")
    )
  }

  /**
   * Every move from a state. A task whose end commutes with everything that others can do meanwhile ends first: the
   * other orders lead to the same states.
   */
  moves(node: Node, emit: Emit): void {
    this.killed(node, emit)
    if (this.parts.name(3, node[3]) === "booting.opening") return this.tasksOf(3, node, emit)
    if (COMMUTING.test(this.parts.name(0, node[0]))) return this.tasksOf(0, node, emit)
    for (let part = 0; part < PARTS.length; part++) this.tasksOf(part, node, emit)
    const first = this.orders.first(node[4])
    if (first !== undefined) {
      const { cause, most, part } = this.parts.timers.at(first)
      this.reacted(node, part, cause, HONEST | (most > 0 ? 0 : AT_ONCE), emit)
    }
    this.fromOutside(node, emit)
  }

  private tasksOf(part: number, node: Node, emit: Emit): void {
    const { outcomes } = this
    const ends = part === 0 ? outcomes.ofEngine(node[0]) : outcomes.ofOther(part, node[part] as number, node[0])
    for (const end of ends) this.ended(node, part, end, emit)
  }

  private ended(node: Node, part: number, end: End, emit: Emit): void {
    const before = end.engine === null ? node[0] : this.parts.react(0, node[0], end.engine).next
    this.reacted([before, node[1], node[2], node[3], node[4]], part, end.own, end.bits, emit)
  }

  private killed(node: Node, emit: Emit): void {
    const daemon = this.parts.name(3, node[3])
    const { state } = this.parts.engine(node[0]).disk
    const isRecorded = typeof state !== "string" && state.last_exit !== undefined
    // Before a start is counted and waited for, nobody in the process could hold a crash loop up; and once an exit is
    // recorded, a death is that exit.
    const isUnexplained = /^(booting\.(opening|loading)|running)/.test(daemon) && !isRecorded
    const loads = this.loads(node) === "nothing" ? 0 : PLUGIN_KILLS
    emit(this.relaunched(node[0]), EXITS | loads | (isUnexplained ? AT_ONCE : 0))
    if (daemon === "booting.evaluating") emit(this.rebooted(node), EXITS)
    else if (loads > 0) emit(this.rebooted(node), PLUGIN_REBOOTS)
  }

  private rebooted(node: Node): Node {
    return this.relaunched(this.changed(node[0], { _tag: "Damaged", how: "reboots" }))
  }

  private changed(engine: number, cause: Cause): number {
    return this.parts.react(0, engine, this.parts.cause(cause)).next
  }

  private fromOutside(node: Node, emit: Emit): void {
    const { events, outside } = this
    if (outside.gaps && hearsGaps(this.parts.name(0, node[0]))) {
      const mail = [
        [0, events.gap],
        [1, events.gap]
      ] as const
      this.quiet(node, { columns: [node[0], node[1], node[2], node[3]], mail, armed: 0, ends: false }, 0, emit)
    }
    if (outside.joins) emit(this.relaunched(this.changed(node[0], { _tag: "Damaged", how: "joins" })), 0)
    if (!outside.operators) return
    this.reacted(node, 3, events.stop, 0, emit)
    this.reacted(node, 0, events.normal, 0, emit)
    this.reacted(node, 1, events.poll, 0, emit)
    for (const etag of namesIn(this.parts.engine(node[0]))) {
      this.played(node, 0, { _tag: "Event", event: { type: "RETRY", etag } }, 0, emit)
    }
  }

  private played(node: Node, part: number, cause: Cause, bits: number, emit: Emit): void {
    this.reacted(node, part, this.parts.cause(cause), bits, emit)
  }

  private reacted(node: Node, part: number, cause: number, bits: number, emit: Emit): void {
    const columns: Columns = [node[0], node[1], node[2], node[3]]
    this.quiet(node, this.after({ columns, mail: [], armed: 0, ends: false }, part, cause), bits, emit)
  }

  private after(course: Course, part: number, cause: number): Course {
    const reaction = this.parts.react(part, course.columns[part] as number, cause)
    const columns = course.columns.with(part, reaction.next) as unknown as Columns
    return {
      columns,
      mail: reaction.mail.length === 0 ? course.mail : [...course.mail, ...reaction.mail],
      armed:
        reaction.armed === 0
          ? course.armed
          : course.armed === 0
            ? reaction.armed
            : this.both(course.armed, reaction.armed),
      ends: course.ends || reaction.ends
    }
  }

  private both(some: number, others: number): number {
    return this.parts.set([...new Set([...this.parts.sets.at(some), ...this.parts.sets.at(others)])])
  }

  /** Every order in which the machines may empty their mailboxes. */
  private quiet(node: Node, course: Course, bits: number, emit: Emit): void {
    if (course.ends) return emit(this.relaunched(course.columns[0]), bits)
    if (course.mail.length === 0) return this.rested(node, course, bits, emit)
    let seen = 0
    for (let index = 0; index < course.mail.length; index++) {
      const [part, cause] = course.mail[index] as readonly [number, number]
      if ((seen & (1 << part)) !== 0) continue
      seen |= 1 << part
      this.quiet(node, this.after({ ...course, mail: course.mail.toSpliced(index, 1) }, part, cause), bits, emit)
    }
  }

  private rested(node: Node, { armed, columns }: Course, bits: number, emit: Emit): void {
    const engine = this.parts.atRest(columns[0])
    const states = [engine, columns[1], columns[2], columns[3]] as const
    for (const order of this.orders.next(node[4], states, armed)) emit([...states, order], bits)
  }
}
