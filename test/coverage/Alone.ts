/** Moves for a machine that is explored alone: an alphabet of events, and of results and failures of its tasks. */
import type { AnyStateMachine, AnyEventObject } from "xstate"
import type { TaskFailure } from "../../machines/index.ts"
import {
  advance,
  doneEvent,
  errorEvent,
  nextDue,
  start,
  stateName,
  step,
  type Chart,
  type Command,
  type Instance,
  type Now
} from "../../src/statechart/Core.ts"
import type { Move, Moves } from "./Explore.ts"

/** What can be said to a machine, and what its tasks can come back with. */
export interface Alphabet {
  readonly input?: unknown
  readonly events: ReadonlyArray<AnyEventObject>
  readonly results: Readonly<Record<string, ReadonlyArray<readonly [label: string, output: unknown]>>>
  readonly failures: Readonly<Record<string, ReadonlyArray<TaskFailure>>>
}

/** A machine alone, with the tasks that it has under way. */
export interface Alone {
  readonly chart: Chart<AnyStateMachine>
  readonly instance: Instance<AnyStateMachine>
  readonly tasks: ReadonlyArray<{ readonly id: string; readonly src: string }>
  readonly now: Now
}

/** A failure as the shell would make it. */
export const failure = (tag: string): TaskFailure => ({ _tag: tag, message: `${tag} happened`, retryable: true })

const followed = (
  alone: Alone,
  [instance, commands]: readonly [Instance<AnyStateMachine>, ReadonlyArray<Command>],
  now: Now
): Alone => {
  let tasks = alone.tasks
  for (const command of commands) {
    if (command._tag === "Perform") continue
    tasks = tasks.filter((task) => task.id !== command.id)
    if (command._tag === "Start") tasks = [...tasks, { id: command.id, src: command.src }]
  }
  return { ...alone, instance, tasks, now }
}

const delivered = (alone: Alone, event: AnyEventObject, taskId: string | null): Alone => {
  const tasks = alone.tasks.filter((task) => task.id !== taskId)
  return followed({ ...alone, tasks }, step(alone.chart, alone.instance, event as never, alone.now), alone.now)
}

const passed = (alone: Alone): Alone => {
  const due = nextDue(alone.instance)
  const wait = Math.max(0, Math.min(due.uptime - alone.now.uptime, due.wall - alone.now.wall))
  if (!Number.isFinite(wait)) return alone
  const now = { uptime: alone.now.uptime + wait, wall: alone.now.wall + wait }
  return followed(alone, advance(alone.chart, alone.instance, now), now)
}

const nextOf =
  (alphabet: Alphabet) =>
  (alone: Alone): ReadonlyArray<Move<Alone>> => [
    ...alone.tasks.flatMap(({ id, src }) => [
      ...(alphabet.results[src] ?? []).map(([label, output]) => ({
        label: `${src}: ${label}`,
        play: () => delivered(alone, doneEvent(id, output) as AnyEventObject, id),
        cost: 1
      })),
      ...(alphabet.failures[src] ?? []).map((reason) => ({
        label: `${src}: ${reason._tag}`,
        play: () => delivered(alone, errorEvent(id, reason) as AnyEventObject, id),
        cost: 2
      }))
    ]),
    ...alphabet.events.map((event) => ({
      label: JSON.stringify(event),
      play: () => delivered(alone, event, null),
      cost: 2
    })),
    { label: "time passes", play: () => passed(alone), cost: 1 }
  ]

const keyOf = ({ instance, tasks }: Alone): string => {
  const { context, value } = instance.snapshot
  return JSON.stringify([stateName(value), context, tasks, instance.timers.map((timer) => timer.id)])
}

/** The moves of a machine that is explored alone. */
export const movesOf = (alphabet: Alphabet, bound: number): Moves<Alone> => ({
  begin: (machine) => {
    const blank = { chart: { machine }, instance: undefined as never, tasks: [], now: { uptime: 0, wall: 0 } }
    const play = (): Alone => followed(blank, start(blank.chart, alphabet.input as never, blank.now), blank.now)
    return [{ label: "the process starts", play, cost: 0 }]
  },
  next: nextOf(alphabet),
  key: keyOf,
  bound
})
