/**
 * AgentHost alone, beside a process that does as a history wants, and a watch over both: what the machine asked for
 * is judged by what happened, and by nothing that the machine says of itself.
 */
import type { AnyEventObject, AnyStateMachine } from "xstate"
import {
  HOST_END_MS,
  HOST_LADDER_MS,
  type HostFailure,
  type HostLimits,
  type HostTrouble
} from "../../machines/index.ts"
import {
  advance,
  type Chart,
  type Command,
  doneEvent,
  errorEvent,
  type Instance,
  nextDue,
  start,
  stateName,
  step
} from "../../src/statechart/Core.ts"

/** What must never happen, as the sentence that must hold. */
export const AGENT_HOST_INVARIANTS = {
  hostAnswersOnce: "every call ends once: with its agent's answer, with a reason, or because nobody waits for it",
  hostOneAtATime: "a process performs one call at a time, in the order in which they came, once it has loaded its file",
  hostOneProcess: "there is one process at most, and none that no call has asked for",
  hostBounds: "a load, a call, an idle process and one that was asked to end have their time, and not a moment more",
  hostCostsOne: "whatever a loaded process does costs the call that it performs; the others are performed by the next",
  hostTrusts:
    "a process that breaks the rules is killed, what it said before comes too late, an answer reaches whoever asked for it",
  hostBacksOff: "a file that could not be loaded is left alone, ever longer, and whoever calls is told why at once",
  hostCancels: "who goes away ends the call that is performed for him, with its process, and no other",
  hostRetires: "once its file has changed a host finishes the call that it performs, begins nothing, and ends"
} as const
export type AgentHostInvariant = keyof typeof AGENT_HOST_INVARIANTS

export type Happening =
  | { readonly type: "PASS"; readonly ms: number }
  | { readonly type: "ASK" }
  /** Of the open calls, which one. */
  | { readonly type: "LEAVE"; readonly which: number }
  | { readonly type: "LOADED" }
  /** The process answers the call that it performs. */
  | { readonly type: "ANSWER" }
  /** Or one that it does not perform. */
  | { readonly type: "STRAY" }
  | { readonly type: "FAULT"; readonly failure: HostFailure }
  /** What the process before has said. */
  | { readonly type: "LATE"; readonly what: "LOADED" | "ANSWERED" | "FAULT" }
  | { readonly type: "EXIT" }
  | { readonly type: "DEFECT" }
  | { readonly type: "RETIRE" }

export const LIMITS: HostLimits = { startMs: 3_000, callMs: 7_000, idleMs: 5_000 }

interface Process {
  readonly id: string
  readonly number: number
  readonly startedAt: number
  loaded: boolean
  performing: number | null
  performingSince: number
  /** Nothing is asked of it since. */
  idleSince: number
  endAskedAt: number | null
}

const CHANGED: HostTrouble = { failure: "changed", message: "the file has changed" }

export class AgentHostRoom {
  readonly violations: Array<{ readonly invariant: AgentHostInvariant; readonly detail: string }> = []
  now = 0
  private readonly chart: Chart<AnyStateMachine>
  private instance: Instance<AnyStateMachine>
  private process: Process | null = null
  private calls = 0
  /** In the order in which they came; the one that is performed is not among them. */
  private waiting: ReadonlyArray<number> = []
  private readonly open = new Set<number>()
  private readonly ended = new Set<number>()
  private retired = false
  private failures = 0
  private restUntil = 0
  private reason: HostTrouble | null = null
  /** What may be said to whom because of what happens now. */
  private due = new Map<number, HostTrouble>()
  private answered: number | null = null

  constructor(chart: Chart<AnyStateMachine> | undefined) {
    if (chart === undefined) throw new Error("there is no agent host")
    this.chart = chart
    const [instance, commands] = start(chart, LIMITS as never, this.moment())
    this.instance = instance
    this.take(commands)
  }

  get state(): string {
    return stateName(this.instance.snapshot.value)
  }

  get hasOpenCalls(): boolean {
    return this.open.size > 0
  }

  get hasProcess(): boolean {
    return this.process !== null
  }

  /** Elapsed ms until something happens by itself. */
  get rest(): number {
    return Math.max(0, nextDue(this.instance).uptime - this.now)
  }

  happens(one: Happening): void {
    if (one.type !== "PASS") return this.occurs(one)
    // Bounds are judged each at its own moment.
    const until = this.now + one.ms
    while (nextDue(this.instance).uptime <= until) {
      this.now = Math.max(this.now, nextDue(this.instance).uptime)
      this.timesUp()
      const [instance, commands] = advance(this.chart, this.instance, this.moment())
      this.instance = instance
      this.take(commands)
      this.judgeTime()
    }
    this.now = until
    this.judgeTime()
  }

  private occurs(one: Exclude<Happening, { readonly type: "PASS" }>): void {
    const running = this.process
    switch (one.type) {
      case "ASK": {
        const call = ++this.calls
        this.open.add(call)
        if (this.retired) this.due.set(call, CHANGED)
        else if (this.now < this.restUntil && this.reason !== null) this.due.set(call, this.reason)
        else this.waiting = [...this.waiting, call]
        const isTurnedAway = this.due.size > 0
        this.tell({ type: "CALL", call })
        this.missing(this.retired ? "hostRetires" : "hostBacksOff")
        if (!isTurnedAway && !this.open.has(call)) this.violate("hostBacksOff", `${call} is turned away too late`)
        return
      }
      case "LEAVE": {
        const call = [...this.open][one.which % Math.max(1, this.open.size)]
        if (call === undefined) return
        const performed = running?.performing === call
        this.end(call)
        this.waiting = this.waiting.filter((other) => other !== call)
        const others = this.open.size
        this.tell({ type: "CANCEL", call })
        if (performed && this.process === running)
          this.violate("hostCancels", `${call} goes on though nobody waits for it`)
        if (this.open.size !== others) this.violate("hostCancels", `${call} took others with it`)
        if (!performed && running !== null && this.process !== running) {
          this.violate("hostCancels", `a process ended with ${call}, which it did not perform`)
        }
        return
      }
      case "LOADED":
        if (running === null || running.loaded) return
        running.loaded = true
        running.idleSince = this.now
        this.failures = 0
        this.reason = null
        this.tell({ type: "LOADED", process: running.number })
        return
      case "ANSWER": {
        const call = running?.performing ?? null
        if (running === null || call === null) return
        this.answered = call
        running.performing = null
        running.idleSince = this.now
        this.tell({ type: "ANSWERED", process: running.number, call })
        if (this.open.has(call)) this.violate("hostAnswersOnce", `the answer of ${call} was not delivered`)
        this.answered = null
        return
      }
      case "STRAY":
        if (running === null || running.endAskedAt !== null) return
        this.breaks({ failure: "failed", message: "its process answered what nobody asked, and was ended" }, () =>
          this.tell({ type: "ANSWERED", process: running.number, call: 1_000_000 })
        )
        return
      case "FAULT": {
        if (running === null) return
        const trouble: HostTrouble = { failure: one.failure, message: `it is ${one.failure}` }
        this.breaks(trouble, () => this.tell({ type: "FAULT", process: running.number, ...trouble }))
        return
      }
      case "LATE": {
        if (running === null) return
        const trouble: HostTrouble = { failure: "memory", message: "it was too much" }
        const said = { ...trouble, type: one.what, process: running.number - 1, call: running.performing ?? 0 }
        const { loaded, performing } = running
        this.tell(said)
        if (this.process !== running || running.loaded !== loaded || running.performing !== performing) {
          this.violate("hostTrusts", `the process before has said ${one.what}, and that counts`)
        }
        return
      }
      case "EXIT": {
        if (running === null) return
        const trouble: HostTrouble = { failure: "exited", message: "exit code 1" }
        this.breaks(trouble, () => this.ends(running, doneEvent(running.id, trouble)))
        return
      }
      case "DEFECT": {
        if (running === null) return
        const failure = { _tag: "Defect", message: "a bug", retryable: false }
        this.breaks({ failure: "failed", message: "a bug" }, () => this.ends(running, errorEvent(running.id, failure)))
        return
      }
      case "RETIRE": {
        this.retired = true
        for (const call of this.waiting) this.due.set(call, CHANGED)
        this.tell({ type: "RETIRE" })
        this.missing("hostRetires")
        if (this.process !== null && !this.process.loaded) this.violate("hostRetires", "it loads what is there no more")
      }
    }
  }

  /** A process is of no use any more: before it has loaded its file all that wait hear it, later the one call. */
  private breaks(trouble: HostTrouble, tell: () => void): void {
    const broken = this.process
    if (broken === null) return
    const costs = broken.loaded ? (broken.performing === null ? [] : [broken.performing]) : this.waiting
    for (const call of costs) this.due.set(call, trouble)
    if (!broken.loaded) this.failed(trouble)
    tell()
    this.missing(broken.loaded ? "hostCostsOne" : "hostBacksOff")
    if (this.process === broken) this.violate("hostTrusts", `a process lives on though it broke the rules`)
  }

  private failed(trouble: HostTrouble): void {
    this.restUntil = this.now + (HOST_LADDER_MS[Math.min(this.failures, HOST_LADDER_MS.length - 1)] ?? 0)
    this.failures++
    this.reason = trouble
  }

  /** What is over at this very moment. */
  private timesUp(): void {
    const running = this.process
    if (running === null) return
    if (!running.loaded && this.now >= running.startedAt + LIMITS.startMs) {
      const message = "the file was not loaded within 3 s: do at import only what takes no time"
      for (const call of this.waiting) this.due.set(call, { failure: "deadline", message })
      this.failed({ failure: "deadline", message })
    } else if (running.performing !== null && this.now >= running.performingSince + LIMITS.callMs) {
      const message = "the call took longer than 7 s, and its process was ended: ask for less at once"
      this.due.set(running.performing, { failure: "deadline", message })
    }
  }

  private ends(running: Process, event: unknown): void {
    if (this.process === running) this.process = null
    this.tell(event as AnyEventObject)
  }

  private tell(event: AnyEventObject): void {
    const [instance, commands] = step(this.chart, this.instance, event as never, this.moment())
    this.instance = instance
    this.take(commands)
    this.judgeTime()
  }

  private take(commands: ReadonlyArray<Command>): void {
    for (const command of commands) {
      if (command._tag === "Start") this.begins(command.id, command.input)
      else if (command._tag === "Stop") this.process = null
      else this.performs(command.action.type, command.action.params)
    }
  }

  private begins(id: string, input: unknown): void {
    if (this.process !== null) this.violate("hostOneProcess", "a second process")
    if (this.waiting.length === 0) this.violate("hostOneProcess", "a process that nobody needs")
    if (this.retired) this.violate("hostRetires", "a process of a file that has changed")
    if (this.now < this.restUntil) this.violate("hostBacksOff", `a load ${this.restUntil - this.now} ms too soon`)
    this.process = {
      id,
      number: (input as { readonly process: number }).process,
      startedAt: this.now,
      loaded: false,
      performing: null,
      performingSince: 0,
      idleSince: this.now,
      endAskedAt: null
    }
  }

  private performs(type: string, params: unknown): void {
    const running = this.process
    switch (type) {
      case "perform": {
        const { call } = params as { readonly call: number }
        if (running === null || !running.loaded || running.performing !== null || running.endAskedAt !== null) {
          this.violate("hostOneAtATime", `${call} is given to a process that cannot take it`)
        }
        if (call !== this.waiting[0])
          this.violate("hostOneAtATime", `${call} before ${this.waiting[0] ?? "anybody asked"}`)
        if (this.retired) this.violate("hostRetires", `${call} is begun by a host whose file has changed`)
        this.waiting = this.waiting.filter((other) => other !== call)
        if (running === null) return
        running.performing = call
        running.performingSince = this.now
        return
      }
      case "deliver": {
        const { call } = params as { readonly call: number }
        if (call !== this.answered) this.violate("hostTrusts", `${call} gets an answer that its agent did not give`)
        this.end(call)
        return
      }
      case "refuse": {
        const { calls, failure, message } = params as { readonly calls: ReadonlyArray<number> } & HostTrouble
        for (const call of calls) {
          const expected = this.due.get(call)
          this.due.delete(call)
          this.waiting = this.waiting.filter((other) => other !== call)
          if (expected?.failure !== failure || expected.message !== message) {
            this.violate(
              "hostCostsOne",
              `${call} is told ${failure}: ${message}, not ${expected?.message ?? "anything"}`
            )
          }
          this.end(call)
        }
        return
      }
      case "endHost":
        if (running === null || running.performing !== null || this.waiting.length > 0) {
          this.violate("hostOneProcess", "a process that is needed is asked to end")
        } else running.endAskedAt = this.now
        if (running !== null && !this.retired && this.now < running.idleSince + LIMITS.idleMs) {
          this.violate("hostBounds", `idle for ${this.now - running.idleSince} ms and asked to end`)
        }
    }
  }

  private end(call: number): void {
    if (this.ended.has(call)) this.violate("hostAnswersOnce", `${call} ends twice`)
    this.ended.add(call)
    this.open.delete(call)
  }

  /** Who should have been told has been. */
  private missing(invariant: AgentHostInvariant): void {
    for (const call of this.due.keys()) this.violate(invariant, `${call} was not told`)
    this.due.clear()
  }

  private judgeTime(): void {
    const running = this.process
    if (this.now >= this.restUntil && this.process === null) this.reason = null
    if (this.waiting.length > 0 && running === null)
      this.violate("hostCostsOne", "calls wait for a process that nobody starts")
    if (running === null) return
    const over = (since: number, ms: number, what: string) => {
      if (this.now > since + ms || (this.now === since + ms && this.rest > 0))
        this.violate("hostBounds", `${what} for ${this.now - since} ms`)
    }
    if (!running.loaded) over(running.startedAt, LIMITS.startMs, "it loads")
    else if (running.performing !== null) over(running.performingSince, LIMITS.callMs, "it performs")
    else if (running.endAskedAt !== null) over(running.endAskedAt, HOST_END_MS, "it ends")
    else if (this.retired) this.violate("hostRetires", "a process of a file that has changed is kept")
    else if (this.waiting.length > 0) this.violate("hostOneAtATime", "a call waits for a process that is idle")
    else over(running.idleSince, LIMITS.idleMs, "it is idle")
  }

  private violate(invariant: AgentHostInvariant, detail: string): void {
    this.violations.push({ invariant, detail: `${detail}, in ${this.state} at ${this.now}` })
  }

  private moment() {
    return { uptime: this.now, wall: 1_700_000_000_000 + this.now }
  }
}
