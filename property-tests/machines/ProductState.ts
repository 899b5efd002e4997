/**
 * What the product graph takes for one state of a machine: the chart as it is, with everything taken out of its context
 * that decides nothing from here on.
 *
 * Etags are named by their role, instants of the calendar are before or after "due", counters end where nothing tells
 * them apart, and a timer is what it is called and how long it may take.
 */
import type { AnyMachineSnapshot, AnyStateMachine, EventObject, SnapshotFrom } from "xstate"
import {
  EMPTY_STATE,
  isUnexplained,
  SAFE_HOLD_MS,
  SAFE_START_COUNT,
  UNREAD_DISK,
  type BootOutcome,
  type ConfigApplyContext,
  type ConfigPullContext,
  type DaemonContext,
  type DiskFacts,
  type JoinContext,
  type Offer,
  type StateFile
} from "../../machines/index.ts"
import { stateName } from "../../src/statechart/Core.ts"
import type { Disk, Windows } from "./DiskModel.ts"
import { ATTEMPTS, DUE, namingOf } from "./ProductNames.ts"
import { memo, numberOf, shared } from "./ProductPieces.ts"
import { digestOf } from "./Revisions.ts"

/** The columns of the product, in this order. */
export const PARTS = ["configApply", "configPull", "join", "daemon"] as const
export type PartName = (typeof PARTS)[number]

/** An armed timer, and the least and the most ms that such a timer takes. */
export interface Wait {
  readonly id: string
  readonly event: EventObject
  readonly least: number
  readonly most: number
}

export interface Task {
  readonly id: string
  readonly src: string
  readonly input: unknown
}

/** One machine of the running process. */
export interface Part {
  readonly snapshot: SnapshotFrom<AnyStateMachine>
  readonly waits: ReadonlyArray<Wait>
  readonly tasks: ReadonlyArray<Task>
}

/** The apply engine with its disk, and what central serves: the etags that they speak of are named together. */
export interface Engine extends Part {
  readonly disk: Disk
  /** What central serves; `UNKNOWN` when nothing on this machine speaks of it. */
  readonly served: string
}

/** A good revision that this machine has not heard of yet, or has no trace of any more. */
export const UNKNOWN = "?"

/** Two parts of probation instead of twenty-four: each stands for twelve. */
export const WINDOWS: Windows = { windowMs: 2, intervalMs: 30_000 }

/** Instants of the calendar: offers arrive before or after what waits for a time is due. */
export const EARLY = 1_000
export const LATE = 10_000
/** An offer that is skipped: known to be bad, or failed a moment ago. */
export const NEVER = 0
export const NOW = { uptime: 0, wall: EARLY } as const

export const applyContext = (part: Part): ConfigApplyContext => part.snapshot.context as ConfigApplyContext

/** The active revision, which is all that staging looks at before it reads the disk again. */
const activeOnly = memo((disk: DiskFacts): DiskFacts => {
  const slot = disk.active === "a" || disk.active === "b" ? disk.active : null
  const facts = slot === null ? null : disk.slots[slot]
  const kept = facts === null ? null : { ...facts, intact: true, promoted: true }
  const slots = { a: slot === "a" ? kept : null, b: slot === "b" ? kept : null }
  return { ...UNREAD_DISK, active: disk.active, slots }
})

const inBoot = memo((disk: DiskFacts): DiskFacts => ({ ...disk, leave: false, join: false, state: "absent" }))

/** What the engine will look at before it reads the disk again. */
const knownDisk = (state: string, disk: DiskFacts): DiskFacts => {
  if (/^(boot\.(?!inspecting)|rollingBack\.(intent|staying))/.test(state)) return inBoot(disk)
  if (/^(steady|probation\.promoting\.(?!reviewing))/.test(state)) return activeOnly(disk)
  return UNREAD_DISK
}

/** A verdict may still fall in this process. */
const isLive = (state: string): boolean => /^(boot|settling|probation|rollingBack)/.test(state) && !isDecided(state)
const isDecided = (state: string): boolean =>
  /^(probation\.promoting\.(finishing|retiring)|rollingBack\.(flipping|unlinking|staying))/.test(state)
const isStaging = (state: string): boolean => /^steady\.(?!idle|rememberingUrl|recording)/.test(state)
const isEnding = (state: string): boolean => /^(restarting|closing|closed|impaired)/.test(state)

/** Every etag that something here speaks of, in an order that the names follow. */
const spokenOf = (engine: Engine, context: ConfigApplyContext): ReadonlyArray<string> => {
  const { disk } = engine
  const inFile = (state: unknown): ReadonlyArray<string | null | undefined> =>
    typeof state === "object" && state !== null ? [(state as StateFile).marker?.etag] : []
  const all = [
    disk.slots.a?.etag,
    disk.slots.b?.etag,
    context.running.etag,
    context.disk.slots.a?.etag,
    context.disk.slots.b?.etag,
    ...inFile(disk.state),
    ...inFile(context.state),
    context.offer?.etag,
    context.pending?.etag,
    ...engine.tasks.flatMap(({ input }) => {
      const { etag, state } = (input ?? {}) as { readonly etag?: string; readonly state?: StateFile }
      return [etag, ...inFile(state)]
    })
  ]
  return [...new Set(all.filter((etag): etag is string => typeof etag === "string" && etag !== ""))]
}

const slottedIn = (...disks: ReadonlyArray<Pick<Disk, "slots"> | DiskFacts>): ReadonlySet<string> =>
  new Set(disks.flatMap(({ slots }) => [slots.a?.etag ?? "", slots.b?.etag ?? ""]))

/** By state and running tasks: a snapshot, of which only the context differs from others. */
const shells = new WeakMap<AnyStateMachine, Map<string, Part["snapshot"]>>()

const withContext = (snapshot: Part["snapshot"], context: unknown): Part["snapshot"] => {
  const { children, machine, value } = snapshot as AnyMachineSnapshot
  let known = shells.get(machine)
  if (known === undefined) shells.set(machine, (known = new Map()))
  const key = JSON.stringify([value, Object.keys(children)])
  let shell = known.get(key)
  if (shell === undefined) known.set(key, (shell = snapshot))
  return { ...shell, context }
}

/**
 * The engine with everything gone that decides nothing. At rest, what central serves is known by name or not at all.
 * `mute` is a revision that turns out to name a host which never answers.
 */
export const normalEngine = (engine: Engine, atRest: boolean, mute: string | null = null): Engine => {
  const state = stateName(engine.snapshot.value)
  const before = applyContext(engine)
  const told =
    state.startsWith("rollingBack.flipping") ||
    state.startsWith("rollingBack.unlinking") ||
    /^(impaired|closed)/.test(state) ||
    (isEnding(state) && (before.exitRecorded || (before.impaired !== null && before.charged === null)))
  const kept: ConfigApplyContext = {
    ...before,
    disk: knownDisk(state, before.disk),
    state: told ? EMPTY_STATE : before.state,
    offer: isStaging(state) ? before.offer : null,
    pending: /^(boot|probation|rollingBack|steady)/.test(state) ? before.pending : null
  }
  const spoken = spokenOf(engine, kept)
  const isKnown = spoken.includes(engine.served)
  const named = isKnown || atRest || engine.served === UNKNOWN ? spoken : [...spoken, engine.served]
  const naming = namingOf(named, mute, slottedIn(engine.disk, kept.disk))
  const { rename } = naming
  const offer = (value: Offer | null): Offer | null =>
    value === null ? null : { etag: rename(value.etag), offer: 0, wall: LATE }
  const etag = kept.running.etag === null ? null : rename(kept.running.etag)
  const slot = isEnding(state) ? null : kept.running.slot
  const context: ConfigApplyContext = {
    ...kept,
    disk: naming.facts(kept.disk),
    state: naming.file(kept.state),
    lost: state.startsWith("boot") && kept.lost,
    start: state.startsWith("boot") ? kept.start : "first",
    running: shared({
      ...kept.running,
      source: "slot",
      slot,
      etag,
      digest: etag === null && slot === null ? null : digestOf(etag)
    }),
    bootedAt: 0,
    charged: kept.charged === null || !/^(boot|impaired|restarting)/.test(state) ? null : naming.file(kept.charged),
    impaired: kept.impaired === null ? null : "impaired",
    part: { ms: kept.state.marker === undefined || state === "closed" ? 0 : kept.part.ms, since: 0 },
    confirmed: !isEnding(state) && (kept.confirmed || (kept.urlRemembered && !isLive(state))),
    pluginsSettled: isLive(state) && kept.pluginsSettled,
    throttled: isLive(state) && kept.throttled && kept.state.marker?.extended !== true,
    gap: isLive(state) && kept.gap,
    urlRemembered: !isEnding(state) && kept.urlRemembered,
    exitRecorded: state !== "closed" && kept.exitRecorded,
    unwritten: !isEnding(state) && kept.unwritten,
    closing: !isEnding(state) && kept.closing,
    offer: offer(kept.offer),
    pending: offer(kept.pending),
    windowMs: isStaging(state) ? kept.windowMs : 0,
    restart: kept.restart === "safe_hold_over" ? "safe_hold_over" : "config_applied",
    storageProblem: null
  }
  const { disk } = engine
  return {
    snapshot: withContext(engine.snapshot, context),
    waits: engine.waits,
    // How many attempts a start leaves is open until it is counted.
    tasks: (state === "boot.counting" ? uncounted(engine.tasks) : engine.tasks).map((task) => ({
      ...task,
      input: naming.input(task.input)
    })),
    disk: {
      ...disk,
      slots: naming.slots(disk.slots),
      state: typeof disk.state === "string" ? disk.state : naming.file(disk.state)
    },
    served: isKnown || !atRest ? rename(engine.served) : UNKNOWN
  }
}

const uncounted = (tasks: ReadonlyArray<Task>): ReadonlyArray<Task> =>
  tasks.map((task) => {
    const { state } = task.input as { readonly state: StateFile }
    return { ...task, input: { state: withAttempts(state, ATTEMPTS) } }
  })

/** The engine can still come to a verdict that a gap defers. */
export const hearsGaps = (state: string): boolean => isLive(state)

/** Every name in an engine, and who else could be served. */
export const namesIn = (engine: Engine): ReadonlyArray<string> => [
  ...new Set([...spokenOf(engine, applyContext(engine)), ...(engine.served === UNKNOWN ? [] : [engine.served])])
]

const withAttempts = (state: StateFile, attempts_left: number): StateFile =>
  state.marker === undefined ? state : { ...state, marker: { ...state.marker, attempts_left } }

const isCounting = (engine: Engine): boolean =>
  stateName(engine.snapshot.value) === "boot.counting" && applyContext(engine).state.marker !== undefined

/** A start is being counted against attempts of which there may be more than two. */
export const mayBeSpared = (engine: Engine): boolean =>
  isCounting(engine) &&
  isUnexplained(applyContext(engine).start) &&
  applyContext(engine).state.marker?.attempts_left === ATTEMPTS

/** How a start is counted: against the last attempt but one, or, when it is spared, against one before. */
export const counted = (engine: Engine, isSpared: boolean): Engine => {
  if (!isCounting(engine)) return engine
  const context = applyContext(engine)
  const before = isSpared ? ATTEMPTS + 1 : (context.state.marker?.attempts_left ?? ATTEMPTS)
  const after = isUnexplained(context.start) ? before - 1 : before
  return {
    ...engine,
    snapshot: withContext(engine.snapshot, { ...context, state: withAttempts(context.state, before) }),
    tasks: engine.tasks.map((task) => {
      const { state } = task.input as { readonly state: StateFile }
      return { ...task, input: { state: withAttempts(state, after) } }
    })
  }
}

/** A revision that is staged again after it was bad: until now, nothing kept told whether it ever was. */
export const remembered = (engine: Engine, etag: string): Engine => {
  const context = applyContext(engine)
  const entry = {
    etag,
    digest: digestOf(etag),
    environment: "1",
    reason: "crash_loop",
    recorded_at: 0,
    attempts: 1
  } as const
  const withEntry = (state: StateFile): StateFile =>
    state.quarantine.some((known) => known.etag === etag)
      ? state
      : { ...state, quarantine: [...state.quarantine, { ...entry, retry_at: DUE }] }
  const { disk } = engine
  return {
    ...engine,
    snapshot: withContext(engine.snapshot, { ...context, state: withEntry(context.state) }),
    disk: typeof disk.state === "string" ? disk : { ...disk, state: withEntry(disk.state) }
  }
}

/** Central changes its mind when nothing that it served before waits at the gateway. */
export const mayChange = (engine: Engine): boolean => applyContext(engine).pending === null

/** What a boot told the daemon, as far as the daemon's chart tells it apart. */
export const normalBoot = (boot: BootOutcome): BootOutcome => ({
  ...boot,
  running: { ...boot.running, slot: null, etag: null, digest: null, source: "slot" },
  unexplained: Math.min(boot.unexplained, SAFE_START_COUNT),
  ranMs: 0,
  safeHoldMs: SAFE_HOLD_MS,
  impaired: boot.impaired === null ? null : "impaired"
})

const normalContext = (machine: PartName, context: unknown): unknown => {
  switch (machine) {
    case "join": {
      const { refreshSpent, token } = context as JoinContext
      return { attempt: 0, jitter: 0, token, refreshInMs: 86_400_000, refreshSpent, problem: null }
    }
    case "configPull": {
      const { ending, held, intervalMs, retried, stale } = context as ConfigPullContext
      const waits = { failures: 0, delayMs: 30_000, jitter: 0, apart: false, sinceReport: 0, problem: null }
      return { ...waits, reportAgain: false, intervalMs, retried, stale, held, ending }
    }
    case "daemon": {
      const known = context as DaemonContext
      return {
        ...known,
        boot:
          known.boot === null ? null : { ...normalBoot(known.boot), start: "first", unexplained: 0, impaired: null },
        apiProblem: null,
        pluginProblems: [],
        restart: known.restart === null ? null : "operator",
        cut: null
      }
    }
    case "configApply":
      return context
  }
}

/** A machine other than the engine, with everything gone that decides nothing. */
export const normalPart = (machine: PartName, part: Part): Part => {
  const context = normalContext(machine, part.snapshot.context)
  const isSpent = machine === "join" && (context as JoinContext).refreshSpent
  return {
    snapshot: withContext(part.snapshot, context),
    // The hour of an identity matters to a refresh that was spent, and to nothing else.
    waits: machine === "join" && !isSpent ? part.waits.filter(({ id }) => !id.includes("hour")) : part.waits,
    tasks: part.tasks.filter(({ src }) => src !== "sendReport").map((task) => ({ ...task, input: inputKept(task) }))
  }
}

const inputKept = ({ src, input }: Task): unknown => (src === "loadPlugins" ? input : null)

/** Two disks of engines with the same key are the same. */
export const diskKeyOf = ({ active, confirmedUrl, identities, join, seed, slots, state }: Disk): string =>
  [active, identities.length, join, seed, numberOf(slots), numberOf(state), confirmedUrl].join()

/** Two parts with the same key have the same futures. */
export const keyOf = (machine: PartName, part: Part): string => {
  const { value, context } = part.snapshot
  // Status reports: nobody waits for them and nothing follows from them.
  const shown = machine === "configPull" ? (value as { readonly pull: unknown }).pull : value
  const name = stateName(shown as never)
  const aged = machine === "join" && !(context as JoinContext).refreshSpent ? name.replace(".aged", ".fresh") : name
  const waits = part.waits.map(({ id, least, most }) => [id, least, most])
  const tasks = part.tasks.map(({ id, input }) => [id, input])
  if (machine !== "configApply") return JSON.stringify([aged, context, waits, tasks])
  const { disk, served } = part as Engine
  const { charged, disk: read, running, state: file, ...rest } = context as ConfigApplyContext
  const looked = read === UNREAD_DISK ? 0 : numberOf(read)
  const files = [numberOf(running), numberOf(file), charged === null ? 0 : numberOf(charged)]
  const inputs = part.tasks.map(({ id, input }) => [id, input === null ? 0 : numberOf(input as object)])
  return JSON.stringify([aged, Object.values(rest), looked, files, waits, inputs, diskKeyOf(disk), served])
}
