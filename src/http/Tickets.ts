/** One-time tickets: what a link carries to a browser that has no session yet. */
import { Clock, Effect, Redacted } from "effect"
import { sha256Hex } from "../storage/index.ts"
import { equalDigests } from "./ConstantTime.ts"
import { randomSecret } from "./RandomSecret.ts"

/** How long a ticket lasts, in seconds. */
export const TICKET_SECONDS = 60

/** How many tickets are good at one time; a new one takes the place of the oldest. */
export const TICKETS_MAX = 5

/** Tickets of one process: they end with it. */
export interface Tickets {
  /** A new ticket. */
  readonly issue: Effect.Effect<Redacted.Redacted<string>>
  /** Whether this is a ticket that is still good; it is not from then on. */
  readonly redeem: (ticket: Redacted.Redacted<string>) => Effect.Effect<boolean>
}

interface Issued {
  /** What is kept of the ticket: enough to know it, not enough to use it. */
  readonly digest: string
  /** On the clock that nobody sets, in nanoseconds. */
  readonly goodUntil: bigint
}

/** No tickets yet. */
export const makeTickets: Effect.Effect<Tickets> = Effect.sync(() => {
  let issued: ReadonlyArray<Issued> = []
  const goodAt = (now: bigint) => issued.filter(({ goodUntil }) => goodUntil > now)

  return {
    issue: Effect.gen(function* () {
      const ticket = yield* randomSecret
      const digest = yield* digestOf(ticket)
      const now = yield* Clock.monotonicTimeNanos
      const one = { digest, goodUntil: now + BigInt(TICKET_SECONDS) * 1_000_000_000n }
      issued = [...goodAt(now), one].slice(-TICKETS_MAX)
      return ticket
    }),
    redeem: Effect.fnUntraced(function* (ticket) {
      const digest = yield* digestOf(ticket)
      const good = goodAt(yield* Clock.monotonicTimeNanos)
      // Every one is compared, and nothing else runs between the look and the taking.
      issued = good.filter((one) => !equalDigests(one.digest, digest))
      return issued.length < good.length
    })
  }
})

const digestOf = (ticket: Redacted.Redacted<string>) => sha256Hex(new TextEncoder().encode(Redacted.value(ticket)))
