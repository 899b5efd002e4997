/** What a page has seen so far, over restarts of the daemon. Pure. */
import type { Entry, Hello, Machine } from "./Wire.ts"

/** How many transitions of one machine a page remembers, and as many that left its state as it was. */
export const REMEMBERED = 250

/** Of a machine that has many instances: the same for each of them, and for all together. */
export const REMEMBERED_EACH = 50
export const REMEMBERED_TOGETHER = 2_000

/** How many instances of one machine a page keeps in sight: the newest. */
export const INSTANCES = 200

/** Where an instance is at its end: the daemon forgets it there. */
const GONE = "closed"

/** How the page and the daemon are connected. `refused`: the daemon answers, but not to this browser. */
export type Connection = "connecting" | "live" | "lost" | "refused"

/** One row of the history; `key` never changes and grows with time. */
export type Row =
  | { readonly kind: "transition"; readonly key: number; readonly entry: Entry }
  | { readonly kind: "restart"; readonly key: number; readonly at: number; readonly pid: number }

export interface Seen {
  readonly connection: Connection
  readonly daemon: { readonly version: string; readonly pid: number; readonly startedAt: string } | null
  /** The version that the page itself came with. */
  readonly pageVersion: string | null
  readonly machines: ReadonlyArray<Machine>
  /** Oldest first, all machines. */
  readonly rows: ReadonlyArray<Row>
  readonly nextKey: number
}

/** Before the first message. */
export const nothingSeen: Seen = {
  connection: "connecting",
  daemon: null,
  pageVersion: null,
  machines: [],
  rows: [],
  nextKey: 1
}

/** The stream is gone, or the daemon does not let this browser in. */
export const disconnected = (seen: Seen, connection: "lost" | "refused"): Seen => ({ ...seen, connection })

/** A first message: of the same process as before, or of another one. */
export const greeted = (seen: Seen, hello: Hello): Seen => {
  const { pid, startedAt, version } = hello
  const isNew = seen.daemon !== null && (seen.daemon.pid !== pid || seen.daemon.startedAt !== startedAt)
  const next: Seen = {
    ...seen,
    connection: "live",
    daemon: { version, pid, startedAt },
    pageVersion: seen.pageVersion ?? version,
    machines: hello.machines
  }
  if (isNew) {
    const restart: Row = { kind: "restart", key: next.nextKey, at: Date.parse(startedAt), pid }
    return append({ ...next, rows: [...next.rows, restart], nextKey: next.nextKey + 1 }, hello.entries)
  }
  return append(next, hello.entries.filter(isUnseen(seen.rows)))
}

/** A transition as it happens. */
export const happened = (seen: Seen, entry: Entry): Seen =>
  append(
    {
      ...seen,
      machines: seen.machines.map((machine) => (machine.id === entry.machine ? moved(machine, entry) : machine))
    },
    [entry]
  )

/** Whether what is shown is only what was heard last. */
export const isStale = ({ connection }: Seen): boolean => connection === "lost" || connection === "refused"

/** What a page shows of one machine, or of one instance of it: its own transitions, and every restart of the daemon. */
export const rowsOf = (seen: Seen, machine: string, instance: string | null = null): ReadonlyArray<Row> =>
  seen.rows.filter((row) => row.kind === "restart" || isOf(row.entry, machine, instance))

/** The newest transition of a machine, or of one instance of it. */
export const lastOf = (seen: Seen, machine: string, instance: string | null = null): Entry | null => {
  const last = seen.rows.findLast((row) => row.kind === "transition" && isOf(row.entry, machine, instance))
  return last?.kind === "transition" ? last.entry : null
}

const isOf = (entry: Entry, machine: string, instance: string | null): boolean =>
  entry.machine === machine && (instance === null || entry.instance === instance)

/** The active states of all instances of a machine, each once. */
export const activeOf = (machine: Machine): string =>
  [...new Set(machine.states.flatMap(({ state }) => state.split(",")))].join(",")

const moved = (machine: Machine, { instance, to, visible }: Entry): Machine => {
  const current = { instance, state: to, visible }
  if (instance !== null && to === GONE) {
    return { ...machine, states: machine.states.filter((state) => state.instance !== instance) }
  }
  const known = machine.states.some((state) => state.instance === instance)
  return {
    ...machine,
    states: known
      ? machine.states.map((state) => (state.instance === instance ? current : state))
      : [...machine.states, current].slice(-INSTANCES)
  }
}

const append = (seen: Seen, entries: ReadonlyArray<Entry>): Seen => {
  const rows: ReadonlyArray<Row> = [
    ...seen.rows,
    ...entries.map((entry, index) => ({ kind: "transition" as const, key: seen.nextKey + index, entry }))
  ]
  return { ...seen, rows: forgetOld(rows), nextKey: seen.nextKey + entries.length }
}

const forgetOld = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const counts = new Map<string, number>()
  const count = (kind: string): number => {
    const next = (counts.get(kind) ?? 0) + 1
    counts.set(kind, next)
    return next
  }
  const kept = rows.toReversed().filter((row) => {
    if (row.kind === "restart") return true
    // A machine that only hears of polls for an hour does not forget what it did before.
    const { from, instance, machine, to } = row.entry
    const isOne = instance === null
    const kind = `${machine} ${from === to}`
    const all = count(kind) <= (isOne ? REMEMBERED : REMEMBERED_TOGETHER)
    return all && (isOne || count(`${kind} ${instance}`) <= REMEMBERED_EACH)
  })
  return kept.length === rows.length ? rows : kept.toReversed()
}

/** Of one process, what a new stream tells again is what is not newer than the last that was seen of the machine. */
const isUnseen = (rows: ReadonlyArray<Row>) => {
  const since = rows.findLastIndex(({ kind }) => kind === "restart")
  const seen = new Map<string, { readonly uptime: number; readonly told: Set<string> }>()
  for (const row of rows.slice(since + 1)) {
    if (row.kind !== "transition") continue
    const { machine, uptime } = row.entry
    const newest = seen.get(machine)
    if (newest === undefined || newest.uptime < uptime) seen.set(machine, { uptime, told: new Set([sign(row.entry)]) })
    else newest.told.add(sign(row.entry))
  }
  return (entry: Entry): boolean => {
    const newest = seen.get(entry.machine)
    if (newest === undefined || entry.uptime > newest.uptime) return true
    return entry.uptime === newest.uptime && !newest.told.has(sign(entry))
  }
}

const sign = ({ event, from, instance, to }: Entry): string => JSON.stringify([instance, event, from, to])
