/**
 * A life of one machine: the real charts and services on a mounted disk, until the goals of the life are reached.
 *
 * One thing at a time, in a fixed order, so that two runs from the same moment are the same run; interleavings are the
 * matter of the machines' own properties. The power fails between the operations of the file system only: everything
 * else is in memory.
 */
import { Cause, Context, Effect, Exit, Option, Redacted } from "effect"
import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from "xstate"
import { type BootOutcome, type Wiring, wiring } from "../../machines/index.ts"
import { Identity, PullLoop } from "../../src/central/index.ts"
import { ApplyEngine, ControlFiles, RunningConfig } from "../../src/config/index.ts"
import { seedDocument } from "../../src/domain/index.ts"
import {
  advance,
  doneEvent,
  errorEvent,
  type Instance,
  nextDue,
  start,
  stateName,
  step,
  type Command
} from "../../src/statechart/Core.ts"
import { PluginStore } from "../../src/plugins/index.ts"
import { type Central, etagOf, type PluginRevision, type Revision, serialOf, TOKENS } from "./Central.ts"
import type { Disk } from "./Disk.ts"
import { CHANGES, mount, type Operation } from "./DiskFileSystem.ts"
import { quarantined, seen } from "./Oracle.ts"
import { HASHES, type PluginVersion } from "./Plugins.ts"
import { ProcessPlugins } from "./ProcessPlugins.ts"
import {
  baseOf,
  type Engine,
  type MachineId,
  processServices,
  referencesOf,
  type Services,
  type Surroundings
} from "./Services.ts"
import {
  began,
  evaluated,
  holdsNothing,
  killed,
  passed,
  rested,
  returned,
  stored,
  Violated,
  type Witness
} from "./Witness.ts"

/** What a life is for, one after the other. */
export type Goal =
  | { readonly aim: "join"; readonly url: string }
  | { readonly aim: "leave" }
  | { readonly aim: "promote"; readonly revision: AnyRevision }
  /** `times`: how often it has then been rolled back; each time after the first its retry is due at once. */
  | { readonly aim: "rollBack"; readonly revision: AnyRevision; readonly times?: number }
  | { readonly aim: "refresh" }
  | { readonly aim: "refuse"; readonly revision: AnyRevision }
  | { readonly aim: "restart" }
  /** By an operator, while the daemon runs. */
  | { readonly aim: "install"; readonly version: PluginVersion }

type AnyRevision = Revision | PluginRevision

/** A moment between two operations, from which the life can go on after a cut. */
export interface Moment {
  readonly disk: Disk
  readonly witness: Witness
  readonly now: { readonly uptime: number; readonly wall: number }
  /** The operation that comes next, for reports. */
  readonly label: string
}

export interface LifeOptions {
  readonly engine: Engine
  readonly goals: ReadonlyArray<Goal>
  /** Told of each moment before an operation that changes something. */
  readonly onMoment?: (moment: Moment) => void
  /** Asked when a boot has been evaluated: whether a life that was the same from here on has been lived already. */
  readonly isKnown?: (moment: Moment, memory: string) => boolean
  /** Judges a boot evaluation in the witness's stead, where its disk did not always answer. */
  readonly evaluated?: typeof evaluated
  /** Asked before a process starts, as `isKnown` is later; what the process would do until then is not done again. */
  readonly isLaunched?: (moment: Moment, memory: string) => boolean
  /** Told of each process before it starts. */
  readonly onLaunch?: (moment: Moment) => void
  /** Told of each step that a machine has taken. */
  readonly onStep?: (id: MachineId, snapshot: AnyMachineSnapshot) => void
  /** A command failed: true if its operator tries it again. */
  readonly commandFailed?: (error: unknown) => boolean
}

interface RunningTask {
  readonly machine: MachineId
  readonly id: string
  readonly src: string
  readonly input: unknown
}

interface Process {
  readonly services: Context.Context<Services>
  readonly instances: Map<MachineId, Instance<AnyStateMachine>>
  readonly mail: Array<readonly [MachineId, AnyEventObject]>
  tasks: ReadonlyArray<RunningTask>
  boot: BootOutcome | null
  readonly found: ReturnType<typeof seen>
  confirmed: boolean
  pluginsSettled: boolean
  /** null where nothing installs any. */
  readonly plugins: ProcessPlugins | null
  ended: number | "killed" | null
}

type Handler = (
  input: unknown
) => Effect.Effect<unknown, { readonly _tag: string; readonly message: string; readonly retryable?: boolean }>

const WIRING: Wiring = wiring
const isRestarting = (state: string): boolean => state.startsWith("restarting")
/** Longer than the first wait before a revision that was rolled back is tried again. */
const RETRY_DUE_MS = 7_200_000
/** Steps within which every goal is reached; a life that needs more is stuck. */
const PATIENCE = 8_000

/** Thrown where a life would repeat another one. */
const KNOWN = Symbol("known")

/** A machine room with one machine in it. */
export class Life {
  witness: Witness
  readonly around: Surroundings
  private readonly options: LifeOptions
  private readonly references: Context.Context<never>
  private built: ReturnType<typeof baseOf> | null = null
  private process: Process | null = null
  private steps = 0
  /** Directories that were made or found: the durable files remember them, whatever process asked. */
  private readonly made = new Set<string>()

  constructor(options: LifeOptions, from: Omit<Moment, "label">) {
    this.options = options
    this.witness = from.witness
    const central: Central = { serving: null, issued: from.witness.issued, refuses: false }
    this.around = {
      mounted: mount(from.disk),
      central,
      bootId: `boot-${from.witness.bootSeq}`,
      now: { ...from.now }
    }
    this.around.mounted.before = (operation, path) => this.moment(operation, path)
    this.references = referencesOf(this.around)
  }

  private get base(): ReturnType<typeof baseOf> {
    return (this.built ??= baseOf(this.options.engine, this.around))
  }

  /** Lives on until every goal is reached, or until it repeats a life that is known; throws `Violated`. */
  run(): void {
    try {
      for (let goal = this.goal; goal !== undefined; goal = this.goal) {
        this.pursue(goal)
        this.witness = { ...this.witness, goal: this.witness.goal + 1 }
      }
      this.options.onMoment?.(this.at("the end"))
    } catch (reason) {
      if (reason !== KNOWN) throw reason
    }
  }

  get disk(): Disk {
    return this.around.mounted.disk
  }

  private get goal(): Goal | undefined {
    return this.options.goals[this.witness.goal]
  }

  private moment(operation: Operation, path: string): void {
    if (operation === "mkdir") this.made.add(path)
    if (CHANGES.has(operation)) this.options.onMoment?.(this.at(`${operation} ${path}`))
  }

  private at(label: string): Moment {
    // Central remembers what it issued, whether or not the machine came to store it.
    const witness = { ...this.witness, issued: this.around.central.issued }
    return { disk: this.disk, witness, now: { ...this.around.now }, label }
  }

  // -------------------------------------------------------------------------------------------- goals

  private pursue(goal: Goal): void {
    this.steps = 0
    switch (goal.aim) {
      case "join":
        return this.join(goal.url)
      case "leave":
        return this.leave()
      case "promote":
        this.around.central.serving = goal.revision
        return this.until(() => this.hasPromoted(goal.revision))
      case "rollBack": {
        this.around.central.serving = goal.revision
        const times = goal.times ?? 1
        if (times > 1 && !this.hasRolledBack(goal.revision, times)) {
          const { uptime, wall } = this.around.now
          this.around.now = { uptime, wall: wall + RETRY_DUE_MS }
        }
        return this.until(() => this.hasRolledBack(goal.revision, times))
      }
      case "refresh": {
        const before = this.witness.facts?.serial ?? 0
        this.around.central.refuses = true
        return this.until(() => (this.witness.facts?.serial ?? 0) > before && this.rests)
      }
      case "refuse":
        this.around.central.serving = goal.revision
        return this.until(() => this.hasRefused(goal.revision))
      case "restart":
        this.stop()
        return this.until(() => this.hasCollected && this.rests)
      case "install":
        return this.install(goal.version)
    }
  }

  private get rests(): boolean {
    const isIdle = this.stateOf("configApply") === "steady.idle"
    if (isIdle) rested(this.witness, seen(this.disk))
    return isIdle
  }

  private get hasCollected(): boolean {
    return this.process?.plugins?.hasCollected === true
  }

  /** `holdfast plugin install` on a machine whose daemon runs. */
  private install(version: PluginVersion): void {
    this.until(() => this.hasCollected && this.rests)
    this.witness = { ...this.witness, chosen: [...this.witness.chosen, HASHES[version]] }
    this.process?.plugins?.install(version)
    this.witness = { ...this.witness, chosen: [HASHES[version]] }
  }

  private hasRefused(revision: AnyRevision): boolean {
    const etag = etagOf(revision, this.witness.facts?.url ?? "")
    return quarantined(seen(this.disk), etag)?.reason === "validation_failed" && this.rests
  }

  private hasPromoted(revision: AnyRevision): boolean {
    const { facts } = this.witness
    if (facts === null || this.process?.boot == null) return false
    const etag = etagOf(revision, facts.url)
    return facts.promoted.includes(etag) && this.process.boot.running.etag === etag && this.rests
  }

  private hasRolledBack(revision: AnyRevision, times: number): boolean {
    const { facts } = this.witness
    if (facts === null || this.process?.boot == null) return false
    const etag = etagOf(revision, facts.url)
    const isBad = (quarantined(seen(this.disk), etag)?.attempts ?? 0) >= times
    return isBad && this.process.boot.running.etag !== etag && this.rests
  }

  /** `holdfast join` on a machine whose daemon is stopped, and the first start after it. */
  private join(url: string): void {
    this.stop()
    if (this.witness.facts?.url === url) return
    // After a cut the operator looks first: an intent that is there, or was carried out, needs no second join.
    const now = seen(this.disk)
    const joined = now.join || (this.witness.joining?.returned ?? false)
    if (this.witness.joining === null || !joined) {
      this.witness = { ...this.witness, joining: { url, returned: false } }
      this.command(
        Effect.flatMap(ControlFiles, (control) =>
          control.writeJoin({ document: seedDocument(url, Redacted.make(TOKENS[url] ?? "")) })
        )
      )
      this.witness = { ...this.witness, joining: { url, returned: true } }
    }
    this.until(() => this.witness.facts?.url === url)
  }

  /** `holdfast leave`: the daemon stops, the intent is written, and the command carries it out. */
  private leave(): void {
    // After a cut the next boot comes before anything that an operator could do.
    if (this.witness.leaving !== null) this.until(() => this.process?.boot != null)
    this.stop()
    if (this.witness.facts === null) return
    this.witness = { ...this.witness, leaving: { returned: false } }
    this.command(Effect.flatMap(ControlFiles, (control) => control.writeLeave))
    this.witness = { ...this.witness, leaving: { returned: true } }
    this.command(Effect.flatMap(ControlFiles, (control) => control.executeLeave))
    holdsNothing(seen(this.disk))
    this.witness = { ...this.witness, leaving: null, facts: null }
  }

  private command<E>(effect: Effect.Effect<void, E, ControlFiles>): void {
    const exit = Effect.runSyncExitWith(Context.merge(this.references, this.base))(effect)
    if (Exit.isSuccess(exit)) return
    const failure = exit.cause.reasons.find(Cause.isFailReason)
    if (failure !== undefined && this.options.commandFailed?.(failure.error) === true) return this.command(effect)
    throw new Error(`a command failed: ${Cause.pretty(exit.cause)}`)
  }

  private stop(): void {
    if (this.process === null) return
    this.send("daemon", { type: "STOP_REQUESTED", leave: false })
    while (this.process !== null && this.process.ended === null) this.step()
    this.process = null
  }

  private until(isReached: () => boolean): void {
    while (!isReached()) {
      if (++this.steps > PATIENCE) {
        throw new Violated("receivesTheNext", `stuck at ${this.stateOf("daemon")} ${this.stateOf("configApply")}`)
      }
      if (this.process === null) this.launch()
      else if (this.process.ended === null) this.step()
      else {
        const { ended } = this.process
        if (ended !== "killed" && ended !== 75) throw new Violated("receivesTheNext", `the daemon ended with ${ended}`)
        this.process = null
      }
    }
  }

  // -------------------------------------------------------------------------------------------- one process

  private launch(): void {
    this.options.onLaunch?.(this.at("launch"))
    if (this.options.isLaunched?.(this.at("launch"), this.remembered) === true) throw KNOWN
    const services = Context.merge(this.references, processServices(this.options.engine, this.base, this.references))
    const store = Context.getOption(services, PluginStore)
    const plugins = Option.isNone(store)
      ? null
      : new ProcessPlugins(Context.add(services, PluginStore, store.value), this.around)
    const process: Process = {
      services,
      instances: new Map(),
      mail: [],
      tasks: [],
      boot: null,
      found: seen(this.disk),
      confirmed: false,
      pluginsSettled: false,
      plugins,
      ended: null
    }
    this.process = process
    for (const [id, chart] of Object.entries(this.options.engine.charts) as ReadonlyArray<
      [MachineId, Engine["charts"][MachineId]]
    >) {
      // A machine that no wire reaches has its own files, and proofs of its own.
      if (!(id in wiring)) continue
      const [instance, commands] = start(chart, { jitter: 0 } as never, this.around.now)
      this.settle(id, instance, commands)
    }
  }

  /** What a new process could tell from an earlier one of the same life, beside the disk and what the witness knows. */
  private get remembered(): string {
    const { central, now } = this.around
    return [now.uptime, central.serving, central.refuses, ...[...this.made].sort()].join()
  }

  private stateOf(id: MachineId): string {
    const instance = this.process?.instances.get(id)
    return instance === undefined ? "" : stateName(instance.snapshot.value)
  }

  private send(id: MachineId, event: AnyEventObject): void {
    this.process?.mail.push([id, event])
  }

  /** The next thing that happens: a letter is read, a task is carried out, or time passes. */
  private step(): void {
    const process = this.process
    if (process === null) return
    const letter = process.mail.shift()
    if (letter !== undefined) return this.deliver(...letter)
    const [task, ...rest] = process.tasks
    if (task === undefined) return this.wait(process)
    process.tasks = rest
    this.carryOut(process, task)
  }

  private deliver(id: MachineId, event: AnyEventObject): void {
    const instance = this.process?.instances.get(id)
    if (instance === undefined) return
    const [next, commands] = step(this.options.engine.charts[id], instance, event as never, this.around.now)
    this.settle(id, next, commands)
  }

  private settle(id: MachineId, instance: Instance<AnyStateMachine>, commands: ReadonlyArray<Command>): void {
    const process = this.process
    if (process === null) return
    const before = this.stateOf(id)
    process.instances.set(id, instance)
    this.options.onStep?.(id, instance.snapshot)
    for (const command of commands) this.obey(process, id, command)
    if (id === "daemon" && instance.snapshot.hasTag("running")) process.plugins?.runs()
    if (id === "configApply" && !isRestarting(before) && isRestarting(this.stateOf(id))) this.answerLate(process)
  }

  /** A poll that was in flight is answered after the flip, before the process has begun to end. */
  private answerLate(process: Process): void {
    this.deliver("configApply", { type: "POLL_CONFIRMED" })
    this.deliver("configApply", { type: "POLL_SETTLED" })
    const task = process.tasks.find(({ machine }) => machine === "configApply")
    if (task === undefined) return
    process.tasks = process.tasks.filter((one) => one !== task)
    this.carryOut(process, task)
  }

  private obey(process: Process, id: MachineId, command: Command): void {
    switch (command._tag) {
      case "Start":
        process.tasks = [...process.tasks, { machine: id, id: command.id, src: command.src, input: command.input }]
        return
      case "Stop":
        process.tasks = process.tasks.filter((task) => task.machine !== id || task.id !== command.id)
        return
      case "Perform":
        return this.perform(process, id, command.action.type, command.action.params)
    }
  }

  private perform(process: Process, id: MachineId, type: string, params: unknown): void {
    if (type === "bootEvaluated") this.evaluated(process, params as BootOutcome)
    if (type === "confirmPoll") process.confirmed = true
    if (type === "pluginsSettled") process.pluginsSettled = true
    if (type === "exit") process.ended = (params as { readonly code: number }).code
    const wire = WIRING[id]?.[type]
    if (wire !== undefined) this.send(wire[0] as MachineId, { ...(params as object | undefined), type: wire[1] })
  }

  private evaluated(process: Process, boot: BootOutcome): void {
    process.boot = boot
    this.witness = (this.options.evaluated ?? evaluated)(this.witness, boot, process.found, seen(this.disk))
    const memory = JSON.stringify([boot, process.instances.get("configApply")?.snapshot.context])
    if (this.options.isKnown?.(this.at("boot evaluated"), memory) === true) throw KNOWN
    const frozen = this.inside(
      process,
      Effect.flatMap(RunningConfig, (running) => running.freeze(boot))
    )
    if (Exit.isFailure(frozen)) throw Cause.squash(frozen.cause)
  }

  private inside<A, E>(process: Process, effect: Effect.Effect<A, E, Services>): Exit.Exit<A, E> {
    return Effect.runSyncExitWith(process.services)(effect)
  }

  private carryOut(process: Process, task: RunningTask): void {
    if (task.machine === "daemon") return this.carryOutForDaemon(process, task)
    const isApply = task.machine === "configApply"
    if (isApply) this.witness = began(this.witness, task.src, task.input, process, seen(this.disk))
    if (isApply) process.plugins?.before(task.src, task.input, this.witness)
    const handlers = this.handlersOf(process, task.machine)
    const exit = this.inside(
      process,
      Effect.suspend(() => handlers[task.src]?.(task.input) ?? Effect.die("no handler"))
    )
    if (Exit.isSuccess(exit)) {
      if (isApply) this.witness = returned(this.witness, task.src, task.input)
      if (!isApply) this.noteIdentity(process)
      return this.result(process, task, doneEvent(task.id, exit.value))
    }
    const failure = exit.cause.reasons.find(Cause.isFailReason)
    if (failure === undefined) throw Cause.squash(exit.cause)
    const { _tag, message, retryable } = failure.error as { _tag: string; message: string; retryable?: boolean }
    this.result(process, task, errorEvent(task.id, { _tag, message, retryable: retryable ?? true }))
  }

  private result(process: Process, task: RunningTask, event: AnyEventObject): void {
    const instance = process.instances.get(task.machine)
    if (instance !== undefined) this.deliver(task.machine, event)
  }

  private handlersOf(process: Process, machine: MachineId): Readonly<Record<string, Handler>> {
    const service =
      machine === "configApply"
        ? Context.get(process.services, ApplyEngine)
        : machine === "join"
          ? Context.get(process.services, Identity)
          : Context.get(process.services, PullLoop)
    return service.tasks as unknown as Readonly<Record<string, Handler>>
  }

  /** A credential that was stored, or found and used, is one that must not be lost. */
  private noteIdentity(process: Process): void {
    const known = this.inside(
      process,
      Effect.flatMap(Identity, (identity) => Effect.all([identity.current, identity.storageProblem]))
    )
    // What could not be stored, and was said so, is used from memory.
    if (Exit.isFailure(known) || known.value[1] !== null || Option.isNone(known.value[0])) return
    this.witness = stored(this.witness, serialOf(Redacted.value(known.value[0].value.jwt)))
  }

  private carryOutForDaemon(process: Process, task: RunningTask): void {
    if (task.src !== "loadPlugins") return this.result(process, task, doneEvent(task.id, undefined))
    const { bundledOnly } = task.input as { readonly bundledOnly: boolean }
    if (!bundledOnly) process.plugins?.start(process.boot?.running.etag ?? null)
    if (!bundledOnly && process.boot?.running.etag?.startsWith('"X') === true) {
      this.witness = killed(this.witness, true)
      process.ended = "killed"
      return
    }
    this.result(process, task, doneEvent(task.id, { problems: [] }))
  }

  private wait(process: Process): void {
    process.plugins?.rests(this.witness)
    const { now } = this.around
    const waits = [...process.instances.values()].map((instance) => {
      const due = nextDue(instance)
      return Math.min(due.uptime - now.uptime, due.wall - now.wall)
    })
    const ms = Math.max(0, Math.min(...waits))
    if (!Number.isFinite(ms)) throw new Violated("receivesTheNext", `nothing is due at ${this.stateOf("configApply")}`)
    this.around.now = { uptime: now.uptime + ms, wall: now.wall + ms }
    this.witness = passed(this.witness, ms, process.boot)
    for (const [id, instance] of process.instances) {
      if (process.ended !== null) return
      const [next, commands] = advance(this.options.engine.charts[id], instance, this.around.now)
      if (next !== instance) this.settle(id, next, commands)
    }
  }
}
