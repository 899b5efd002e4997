/** A machine alone with everything it asks for, in order: for properties of one machine's timing. */
import type { AnyStateMachine, AnyEventObject } from "xstate"
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

/** Something that the machine asked for, and when (elapsed ms). */
export interface Asked {
  readonly at: number
  readonly command: Command
}

/** A machine that is driven by hand; it remembers what it asked for. */
export class Trace {
  readonly asked: Array<Asked> = []
  now = 0
  private instance: Instance<AnyStateMachine>
  private readonly chart: Chart<AnyStateMachine>
  private running: ReadonlyArray<{ readonly id: string; readonly src: string }> = []

  constructor(chart: Chart<AnyStateMachine>, input?: unknown) {
    this.chart = chart
    const [instance, commands] = start(chart, input as never, this.moment())
    this.instance = instance
    this.note(commands)
  }

  get state(): string {
    return stateName(this.instance.snapshot.value)
  }

  get tasks(): ReadonlyArray<string> {
    return this.running.map(({ src }) => src)
  }

  get hasTimer(): boolean {
    return this.instance.timers.length > 0
  }

  /** The types of the actions performed since a mark in `asked`. */
  performed(since = 0): ReadonlyArray<string> {
    return this.asked.slice(since).flatMap(({ command }) => (command._tag === "Perform" ? [command.action.type] : []))
  }

  send(event: AnyEventObject): this {
    return this.take(step(this.chart, this.instance, event as never, this.moment()))
  }

  succeed(src: string, output?: unknown): this {
    return this.settle(src, (id) => doneEvent(id, output) as AnyEventObject)
  }

  fail(src: string, tag = "NetworkError"): this {
    const reason = { _tag: tag, message: tag, retryable: true }
    return this.settle(src, (id) => errorEvent(id, reason) as AnyEventObject)
  }

  /** Elapsed time passes until the next timer; false without one. */
  tick(): boolean {
    const due = nextDue(this.instance).uptime
    if (!Number.isFinite(due)) return false
    this.now = Math.max(this.now, due)
    this.take(advance(this.chart, this.instance, this.moment()))
    return true
  }

  private settle(src: string, event: (id: string) => AnyEventObject): this {
    const task = this.running.find((one) => one.src === src)
    if (task === undefined) throw new Error(`${src} is not under way in ${this.state}`)
    this.running = this.running.filter((one) => one !== task)
    return this.send(event(task.id))
  }

  private take([instance, commands]: readonly [Instance<AnyStateMachine>, ReadonlyArray<Command>]): this {
    this.instance = instance
    this.note(commands)
    return this
  }

  private note(commands: ReadonlyArray<Command>): void {
    for (const command of commands) {
      this.asked.push({ at: this.now, command })
      if (command._tag === "Perform") continue
      this.running = this.running.filter((one) => one.id !== command.id)
      if (command._tag === "Start") this.running = [...this.running, { id: command.id, src: command.src }]
    }
  }

  private moment() {
    return { uptime: this.now, wall: 1_700_000_000_000 + this.now }
  }
}
