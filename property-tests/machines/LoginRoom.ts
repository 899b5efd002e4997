/**
 * DeviceLogin alone in its world: the service's memory, one file, a provider, a person, two clocks.
 *
 * What happened is told to a watch. A request has two moments: it lands (the provider has done it, the file is written),
 * and its answer comes; whatever happens in between, happens in between.
 */
import type { AnyStateMachine } from "xstate"
import {
  type DeviceLoginContext,
  type DeviceLoginEvent,
  type HeldToken,
  type LoadedLogin,
  type LoginFlow,
  type SavedLogin,
  type TokenSource,
  isLive
} from "../../machines/index.ts"
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
import {
  codeAnswer,
  type Coded,
  exchangeAnswer,
  type Failed,
  type Fate,
  HONEST,
  type Polled,
  refreshAnswer,
  type Renewed,
  tokenAnswer
} from "./LoginAnswers.ts"
import { LoginProvider, type Person, type Token } from "./LoginProvider.ts"

/** A token in the file, with what the machine says of it. */
interface Kept {
  readonly token: Token
  readonly name: HeldToken["name"]
  readonly access: HeldToken["access"]
}

/** What the exchange of a token gave. */
interface Session {
  readonly handle: number
  readonly access: string
  readonly person: Person
}

/** The one file. Times are those of the wall clock. */
export interface LoginFile {
  readonly flow: LoginFlow | null
  readonly deviceCode: string | null
  readonly deadline: number
  readonly account: Kept | null
  readonly candidate: Kept | null
  readonly session: Session | null
}

const NO_FILE: LoginFile = {
  flow: null,
  deviceCode: null,
  deadline: 0,
  account: null,
  candidate: null,
  session: null
}

export interface LoginTask {
  readonly id: string
  readonly src: string
  readonly input: unknown
  landed: { readonly answer: unknown } | null
}

/** Why the machine moved. */
export type Cause =
  | { readonly _tag: "event"; readonly event: DeviceLoginEvent }
  | { readonly _tag: "answer"; readonly src: string; readonly answer: Answer }
  | { readonly _tag: "time" }
  | { readonly _tag: "start" }

/** An answer as a watch looks at it. */
export interface Answer {
  readonly kind?: string
  readonly code?: string
  readonly failed?: string
  readonly retryAfterMs?: number
  readonly intervalMs?: number
  readonly lifeMs?: number
}

/** Whoever looks at everything that happens. */
export interface Watcher {
  asked(room: LoginRoom, task: LoginTask): void
  landed(room: LoginRoom, task: LoginTask, answer: Answer): void
  answered(room: LoginRoom, task: LoginTask, answer: Answer): void
  moved(room: LoginRoom, before: DeviceLoginContext, from: string, cause: Cause): void
  died(room: LoginRoom): void
}

const EPOCH = 1_700_000_000_000
const PROVIDER_TASKS = new Set(["requestCode", "pollToken", "exchange", "refresh"])
export const asksProvider = ({ src }: { readonly src: string }): boolean => PROVIDER_TASKS.has(src)

export class LoginRoom {
  readonly provider = new LoginProvider()
  now = 0
  wall = EPOCH
  file: LoginFile
  diskWorks = true
  tasks: Array<LoginTask> = []
  readonly source: TokenSource
  private readonly watch: Watcher
  private readonly chart: Chart<AnyStateMachine>
  private instance!: Instance<AnyStateMachine>
  private tokens = new Map<number, Token>()
  private codes = new Map<string, { readonly deviceCode: string; readonly deadline: number }>()
  private held: Session | null = null
  private handles = 0
  private flows = 0
  /** The code that the person saw last. */
  private seen: string | null = null
  private readonly fromEnvironment = this.provider.newToken("a", "environment", false)

  constructor(chart: Chart<AnyStateMachine>, watch: Watcher, source: TokenSource = "login", signedIn = false) {
    this.chart = chart
    this.watch = watch
    this.source = source
    const token = this.provider.newToken("b", "long ago", true)
    this.file = signedIn ? { ...NO_FILE, account: { token, name: "b", access: "unknown" } } : NO_FILE
    this.launch()
  }

  get context(): DeviceLoginContext {
    return this.instance.snapshot.context as DeviceLoginContext
  }
  get state(): string {
    return stateName(this.instance.snapshot.value)
  }
  get isSettled(): boolean {
    return this.tasks.length === 0 && this.instance.snapshot.hasTag("settled")
  }
  get session(): Session | null {
    return this.held
  }
  get code(): string | null {
    return this.codes.get(this.context.flow?.id ?? "")?.deviceCode ?? null
  }
  tokenOf(held: HeldToken | null): Token | null {
    return held === null ? null : (this.tokens.get(held.handle) ?? null)
  }
  tokenUnder(handle: number): Token | null {
    return this.tokens.get(handle) ?? null
  }

  // -------------------------------------------------------------------------------------------- moves

  send(event: DeviceLoginEvent): void {
    this.deliver(step(this.chart, this.instance, event as never, this.moment()), { _tag: "event", event })
  }

  /** Somebody presses the button; the id is the service's. */
  begin(force: boolean): string {
    const id = `flow-${++this.flows}`
    this.send({ type: "START", id, force })
    return id
  }

  /** The code that is shown, seen by the person who will type it. */
  look(): void {
    if (this.context.flow?.phase === "waiting") this.seen = this.code
  }

  /** The person types the code that they saw last. */
  enter(person: Person): boolean {
    if (this.seen === null) this.look()
    return this.seen !== null && this.provider.enter(this.seen, person, this.now)
  }

  /** The other side has done what it was asked; its answer is on its way. */
  land(index: number, fate: Fate): void {
    const task = this.tasks[index % Math.max(1, this.tasks.length)]
    if (task === undefined || task.landed !== null) return
    const answer = this.effectOf(task, fate)
    task.landed = { answer }
    this.watch.landed(this, task, (answer ?? {}) as Answer)
  }

  /** An answer comes. */
  finish(index: number, fate: Fate = HONEST): void {
    const task = this.tasks[index % Math.max(1, this.tasks.length)]
    if (task === undefined) return
    if (task.landed === null) this.land(this.tasks.indexOf(task), fate)
    this.tasks = this.tasks.filter((other) => other !== task)
    const answer = (task.landed?.answer ?? {}) as Answer
    this.watch.answered(this, task, answer)
    const event =
      answer.failed === undefined
        ? doneEvent(task.id, this.receivedOf(task, answer))
        : errorEvent(task.id, { _tag: answer.failed, message: answer.failed, retryable: true })
    this.deliver(step(this.chart, this.instance, event as never, this.moment()), {
      _tag: "answer",
      src: task.src,
      answer
    })
  }

  /** Elapsed time passes, timer by timer. */
  pass(ms: number): void {
    const end = this.now + ms
    for (let due = this.due; due <= end && due < Infinity; due = this.due) this.advanceTo(due)
    this.wall += end - this.now
    this.now = end
  }

  /** Until the next timer; false without one. */
  tick(): boolean {
    const { due } = this
    if (due === Infinity) return false
    this.advanceTo(due)
    return true
  }

  jump(ms: number): void {
    this.wall += ms
  }

  /** One step in a world where nothing goes wrong. */
  honestly(pick = 0): boolean {
    if (this.tasks.length === 0) return this.tick()
    this.finish(0, { honest: true, pick })
    return true
  }

  /** The process dies without a word, and is started again. */
  kill(): void {
    this.watch.died(this)
    this.launch()
  }

  // -------------------------------------------------------------------------------------------- inside

  private get due(): number {
    return Math.max(this.now, nextDue(this.instance).uptime)
  }

  private moment() {
    return { uptime: this.now, wall: this.wall }
  }

  private advanceTo(due: number): void {
    this.wall += due - this.now
    this.now = due
    this.deliver(advance(this.chart, this.instance, this.moment()), { _tag: "time" })
  }

  private launch(): void {
    this.tasks = []
    this.tokens = new Map()
    this.codes = new Map()
    this.held = null
    const [instance, commands] = start(this.chart, undefined as never, this.moment())
    this.instance = instance
    this.carryOut(commands)
    this.watch.moved(this, this.context, this.state, { _tag: "start" })
  }

  private deliver(
    [instance, commands]: readonly [Instance<AnyStateMachine>, ReadonlyArray<Command>],
    cause: Cause
  ): void {
    const before = this.context
    const from = this.state
    this.instance = instance
    this.carryOut(commands)
    this.watch.moved(this, before, from, cause)
  }

  private carryOut(commands: ReadonlyArray<Command>): void {
    for (const command of commands) {
      if (command._tag === "Perform") continue
      this.tasks = this.tasks.filter(({ id }) => id !== command.id)
      if (command._tag === "Stop") continue
      const task = { id: command.id, src: command.src, input: command.input, landed: null }
      this.tasks = [...this.tasks, task]
      this.watch.asked(this, task)
    }
  }

  private effectOf(task: LoginTask, fate: Fate): unknown {
    const { provider } = this
    switch (task.src) {
      case "load":
        return this.loaded()
      case "save":
        return this.save(task.input as SavedLogin, fate)
      case "requestCode":
        return codeAnswer(provider, (task.input as { readonly flow: string }).flow, this.now, fate)
      case "pollToken": {
        const code = this.codes.get((task.input as { readonly flow: string }).flow)?.deviceCode ?? ""
        return tokenAnswer(provider, code, this.now, fate)
      }
      default: {
        const token = this.tokens.get((task.input as { readonly handle: number }).handle)
        if (token === undefined) return { failed: "Defect" }
        return task.src === "exchange" ? exchangeAnswer(provider, token, fate) : refreshAnswer(provider, token, fate)
      }
    }
  }

  /** What the service makes of an answer before the machine hears of it. */
  private receivedOf(task: LoginTask, answer: unknown): unknown {
    if (task.src === "requestCode") {
      const { deviceCode, ...coded } = answer as Coded
      if (deviceCode === undefined || coded.kind !== "code") return coded
      const deadline = this.wall + (coded.lifeMs > 0 ? Math.min(coded.lifeMs, 3_600_000) : 900_000)
      this.codes.set((task.input as { readonly flow: string }).flow, { deviceCode, deadline })
      return coded
    }
    if (task.src === "pollToken") {
      const polled = answer as Polled
      return polled.kind === "token" ? { kind: "token", token: this.hold(polled.token) } : polled
    }
    if (task.src === "exchange" && (answer as Answer).kind === "session") {
      const { handle } = task.input as { readonly handle: number }
      const token = this.tokens.get(handle) as Token
      this.held = { handle, access: token.access, person: token.person }
    }
    if (task.src === "refresh") {
      const { token, ...renewed } = answer as Renewed
      if (token !== undefined) this.tokens.set((task.input as { readonly handle: number }).handle, token)
      return renewed
    }
    return answer
  }

  private hold(token: Token): HeldToken {
    this.tokens.set(++this.handles, token)
    return { handle: this.handles, refreshable: token.refresh !== null, name: null, access: "unknown" }
  }

  private loaded(): LoadedLogin {
    const nobody = { account: null, candidate: null, flow: null, session: false, problem: null }
    if (this.source === "none") return { ...nobody, source: "none" }
    if (this.source === "environment") {
      return { ...nobody, source: "environment", account: this.hold(this.fromEnvironment) }
    }
    const { account, candidate, deadline, deviceCode, flow, session } = this.file
    const taken = (kept: Kept | null): HeldToken | null =>
      kept === null ? null : { ...this.hold(kept.token), name: kept.name, access: kept.access }
    const held = taken(account)
    if (held !== null && session !== null) this.held = { ...session, handle: held.handle }
    if (flow !== null && deviceCode !== null) this.codes.set(flow.id, { deviceCode, deadline })
    const left = Math.max(0, Math.min(flow?.lifeMs ?? 0, deadline - this.wall))
    return {
      source: "login",
      account: held,
      candidate: taken(candidate),
      flow: flow === null ? null : { ...flow, lifeMs: left },
      session: session !== null,
      problem: null
    }
  }

  private save(saved: SavedLogin, { honest, pick }: Fate): Failed | undefined {
    const fails = !this.diskWorks || !honest
    // Of a token of the environment nothing is written.
    const takes = this.diskWorks && (honest || pick % 2 === 0) && this.source === "login"
    if (takes) this.file = this.fileOf(saved)
    return fails ? { failed: "StorageError" } : undefined
  }

  private fileOf({ account, candidate, flow, session }: SavedLogin): LoginFile {
    const kept = (held: HeldToken | null): Kept | null => {
      const token = this.tokenOf(held)
      return token === null || held === null ? null : { token, name: held.name, access: held.access }
    }
    const code = flow === null || !isLive(flow) ? undefined : this.codes.get(flow.id)
    return {
      flow,
      deviceCode: code?.deviceCode ?? null,
      deadline: code?.deadline ?? 0,
      account: kept(account),
      candidate: kept(candidate),
      session: session ? this.held : null
    }
  }
}
