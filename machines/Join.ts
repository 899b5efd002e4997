/**
 * The life of a machine in its fleet: it holds a token, enrols, keeps its identity fresh, and may lose it.
 *
 * Failure to acquire an identity never ends the process and is never silent: every path leads back to another try.
 *
 * @ref LLP 0002#the-chart [implements]: states, ladder and refresh
 */
import { assign, setup } from "xstate"
import { action, failureOf, outputOf, task } from "./Task.ts"

/** Waits between tries to acquire an identity, in ms; the last one repeats. */
export const ENROL_LADDER_MS = [5_000, 15_000, 30_000, 60_000, 120_000, 300_000] as const
/** Timers are cut here (24 days), so that no runtime overflows them; a longer wait is taken up again. */
export const REFRESH_MAX_MS = 2_000_000_000
/** A server that mints tokens of no life must not cause a refresh per breath. */
export const REFRESH_MIN_MS = 60_000

/** What the `loadIdentity` task found on the disk for the central that runs. */
export interface LoadedIdentity {
  readonly kind: "ready" | "none"
  /** Elapsed ms until a refresh is due; meaningless without an identity. */
  readonly refreshInMs: number
  /** A policy token is at hand (running document or seed). */
  readonly token: boolean
  /** -1..1, drawn afresh. */
  readonly jitter: number
}

export interface AcquiredIdentity {
  readonly refreshInMs: number
  /** The server sent an expiry that cannot be one: the token is used until a 401. */
  readonly expiryUnknown: boolean
  readonly jitter: number
}

export interface JoinContext {
  readonly attempt: number
  readonly jitter: number
  readonly token: boolean
  readonly refreshInMs: number
  /** A refresh now would be the second within the hour that an unknown expiry allows. */
  readonly refreshSpent: boolean
  /** Why there is no identity, or why its refresh failed. */
  readonly problem: string | null
}

/** What of its context may be shown; nothing in it is secret. */
export const JOIN_VISIBLE = ["attempt", "token", "refreshSpent", "problem"] as const satisfies ReadonlyArray<
  keyof JoinContext
>

export type JoinEvent =
  | { readonly type: "BEGIN"; readonly central: boolean }
  | { readonly type: "REFRESH_NEEDED" }
  | { readonly type: "END" }
  | { readonly type: "LEAVE" }

/** The tag of a failure that says: central refused the credential itself. */
export const CREDENTIAL_REFUSED = "CredentialRefused"

export const ladderDelay = (attempt: number, jitter: number): number => {
  const step = Math.min(Math.max(attempt - 1, 0), ENROL_LADDER_MS.length - 1)
  return Math.round((ENROL_LADDER_MS[step] ?? 300_000) * (1 + 0.1 * jitter))
}

const wasRefused = (event: unknown): boolean => failureOf(event)._tag === CREDENTIAL_REFUSED

const joinSetup = setup({
  types: {
    context: {} as JoinContext,
    events: {} as JoinEvent,
    tags: {} as "settled" | "degraded"
  },
  actors: {
    loadIdentity: task<undefined, LoadedIdentity>(),
    bootstrap: task<undefined, AcquiredIdentity>(),
    refresh: task<undefined, AcquiredIdentity>()
  },
  actions: {
    identityReady: action(),
    identityFailed: action()
  },
  guards: {
    joined: ({ event }) => event.type === "BEGIN" && event.central,
    identityFound: ({ event }) => outputOf<LoadedIdentity>(event).kind === "ready",
    tokenFound: ({ event }) => outputOf<LoadedIdentity>(event).token,
    refused: ({ event }) => wasRefused(event),
    refusedWithToken: ({ context, event }) => wasRefused(event) && context.token,
    refreshSpent: ({ context }) => context.refreshSpent
  },
  delays: {
    retry: ({ context }) => ladderDelay(context.attempt, context.jitter),
    refreshDue: ({ context }) => Math.min(Math.max(context.refreshInMs, 0), REFRESH_MAX_MS),
    hour: 3_600_000
  }
})

/** What is no number of ms says nothing about the expiry: the identity is used until a 401. */
const sane = (ms: number): number => (Number.isFinite(ms) ? ms : REFRESH_MAX_MS)

const acquired = ({ event }: { readonly event: unknown }): Partial<JoinContext> => {
  const output = outputOf<AcquiredIdentity>(event)
  return {
    attempt: 0,
    problem: null,
    jitter: output.jitter,
    refreshInMs: Math.max(sane(output.refreshInMs), REFRESH_MIN_MS),
    refreshSpent: output.expiryUnknown
  }
}

const failedOnce = ({ context, event }: { readonly context: JoinContext; readonly event: unknown }) => ({
  attempt: Math.min(context.attempt + 1, ENROL_LADDER_MS.length),
  // The next draw comes with the next answer; until then the old one is turned, so that two waits differ.
  jitter: -context.jitter,
  problem: failureOf(event).message
})

export const Join = joinSetup.createMachine({
  id: "join",
  description: "Does this machine belong to a fleet, and can it prove so?",
  context: {
    attempt: 0,
    jitter: 0,
    token: false,
    refreshInMs: 0,
    refreshSpent: false,
    problem: null
  },
  initial: "idle",
  on: {
    END: ".ended",
    LEAVE: ".leaving"
  },
  states: {
    idle: {
      description: "Boot evaluation is not over: nobody knows yet which central is ours.",
      tags: "settled",
      on: { BEGIN: [{ guard: "joined", target: "loading" }, { target: "unjoined" }] }
    },
    unjoined: {
      description: "No central: the machine runs its local layer alone, which is first-class use.",
      tags: "settled"
    },
    loading: {
      description: "Reads identity.json, or its second copy, for the URL of the running document.",
      invoke: {
        src: "loadIdentity",
        onDone: [
          {
            guard: "identityFound",
            target: "enrolled",
            actions: assign(({ event }) => ({
              token: event.output.token,
              jitter: event.output.jitter,
              refreshInMs: sane(event.output.refreshInMs),
              problem: null
            }))
          },
          {
            guard: "tokenFound",
            target: "enrolling",
            actions: assign(({ event }) => ({ token: true, jitter: event.output.jitter }))
          },
          {
            target: "credentialDead",
            actions: assign(({ context, event }) => ({
              token: false,
              jitter: event.output.jitter,
              attempt: Math.min(context.attempt + 1, ENROL_LADDER_MS.length),
              problem: context.problem ?? "there is neither an identity nor a policy token"
            }))
          }
        ],
        onError: { target: "seeded", actions: [assign(failedOnce), "identityFailed"] }
      }
    },
    seeded: {
      description: "Not enrolled yet; waiting for the next try.",
      tags: ["settled", "degraded"],
      after: { retry: "loading" }
    },
    enrolling: {
      description: "Trades the policy token for an identity.",
      invoke: {
        src: "bootstrap",
        onDone: { target: "enrolled", actions: assign(acquired) },
        onError: { target: "seeded", actions: [assign(failedOnce), "identityFailed"] }
      }
    },
    enrolled: {
      description: "Holds an identity; refreshed at half of its life, or 24 h before its end.",
      tags: "settled",
      entry: "identityReady",
      initial: "fresh",
      on: {
        REFRESH_NEEDED: [{ guard: "refreshSpent", actions: "identityFailed" }, { target: "refreshing" }]
      },
      after: { refreshDue: "refreshing" },
      states: {
        fresh: {
          description: "With an unknown expiry a refresh is allowed once an hour.",
          after: { hour: { target: "aged", actions: assign({ refreshSpent: false }) } }
        },
        aged: { description: "Held for an hour at least." }
      }
    },
    refreshing: {
      description: "One refresh in flight; polls go on with the identity there is.",
      invoke: {
        src: "refresh",
        onDone: { target: "enrolled", actions: assign(acquired) },
        onError: [
          { guard: "refusedWithToken", target: "enrolling", actions: assign(failedOnce) },
          { guard: "refused", target: "credentialDead", actions: assign(failedOnce) },
          { target: "retrying", actions: assign(failedOnce) }
        ]
      }
    },
    retrying: {
      description: "The refresh failed for another reason: the identity stays, the ladder says when to try again.",
      tags: ["settled", "degraded"],
      entry: "identityFailed",
      on: { REFRESH_NEEDED: { actions: "identityFailed" } },
      after: { retry: "refreshing" }
    },
    credentialDead: {
      description: "Central refuses the identity and no token is at hand: tried again on the ladder, never given up.",
      tags: ["settled", "degraded"],
      entry: "identityFailed",
      on: { REFRESH_NEEDED: { actions: "identityFailed" } },
      after: { retry: "reviving" }
    },
    reviving: {
      description: "A token may have come back, or central may have forgiven.",
      invoke: {
        src: "loadIdentity",
        onDone: [
          {
            guard: "identityFound",
            target: "refreshing",
            actions: assign(({ event }) => ({ token: event.output.token, jitter: event.output.jitter }))
          },
          {
            guard: "tokenFound",
            target: "enrolling",
            actions: assign(({ event }) => ({ token: true, jitter: event.output.jitter }))
          },
          {
            target: "credentialDead",
            actions: assign(({ context, event }) => ({
              jitter: event.output.jitter,
              attempt: Math.min(context.attempt + 1, ENROL_LADDER_MS.length)
            }))
          }
        ],
        onError: { target: "credentialDead", actions: assign(failedOnce) }
      }
    },
    leaving: {
      description: "The machine leaves its fleet: nothing of an identity is written any more.",
      tags: "settled",
      on: { END: undefined, LEAVE: undefined }
    },
    ended: {
      description: "The process ends.",
      tags: "settled",
      on: { END: undefined, LEAVE: undefined }
    }
  }
})
