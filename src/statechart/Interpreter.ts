/**
 * The shell: runs what the core decides.
 *
 * One mailbox and one fibre per machine. Actions run in order on that fibre; tasks run on fibres of their own that are
 * interrupted, and awaited, when the machine leaves the state that invoked them. A task's result carries the number of
 * its turn, so that a result which lost against its own stop has no effect.
 */
import { Cause, type Context, Deferred, Effect, Exit, Fiber, PubSub, Queue, Scope, Stream } from "effect"
import type { AnyMachineSnapshot, AnyStateMachine, EventFromLogic, EventObject, InputFrom, SnapshotFrom } from "xstate"
import type { TaskFailure } from "../../machines/index.ts"
import {
  type Chart,
  type Command,
  doneEvent,
  type Due,
  errorEvent,
  firings,
  hasEnded,
  type Instance,
  nextDue,
  type Now,
  start,
  stateName,
  step
} from "./Core.ts"
import type { Handlers, RequirementsOf, TaskError } from "./Handlers.ts"
import { Journal } from "./Journal.ts"
import { MachineBroke, Switchboard } from "./Switchboard.ts"
import { takenAtStart, takenBy } from "./Taken.ts"
import { Uptime } from "./Uptime.ts"

/** A machine as the shell runs it. */
export interface Program<M extends AnyStateMachine> extends Chart<M> {
  /** Only machines that are meant to end may reach a final state; any other stops the daemon. */
  readonly mayEnd?: boolean
  /** The machine's `VISIBLE`: the fields of its context that the journal may show. */
  readonly visible?: ReadonlyArray<string>
  /** Which one, for machines that have many instances. */
  readonly instance?: string
}

/** A running machine. It runs until the scope that it was started in closes, or until it ends. */
export interface Interpreter<M extends AnyStateMachine> {
  /** Delivers an event; never waits. `cause` is who sends it, for the journal: `operator` unless said otherwise. */
  readonly send: (event: EventFromLogic<M>, cause?: string) => Effect.Effect<void>
  /** Delivers an event and waits until it has been taken and its commands carried out; answers what came of it. */
  readonly ask: (event: EventFromLogic<M>, cause?: string) => Effect.Effect<SnapshotFrom<M>>
  readonly current: Effect.Effect<SnapshotFrom<M>>
  /** The current snapshot, then each later one. A reader that falls more than 256 behind misses the oldest. */
  readonly changes: Stream.Stream<SnapshotFrom<M>>
  /** The first snapshot from now on that satisfies the predicate, after its commands have been carried out. */
  readonly until: (predicate: (snapshot: SnapshotFrom<M>) => boolean) => Effect.Effect<SnapshotFrom<M>>
  /** State and timers, for tests and health. */
  readonly instance: Effect.Effect<Instance<M>>
}

/** Starts a machine from its facts. Tasks and actions see the services of whoever starts it. */
export const interpret = Effect.fnUntraced(function* <M extends AnyStateMachine, const H extends Handlers<M>>(
  program: Program<M>,
  facts: InputFrom<M>,
  handlers: H
): Effect.fn.Return<Interpreter<M>, never, Switchboard | Journal | Uptime | Scope.Scope | RequirementsOf<H>> {
  const context = yield* Effect.context<RequirementsOf<H>>()
  return yield* run(program, facts, loosen<M, RequirementsOf<H>>(handlers), context)
})

/** Handlers by name; the types that tied each to its task or action were checked where they were written. */
interface LooseHandlers<R> {
  readonly tasks: Readonly<Record<string, (input: unknown) => Effect.Effect<unknown, TaskError, R>>>
  readonly actions: Readonly<Record<string, (params: unknown) => Effect.Effect<void, never, R>>>
}

const loosen = <M extends AnyStateMachine, R>(handlers: Handlers<M>): LooseHandlers<R> => handlers as LooseHandlers<R>

type Message =
  | {
      readonly _tag: "Event"
      readonly event: EventObject
      readonly cause: string
      readonly taken?: Deferred.Deferred<void>
    }
  | {
      readonly _tag: "Result"
      readonly id: string
      readonly src: string
      readonly turn: number
      readonly exit: Exit.Exit<unknown, TaskError>
    }
  | { readonly _tag: "Alarm" }

/** An event, and who sent it. */
interface Sent {
  readonly event: EventObject
  readonly cause: string
}

interface Task {
  readonly turn: number
  readonly fiber: Fiber.Fiber<void>
}

interface Waiter<M extends AnyStateMachine> {
  readonly predicate: (snapshot: SnapshotFrom<M>) => boolean
  readonly found: Deferred.Deferred<SnapshotFrom<M>>
}

const STARTED: Sent = { event: { type: "xstate.init" }, cause: "start" }
const NEVER: Due = { uptime: Infinity, wall: Infinity }
const TRACE_LENGTH = 20

const run = Effect.fnUntraced(function* <M extends AnyStateMachine, R>(
  program: Program<M>,
  facts: InputFrom<M>,
  handlers: LooseHandlers<R>,
  context: Context.Context<R>
) {
  const switchboard = yield* Switchboard
  const journal = yield* Journal
  const uptime = yield* Uptime
  const scope = yield* Effect.scope
  const name = program.machine.id
  const address = program.instance ?? null
  const routes = switchboard.routes(name)

  const workers = yield* Scope.make("parallel")
  const mailbox = yield* Queue.unbounded<Message>()
  const snapshots = yield* PubSub.sliding<SnapshotFrom<M>>({ capacity: 256, replay: 1 })
  const tasks = new Map<string, Task>()
  const waiters = new Set<Waiter<M>>()
  let turns = 0
  let armed: Due = NEVER
  let alarm: Fiber.Fiber<void> | undefined

  const began = yield* uptime.read
  const [first, initialCommands] = start(program, facts, began)
  let instance = first
  let shown = visibleOf(program, first)
  let announced: SnapshotFrom<M> | undefined

  const record = (
    { cause, event }: Sent,
    from: string,
    to: string,
    now: Now,
    transitions: (() => ReadonlyArray<string>) | undefined
  ) =>
    journal.record({
      machine: name,
      instance: address,
      at: now.wall,
      uptime: now.uptime,
      event: event.type,
      cause,
      from,
      to,
      changed: transitions !== undefined,
      visible: shown,
      transitions: transitions ?? (() => [])
    })

  const deliver = (message: Message): void => void Queue.offerUnsafe(mailbox, message)

  const startTask = Effect.fnUntraced(function* (id: string, src: string, input: unknown) {
    const turn = ++turns
    const handler = handlers.tasks[src]
    const work =
      handler === undefined
        ? Effect.die(`machine "${name}" has no handler for its task "${src}"`)
        : Effect.suspend(() => handler(input))
    const fiber = yield* work.pipe(
      Effect.provideContext(context),
      Effect.exit,
      Effect.flatMap((exit) => Effect.sync(() => deliver({ _tag: "Result", id, src, turn, exit }))),
      Effect.onInterrupt(() => Effect.sync(() => deliver({ _tag: "Result", id, src, turn, exit: Exit.interrupt() }))),
      Effect.forkIn(workers, { startImmediately: true })
    )
    tasks.set(id, { turn, fiber })
  })

  const stopTask = (id: string) => {
    const task = tasks.get(id)
    tasks.delete(id)
    return task === undefined ? Effect.void : Fiber.interrupt(task.fiber)
  }

  const perform = (type: string, params: unknown): Effect.Effect<void> => {
    const route = routes[type]
    if (route !== undefined) {
      const fields = typeof params === "object" && params !== null ? params : {}
      return Effect.sync(() => switchboard.send(route[0], address, { ...fields, type: route[1] }, `machine ${name}`))
    }
    const handler = handlers.actions[type]
    if (handler !== undefined)
      return Effect.provideContext(
        Effect.suspend(() => handler(params)),
        context
      )
    return Effect.logError(`machine "${name}" asked for "${type}", which nobody handles and no wire carries`)
  }

  const carryOut = (command: Command): Effect.Effect<void> => {
    switch (command._tag) {
      case "Perform":
        return perform(command.action.type, command.action.params)
      case "Start":
        return startTask(command.id, command.src, command.input)
      case "Stop":
        return stopTask(command.id)
    }
  }

  /** One alarm for the earliest timer. A late or needless one fires nothing, so an early one is left alone. */
  const arm = Effect.suspend(() => {
    const due = nextDue(instance)
    if (armed.uptime <= due.uptime && armed.wall <= due.wall) return Effect.void
    armed = due
    const previous = alarm
    return Effect.andThen(
      previous === undefined ? Effect.void : Fiber.interrupt(previous),
      uptime.sleepUntil(due).pipe(
        Effect.andThen(Effect.sync(() => deliver({ _tag: "Alarm" }))),
        Effect.forkIn(workers),
        Effect.map((fiber) => void (alarm = fiber))
      )
    )
  })

  /** Moves to the next instance, carries its commands out in order, then tells whoever waits for it. */
  const settle = Effect.fnUntraced(function* (
    sent: Sent,
    next: Instance<M>,
    commands: ReadonlyArray<Command>,
    now: Now
  ) {
    const { snapshot } = instance
    const from = stateOf(instance)
    const changed = next !== instance
    instance = next
    if (changed) shown = visibleOf(program, next)
    const taken = () => takenBy(program.machine, snapshot, sent.event)
    record(sent, from, stateOf(next), now, changed ? taken : undefined)
    for (const command of commands) yield* carryOut(command)
    if (changed) announce()
    yield* arm
  })

  const announce = (): void => {
    announced = instance.snapshot
    PubSub.publishUnsafe(snapshots, instance.snapshot)
    for (const waiter of waiters) {
      if (waiter.predicate(instance.snapshot)) {
        waiters.delete(waiter)
        Deferred.doneUnsafe(waiter.found, Exit.succeed(instance.snapshot))
      }
    }
  }

  /** The event that a message brings, if it still counts. */
  const eventOf = (message: Message): Effect.Effect<Sent | undefined> => {
    switch (message._tag) {
      case "Event":
        return Effect.succeed(message)
      case "Result": {
        if (tasks.get(message.id)?.turn !== message.turn) return Effect.undefined
        tasks.delete(message.id)
        const cause = `task ${message.src}`
        return Exit.isSuccess(message.exit)
          ? Effect.succeed({ event: doneEvent(message.id, message.exit.value), cause })
          : Effect.map(failureFrom(name, message.id, message.exit.cause), (failure) => ({
              event: errorEvent(message.id, failure),
              cause
            }))
      }
      case "Alarm":
        return Effect.undefined
    }
  }

  const turn = Effect.fnUntraced(function* (message: Message) {
    const sent = yield* eventOf(message)
    const now = yield* uptime.read
    if (sent !== undefined) {
      const { event } = sent
      const [next, commands] = step(program, instance, event as EventFromLogic<M>, now)
      return yield* settle(sent, next, commands, now)
    }
    if (message._tag !== "Alarm") return
    armed = NEVER
    for (const fired of firings(program, instance, now)) {
      yield* settle({ event: fired.event, cause: "timer" }, fired.instance, fired.commands, now)
    }
    yield* arm
  })

  const loop = Effect.gen(function* () {
    record(STARTED, "", stateOf(first), began, () => takenAtStart(program.machine, facts))
    for (const command of initialCommands) yield* carryOut(command)
    announce()
    yield* arm
    while (!hasEnded(instance)) {
      const message = yield* Queue.take(mailbox)
      yield* turn(message)
      if (message._tag === "Event" && message.taken !== undefined) Deferred.doneUnsafe(message.taken, Exit.void)
    }
    if (program.mayEnd !== true) {
      return yield* breakDown(`machine "${name}" reached the final state "${stateOf(instance)}", which it must not`)
    }
  })

  const breakDown = Effect.fnUntraced(function* (message: string) {
    const entries = yield* journal.entries(name, program.instance)
    const trace = entries.slice(-TRACE_LENGTH).map((entry) => `${entry.event}: ${entry.from} -> ${entry.to}`)
    yield* Effect.logFatal(message, ...trace)
    yield* switchboard.report(
      new MachineBroke({
        machine: name,
        message: `${message}. This is a bug in Holdfast: report it together with the log.`,
        trace
      })
    )
  })

  const fiber = yield* loop.pipe(
    Effect.catchCauseIf(
      (cause) => !Cause.hasInterruptsOnly(cause),
      (cause) => breakDown(`the interpreter of machine "${name}" failed: ${Cause.pretty(cause)}`)
    ),
    Effect.forkIn(scope)
  )
  // The mailbox closes before the tasks are stopped, so that the machine does not take their end for a failure.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      switchboard.disconnect(name, address)
      yield* Fiber.interrupt(fiber)
      yield* Scope.close(workers, Exit.void)
      if (address !== null) journal.forget(name, address)
    })
  )
  switchboard.connect(name, address, (event, cause) => deliver({ _tag: "Event", event, cause }))

  const until = (predicate: (snapshot: SnapshotFrom<M>) => boolean) =>
    Effect.suspend(() => {
      if (announced !== undefined && predicate(announced)) return Effect.succeed(announced)
      const waiter: Waiter<M> = { predicate, found: Deferred.makeUnsafe() }
      waiters.add(waiter)
      return Effect.ensuring(
        Deferred.await(waiter.found),
        Effect.sync(() => waiters.delete(waiter))
      )
    })

  const interpreter: Interpreter<M> = {
    send: (event, cause = "operator") => Effect.sync(() => deliver({ _tag: "Event", event, cause })),
    ask: (event, cause = "operator") =>
      Effect.suspend(() => {
        const taken = Deferred.makeUnsafe<void>()
        deliver({ _tag: "Event", event, cause, taken })
        return Effect.map(Deferred.await(taken), () => instance.snapshot)
      }),
    current: Effect.sync(() => instance.snapshot),
    changes: Stream.fromPubSub(snapshots),
    until,
    instance: Effect.sync(() => instance)
  }
  return interpreter
})

/** What the machine learns of a task that did not succeed; a bug is logged with its cause. */
const failureFrom = (machine: string, id: string, cause: Cause.Cause<TaskError>): Effect.Effect<TaskFailure> => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) {
    const { _tag, message, retryable } = failure.error
    return Effect.succeed({ _tag, message, retryable: retryable ?? true })
  }
  if (Cause.hasInterruptsOnly(cause)) {
    return Effect.succeed({ _tag: "Interrupted", message: `task "${id}" was interrupted`, retryable: true })
  }
  const squashed = Cause.squash(cause)
  const message = squashed instanceof Error ? squashed.message : String(squashed)
  return Effect.as(Effect.logError(`task "${id}" of machine "${machine}" died of a bug`, cause), {
    _tag: "Defect",
    message,
    retryable: false
  })
}

const stateOf = <M extends AnyStateMachine>(instance: Instance<M>): string => {
  const snapshot: AnyMachineSnapshot = instance.snapshot
  return stateName(snapshot.value)
}

const visibleOf = <M extends AnyStateMachine>(program: Program<M>, instance: Instance<M>) => {
  if (program.visible === undefined) return NOTHING
  const snapshot: AnyMachineSnapshot = instance.snapshot
  return Object.fromEntries(program.visible.map((field) => [field, snapshot.context[field]]))
}

const NOTHING: Readonly<Record<string, unknown>> = {}
