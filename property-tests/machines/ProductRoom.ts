/**
 * The product of Join, ConfigPull, ConfigApply and Daemon over the wiring of `System.ts`, with the engine's disk and
 * central: its states, and every move from each of them.
 */
import { AT_ONCE, EXITS, HONEST, Outcomes, PLUGIN_KILLS, PLUGIN_REBOOTS, type End } from "./ProductOutcomes.ts"
import { DAMAGE, Parts } from "./ProductParts.ts"
import { applyContext, diskKeyOf, hearsGaps, namesIn, PARTS, type Engine, type Part } from "./ProductState.ts"
import { Orders } from "./ProductTime.ts"
import { JOINING, type Disk } from "./DiskModel.ts"
import type { Charts } from "./World.ts"

/** Where the machines are: the engine, the poll loop, the identity, and the process. */
export type Columns = readonly [engine: number, pull: number, join: number, daemon: number]

/** Where the machines come to, the set of timers that were armed on the way, and what kind of move it is, as bits. */
export type Found = (columns: Columns, armed: number, bits: number) => void

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

/** What a disk meets before the process starts anew. */
type Meets = "nothing" | keyof typeof DAMAGE

export class Room {
  readonly parts: Parts
  readonly orders: Orders
  private readonly outcomes: Outcomes
  readonly outside: Outside
  private readonly events: Record<"gap" | "stop" | "normal" | "poll", number>
  private readonly fresh: Record<Meets, Array<number>> = { nothing: [], joins: [], reboots: [] }
  private readonly begun = new Map<string, number>()
  private readonly retries: Array<ReadonlyArray<number>> = []
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
  first(disk: Disk = JOINING): Columns {
    return [this.parts.begun(0, disk), ...this.blank]
  }

  /** The process starts anew on the disk of this engine. */
  private relaunched(engine: number, meets: Meets = "nothing"): Columns {
    return [(this.fresh[meets][engine] ??= this.begunOn(this.parts.engine(engine), meets)), ...this.blank]
  }

  /** Many engines have the same disk. */
  private begunOn({ disk, served }: Engine, meets: Meets): number {
    const key = `${meets} ${served} ${diskKeyOf(disk)}`
    let engine = this.begun.get(key)
    if (engine === undefined) {
      engine = this.parts.begun(0, meets === "nothing" ? disk : DAMAGE[meets](disk), served)
      this.begun.set(key, engine)
    }
    return engine
  }

  /** Where machines are that came there by themselves. */
  met(parts: ReadonlyArray<Part>): Columns {
    return parts.map((part, column) => this.parts.kept(column, part)) as unknown as Columns
  }

  /** Plugins of a configuration are being loaded; the bundled ones do no harm. */
  loads(columns: Columns): "nothing" | "served" | "other" {
    if (this.parts.name(3, columns[3]) !== "booting.loading") return "nothing"
    const task = this.parts.part(3, columns[3]).tasks.find(({ src }) => src === "loadPlugins")
    if (task === undefined || (task.input as { readonly bundledOnly: boolean }).bundledOnly) return "nothing"
    const engine = this.parts.engine(columns[0])
    const { etag } = applyContext(engine).running
    if (etag === null) return "nothing"
    return etag === engine.served ? "served" : "other"
  }

  /** What central serves runs, was promoted, and the engine would take the next revision. */
  hasArrived(columns: Columns): boolean {
    if (this.parts.name(0, columns[0]) !== "steady.idle") return false
    const engine = this.parts.engine(columns[0])
    const { etag, slot } = applyContext(engine).running
    return (
      engine.served === etag &&
      slot !== null &&
      engine.disk.active === slot &&
      engine.disk.slots[slot]?.etag === etag &&
      engine.disk.slots[slot]?.promoted === true &&
      this.parts.name(3, columns[3]).startsWith("running")
    )
  }

  /**
   * Everything that can happen next but for timers. A task whose end commutes with everything that others can do
   * meanwhile ends first: the other orders lead to the same states.
   */
  happens(columns: Columns, found: Found): void {
    this.killed(columns, found)
    const prompt = this.prompt(columns)
    if (prompt !== null) return this.tasksOf(prompt, columns, found)
    for (let part = 0; part < PARTS.length; part++) this.tasksOf(part, columns, found)
    this.fromOutside(columns, found)
  }

  /** A timer fires, where nothing must end first. */
  fires(columns: Columns, timer: number, found: Found): void {
    if (this.prompt(columns) !== null) return
    const { cause, most, part } = this.parts.timers.at(timer)
    this.reacted(columns, part, cause, HONEST | (most > 0 ? 0 : AT_ONCE), found)
  }

  /** The machine whose task ends before anything else happens. */
  private prompt(columns: Columns): number | null {
    if (this.parts.name(3, columns[3]) === "booting.opening") return 3
    return COMMUTING.test(this.parts.name(0, columns[0])) ? 0 : null
  }

  private tasksOf(part: number, columns: Columns, found: Found): void {
    const { outcomes } = this
    const [engine] = columns
    const ends = part === 0 ? outcomes.ofEngine(engine) : outcomes.ofOther(part, columns[part] as number, engine)
    for (const end of ends) this.ended(columns, part, end, found)
  }

  private ended(columns: Columns, part: number, end: End, found: Found): void {
    const [engine, pull, join, daemon] = columns
    const before = end.engine === null ? engine : this.parts.react(0, engine, end.engine).next
    this.reacted([before, pull, join, daemon], part, end.own, end.bits, found)
  }

  private killed(columns: Columns, found: Found): void {
    const [engine] = columns
    const daemon = this.parts.name(3, columns[3])
    const { state } = this.parts.engine(engine).disk
    const isRecorded = typeof state !== "string" && state.last_exit !== undefined
    // Before a start is counted and waited for, nobody in the process could hold a crash loop up; and once an exit is
    // recorded, a death is that exit.
    const isUnexplained = /^(booting\.(opening|loading)|running)/.test(daemon) && !isRecorded
    const loads = this.loads(columns) === "nothing" ? 0 : PLUGIN_KILLS
    found(this.relaunched(engine), 0, EXITS | loads | (isUnexplained ? AT_ONCE : 0))
    if (daemon === "booting.evaluating") found(this.relaunched(engine, "reboots"), 0, EXITS)
    else if (loads > 0) found(this.relaunched(engine, "reboots"), 0, PLUGIN_REBOOTS)
  }

  private fromOutside(columns: Columns, found: Found): void {
    const { events, outside } = this
    const [engine] = columns
    if (outside.gaps && hearsGaps(this.parts.name(0, engine))) {
      const mail = [
        [0, events.gap],
        [1, events.gap]
      ] as const
      this.quiet({ columns, mail, armed: 0, ends: false }, 0, found)
    }
    if (outside.joins) found(this.relaunched(engine, "joins"), 0, 0)
    if (!outside.operators) return
    this.reacted(columns, 3, events.stop, 0, found)
    this.reacted(columns, 0, events.normal, 0, found)
    this.reacted(columns, 1, events.poll, 0, found)
    for (const retry of this.retriesIn(engine)) this.reacted(columns, 0, retry, 0, found)
  }

  private retriesIn(engine: number): ReadonlyArray<number> {
    return (this.retries[engine] ??= namesIn(this.parts.engine(engine)).map((etag) =>
      this.parts.cause({ _tag: "Event", event: { type: "RETRY", etag } })
    ))
  }

  private reacted(columns: Columns, part: number, cause: number, bits: number, found: Found): void {
    this.quiet(this.after({ columns, mail: [], armed: 0, ends: false }, part, cause), bits, found)
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
  private quiet(course: Course, bits: number, found: Found): void {
    const { armed, columns, ends, mail } = course
    if (ends) return found(this.relaunched(columns[0]), 0, bits)
    if (mail.length === 0) {
      return found([this.parts.atRest(columns[0]), columns[1], columns[2], columns[3]], armed, bits)
    }
    let seen = 0
    for (let index = 0; index < mail.length; index++) {
      const [part, cause] = mail[index] as readonly [number, number]
      if ((seen & (1 << part)) !== 0) continue
      seen |= 1 << part
      this.quiet(this.after({ ...course, mail: mail.toSpliced(index, 1) }, part, cause), bits, found)
    }
  }
}
