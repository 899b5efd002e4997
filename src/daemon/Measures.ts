/**
 * What the machines and the journal say, as metrics: everything is derived from transitions and from actions that
 * machines asked for, so that no service counts anything itself.
 *
 * @ref LLP 0014#where-the-figures-come-from [implements]: one place between the machines and what they tell
 */
import { Clock, Context, Effect, Layer, Metric, Stream } from "effect"
import {
  APPLY_VERDICTS,
  type ConfigApply,
  LOGIN_PHASES,
  type PollAnswer,
  ROLLBACK_REASONS,
  RUN_VERDICTS,
  wiring
} from "../../machines/index.ts"
import { type MachineEntry, Version } from "../domain/index.ts"
import { TailMeter } from "../runs/index.ts"
import { type Interpreter, Journal, Switchboard } from "../statechart/index.ts"
import {
  buildInfo,
  computed,
  ladderLevel,
  lastAttempt,
  lastRollback,
  loginPhases,
  machineState,
  polls,
  pollSeconds,
  probations,
  residentBytes,
  rollbacks,
  runOutputBytes,
  runOutputGaps,
  runOutputLag,
  runs,
  startAtZero,
  uptimeSeconds,
  verdicts
} from "../telemetry/index.ts"

/** Listens to machines; nothing in it waits, fails or keeps what a message carried. */
export class Measures extends Context.Service<
  Measures,
  {
    /** A machine took a transition. */
    readonly transition: (entry: MachineEntry) => void
    /** An instance of a machine is gone. */
    readonly gone: (machine: string, instance: string) => void
    /** An action of one machine became an event of another. */
    readonly sent: (machine: string, event: { readonly type: string }) => void
    /** The apply engine asked for a note. */
    readonly noted: (note: { readonly event: string; readonly detail?: string }) => Effect.Effect<void>
    /** The poll loop asked for an answer to be noted. */
    readonly polled: (answer: PollAnswer) => Effect.Effect<void>
    /** Output of a run came in. */
    readonly output: TailMeter
    /** Reads what the apply engine remembers over restarts, whenever it changes; does not end. */
    readonly follow: (apply: Interpreter<typeof ConfigApply>) => Effect.Effect<void>
  }
>()("holdfast/daemon/Measures") {
  static readonly layer = Layer.suspend(() => Layer.effect(Measures, make))
}

const LEAVES = ","
const [VERDICT_TO, VERDICT_EVENT] = wiring.configApply.verdictReached
/** What the apply engine says when it tells central once more of a revision that it had applied before. */
const PROMOTED = "promoted"

const make = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const count = (metric: Metric.Metric<number, unknown>, value = 1) => metric.updateUnsafe(value, context)

  startAtZero(context)
  const clock = yield* Clock.Clock
  const startedAt = clock.monotonicTimeNanosUnsafe()
  const { memoryUsage, versions } = globalThis.process
  computed(uptimeSeconds, context, () => Number((clock.monotonicTimeNanosUnsafe() - startedAt) / 1_000_000n) / 1_000)
  computed(residentBytes, context, () => memoryUsage.rss())
  count(Metric.withAttributes(buildInfo, { version: yield* Version, node: versions.node }))

  /** Where each instance is now, by machine and instance; and how many are in each state, by machine and state. */
  const whereabouts = new Map<string, ReadonlyArray<string>>()
  const populations = new Map<string, number>()

  const move = (machine: string, instance: string | null, states: ReadonlyArray<string>) => {
    const address = `${machine}/${instance ?? ""}`
    for (const state of whereabouts.get(address) ?? []) {
      const key = `${machine}/${state}`
      populations.set(key, (populations.get(key) ?? 1) - 1)
    }
    for (const state of states) {
      const key = `${machine}/${state}`
      if (!populations.has(key)) {
        const series = Metric.withAttributes(machineState, { machine, state })
        computed(series, context, () => populations.get(key) ?? 0)
      }
      populations.set(key, (populations.get(key) ?? 0) + 1)
    }
    if (states.length === 0) whereabouts.delete(address)
    else whereabouts.set(address, states)
  }

  let pollBegan: number | undefined
  const ofPull = ({ event, from, to, uptime, visible }: MachineEntry) => {
    if (typeof visible["failures"] === "number") count(ladderLevel, visible["failures"])
    if (!isPolling(to) && isPolling(from)) {
      const began = pollBegan
      pollBegan = undefined
      // A poll that the daemon's end cut short, or whose answer it ignored, says nothing of central.
      if (began === undefined || to.startsWith("pull.stopped")) return
      count(pollSeconds, (uptime - began) / 1_000)
      if (to.startsWith("pull.refreshing")) count(polls("unauthorized"))
      if (event.startsWith("xstate.error.")) count(polls("failed"))
    } else if (isPolling(to)) pollBegan ??= uptime
  }

  let onTrialSince: number | undefined
  const ofApply = ({ from, to, uptime }: MachineEntry) => {
    if (from === "boot.recordingCorrupt" && to !== from && to !== "boot.rereading") count(rollbacks("slot_corrupt"))
    if (isOnTrial(to)) onTrialSince ??= uptime
    if (onTrialSince === undefined) return
    const ended = endOfTrial(from, to)
    if (ended !== undefined) count(probations(ended), (uptime - onTrialSince) / 1_000)
    if (ended !== undefined || !isOnTrial(to)) onTrialSince = undefined
  }

  /** What each login machine was last seen in: the flow and its phase. */
  const phases = new Map<string | null, string>()
  const ofLogin = ({ instance, visible }: MachineEntry) => {
    const { id, phase } = fieldsOf(visible["flow"])
    const known = LOGIN_PHASES.find((one) => one === phase)
    const now = `${String(id)} ${known}`
    if (known === undefined || phases.get(instance) === now) return
    phases.set(instance, now)
    count(loginPhases(known))
  }

  const ofRun = ({ from, to, visible }: MachineEntry) => {
    if (from !== "recording" || to !== "cleaning") return
    const verdict = RUN_VERDICTS.find((one) => one === visible["verdict"])
    if (verdict !== undefined) count(runs(verdict))
  }

  return Measures.of({
    transition: (entry) => {
      if (entry.from !== entry.to) move(entry.machine, entry.instance, entry.to.split(LEAVES))
      if (entry.machine === "configPull") ofPull(entry)
      else if (entry.machine === "configApply") ofApply(entry)
      else if (entry.machine === "deviceLogin") ofLogin(entry)
      else if (entry.machine === "run") ofRun(entry)
    },
    gone: (machine, instance) => move(machine, instance, []),
    sent: (machine, event) => {
      if (machine !== VERDICT_TO || event.type !== VERDICT_EVENT) return
      const { detail, verdict } = fieldsOf(event)
      const known = APPLY_VERDICTS.find((one) => one === verdict)
      if (known !== undefined && !(known === "applied" && detail === PROMOTED)) count(verdicts(known))
    },
    noted: ({ detail, event }) =>
      Effect.sync(() => {
        const reason = ROLLBACK_REASONS.find((one) => one === detail)
        if (event === "config.rollback" && reason !== undefined) count(rollbacks(reason))
      }),
    polled: ({ kind }) => Effect.sync(() => count(polls(kind))),
    output: {
      delivered: (bytes, lagMs) => {
        count(runOutputBytes, bytes)
        count(runOutputLag, lagMs / 1_000)
      },
      gap: (reason) => count(runOutputGaps(reason))
    },
    follow: (apply) =>
      Stream.runForEach(apply.changes, ({ context: { state } }) =>
        Effect.sync(() => {
          if (state.last_attempt !== undefined) {
            count(lastAttempt(state.last_attempt.verdict), state.last_attempt.at / 1_000)
          }
          if (state.last_rollback !== undefined) {
            count(lastRollback(state.last_rollback.reason), state.last_rollback.at / 1_000)
          }
        })
      )
  })
})

/** The journal, and the measures told of everything that it is told. */
export const measuredJournal = Layer.effect(
  Journal,
  Effect.gen(function* () {
    const journal = yield* Journal
    const measures = yield* Measures
    return Journal.of({
      ...journal,
      record: (entry) => {
        measures.transition(entry)
        journal.record(entry)
      },
      forget: (machine, instance) => {
        measures.gone(machine, instance)
        journal.forget(machine, instance)
      }
    })
  })
).pipe(Layer.provide(Journal.layer))

/** What is said of the output of runs goes to the measures. */
export const measuredOutput = Layer.effect(
  TailMeter,
  Effect.map(Measures, ({ output }) => output)
)

/** The lines between the machines, and the measures told of everything that goes over them. */
export const measuredSwitchboard = Layer.effect(
  Switchboard,
  Effect.gen(function* () {
    const switchboard = yield* Switchboard
    const measures = yield* Measures
    return Switchboard.of({
      ...switchboard,
      send: (machine, instance, event, cause) => {
        measures.sent(machine, event)
        switchboard.send(machine, instance, event, cause)
      }
    })
  })
).pipe(Layer.provide(Switchboard.layer(wiring)))

const isPolling = (states: string): boolean => states.startsWith("pull.polling.")

/** Once a promotion is committed the rest of it is no probation any more. */
const isPromoted = (state: string): boolean => /^probation\.promoting\.(finishing|retiring)/.test(state)

const isOnTrial = (state: string): boolean => /^(probation|rollingBack)\./.test(state) && !isPromoted(state)

/** How a step ended a probation, if it did. */
const endOfTrial = (from: string, to: string) => {
  if (isOnTrial(to)) return undefined
  if (isPromoted(to)) return "promoted"
  if (from.startsWith("rollingBack.")) return to.startsWith("steady") ? "kept" : "rolled_back"
  return to === "restarting" ? "slot_corrupt" : undefined
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {}
