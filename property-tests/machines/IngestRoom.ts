/**
 * Ingest alone, beside a disk, a central and an identity that do as a history wants, and a watch over it: what the
 * machine asks for is judged by what happened, and by nothing that the machine says of itself.
 */
import type { AnyStateMachine } from "xstate"
import {
  GATHER_MS,
  type IngestAnswerKind,
  POLL_LADDER_MS,
  RETRY_AFTER_MAX_MS,
  SEAL_MS,
  STORE_LADDER_MS
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
export const INGEST_INVARIANTS = {
  ingestKeeps: "a row that the disk has taken is there until central has it, whatever ends the process",
  ingestOneAtATime: "one write and one request at a time",
  ingestStores: "a row goes to the disk at once, or when the wait after a failed write is over, and not before",
  ingestGathers: "two requests are five seconds apart at least",
  ingestBacksOff: "a batch that central did not take is sent again when the ladder or central says, and neither before",
  ingestSupported: "a central that has no such route is not asked again",
  ingestNeedsIdentity: "without an identity nothing is tried until there is one",
  ingestAlone: "a machine without a central writes nothing, sends nothing and keeps no row",
  ingestEnds: "a process that ends sends nothing more, writes what is left, and takes two seconds at most"
} as const
export type IngestInvariant = keyof typeof INGEST_INVARIANTS

export type Happening =
  | { readonly type: "PASS"; readonly ms: number }
  | { readonly type: "BEGIN"; readonly central: boolean }
  | { readonly type: "RECORD" }
  | { readonly type: "IDENTITY" }
  | { readonly type: "STORED" }
  | { readonly type: "NOT_STORED" }
  | { readonly type: "SEALED" }
  | { readonly type: "ANSWER"; readonly kind: IngestAnswerKind; readonly jitter: number; readonly seconds: number }
  /** The request died of a bug. */
  | { readonly type: "DEFECT" }
  | { readonly type: "END" }
  | { readonly type: "KILL" }

interface Task {
  readonly id: string
  /** How many rows it takes with it. */
  readonly rows: number
}

const FAILURE = { _tag: "StorageError", message: "the disk is full", retryable: true }
/** Rows of one batch: what is more waits for the next request. */
const BATCH = 3

export class IngestRoom {
  readonly violations: Array<{ readonly invariant: IngestInvariant; readonly detail: string }> = []
  now = 0
  memory = 0
  disk = 0
  private readonly chart: Chart<AnyStateMachine>
  private instance: Instance<AnyStateMachine>
  private store: Task | null = null
  private send: Task | null = null
  private seal: Task | null = null
  /** null: it has not begun. */
  private central: boolean | null = null
  /** An identity was announced while the request was under way. */
  private announced = false
  private withoutIdentity = false
  private ended = false
  private endedAt: number | null = null
  private unsupported = false
  private lastRequest = -Infinity
  /** No request before, and one at the latest. */
  private notBefore = 0
  private notAfter = Infinity
  private failures = 0
  private storeFailures = 0
  private storeNotBefore = 0

  constructor(chart: Chart<AnyStateMachine> | undefined) {
    if (chart === undefined) throw new Error("there is no ingest")
    this.chart = chart
    this.instance = this.boot()
  }

  get state(): string {
    return stateName(this.instance.snapshot.value)
  }

  get rest(): number {
    return Math.max(0, nextDue(this.instance).uptime - this.now)
  }

  /** The service has said that there is none, and none was announced since. */
  get lacksIdentity(): boolean {
    return this.withoutIdentity
  }

  get isOpen(): boolean {
    return this.central === true && !this.ended && !this.unsupported
  }

  happens(one: Happening): void {
    if (one.type !== "PASS") {
      this.occurs(one)
      return this.judge()
    }
    const until = this.now + one.ms
    while (nextDue(this.instance).uptime <= until) {
      this.now = Math.max(this.now, nextDue(this.instance).uptime)
      const [instance, commands] = advance(this.chart, this.instance, this.moment())
      this.instance = instance
      this.take(commands)
      this.judge()
    }
    this.now = until
    this.judge()
  }

  private boot(): Instance<AnyStateMachine> {
    const [instance, commands] = start(this.chart, undefined as never, this.moment())
    this.instance = instance
    this.take(commands)
    return this.instance
  }

  private occurs(one: Exclude<Happening, { readonly type: "PASS" }>): void {
    switch (one.type) {
      case "BEGIN":
        if (this.central === null && !this.ended) this.central = one.central
        return this.tell({ type: "BEGIN", central: one.central })
      case "RECORD":
        if (!this.ended) this.memory++
        return this.tell({ type: "RECORDED" })
      case "IDENTITY":
        this.announced = true
        this.withoutIdentity = false
        return this.tell({ type: "IDENTITY_READY" })
      case "STORED":
      case "NOT_STORED": {
        const task = this.store
        if (task === null) return
        this.store = null
        if (one.type === "STORED") {
          this.memory -= task.rows
          this.disk += task.rows
          this.storeFailures = 0
          this.storeNotBefore = this.now
          return this.tell(doneEvent(task.id, { unsent: this.disk > 0 }))
        }
        this.storeNotBefore = this.now + this.rungOf(STORE_LADDER_MS, this.storeFailures)
        this.storeFailures++
        return this.tell(errorEvent(task.id, FAILURE))
      }
      case "SEALED": {
        const task = this.seal
        if (task === null) return
        this.seal = null
        this.disk += task.rows
        this.memory -= task.rows
        return this.tell(doneEvent(task.id, undefined))
      }
      case "ANSWER":
        return this.answered(one.kind, one.jitter, one.seconds)
      case "DEFECT": {
        const task = this.send
        if (task === null) return
        this.send = null
        this.untaken(null)
        return this.tell(errorEvent(task.id, { _tag: "Defect", message: "a bug", retryable: false }))
      }
      case "END":
        if (!this.ended) this.endedAt = this.now
        this.ended = true
        return this.tell({ type: "END" })
      case "KILL":
        return this.killed()
    }
  }

  private killed(): void {
    Object.assign(this, { store: null, send: null, seal: null, central: null, ended: false })
    Object.assign(this, {
      endedAt: null,
      unsupported: false,
      announced: false,
      withoutIdentity: false,
      memory: 0,
      failures: 0,
      storeFailures: 0
    })
    Object.assign(this, { lastRequest: -Infinity, notBefore: 0, notAfter: Infinity, storeNotBefore: 0 })
    this.boot()
  }

  private answered(kind: IngestAnswerKind, jitter: number, seconds: number): void {
    const task = this.send
    if (task === null) return
    this.send = null
    // Only the rows of the batch go; what else may have come meanwhile is another one.
    const said = task.rows === 0 ? "nothing" : kind === "nothing" ? "accepted" : kind
    if (said === "accepted") {
      this.disk -= task.rows
      this.failures = 0
      this.notBefore = 0
    } else if (said === "no_identity") this.withoutIdentity = !this.announced
    else if (said === "unsupported") this.unsupported = true
    else if (said !== "nothing") this.untaken(said === "throttled" && seconds > 0 ? seconds : null, jitter)
    this.tell(
      doneEvent(task.id, {
        kind: said,
        more: said === "accepted" && this.disk > 0,
        retryAfterSeconds: seconds,
        message: said,
        jitter
      })
    )
  }

  /** When it may be sent again, and when at the latest. */
  private untaken(seconds: number | null, jitter?: number): void {
    const ladder = this.rungOf(POLL_LADDER_MS, this.failures)
    const asked = seconds === null ? null : Math.min(seconds * 1_000, RETRY_AFTER_MAX_MS)
    this.failures++
    const least = asked ?? ladder * (jitter === undefined ? 0.9 : 1 + 0.1 * jitter)
    const most = asked === null ? ladder * (jitter === undefined ? 1.1 : 1 + 0.1 * jitter) : asked * 1.1
    this.notBefore = this.now + Math.max(1_000, Math.floor(least))
    this.notAfter = this.now + Math.max(1_000, Math.ceil(most))
  }

  private rungOf(ladder: ReadonlyArray<number>, failures: number): number {
    return ladder[Math.min(failures, ladder.length - 1)] ?? 0
  }

  private tell(event: unknown): void {
    const [instance, commands] = step(this.chart, this.instance, event as never, this.moment())
    this.instance = instance
    this.take(commands)
  }

  private take(commands: ReadonlyArray<Command>): void {
    for (const command of commands) {
      if (command._tag === "Start") this.begins(command.src, command.id)
      else if (command._tag === "Stop") this.stops(command.id)
      else this.performs(command.action.type)
    }
  }

  private begins(src: string, id: string): void {
    if (this.central !== true) this.violate("ingestAlone", `${src} without a central`)
    switch (src) {
      case "store":
        if (this.store !== null || this.seal !== null) this.violate("ingestOneAtATime", "a second write")
        if (this.now < this.storeNotBefore) {
          this.violate("ingestStores", `a write ${this.storeNotBefore - this.now} ms too soon`)
        }
        if (this.ended) this.violate("ingestEnds", "a write that the end does not wait for")
        this.store = { id, rows: this.memory }
        return
      case "seal":
        if (this.store !== null || this.seal !== null) this.violate("ingestOneAtATime", "a second write")
        if (!this.ended) this.violate("ingestEnds", "sealed while it runs")
        this.seal = { id, rows: this.memory }
        return
      default:
        if (this.send !== null) this.violate("ingestOneAtATime", "a second request")
        if (this.unsupported) this.violate("ingestSupported", "asked again")
        if (this.ended) this.violate("ingestEnds", "a request after the end")
        if (this.now < this.lastRequest + GATHER_MS) this.violate("ingestGathers", `after ${this.sinceRequest} ms`)
        if (this.now < this.notBefore) this.violate("ingestBacksOff", `${this.notBefore - this.now} ms too soon`)
        this.notAfter = Infinity
        this.lastRequest = this.now
        this.send = { id, rows: Math.min(this.disk, BATCH) }
        // Without an identity the service says so at once, and nothing is tried before there is one.
        if (this.withoutIdentity) this.violate("ingestNeedsIdentity", "tried again without an identity")
        this.announced = false
    }
  }

  private get sinceRequest(): number {
    return this.now - this.lastRequest
  }

  private stops(id: string): void {
    if (this.store?.id === id) this.store = null
    if (this.seal?.id === id) this.seal = null
    if (this.send?.id !== id) return
    if (!this.ended) this.violate("ingestKeeps", "a request was given up")
    this.send = null
  }

  private performs(type: string): void {
    if (type !== "forgetRows") return
    if (this.central !== false) this.violate("ingestKeeps", "rows were forgotten that central wants")
    this.memory = 0
  }

  private judge(): void {
    if (this.central === false && this.memory > 0) this.violate("ingestAlone", `${this.memory} rows are kept`)
    if (this.ended) {
      const isOver = this.instance.snapshot.hasTag("ended")
      const since = this.now - (this.endedAt ?? this.now)
      if (!isOver && since >= SEAL_MS && this.rest > 0) this.violate("ingestEnds", `it takes ${since} ms to end`)
      if (isOver && this.memory > 0 && this.central === true && since < SEAL_MS) {
        this.violate("ingestEnds", "rows are left in memory")
      }
      return
    }
    if (this.central !== true) return
    const mayWrite = this.store === null && this.now >= this.storeNotBefore && this.rest > 0
    if (this.memory > 0 && mayWrite) this.violate("ingestStores", "a row waits for nothing")
    if (this.now > this.notAfter) this.violate("ingestBacksOff", `${this.now - this.notAfter} ms too late`)
  }

  private violate(invariant: IngestInvariant, detail: string): void {
    this.violations.push({ invariant, detail: `${detail}, in ${this.state} at ${this.now}` })
  }

  private moment() {
    return { uptime: this.now, wall: 1_700_000_000_000 + this.now }
  }
}
