/** What a machine did, as the journal keeps it, `GET /machines/events` sends it and pages show it. */

/** One transition that a machine took, or one event that it ignored. */
export interface MachineEntry {
  readonly machine: string
  /** Which one, for machines that have many instances. */
  readonly instance: string | null
  /** Wall clock, in milliseconds. */
  readonly at: number
  /** Elapsed time of the daemon's process, in milliseconds. */
  readonly uptime: number
  /** The type of the event, as XState spells it. */
  readonly event: string
  /** Who sent it: `start`, `timer`, `task <name>`, `machine <id>`, `operator`, `signal`, `clock`. */
  readonly cause: string
  /** Active leaf states as dotted paths joined by commas; empty before the first state. */
  readonly from: string
  readonly to: string
  /** Whether anything changed: state, context, timers, or something was done. */
  readonly changed: boolean
  /** The fields of the context that the machine allows to be seen. */
  readonly visible: Readonly<Record<string, unknown>>
}
