/** The lines between the machines, and the one place where a machine that broke stops the daemon. */
import { Context, Deferred, Effect, Layer, Schema } from "effect"
import type { EventObject } from "xstate"
import type { Wiring } from "../../machines/index.ts"

/** A machine ended that must not, or the shell that runs it has a bug: the daemon cannot go on with it. */
export class MachineBroke extends Schema.TaggedError<MachineBroke>()("MachineBroke", {
  machine: Schema.String,
  message: Schema.String,
  /** The last transitions, oldest first. */
  trace: Schema.Array(Schema.String)
}) {}

/** Takes an event and who sent it; never waits. */
export type Mailbox = (event: EventObject, cause: string) => void

/** How many events wait for a machine that has not been started; past it the oldest are dropped. */
export const WAITING_MAX = 1_000

/** Carries what one machine says to the machine that the wiring names. */
export class Switchboard extends Context.Service<
  Switchboard,
  {
    /** The actions of a machine that are sends, with where each goes. */
    readonly routes: (machine: string) => Readonly<Record<string, readonly [machine: string, event: string]>>
    /**
     * Delivers to a machine: to the sender's own instance of it where there is one, else to the only one. A machine
     * that has never been started gets the event when it is; one that is gone does not.
     */
    readonly send: (machine: string, instance: string | null, event: EventObject, cause: string) => void
    /** Connects a machine; what waited for it is delivered at once. */
    readonly connect: (machine: string, instance: string | null, mailbox: Mailbox) => void
    readonly disconnect: (machine: string, instance: string | null) => void
    /** Reports a machine that broke; the first report counts. */
    readonly report: (broken: MachineBroke) => Effect.Effect<void>
    /** Fails with the first report and never succeeds; the root exits 1 on it. */
    readonly fatal: Effect.Effect<never, MachineBroke>
  }
>()("holdfast/statechart/Switchboard") {
  /** The lines of `wiring` (machine → action → [machine, event]). */
  static readonly layer = (wiring: Wiring): Layer.Layer<Switchboard> => Layer.effect(Switchboard, make(wiring))
}

interface Waiting {
  readonly instance: string | null
  readonly event: EventObject
  readonly cause: string
}

const addressOf = (machine: string, instance: string | null): string => `${machine}/${instance ?? ""}`

const make = Effect.fnUntraced(function* (wiring: Wiring) {
  const broken = yield* Deferred.make<never, MachineBroke>()
  const mailboxes = new Map<string, Mailbox>()
  const waiting = new Map<string, ReadonlyArray<Waiting>>()
  const known = new Set<string>()

  const send = (machine: string, instance: string | null, event: EventObject, cause: string): void => {
    const mailbox = mailboxes.get(addressOf(machine, instance)) ?? mailboxes.get(addressOf(machine, null))
    if (mailbox !== undefined) return mailbox(event, cause)
    if (known.has(addressOf(machine, instance)) || known.has(addressOf(machine, null))) return
    waiting.set(machine, [...(waiting.get(machine) ?? []), { instance, event, cause }].slice(-WAITING_MAX))
  }

  const connect = (machine: string, instance: string | null, mailbox: Mailbox): void => {
    const address = addressOf(machine, instance)
    mailboxes.set(address, mailbox)
    // Instances come and go under ever new names; only a machine that there is one of is remembered.
    if (instance === null) known.add(address)
    const mine = (one: Waiting) => instance === null || one.instance === instance
    const all = waiting.get(machine)
    if (all === undefined) return
    waiting.set(
      machine,
      all.filter((one) => !mine(one))
    )
    for (const { cause, event } of all.filter(mine)) mailbox(event, cause)
  }

  return Switchboard.of({
    routes: (machine) => wiring[machine] ?? {},
    send,
    connect,
    disconnect: (machine, instance) => void mailboxes.delete(addressOf(machine, instance)),
    report: (error) => Effect.asVoid(Deferred.fail(broken, error)),
    fatal: Deferred.await(broken)
  })
})
