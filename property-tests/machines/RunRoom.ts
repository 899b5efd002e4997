/**
 * Run alone in its world: a record on a disk, a backend with at most one work, its output, a person, kill -9.
 *
 * A task has two moments: its effect lands, and its answer comes. What happened is told to a watch, which knows the truth
 * about the work; the machine knows what it is told.
 */
import type { AnyStateMachine } from "xstate"
import type { RunContext, RunEvent, RunFacts, RunVerdict, TailFacts, WorkEnd } from "../../machines/index.ts"
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
  type Instance
} from "../../src/statechart/Core.ts"

/** What is remembered of the run. */
export interface RunFile {
  readonly begun: boolean
  readonly started: boolean
  readonly cancelled: boolean
  readonly verdict: RunVerdict | null
  readonly message: string | null
  /** Everything of the run but this file is gone. */
  readonly cleaned: boolean
}

/** The work as it is. */
export interface Work {
  readonly state: "none" | "running" | "over"
  /** How often it was made. */
  readonly made: number
  /** What the record on the volume says, if there is one. */
  readonly record: number | null
  /** How the backend tells of its end. */
  readonly word: WorkEnd | null
}

/** How a task ends: as it should, or with trouble; `pick` chooses among what can be. */
export interface Fate {
  readonly honest: boolean
  readonly pick: number
}
export const HONEST: Fate = { honest: true, pick: 0 }

export interface Failed {
  readonly failed: string
  readonly retryable: boolean
}
export interface RunTask {
  readonly id: string
  readonly src: string
  readonly input: unknown
  landed: { readonly answer: unknown } | null
}

/** Why the machine moved. */
export type Cause = "start" | "time" | "CANCEL" | "ALIVE" | { readonly src: string; readonly answer: unknown }

/** Whoever looks at everything that happens. */
export interface Watcher {
  asked(room: RunRoom, task: RunTask, cause: Cause): void
  moved(room: RunRoom, before: RunContext, from: string, cause: Cause): void
  died(room: RunRoom): void
  wrote(room: RunRoom, before: RunFile): void
}

const NEW: RunFile = { begun: false, started: false, cancelled: false, verdict: null, message: null, cleaned: false }
const EXIT_CODES = [0, 1, 0, 137] as const

export const failed = (answer: unknown): answer is Failed =>
  typeof answer === "object" && answer !== null && "failed" in answer

export class RunRoom {
  now = 0
  file: RunFile = NEW
  work: Work = { state: "none", made: 0, record: null, word: null }
  tasks: Array<RunTask> = []
  readonly limitMs: number
  /** The tailer of this process was told that the work has ended. */
  drained = false
  private readonly watch: Watcher
  private readonly chart: Chart<AnyStateMachine>
  private instance!: Instance<AnyStateMachine>

  constructor(chart: Chart<AnyStateMachine>, watch: Watcher, limitMs: number) {
    this.chart = chart
    this.watch = watch
    this.limitMs = limitMs
    this.launch()
  }

  get context(): RunContext {
    return this.instance.snapshot.context as RunContext
  }
  get state(): string {
    return stateName(this.instance.snapshot.value)
  }
  get isClosed(): boolean {
    return this.state === "closed"
  }
  taskOf(src: string): RunTask | undefined {
    return this.tasks.find((task) => task.src === src)
  }

  // -------------------------------------------------------------------------------------------- moves

  /** Somebody asks for the end: written before the machine hears of it. */
  cancel(): void {
    this.write({ cancelled: true })
    this.send("CANCEL")
  }

  send(type: RunEvent["type"]): void {
    this.deliver(step(this.chart, this.instance, { type } as never, this.moment()), type)
  }

  /** The agent ends by itself, with a record unless the volume takes none. */
  exits(code: number, pick: number): void {
    if (this.work.state !== "running") return
    const record = pick % 3 === 0 ? null : code
    const exited = (exitCode: number): WorkEnd => ({ kind: "exited", end: { exitCode, signal: null } })
    // After its record PID 1 may be killed, the deadline may come, or somebody may delete it.
    const later = [exited(137), exited(code), exited(code), { kind: "deadline" }, { kind: "gone", message: "deleted" }]
    const word = record === null ? exited(code) : (later as ReadonlyArray<WorkEnd>)[pick % later.length]
    this.work = { ...this.work, state: "over", record, word: word ?? exited(code) }
  }

  /** Its end from outside: without a record, and the backend has words for it. */
  dies(pick: number): void {
    if (this.work.state !== "running") return
    const words: ReadonlyArray<WorkEnd> = [
      { kind: "gone", message: "deleted" },
      { kind: "failed", message: "no such image" },
      { kind: "deadline" },
      { kind: "exited", end: { exitCode: 137, signal: 9 } }
    ]
    this.work = { ...this.work, state: "over", word: words[pick % words.length] ?? null }
  }

  /** The backend has done what it was asked; its answer is on its way. */
  land(task: RunTask | undefined, fate: Fate): void {
    if (task === undefined || task.landed !== null) return
    const answer = this.effectOf(task, fate)
    if (answer !== "not yet") task.landed = { answer }
  }

  /** An answer comes, if there can be one yet. */
  finish(task: RunTask | undefined, fate: Fate = HONEST): boolean {
    this.land(task, fate)
    if (task === undefined || task.landed === null || !this.tasks.includes(task)) return false
    this.tasks = this.tasks.filter((other) => other !== task)
    const { answer } = task.landed
    const event = failed(answer)
      ? errorEvent(task.id, { _tag: answer.failed, message: answer.failed, retryable: answer.retryable })
      : doneEvent(task.id, answer)
    this.deliver(step(this.chart, this.instance, event as never, this.moment()), { src: task.src, answer })
    return true
  }

  /** Elapsed time passes, timer by timer. */
  pass(ms: number): void {
    const until = this.now + ms
    for (let due = this.due; due <= until && due < Infinity; due = this.due) this.advanceTo(due)
    this.now = until
  }

  /** Until the next timer; false without one. */
  tick(): boolean {
    const { due } = this
    if (due === Infinity) return false
    this.advanceTo(due)
    return true
  }

  /** One step in a world where nothing goes wrong: answers come, then the work ends, then time passes. */
  honestly(): boolean {
    for (const task of this.tasks) if (this.finish(task)) return true
    if (this.work.state === "running") {
      this.exits(0, 1)
      return true
    }
    return this.tick()
  }

  /** The process dies without a word, and is started again. It takes up what is not over. */
  kill(): void {
    if (this.file.verdict !== null && this.file.cleaned) return
    this.watch.died(this)
    this.launch()
  }

  // -------------------------------------------------------------------------------------------- inside

  private get due(): number {
    return Math.max(this.now, nextDue(this.instance).uptime)
  }

  private moment() {
    return { uptime: this.now, wall: this.now }
  }

  private advanceTo(due: number): void {
    this.now = due
    this.deliver(advance(this.chart, this.instance, this.moment()), "time")
  }

  private launch(): void {
    this.tasks = []
    this.drained = false
    const { begun, cancelled, message, started, verdict } = this.file
    const facts: RunFacts = {
      limitMs: this.limitMs,
      graceMs: 10_000,
      begun,
      adopted: started,
      cancelled,
      verdict,
      message
    }
    const [instance, commands] = start(this.chart, facts as never, this.moment())
    this.instance = instance
    this.carryOut(commands, "start")
    this.watch.moved(this, this.context, "", "start")
  }

  private deliver(
    [instance, commands]: readonly [Instance<AnyStateMachine>, ReadonlyArray<Command>],
    cause: Cause
  ): void {
    const before = this.context
    const from = this.state
    this.instance = instance
    this.watch.moved(this, before, from, cause)
    this.carryOut(commands, cause)
  }

  private carryOut(commands: ReadonlyArray<Command>, cause: Cause): void {
    for (const command of commands) {
      if (command._tag === "Perform") {
        this.drained ||= command.action.type === "drainTail"
        continue
      }
      this.tasks = this.tasks.filter(({ id }) => id !== command.id)
      if (command._tag === "Stop") continue
      const task: RunTask = { id: command.id, src: command.src, input: command.input, landed: null }
      this.tasks = [...this.tasks, task]
      this.watch.asked(this, task, cause)
    }
  }

  private write(change: Partial<RunFile>): void {
    const before = this.file
    this.file = { ...before, ...change }
    this.watch.wrote(this, before)
  }

  private effectOf({ input, src }: RunTask, { honest, pick }: Fate): unknown {
    const trouble: Failed = { failed: `${src} is in trouble`, retryable: pick % 4 !== 0 }
    // Trouble comes before anything is done, or after it.
    const done = honest || pick % 3 !== 0
    switch (src) {
      case "start":
        if (done || pick % 2 === 0) this.write({ begun: true })
        if (done && this.work.state === "none") {
          this.work = { state: "running", made: this.work.made + 1, record: null, word: null }
        }
        if (honest) this.write({ started: true })
        break
      case "watch":
        if (!honest) return trouble
        if (this.work.state === "running") return "not yet"
        return this.work.word ?? { kind: "gone", message: "there is no such work" }
      case "follow":
        return honest ? this.followed(pick) : trouble
      case "stop":
        if (done && pick % 5 !== 4) this.stopped(pick)
        break
      case "record":
        if (done) this.write(input as { readonly verdict: RunVerdict; readonly message: string | null })
        break
      case "clean":
        if (done) this.work = { ...this.work, state: "none", record: null, word: null }
        if (honest) this.write({ cleaned: true })
        break
      default:
    }
    return honest ? undefined : trouble
  }

  /** The tailer ends with the record, or some time after it was told that the work is over. */
  private followed(pick: number): TailFacts | "not yet" {
    const { record, state } = this.work
    if (record !== null) {
      const ends = ["complete", "corrupt", "incomplete"] as const
      const end = ends[pick % ends.length] ?? "complete"
      return { end, record: { exitCode: record, signal: null }, message: end === "complete" ? null : `it is ${end}` }
    }
    return this.drained || (state !== "running" && pick % 2 === 1)
      ? { end: "incomplete", record: null, message: null }
      : "not yet"
  }

  /** TERM: most agents die of it, some finish what they do. */
  private stopped(pick: number): void {
    if (this.work.state !== "running") return
    if (pick % 4 === 3) this.dies(0)
    else this.exits(pick % 4 === 2 ? (EXIT_CODES[(pick >> 2) % EXIT_CODES.length] ?? 0) : 143, pick)
  }
}
