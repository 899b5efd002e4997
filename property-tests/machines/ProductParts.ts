/** The machines of the product one by one: each of their states is taken once, and each of its reactions computed once. */
import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from "xstate"
import {
  firstWait,
  wiring,
  type BootOutcome,
  type ConfigPullContext,
  type TaskFailure,
  type Wiring
} from "../../machines/index.ts"
import {
  doneEvent,
  errorEvent,
  firings,
  start,
  stateName,
  step,
  type Chart,
  type Command,
  type Instance,
  type Outcome
} from "../../src/statechart/Core.ts"
import { applied, factsOf, isWrite, type Disk, type Write } from "./DiskModel.ts"
import { freshName, urlOf } from "./ProductNames.ts"
import {
  applyContext,
  counted,
  EARLY,
  keyOf,
  NEVER,
  namesIn,
  normalBoot,
  normalEngine,
  normalPart,
  NOW,
  PARTS,
  remembered,
  UNKNOWN,
  WINDOWS,
  type Engine,
  type Part,
  type PartName,
  type Task,
  type Wait
} from "./ProductState.ts"
import { MAIN_URL } from "./Revisions.ts"
import type { Charts } from "./World.ts"

/** What can happen to a machine; the engine's tasks carry their effect on the disk with them. */
export type Cause =
  | { readonly _tag: "Event"; readonly event: AnyEventObject }
  | { readonly _tag: "Timer"; readonly id: string }
  | { readonly _tag: "Done"; readonly id: string; readonly output: unknown }
  | { readonly _tag: "Failed"; readonly id: string; readonly tag: string }
  /** A task of the engine ends, with its effect on the disk or without it. */
  | {
      readonly _tag: "Write"
      readonly id: string
      readonly effect: boolean
      readonly failure: string | null
      readonly turns?: "mute" | "spare" | "retried"
    }
  | { readonly _tag: "Inspected"; readonly id: string; readonly readOnly: boolean }
  /** Something other than the engine changes its disk, or what central serves. */
  | { readonly _tag: "Enrolled" }
  | { readonly _tag: "Served"; readonly etag: string }
  | { readonly _tag: "Damaged"; readonly how: keyof typeof DAMAGE }

/** What an administrator, a bit or a boot does to a disk. */
export const DAMAGE = {
  reboots: (disk: Disk): Disk =>
    typeof disk.state === "string" || disk.state.boot_id === undefined
      ? disk
      : { ...disk, state: { ...disk.state, boot_id: "boot-0" } },
  joins: (disk: Disk): Disk => ({ ...disk, join: true })
} as const

/** What a machine does next: its next state, mail for others, the timers that it armed, and whether the process ends. */
export interface Reaction {
  readonly next: number
  readonly mail: ReadonlyArray<readonly [part: number, cause: number]>
  /** The set of timers that it armed. */
  readonly armed: number
  readonly ends: boolean
}

const FAR = 1e15
const WIRING: Wiring = wiring

/** The least and the most ms of delays that grow with a count which the graph does not keep. */
const SPANS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  "join.retry": [5_000, 300_000],
  "daemon.backOff": [1_000, 30_000],
  "daemon.stable": [1_000, 600_000],
  "daemon.safeHold": [1_000, 604_800_000],
  // From a real part to half of the shortest window.
  "configApply.part": [5_000, 60_000]
}
const HELD = [300_000, 3_600_000] as const
const LADDER = [30_000, 300_000] as const

export const spanOf = (machine: PartName, id: string, delay: number, context: unknown): readonly [number, number] => {
  if (!(delay > 0)) return [0, 0]
  const name = id.split(".")[2] ?? ""
  if (name === "pollDelay") {
    const { held, intervalMs, problem } = context as ConfigPullContext
    if (held || delay >= 300_000) return HELD
    // After a start, and after failures, the first one is shorter.
    return problem === null ? [firstWait(intervalMs, -1), intervalMs] : LADDER
  }
  return SPANS[`${machine}.${name}`] ?? [delay, delay]
}

/** What an event says that anybody listens to. */
const told = (event: AnyEventObject): AnyEventObject | null => {
  switch (event.type) {
    case "REPORT_DUE":
      return null
    case "BOOT_EVALUATED":
      return { ...normalBoot(event as unknown as BootOutcome), type: event.type }
    case "RESTART_REQUESTED":
      return { type: event.type, reason: "operator" }
    case "POLL_SETTLED":
      return { type: event.type, stale: event["stale"] }
    case "STAGE":
      return event["wall"] === NEVER ? null : { type: event.type, wall: event["wall"] }
    case "BEGIN":
      return { type: event.type, central: event["central"], intervalMs: event["intervalMs"] }
    default:
      return { type: event.type }
  }
}

const failure = (tag: string): TaskFailure => ({ _tag: tag, message: tag, retryable: true })

/** Interns values by a text that says everything about them. */
export class Interned<T> {
  readonly values: Array<T> = []
  private readonly ids = new Map<string, number>()
  of(key: string, value: () => T): number {
    const known = this.ids.get(key)
    if (known !== undefined) return known
    this.ids.set(key, this.values.length)
    return this.values.push(value()) - 1
  }
  at(id: number): T {
    return this.values[id] as T
  }
}

/** An armed timer of some machine, as the order of timers knows it. */
export interface Armed extends Wait {
  readonly part: number
  /** The cause that it is when it fires. */
  readonly cause: number
}

/** One machine: its states, the sets of their timers, and its reactions, by state and cause. */
class Component {
  readonly chart: Chart<AnyStateMachine>
  readonly states = new Interned<Part>()
  readonly waits: Array<number> = []
  readonly names: Array<string> = []
  readonly reactions: Array<Map<number, Reaction>> = []
  readonly resting: Array<number> = []
  constructor(chart: Chart<AnyStateMachine>) {
    this.chart = chart
  }
}

/** The states of four machines, and their reactions. Those of machines that are the same elsewhere are shared. */
export class Parts {
  readonly causes: Interned<Cause>
  readonly timers: Interned<Armed>
  /** Sets of armed timers, by their codes. */
  readonly sets: Interned<ReadonlyArray<number>>
  private readonly components: ReadonlyArray<Component>
  constructor(charts: Charts, like?: Parts) {
    this.causes = like?.causes ?? new Interned<Cause>()
    this.timers = like?.timers ?? new Interned<Armed>()
    this.sets = like?.sets ?? new Interned<ReadonlyArray<number>>()
    this.set([])
    this.components = PARTS.map((name, part) => {
      const chart = charts[name]
      if (chart === undefined) throw new Error(`the product has no ${name}`)
      const known = like?.component(part)
      return known?.chart.machine === chart.machine ? known : new Component(chart)
    })
  }

  private component(part: number): Component {
    return this.components[part] as Component
  }

  cause(cause: Cause): number {
    return this.causes.of(JSON.stringify(cause), () => cause)
  }

  engine(id: number): Engine {
    return this.component(0).states.at(id) as Engine
  }

  part(part: number, id: number): Part {
    return this.component(part).states.at(id)
  }

  /** Where a machine is, as a dotted path. */
  name(part: number, id: number): string {
    return (this.component(part).names[id] ??= stateName(this.part(part, id).snapshot.value))
  }

  /** A process starts on a disk; what the machines do at once is all that they do. */
  begun(part: number, disk?: Disk, served = UNKNOWN): number {
    const outcome = start(this.component(part).chart, { jitter: 0 } as never, NOW)
    const blank: Part = { snapshot: outcome[0].snapshot, waits: [], tasks: [] }
    const begun = this.settled(part, disk === undefined ? blank : ({ ...blank, disk, served } as Engine), outcome)
    return part === 0 ? this.atRest(begun.next) : begun.next
  }

  /** The engine when nothing is under way: what nobody speaks of any more is forgotten. */
  atRest(id: number): number {
    return (this.component(0).resting[id] ??= this.kept(0, normalEngine(this.engine(id), true)))
  }

  react(part: number, id: number, cause: number): Reaction {
    const known = (this.component(part).reactions[id] ??= new Map<number, Reaction>())
    let reaction = known.get(cause)
    if (reaction === undefined) {
      reaction = this.computed(part, id, this.causes.at(cause))
      known.set(cause, reaction)
    }
    return reaction
  }

  private computed(part: number, id: number, cause: Cause): Reaction {
    const before = this.part(part, id)
    switch (cause._tag) {
      case "Event":
        return this.stepped(part, before, part === 0 ? namedFor(before as Engine, cause.event) : cause.event, id)
      case "Timer":
        return this.fired(part, before, cause.id)
      case "Done":
        return this.ended(part, before, cause.id, doneEvent(cause.id, cause.output))
      case "Failed":
        return this.ended(part, before, cause.id, errorEvent(cause.id, failure(cause.tag)))
      case "Write":
        return this.written(before as Engine, cause)
      case "Inspected": {
        const engine = before as Engine
        const readOnly = cause.readOnly ? "read-only" : null
        const facts = factsOf({ ...engine.disk, readOnly }, EARLY, WINDOWS)
        return this.ended(part, engine, cause.id, doneEvent(cause.id, facts))
      }
      default:
        return { next: this.kept(0, normalEngine(changed(before as Engine, cause), false)), ...QUIET }
    }
  }

  private written(engine: Engine, cause: Extract<Cause, { readonly _tag: "Write" }>): Reaction {
    const before = turned(engine, cause.id, cause.turns)
    const task = before.tasks.find(({ id }) => id === cause.id) as Task
    const disk = cause.effect ? effectOf(before, task) : before.disk
    const event = cause.failure === null ? doneEvent(task.id, NOW) : errorEvent(task.id, failure(cause.failure))
    return this.ended(0, { ...before, disk } as Engine, task.id, event)
  }

  private ended(part: number, before: Part, task: string, event: AnyEventObject): Reaction {
    return this.stepped(part, { ...before, tasks: before.tasks.filter(({ id }) => id !== task) }, event)
  }

  private stepped(part: number, before: Part, event: AnyEventObject, id = -1): Reaction {
    const instance = instanceOf(before, null)
    const outcome = step(this.component(part).chart, instance, event as never, NOW)
    if (id >= 0 && outcome[1].length === 0 && isSame(instance, outcome[0])) return { next: id, ...QUIET }
    return this.settled(part, before, outcome)
  }

  private fired(part: number, before: Part, timer: string): Reaction {
    const [firing] = firings(this.component(part).chart, instanceOf(before, timer), NOW)
    const outcome =
      firing === undefined ? ([instanceOf(before, null), []] as const) : [firing.instance, firing.commands]
    return this.settled(part, before, outcome as Outcome<AnyStateMachine>)
  }

  /** Carries the commands out, as far as they are data: tasks begin and end, timers are armed, mail is posted. */
  private settled(part: number, before: Part, [instance, commands]: Outcome<AnyStateMachine>): Reaction {
    const name = PARTS[part] as PartName
    let tasks = before.tasks
    let ends = false
    const mail: Array<readonly [number, number]> = []
    for (const command of commands) {
      tasks = tasksAfter(tasks, command)
      if (command._tag !== "Perform") continue
      const { params, type } = command.action
      const wire = WIRING[name]?.[type]
      const event = wire === undefined ? null : told({ type: wire[1], ...(params as object | undefined) })
      if (wire !== undefined && event !== null) {
        mail.push([PARTS.indexOf(wire[0] as PartName), this.cause({ _tag: "Event", event })])
      }
      if (name === "daemon" && type === "exit") ends = true
    }
    const waits = instance.timers.map((timer): Wait => {
      const known = timer.dueAt === FAR ? before.waits.find(({ id }) => id === timer.id) : undefined
      if (known !== undefined) return known
      const [least, most] = spanOf(name, timer.id, timer.dueAt, instance.snapshot.context)
      return { id: timer.id, event: timer.event, least, most }
    })
    const after: Part = { ...before, snapshot: instance.snapshot, waits, tasks }
    const normal = part === 0 ? normalEngine(after as Engine, false) : normalPart(name, after)
    const isNew = new Set(instance.timers.filter(({ dueAt }) => dueAt !== FAR).map(({ id }) => id))
    const armed = this.set(normal.waits.filter(({ id }) => isNew.has(id)).map((wait) => this.timer(part, wait)))
    return { next: this.kept(part, normal), mail, armed, ends }
  }

  /** The set of timers that are armed in a state. */
  armedIn(part: number, id: number): number {
    return this.component(part).waits[id] as number
  }

  /** How many states of a machine were met. */
  met(part: number): number {
    return this.component(part).states.values.length
  }

  /** The number of a set of timers; 0 is the empty one. */
  set(timers: ReadonlyArray<number>): number {
    return this.sets.of(timers.join(), () => timers)
  }

  /** The spans that timers of a name were armed with. */
  spansOf(part: number, id: string): ReadonlyArray<Wait> {
    return this.timers.values.filter((timer) => timer.part === part && timer.id === id)
  }

  private timer(part: number, wait: Wait): number {
    return this.timers.of(`${part} ${wait.id} ${wait.least} ${wait.most}`, () => ({
      ...wait,
      part,
      cause: this.cause({ _tag: "Timer", id: wait.id })
    }))
  }

  /** The number of a state. */
  kept(part: number, state: Part): number {
    const { states, waits } = this.component(part)
    const id = states.of(keyOf(PARTS[part] as PartName, state), () => state)
    waits[id] ??= this.set(states.at(id).waits.map((wait) => this.timer(part, wait)))
    return id
  }
}

const QUIET = { mail: [], armed: 0, ends: false } as const

const instanceOf = ({ snapshot, waits }: Part, firing: string | null): Instance<AnyStateMachine> => ({
  snapshot,
  timers: waits.map(({ event, id }) => ({ id, event, clock: "uptime", dueAt: id === firing ? 0 : FAR }))
})

/** Nothing has changed that anybody could see. */
const isSame = (before: Instance<AnyStateMachine>, after: Instance<AnyStateMachine>): boolean => {
  if (before === after) return true
  if (before.timers.length !== after.timers.length || after.timers.some(({ dueAt }) => dueAt !== FAR)) return false
  const [from, to] = [before.snapshot, after.snapshot] as ReadonlyArray<AnyMachineSnapshot>
  if (from === undefined || to === undefined || stateName(from.value) !== stateName(to.value)) return false
  return Object.keys(to.context as object).every((key) => from.context[key] === to.context[key])
}

const tasksAfter = (tasks: ReadonlyArray<Task>, command: Command): ReadonlyArray<Task> => {
  if (command._tag === "Stop") return tasks.filter(({ id }) => id !== command.id)
  if (command._tag === "Perform") return tasks
  return [...tasks.filter(({ id }) => id !== command.id), { id: command.id, src: command.src, input: command.input }]
}

/** What is offered is always what central serves. */
const namedFor = (engine: Engine, event: AnyEventObject): AnyEventObject =>
  event.type === "STAGE" ? { ...event, etag: engine.served, offer: 0 } : event

/** The central that the running document names; null: none, or a host that is not there. */
export const centralOf = (engine: Engine): "main" | "dead" | "none" => {
  const { etag, central } = applyContext(engine).running
  return !central ? "none" : etag !== null && urlOf(etag) !== MAIN_URL ? "dead" : "main"
}

const effectOf = (engine: Engine, task: Task): Disk => {
  if (!isWrite(task.src)) return engine.disk
  const url = centralOf(engine) === "main" ? MAIN_URL : null
  const after = applied(engine.disk, task.src as Write, task.input, url)
  if (task.src !== "writeSlot") return after
  const { etag, slot } = task.input as { readonly etag: string; readonly slot: "a" | "b" }
  return { ...after, slots: { ...after.slots, [slot]: { etag, url: urlOf(etag), promoted: false, intact: true } } }
}

/**
 * What turns out as a task ends: the revision that is being written names a host that never answers, or is one that was
 * bad before; a start is counted against attempts of which there are more.
 */
const turned = (engine: Engine, id: string, turns: "mute" | "spare" | "retried" | undefined): Engine => {
  if (turns !== "mute" && turns !== "retried") return counted(engine, turns === "spare")
  const task = engine.tasks.find((each) => each.id === id) as Task
  const { etag } = task.input as { readonly etag: string }
  return turns === "mute" ? normalEngine(engine, false, etag) : remembered(engine, etag)
}

const changed = (
  engine: Engine,
  cause: Extract<Cause, { readonly _tag: "Enrolled" | "Served" | "Damaged" }>
): Engine => {
  const { disk } = engine
  switch (cause._tag) {
    case "Enrolled":
      return { ...engine, disk: { ...disk, identities: [MAIN_URL] } }
    case "Served":
      return { ...engine, served: cause.etag.length > 1 ? cause.etag : freshName(cause.etag as "G", namesIn(engine)) }
    case "Damaged":
      return { ...engine, disk: DAMAGE[cause.how](disk) }
  }
}
