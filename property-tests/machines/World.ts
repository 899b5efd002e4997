/**
 * A machine room as pure data: one disk, the process that runs on it, and central.
 *
 * The process is the charts over the pure core, joined by the wiring of `System.ts`; each machine has its mailbox, and
 * the order in which machines empty them is a choice of the history. A move returns the next world; what happened in
 * between is told to the ghost, which holds the invariants against it.
 */
import type { AnyStateMachine, AnyEventObject } from "xstate"
import { catalogue, wiring, type BootOutcome, type Wiring } from "../../machines/index.ts"
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
import { applied, type Disk, isWrite, JOINING, runningUrl, type Windows } from "./DiskModel.ts"
import { BLANK_GHOST, type Ghost, type Happening, observed } from "./Ghost.ts"
import { answerOf, crashOf, failureOf, outputOf, reaches, type Outcome } from "./Tasks.ts"

export type MachineId = (typeof catalogue)[number]["id"]
export type Charts = Readonly<Partial<Record<MachineId, Chart<AnyStateMachine>>>>

/** The machines as they are; a mutant replaces one of them. One that no wire names has a room of its own. */
export const CHARTS: Charts = Object.fromEntries(catalogue.map(({ id, machine }) => [id, { machine }]))

export interface RunningTask {
  readonly machine: MachineId
  readonly id: string
  readonly src: string
  readonly input: unknown
  /** The effect has happened, and the result is not delivered yet. */
  readonly landed: { readonly output: unknown } | null
}

export interface Process {
  readonly instances: Readonly<Partial<Record<MachineId, Instance<AnyStateMachine>>>>
  readonly mailboxes: Readonly<Partial<Record<MachineId, ReadonlyArray<AnyEventObject>>>>
  readonly tasks: ReadonlyArray<RunningTask>
  readonly boot: BootOutcome | null
  /** The disk as it was read last. */
  readonly read: Disk
  /** The central of the document that runs: chosen at boot, as the document is. */
  readonly url: string | null
}

export interface World {
  readonly charts: Charts
  readonly windows: Windows
  readonly disk: Disk
  readonly process: Process
  readonly now: Now
  /** The etag that central serves; empty: no configuration is registered. */
  readonly serving: string
  readonly ghost: Ghost
}

export const WINDOWS: Windows = { windowMs: 120_000, intervalMs: 30_000 }

/** Not 0: the wall clock of a real machine is far from where elapsed time starts. */
const EPOCH = 1_700_000_000_000

type Draft = { -readonly [K in keyof World]: World[K] } & { ended: boolean }

const play = (world: World, order: number, move: (draft: Draft) => void): World => {
  const draft: Draft = { ...world, ended: false }
  move(draft)
  quiesce(draft, order)
  for (let launches = 0; draft.ended && launches < 3; launches++) {
    launch(draft)
    quiesce(draft, order)
  }
  const { ended: _ended, ...next } = draft
  return next
}

const tell = (draft: Draft, happening: Happening): void => {
  draft.ghost = observed(draft.ghost, happening, draft)
}

// ---------------------------------------------------------------------------------------------- the process

/** A machine room whose machine has just been told to join, or that starts with another disk. */
export const begin = (
  charts: Charts = CHARTS,
  options: { readonly disk?: Disk; readonly windows?: Windows; readonly serving?: string } = {}
): World => {
  const blank: World = {
    charts,
    windows: options.windows ?? WINDOWS,
    disk: options.disk ?? JOINING,
    process: { instances: {}, mailboxes: {}, tasks: [], boot: null, read: JOINING, url: null },
    now: { uptime: 0, wall: EPOCH },
    serving: options.serving ?? "G1",
    ghost: BLANK_GHOST
  }
  return play(blank, 0, launch)
}

const launch = (draft: Draft): void => {
  draft.ended = false
  draft.process = { instances: {}, mailboxes: {}, tasks: [], boot: null, read: draft.disk, url: null }
  tell(draft, { _tag: "Started" })
  for (const id of Object.keys(draft.charts) as ReadonlyArray<MachineId>) {
    const chart = draft.charts[id]
    if (chart === undefined || !(id in wiring)) continue
    settle(draft, id, start(chart, { jitter: 0 } as never, draft.now), "start")
  }
}

const settle = (
  draft: Draft,
  id: MachineId,
  [instance, commands]: readonly [Instance<AnyStateMachine>, ReadonlyArray<Command>],
  event: string
): void => {
  const before = draft.process.instances[id]
  draft.process = { ...draft.process, instances: { ...draft.process.instances, [id]: instance } }
  for (const command of commands) carryOut(draft, id, command)
  if (before === undefined || before === instance) return
  const from = stateOf(before)
  const to = stateOf(instance)
  if (from !== to) tell(draft, { _tag: "Moved", machine: id, from, to, event })
}

const WIRING: Wiring = wiring

const carryOut = (draft: Draft, machine: MachineId, command: Command): void => {
  switch (command._tag) {
    case "Start": {
      const task = { machine, id: command.id, src: command.src, input: command.input, landed: null }
      draft.process = { ...draft.process, tasks: [...draft.process.tasks, task] }
      return
    }
    case "Stop": {
      const tasks = draft.process.tasks.filter((task) => task.machine !== machine || task.id !== command.id)
      draft.process = { ...draft.process, tasks }
      return
    }
    case "Perform": {
      const { type, params } = command.action
      tell(draft, { _tag: "Performed", machine, type, params })
      if (type === "bootEvaluated") evaluated(draft, params as BootOutcome)
      const wire = WIRING[machine]?.[type]
      if (wire !== undefined) offer(draft, wire[0] as MachineId, { type: wire[1], ...(params as object | undefined) })
      if (type === "exit") end(draft, "exited")
    }
  }
}

const evaluated = (draft: Draft, boot: BootOutcome): void => {
  const url = runningUrl(draft.process.read, boot.running.slot, boot.running.source)
  draft.process = { ...draft.process, boot, url }
}

const offer = (draft: Draft, machine: MachineId, event: AnyEventObject): void => {
  if (draft.charts[machine] === undefined) return
  const mailbox = [...(draft.process.mailboxes[machine] ?? []), event]
  draft.process = { ...draft.process, mailboxes: { ...draft.process.mailboxes, [machine]: mailbox } }
}

const end = (draft: Draft, how: "exited" | "killed" | "rebooted"): void => {
  if (draft.ended) return
  const state = stateOf(draft.process.instances.configApply)
  const isEnding = /^(steady\.committing|rollingBack|restarting|closing|closed)/.test(state)
  const { boot } = draft.process
  tell(draft, { _tag: "Ended", how, crashed: boot !== null && boot.impaired === null && !isEnding })
  draft.ended = true
}

/** Lets every machine empty its mailbox; `order` says who goes first when several have mail. */
const quiesce = (draft: Draft, order: number): void => {
  for (let turn = 0; !draft.ended; turn++) {
    const waiting = (Object.keys(draft.process.mailboxes) as ReadonlyArray<MachineId>).filter(
      (id) => (draft.process.mailboxes[id]?.length ?? 0) > 0
    )
    const id = waiting[(order + turn * 7) % Math.max(1, waiting.length)]
    if (id === undefined) return
    const [event, ...rest] = draft.process.mailboxes[id] ?? []
    draft.process = { ...draft.process, mailboxes: { ...draft.process.mailboxes, [id]: rest } }
    const chart = draft.charts[id]
    const instance = draft.process.instances[id]
    if (event === undefined || chart === undefined || instance === undefined) continue
    settle(draft, id, step(chart, instance, event as never, draft.now), event.type)
  }
}

export const stateOf = (instance: Instance<AnyStateMachine> | undefined): string =>
  instance === undefined ? "" : stateName(instance.snapshot.value)

/** The state of one machine of the running process, as a dotted path. */
export const stateIn = (world: World, machine: MachineId): string => stateOf(world.process.instances[machine])

/** The context of one machine of the running process. */
export const contextIn = <Context>(world: World, machine: MachineId): Context =>
  world.process.instances[machine]?.snapshot.context as Context

// ---------------------------------------------------------------------------------------------- moves

/** An event from outside the machines: an operator, a signal, the clock, or, with a machine alone, its neighbours. */
export const send = (world: World, machine: MachineId, event: AnyEventObject, order = 0): World =>
  play(world, order, (draft) => {
    const { etag } = event as { readonly etag?: string }
    tell(draft, { _tag: "Sent", type: event.type, etag: etag ?? null })
    offer(draft, machine, event)
  })

/** A task has had its effect; whoever waits for its result has not heard yet. */
export const land = (world: World, index: number): World =>
  play(world, 0, (draft) => {
    const task = draft.process.tasks[index]
    if (task === undefined || task.landed !== null) return
    effect(draft, task)
    const landed = { ...task, landed: { output: outputOf(draft, task) } }
    draft.process = { ...draft.process, tasks: draft.process.tasks.with(index, landed) }
  })

/** A task ends. */
export const finish = (world: World, index: number, outcome: Outcome = "ok", order = 0): World =>
  play(world, order, (draft) => {
    const task = draft.process.tasks[index]
    const chart = task === undefined ? undefined : draft.charts[task.machine]
    const instance = task === undefined ? undefined : draft.process.instances[task.machine]
    if (task === undefined || chart === undefined || instance === undefined) return
    const crash = outcome === "ok" ? crashOf(draft, task) : null
    if (crash === "rebooted") return reboots(draft)
    if (crash === "killed") return end(draft, "killed")
    draft.process = { ...draft.process, tasks: draft.process.tasks.toSpliced(index, 1) }
    const event = resultOf(draft, task, outcome)
    tell(draft, { _tag: "Finished", src: task.src })
    settle(draft, task.machine, step(chart, instance, event as never, draft.now), event.type)
  })

const resultOf = (draft: Draft, task: RunningTask, outcome: Outcome) => {
  if (task.src === "poll" && outcome !== "failsBefore" && outcome !== "failsAfter") {
    const output = answerOf(draft, outcome)
    tell(draft, { _tag: "Polled", kind: output.kind })
    return doneEvent(task.id, output)
  }
  if (task.src === "poll") tell(draft, { _tag: "Polled", kind: "network_error" })
  if (outcome === "ok" && reaches(draft, task)) {
    if (task.landed === null) effect(draft, task)
    return doneEvent(task.id, task.landed?.output ?? outputOf(draft, task))
  }
  if (outcome === "failsAfter" && task.landed === null) effect(draft, task)
  if (isWrite(task.src)) tell(draft, { _tag: "Failed", src: task.src })
  return errorEvent(task.id, failureOf(task, outcome))
}

const effect = (draft: Draft, task: RunningTask): void => {
  const before = draft.disk
  const url = draft.process.url
  if (task.src === "inspect") draft.process = { ...draft.process, read: before }
  if (isWrite(task.src) && before.readOnly === null) {
    draft.disk = applied(before, task.src, task.input, url)
    tell(draft, { _tag: "Effect", src: task.src, input: task.input, before })
  }
  if (task.src === "bootstrap" && url !== null && !before.identities.includes(url)) {
    draft.disk = { ...before, identities: [...before.identities, url] }
  }
}

const reboots = (draft: Draft): void => {
  end(draft, "rebooted")
  draft.disk = { ...draft.disk, bootId: nextBootId(draft.disk.bootId) }
}

const nextBootId = (bootId: string): string => `boot-${Number(bootId.slice("boot-".length)) + 1}`

/** Elapsed time passes until the next timer of any machine is due, and every machine's timers of that moment fire. */
export const tick = (world: World, order = 0): World =>
  play(world, order, (draft) => {
    const waits = instancesOf(draft).map(([, instance]) => {
      const due = nextDue(instance)
      return Math.min(due.uptime - draft.now.uptime, due.wall - draft.now.wall)
    })
    const wait = Math.max(0, Math.min(...waits))
    if (!Number.isFinite(wait)) return
    pass(draft, wait, wait)
  })

/** Elapsed time passes, up to the next timer at most. */
export const wait = (world: World, ms: number, order = 0): World => {
  const due = timeToNext(world)
  return due <= ms ? tick(world, order) : play(world, order, (draft) => pass(draft, ms, ms))
}

/** Elapsed ms until the next timer of any machine; `Infinity` without one. */
export const timeToNext = (world: World): number =>
  Math.min(...instancesOf(world).map(([, instance]) => nextDue(instance).uptime - world.now.uptime))

const instancesOf = (world: World): ReadonlyArray<readonly [MachineId, Instance<AnyStateMachine>]> =>
  Object.entries(world.process.instances) as ReadonlyArray<[MachineId, Instance<AnyStateMachine>]>

const pass = (draft: Draft, uptime: number, wall: number): void => {
  draft.now = { uptime: draft.now.uptime + uptime, wall: draft.now.wall + wall }
  tell(draft, { _tag: "Passed", ms: uptime })
  for (const [id, instance] of instancesOf(draft)) {
    const chart = draft.charts[id]
    if (chart !== undefined && !draft.ended) settle(draft, id, advance(chart, instance, draft.now), "time")
  }
}

/** The most elapsed time that is credited for a time in which nothing ran, in ms. */
export const CREDIT_MS = 2_000

/** The process stands still for a while. The gap is told first; then at most two seconds have elapsed. */
export const suspend = (world: World, ms: number, order = 0): World =>
  play(world, order, (draft) => {
    tell(draft, { _tag: "Suspended" })
    offer(draft, "configApply", { type: "GAP" })
    offer(draft, "configPull", { type: "GAP" })
    quiesce(draft, order)
    if (!draft.ended) pass(draft, Math.min(ms, CREDIT_MS), ms)
  })

/** Only the wall clock moves. */
export const jumpWall = (world: World, ms: number): World =>
  play(world, 0, (draft) => {
    draft.now = { ...draft.now, wall: draft.now.wall + ms }
    pass(draft, 0, 0)
  })

/** The process ends by itself, and is started again. */
export const exit = (world: World): World => play(world, 0, (draft) => end(draft, "exited"))

/** The process dies without a word, and is started again. */
export const kill = (world: World): World => play(world, 0, (draft) => end(draft, "killed"))

/** The operating system goes down with it, and comes up again. */
export const reboot = (world: World): World => play(world, 0, reboots)

/** Something outside the machines changes the disk: damage, a command's intent, an administrator. */
export const disturb = (world: World, what: string, change: (disk: Disk) => Disk): World =>
  play(world, 0, (draft) => {
    const before = draft.disk
    draft.disk = change(before)
    if (draft.disk !== before) tell(draft, { _tag: "Disturbed", what, before })
  })

/** Central has another configuration for this machine. */
export const serve = (world: World, etag: string): World => ({ ...world, serving: etag })
