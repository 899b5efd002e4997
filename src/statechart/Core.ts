/**
 * The pure core: what a machine does next, as data.
 *
 * `start`, `step` and `advance` return the next instance and the commands that somebody else carries out. Nothing
 * here reads a clock, waits or runs: delays become timers in the instance, invoked tasks become `Start` and `Stop`.
 */
import type {
  AnyMachineSnapshot,
  AnyStateMachine,
  EventFromLogic,
  EventObject,
  InputFrom,
  SnapshotFrom,
  StateValue
} from "xstate"
import type { TaskFailure } from "../../machines/Task.ts"
import { purely } from "./Purely.ts"

/** A machine together with what the core must know of it that XState cannot say. */
export interface Chart<M extends AnyStateMachine> {
  readonly machine: M
  /** The machine's `CALENDAR_DELAYS`: delays that mean calendar time, so that their timers are wall deadlines. */
  readonly calendarDelays?: ReadonlyArray<string>
}

/** One moment on both clocks, in milliseconds: elapsed time (see `Uptime`) and calendar time since 1970. */
export interface Now {
  readonly uptime: number
  readonly wall: number
}

/** A delay that is running. `dueAt` is in milliseconds on the clock that it names. */
export interface Timer {
  readonly id: string
  readonly dueAt: number
  readonly event: EventObject
  readonly clock: "uptime" | "wall"
}

/** A machine at one moment: where it is, and its timers in arming order. */
export interface Instance<M extends AnyStateMachine> {
  readonly snapshot: SnapshotFrom<M>
  readonly timers: ReadonlyArray<Timer>
}

/** What a machine asks for: an action to perform, a task to start, a task to stop. */
export type Command =
  | { readonly _tag: "Perform"; readonly action: { readonly type: string; readonly params: unknown } }
  | { readonly _tag: "Start"; readonly id: string; readonly src: string; readonly input: unknown }
  | { readonly _tag: "Stop"; readonly id: string }

/** The next instance and what it asks for, in order. */
export type Outcome<M extends AnyStateMachine> = readonly [Instance<M>, ReadonlyArray<Command>]

/** One timer that fired: the event that it delivered, and what followed. */
export interface Firing<M extends AnyStateMachine> {
  readonly event: EventObject
  readonly instance: Instance<M>
  readonly commands: ReadonlyArray<Command>
}

/** The earliest deadline on each clock, in milliseconds; `Infinity` where nothing waits on that clock. */
export type Due = Now

/** A delay of zero that re-enters its own state would fire for ever; the rest stays due for the next `advance`. */
export const MAX_FIRINGS = 1_000

/** The first instance of a machine, evaluated from its facts. */
export const start = <M extends AnyStateMachine>(chart: Chart<M>, facts: InputFrom<M>, now: Now): Outcome<M> => {
  const [snapshot, effects] = purely((scope) => chart.machine.getInitialSnapshot(scope, facts))
  return settle<M>(chart, snapshot, [], effects, now)
}

/**
 * Delivers an event. An event that the state does not handle changes nothing (the same instance comes back), and so
 * does the result of a task that is not running and anything sent to a machine that has ended.
 */
export const step = <M extends AnyStateMachine>(
  chart: Chart<M>,
  instance: Instance<M>,
  event: EventFromLogic<M> | TaskResult,
  now: Now
): Outcome<M> => (isAdmissible(instance, event) ? deliver(chart, instance, event, now) : [instance, []])

/**
 * Fires every timer that is due: the latest first, each at its own deadline (so that a chained delay counts from
 * there, also when `now` is late), ties in arming order. At most `MAX_FIRINGS` per call.
 */
export const advance = <M extends AnyStateMachine>(chart: Chart<M>, instance: Instance<M>, now: Now): Outcome<M> => {
  const commands: Array<Command> = []
  let current = instance
  for (const firing of firings(chart, instance, now)) {
    commands.push(...firing.commands)
    current = firing.instance
  }
  return [current, commands]
}

/** The firings of `advance`, one by one. */
export const firings = function* <M extends AnyStateMachine>(
  chart: Chart<M>,
  instance: Instance<M>,
  now: Now
): Generator<Firing<M>> {
  let current = instance
  for (let count = 0; count < MAX_FIRINGS; count++) {
    const timer = mostLate(current.timers, now)
    if (timer === undefined) return
    const fired = { ...current, timers: current.timers.filter((other) => other !== timer) }
    const [next, commands] = deliver(chart, fired, timer.event, momentOf(timer, now))
    yield { event: timer.event, instance: next, commands }
    current = next
  }
}

/** The earliest deadline on each clock. */
export const nextDue = <M extends AnyStateMachine>(instance: Instance<M>): Due => {
  let uptime = Infinity
  let wall = Infinity
  for (const timer of instance.timers) {
    if (timer.clock === "uptime") uptime = Math.min(uptime, timer.dueAt)
    else wall = Math.min(wall, timer.dueAt)
  }
  return { uptime, wall }
}

/** The result of a task, as the machine learns of it. */
export type TaskResult =
  | { readonly type: `xstate.done.actor.${string}`; readonly output: unknown; readonly actorId: string }
  | { readonly type: `xstate.error.actor.${string}`; readonly error: TaskFailure; readonly actorId: string }

/** The event that carries a task's output. */
export const doneEvent = (id: string, output: unknown): TaskResult => ({
  type: `xstate.done.actor.${id}`,
  output,
  actorId: id
})

/** The event that carries a task's failure, plain data. */
export const errorEvent = (id: string, error: TaskFailure): TaskResult => ({
  type: `xstate.error.actor.${id}`,
  error,
  actorId: id
})

/** The ids of the tasks that are running. */
export const runningTasks = <M extends AnyStateMachine>(instance: Instance<M>): ReadonlyArray<string> =>
  Object.keys(looseSnapshot(instance).children)

/** Whether the machine has reached a final state. */
export const hasEnded = <M extends AnyStateMachine>(instance: Instance<M>): boolean =>
  looseSnapshot(instance).status !== "active"

/** The active leaf states as dotted paths, in document order, joined by commas: `applying.install` or `a.x,b.y`. */
export const stateName = (value: StateValue): string =>
  typeof value === "string" ? value : leaves(value, "").join(",")

/**
 * Whether two instances are the same as far as the future can tell: state, context, status, running tasks and
 * timers. The order of timers counts only among timers that are due together.
 */
export const equivalent = <M extends AnyStateMachine>(a: Instance<M>, b: Instance<M>): boolean =>
  sameData(essence(a), essence(b))

/** What `equivalent` compares, as plain data for messages and assertions. */
export const essence = <M extends AnyStateMachine>(instance: Instance<M>) => {
  const { value, context, status } = looseSnapshot(instance)
  return {
    value,
    context,
    status,
    tasks: [...runningTasks(instance)].sort(),
    timers: instance.timers
      .map(({ id, dueAt, clock, event }) => ({ id, dueAt, clock, event }))
      .sort((x, y) => (x.clock === y.clock ? x.dueAt - y.dueAt : x.clock < y.clock ? -1 : 1))
  }
}

/** The snapshot with the parts that every machine has; the precise type is the caller's. */
const looseSnapshot = <M extends AnyStateMachine>(instance: Instance<M>): AnyMachineSnapshot => instance.snapshot

/** XState would end a machine over the failure of a task that it does not run, and over events that only it may send. */
const isAdmissible = <M extends AnyStateMachine>(instance: Instance<M>, event: EventObject): boolean => {
  if (event.type === "*") return false
  if (!event.type.startsWith("xstate.")) return true
  const id = RESULT.exec(event.type)?.[1]
  return id !== undefined && Object.hasOwn(looseSnapshot(instance).children, id)
}

const RESULT = /^xstate\.(?:done|error)\.actor\.(.*)$/

const deliver = <M extends AnyStateMachine>(
  chart: Chart<M>,
  instance: Instance<M>,
  event: EventObject,
  now: Now
): Outcome<M> => {
  if (hasEnded(instance)) return [instance, []]
  const [snapshot, effects] = purely((scope) => chart.machine.transition(looseSnapshot(instance), event, scope))
  // The failure of a task without `onError`: the catalogue has none, and the machine stands where it stood.
  if (snapshot.status === "error") return [instance, []]
  if (snapshot === instance.snapshot && effects.length === 0) return [instance, []]
  return settle<M>(chart, snapshot, instance.timers, effects, now)
}

interface Effect {
  readonly type: string
  readonly params: unknown
}

/** Sorts what XState asks for into timers and commands. */
const settle = <M extends AnyStateMachine>(
  chart: Chart<M>,
  snapshot: SnapshotFrom<AnyStateMachine>,
  before: ReadonlyArray<Timer>,
  effects: ReadonlyArray<Effect>,
  now: Now
): Outcome<M> => {
  let timers = before
  const commands: Array<Command> = []
  for (const effect of effects) {
    switch (effect.type) {
      case "xstate.raise": {
        const { event, id = event.type, delay } = effect.params as Raise
        if (delay === undefined) break
        timers = [...timers.filter((timer) => timer.id !== id), arm(chart, id, event, delay, now)]
        break
      }
      case "xstate.cancel": {
        const { sendId } = effect.params as { readonly sendId: string }
        timers = timers.filter((timer) => timer.id !== sendId)
        break
      }
      case "xstate.spawnChild": {
        const { id, src, input } = effect.params as {
          readonly id: string
          readonly src: string
          readonly input: unknown
        }
        commands.push({ _tag: "Start", id, src, input })
        break
      }
      case "xstate.stopChild": {
        const child = effect.params as { readonly id: string } | undefined
        if (child !== undefined) commands.push({ _tag: "Stop", id: child.id })
        break
      }
      default:
        commands.push({ _tag: "Perform", action: { type: effect.type, params: effect.params } })
    }
  }
  return [{ snapshot: snapshot as SnapshotFrom<M>, timers: snapshot.status === "active" ? timers : [] }, commands]
}

interface Raise {
  readonly event: EventObject
  readonly id?: string
  readonly delay?: number
}

const arm = <M extends AnyStateMachine>(
  chart: Chart<M>,
  id: string,
  event: EventObject,
  delay: number,
  now: Now
): Timer => {
  const clock = chart.calendarDelays?.some((name) => id.startsWith(`xstate.after.${name}.`)) ? "wall" : "uptime"
  // NaN and negative delays are due at once, enormous ones practically never; neither may poison later sums.
  const wait = delay > 0 ? delay : 0
  return { id, event, clock, dueAt: Math.min(now[clock] + wait, Number.MAX_SAFE_INTEGER) }
}

/** The timer that has been due for longest; the first armed among equals. */
const mostLate = (timers: ReadonlyArray<Timer>, now: Now): Timer | undefined => {
  let found: Timer | undefined
  for (const timer of timers) {
    const lateness = now[timer.clock] - timer.dueAt
    if (lateness >= 0 && (found === undefined || lateness > now[found.clock] - found.dueAt)) found = timer
  }
  return found
}

/**
 * The moment at which a timer counts as fired. Elapsed lateness is real, so both clocks go back by it. Lateness on the
 * wall may be a jump of the clock, so elapsed time stays where it is.
 */
const momentOf = (timer: Timer, now: Now): Now =>
  timer.clock === "wall"
    ? { uptime: now.uptime, wall: timer.dueAt }
    : { uptime: timer.dueAt, wall: now.wall - (now.uptime - timer.dueAt) }

const leaves = (value: StateValue, prefix: string): ReadonlyArray<string> =>
  typeof value === "string"
    ? [prefix + value]
    : Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : leaves(inner, `${prefix}${key}.`)))

const sameData = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a)
  const right = new Map(Object.entries(b))
  return left.length === right.size && left.every(([key, value]) => right.has(key) && sameData(value, right.get(key)))
}
