/** Words for people. Pure. */
import type { Entry } from "./Wire.ts"

/** The name of a transition's event in its id: `loading · loadIdentity done #1` is `loadIdentity done`. */
export const eventOf = (id: string): string => id.replace(/^.*? · /, "").replace(/ #\d+$/, "")

/** The state that a transition starts in. */
export const sourceOf = (id: string): string => id.replace(/ · .*$/, "")

/** What happened, as pictures call it: `xstate.done.actor.0.join.loading` is `loadIdentity done`. */
export const eventWords = (
  { cause, event, machine }: Pick<Entry, "machine" | "event" | "cause">,
  ids: ReadonlyArray<string>
): string => {
  if (event === "xstate.init") return "start"
  const after = /^xstate\.after\.(.+)$/.exec(event)
  if (after !== null) return `after ${delayWords(after[1] ?? "", machine)}`
  const actor = /^xstate\.(done|error)\.actor\.(?:\d+\.)?(.+)$/.exec(event)
  if (actor === null) return event
  const ending = actor[1] === "done" ? "done" : "failed"
  const place = withoutMachine(actor[2] ?? "", machine)
  const named = ids.find((id) => sourceOf(id) === place && eventOf(id).endsWith(` ${ending}`))
  if (named !== undefined) return eventOf(named)
  const task = /^task (.+)$/.exec(cause)?.[1] ?? place.split(".").at(-1) ?? "task"
  return `${task} ${ending}`
}

/** `retry.join.seeded` is `retry`; a delay in plain milliseconds is `1.5 s`. */
const delayWords = (text: string, machine: string): string => {
  const name = text.split(`.${machine}`)[0] ?? text
  return /^\d+$/.test(name) ? `${Number(name) / 1000} s` : name
}

const withoutMachine = (path: string, machine: string): string =>
  path === machine ? "(root)" : path.startsWith(`${machine}.`) ? path.slice(machine.length + 1) : path

/** The active states of an entry or of a machine, one path each. */
export const statesOf = (paths: string): ReadonlyArray<string> =>
  paths
    .split(",")
    .map((path) => path.trim())
    .filter((path) => path !== "")

/** `pull.idle,reports.idle` is `pull.idle + reports.idle`; nothing is `—`. */
export const stateWords = (paths: string): string => statesOf(paths).join(" + ") || "—"

/** From where to where, without naming regions that stayed where they were. */
export const moveWords = ({ from, to }: Pick<Entry, "from" | "to">): { readonly from: string; readonly to: string } => {
  const before = statesOf(from)
  const after = statesOf(to)
  const left = before.filter((state) => !after.includes(state))
  const entered = after.filter((state) => !before.includes(state))
  if (left.length === 0 && entered.length === 0) return { from: stateWords(from), to: stateWords(to) }
  return { from: stateWords(left.join(",")), to: stateWords(entered.join(",")) }
}

/** One step of a path of the coverage: events are JSON there. */
export const stepWords = (step: string): { readonly name: string; readonly detail: string } => {
  if (!step.startsWith("{")) return { name: step, detail: "" }
  try {
    const { type, ...rest } = JSON.parse(step) as Record<string, unknown>
    return { name: String(type), detail: valueWords(rest) }
  } catch {
    return { name: step, detail: "" }
  }
}

/** A plain value in a line: `central yes, slot a`. */
export const valueWords = (value: unknown): string => {
  if (value === null || value === undefined) return "none"
  if (value === true) return "yes"
  if (value === false) return "no"
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(inner).join(", ")
  if (typeof value !== "object") return String(value)
  return Object.entries(value)
    .map(([key, field]) => `${spaced(key)} ${inner(field)}`)
    .join(", ")
}

const inner = (value: unknown): string =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? `(${valueWords(value)})` : valueWords(value)

/** `intervalMs` is `interval ms`. */
export const spaced = (name: string): string =>
  name
    .replaceAll("_", " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()

/** Enough of an etag to tell revisions apart on a screen. */
export const shortEtag = (etag: string): string => etag.replaceAll('"', "").slice(0, 10)

/** The time of day, 24 hours, to the second; `zone` is the reader's own unless given. */
export const clockWords = (at: number, zone?: string): string =>
  Number.isFinite(at)
    ? new Intl.DateTimeFormat("en-GB", {
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
        ...(zone === undefined ? {} : { timeZone: zone })
      }).format(at)
    : "unknown"

/** Date and time, to the minute; only the time when it is of the same day as `now`. */
export const dateWords = (at: number, now: number, zone?: string): string => {
  if (!Number.isFinite(at)) return "unknown"
  const options = zone === undefined ? {} : { timeZone: zone }
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", ...options })
  const clock = clockWords(at, zone).slice(0, 5)
  return day.format(at) === day.format(now) ? clock : `${day.format(at)}, ${clock}`
}

/** How long, in the two largest units: `2 h 5 min`. */
export const spanWords = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"]
  ] as const
  const first = units.findIndex(([size]) => whole >= size)
  if (first < 0) return "0 s"
  let rest = whole
  const parts: Array<string> = []
  for (const [size, unit] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${unit}`)
  }
  return parts.join(" ")
}

/** `just now`, `5 min ago`, `in 2 h`. */
export const agoWords = (at: number, now: number): string => {
  const seconds = (now - at) / 1000
  if (Math.abs(seconds) < 1.5) return "just now"
  return seconds > 0 ? `${spanWords(seconds)} ago` : `in ${spanWords(-seconds)}`
}
