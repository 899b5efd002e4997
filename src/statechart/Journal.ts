/** What the machines have been doing: the last transitions of each, live, in memory only. */
import { Context, Effect, Layer, PubSub, type Scope, Stream } from "effect"
import type { MachineEntry } from "../domain/index.ts"

/** How many transitions are kept per machine (and per instance of a machine that has many). */
export const JOURNAL_LENGTH = 50

/** What a machine did, and which transitions of its chart it took. */
export interface JournalEntry extends MachineEntry {
  /** The names of the transitions that were taken, in order. Worked out when it is asked for: most entries never are. */
  readonly transitions: () => ReadonlyArray<string>
}

/** Where one machine, or one instance of it, is now. */
export interface CurrentState {
  readonly machine: string
  readonly instance: string | null
  readonly state: string
  readonly visible: Readonly<Record<string, unknown>>
}

/** What happened until a moment, and everything that happens from then on. */
export interface Following {
  /** The last transitions of all machines, in order of time. */
  readonly entries: ReadonlyArray<JournalEntry>
  readonly states: ReadonlyArray<CurrentState>
  /** What `entries` does not hold, as it happens. A reader that falls more than 1024 behind misses the oldest. */
  readonly live: Stream.Stream<JournalEntry>
}

/** The bounded history of every interpreted machine; interpreters write it, pages and tests read it. */
export class Journal extends Context.Service<
  Journal,
  {
    /** Records a transition; never waits and never fails. */
    readonly record: (entry: JournalEntry) => void
    /** Forgets an instance that is gone. */
    readonly forget: (machine: string, instance: string) => void
    /** The last transitions, oldest first: of one machine, of one of its instances, or of all in order of time. */
    readonly entries: (machine?: string, instance?: string) => Effect.Effect<ReadonlyArray<JournalEntry>>
    /** Transitions as they happen. A reader that falls more than 1024 behind misses the oldest. */
    readonly stream: Stream.Stream<JournalEntry>
    /** The current state of everything that has been started and not forgotten. */
    readonly states: Effect.Effect<ReadonlyArray<CurrentState>>
    /** Past and future without a gap, and without an entry that is in both; until the scope closes. */
    readonly follow: Effect.Effect<Following, never, Scope.Scope>
  }
>()("holdfast/statechart/Journal") {
  static readonly layer: Layer.Layer<Journal> = Layer.suspend(() => Layer.effect(Journal, make))
}

const addressOf = (machine: string, instance: string | null): string => `${machine}/${instance ?? ""}`

const make = Effect.gen(function* () {
  const rings = new Map<string, Array<JournalEntry>>()
  const live = yield* PubSub.sliding<JournalEntry>(1_024)

  const record = (entry: JournalEntry): void => {
    const address = addressOf(entry.machine, entry.instance)
    const ring = rings.get(address)
    if (ring === undefined) rings.set(address, [entry])
    else if (ring.push(entry) > JOURNAL_LENGTH) ring.shift()
    PubSub.publishUnsafe(live, entry)
  }

  const entries = (machine?: string, instance?: string) =>
    Effect.sync(() =>
      [...rings.values()]
        .filter(([first]) => machine === undefined || first?.machine === machine)
        .filter(([first]) => instance === undefined || first?.instance === instance)
        .flat()
        .sort((a, b) => a.uptime - b.uptime)
    )

  const states = Effect.sync(() =>
    [...rings.values()].flatMap((ring) => {
      const last = ring.at(-1)
      return last === undefined
        ? []
        : [{ machine: last.machine, instance: last.instance, state: last.to, visible: last.visible }]
    })
  )

  const follow = Effect.gen(function* () {
    const subscription = yield* PubSub.subscribe(live)
    const past = yield* entries()
    const told = new Set(past)
    return {
      entries: past,
      states: yield* states,
      live: Stream.filter(Stream.fromSubscription(subscription), (entry) => !told.has(entry))
    }
  })

  return Journal.of({
    record,
    forget: (machine, instance) => void rings.delete(addressOf(machine, instance)),
    entries,
    stream: Stream.fromPubSub(live),
    states,
    follow
  })
})
