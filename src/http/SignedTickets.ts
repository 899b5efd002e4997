/** One-time tickets that whoever holds the server's token makes without asking the server. */
import { Clock, Effect, type Redacted } from "effect"
import { openClaim, sealClaim } from "./Claim.ts"
import { TICKET_SECONDS } from "./Tickets.ts"

const PURPOSE = "ticket:"

/** A new ticket: it works once, within {@link TICKET_SECONDS}, at a server that runs now. */
export const signTicket = (token: Redacted.Redacted<string>): Effect.Effect<Redacted.Redacted<string>> =>
  sealClaim(token, PURPOSE, TICKET_SECONDS)

/**
 * Uses tickets up: whether this one was signed with the token, is not too old, and was not used before. What was used is
 * remembered by this process alone, so a ticket that was made before it started is too old.
 */
export const makeSignedTickets = Effect.fnUntraced(function* (token: Redacted.Redacted<string>) {
  const startedAt = (yield* Clock.currentTimeMillis) / 1_000
  const used = new Map<string, number>()
  return Effect.fnUntraced(function* (ticket: Redacted.Redacted<string>) {
    const claim = yield* openClaim(token, PURPOSE, ticket)
    const now = (yield* Clock.currentTimeMillis) / 1_000
    for (const [nonce, expires] of used) if (expires <= now) used.delete(nonce)
    if (claim === undefined || used.has(claim.nonce)) return false
    const madeAt = claim.expires - TICKET_SECONDS
    if (madeAt < Math.floor(startedAt) || madeAt > now) return false
    used.set(claim.nonce, claim.expires)
    return true
  })
})
