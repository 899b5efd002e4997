/** What this page knows of the fleet, and since when. Pure. */
import type { Reply } from "./FleetAsk.ts"
import { replyWords } from "./FleetAsk.ts"
import type { Fleet } from "./FleetWire.ts"

export type Connection = "connecting" | "live" | "lost" | "refused"

/** `at` are milliseconds of the page's life. */
export interface FleetState {
  readonly connection: Connection
  readonly fleet: Fleet | null
  readonly etag: string | null
  /** When central last said how the fleet is, and what its own clock said then. */
  readonly heard: { readonly at: number; readonly clock: number } | null
  /** Since when the stream is gone. */
  readonly lostAt: number | null
  /** What runs now, and what ran when this page was loaded. */
  readonly version: string | null
  readonly pageVersion: string | null
  /** Why the fleet could not be asked for; empty when it could. */
  readonly trouble: string
}

export const NOTHING_KNOWN: FleetState = {
  connection: "connecting",
  fleet: null,
  etag: null,
  heard: null,
  lostAt: null,
  version: null,
  pageVersion: null,
  trouble: ""
}

export type FleetEvent =
  | { readonly type: "hello"; readonly version: string }
  | { readonly type: "gone"; readonly how: "lost" | "refused"; readonly at: number }
  | { readonly type: "fleet"; readonly reply: Reply<Fleet>; readonly at: number }

/** A clock that is this far from what was reckoned is believed, in milliseconds: the machine slept. */
const DRIFT_MS = 3_000

export const learn = (state: FleetState, event: FleetEvent): FleetState => {
  switch (event.type) {
    case "hello":
      return {
        ...state,
        connection: "live",
        lostAt: null,
        version: event.version,
        pageVersion: state.pageVersion ?? event.version
      }
    case "gone":
      return { ...state, connection: event.how, lostAt: state.lostAt ?? event.at }
    case "fleet":
      return answered(state, event.reply, event.at)
  }
}

const answered = (state: FleetState, reply: Reply<Fleet>, at: number): FleetState => {
  if (reply.type === "ok") {
    const clock = Date.parse(reply.value.now)
    const heard = Number.isFinite(clock) ? { at, clock } : state.heard
    return { ...state, fleet: reply.value, etag: reply.etag, heard, trouble: "" }
  }
  if (reply.type === "same") {
    const reckoned = clockOf(state, at)
    const isOff = reply.date !== null && reckoned !== null && Math.abs(reply.date - reckoned) > DRIFT_MS
    const clock = isOff ? reply.date : reckoned
    return { ...state, heard: clock === null ? state.heard : { at, clock }, trouble: "" }
  }
  if (reply.type === "away" && reply.why === "refused") {
    return { ...state, connection: "refused", lostAt: state.lostAt ?? at }
  }
  // That the connection is lost the stream tells, as soon as it is.
  return {
    ...state,
    trouble: reply.type === "away" && reply.why === "lost" ? state.trouble : replyWords(reply, "The fleet")
  }
}

const clockOf = ({ heard }: FleetState, at: number): number | null =>
  heard === null ? null : heard.clock + (at - heard.at)

/** Central's clock, milliseconds since 1970. It stands still while the connection is lost: nobody knows what was since. */
export const centralNow = (state: FleetState, at: number): number | null => clockOf(state, state.lostAt ?? at)

/** Whether what is shown is of before. */
export const isOld = ({ connection }: FleetState): boolean => connection === "lost" || connection === "refused"
