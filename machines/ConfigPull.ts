/**
 * The poll loop: asks central for the configuration, confirms what runs, offers what is new, and never spins.
 *
 * @ref LLP 0003#the-table [implements]: what each answer confirms, stages and delays
 */
import { assign, setup } from "xstate"
import { rung } from "./ConfigFacts.ts"
import { action, failureOf, outputOf, task } from "./Task.ts"
import type { PollAnswerKind } from "./Vocabulary.ts"

/** Waits after consecutive failures, in ms; sticky at the last one. */
export const POLL_LADDER_MS = [30_000, 60_000, 120_000, 300_000] as const
/** The shortest wait after a 404: no configuration is registered for this machine. */
export const NOT_FOUND_MS = 300_000
/** The longest `Retry-After` that is honoured. */
export const RETRY_AFTER_MAX_MS = 3_600_000
/** Stopping lets a poll in flight finish this long. */
export const STOP_GRACE_MS = 1_000
/** A status report at least every so many polls. */
export const REPORT_EVERY = 10
/** No interval is shorter or longer than the document may ask for, whatever it says. */
export const INTERVAL_MIN_MS = 5_000
export const INTERVAL_MAX_MS = 3_600_000

/** What a poll came back with. The bytes of a good answer stay outside the machine: `offer` is their handle. */
export interface PollAnswer {
  readonly kind: PollAnswerKind
  readonly etag: string
  readonly offer: number
  /** Seconds, of a 429 or 503; 0 when the server did not say. */
  readonly retryAfterSeconds: number
  /** For people: what went wrong. */
  readonly message: string
  /** Wall clock when it arrived, ms. */
  readonly wall: number
  /** -1..1, drawn afresh. */
  readonly jitter: number
}

export interface ConfigPullContext {
  readonly intervalMs: number
  /** Consecutive failures, saturating at the ladder's end. */
  readonly failures: number
  readonly delayMs: number
  readonly jitter: number
  /** This machine has left those behind that began, or came back, at the same moment. */
  readonly apart: boolean
  /** The one retry after a refresh is spent for this poll. */
  readonly retried: boolean
  /** The process was suspended while this poll, or what it waits for, was under way. */
  readonly stale: boolean
  /** Central named the time of the next poll: nobody here may bring it forward. */
  readonly held: boolean
  readonly sinceReport: number
  /** Why the last poll failed; null after a confirmed one. */
  readonly problem: string | null
  readonly reportAgain: boolean
  /** Why the last report failed; null after one that arrived. */
  readonly reportProblem: string | null
  readonly ending: boolean
}

/** What of its context may be shown; nothing in it is secret. */
export const CONFIG_PULL_VISIBLE = [
  "failures",
  "delayMs",
  "held",
  "stale",
  "problem",
  "reportProblem"
] as const satisfies ReadonlyArray<keyof ConfigPullContext>

export type ConfigPullEvent =
  | { readonly type: "BEGIN"; readonly central: boolean; readonly intervalMs: number }
  | { readonly type: "IDENTITY_READY" }
  | { readonly type: "IDENTITY_FAILED" }
  | { readonly type: "POLL_NOW" }
  | { readonly type: "GAP" }
  | { readonly type: "REPORT_DUE" }
  | { readonly type: "END" }

const answerOf = (event: unknown): PollAnswer => outputOf<PollAnswer>(event)
const is =
  (...kinds: ReadonlyArray<PollAnswerKind>) =>
  ({ event }: { readonly event: unknown }): boolean =>
    kinds.includes(answerOf(event).kind)

/** A wait, spread by ± 10 % so that fleets do not march in step, and never none. */
export const spreadWait = (ms: number, jitter: number): number => Math.max(1_000, Math.round(ms * (1 + 0.1 * jitter)))

/**
 * The first wait after a start, or after a central that could not be asked: a tenth of the interval to all of it.
 * Machines that began together, or that waited together for a central to come back, part at once.
 */
export const firstWait = (ms: number, jitter: number): number =>
  Math.max(1_000, Math.round(ms * (0.55 + 0.45 * jitter)))

/** Never sooner than the server asked for; only later. */
export const askedWait = (retryAfterSeconds: number, jitter: number): number =>
  spreadWait(Math.min(retryAfterSeconds * 1_000, RETRY_AFTER_MAX_MS), Math.abs(jitter))

export const clampInterval = (ms: number): number =>
  Number.isFinite(ms) ? Math.min(Math.max(ms, INTERVAL_MIN_MS), INTERVAL_MAX_MS) : INTERVAL_MAX_MS

const pullSetup = setup({
  types: {
    context: {} as ConfigPullContext,
    events: {} as ConfigPullEvent,
    tags: {} as "polling" | "settled" | "degraded"
  },
  actors: {
    poll: task<undefined, PollAnswer>(),
    sendReport: task<undefined, { readonly supported: boolean }>()
  },
  actions: {
    confirmPoll: action(),
    offerRevision: action<{ readonly etag: string; readonly offer: number; readonly wall: number }>(),
    pollThrottled: action(),
    pollRefused: action(),
    pollSettled: action<{ readonly stale: boolean }>(),
    refreshIdentity: action(),
    pullStopped: action(),
    pollNoted: action<{ readonly answer: PollAnswer; readonly failures: number }>()
  },
  guards: {
    joined: ({ event }) => event.type === "BEGIN" && event.central,
    unchanged: is("unchanged"),
    good: is("good"),
    unauthorizedFirst: ({ context, event }) => is("unauthorized")({ event }) && !context.retried,
    unauthorized: is("unauthorized"),
    notFound: is("not_found"),
    throttled: is("throttled"),
    reportIsDue: ({ context }) => context.sinceReport >= REPORT_EVERY,
    reportUnsupported: ({ event }) => !outputOf<{ supported: boolean }>(event).supported,
    reportAgain: ({ context }) => context.reportAgain,
    mayAsk: ({ context }) => !context.held,
    ending: ({ context }) => context.ending
  },
  delays: {
    pollDelay: ({ context }) => context.delayMs,
    stopGrace: STOP_GRACE_MS
  }
})

interface Args {
  readonly context: ConfigPullContext
  readonly event: unknown
}

/** Saturates: a central that takes no reports is polled for years. */
const pollsSince = (context: ConfigPullContext): number => Math.min(context.sinceReport + 1, REPORT_EVERY)

const confirmed = ({ context, event }: Args): Partial<ConfigPullContext> => ({
  failures: 0,
  problem: null,
  jitter: answerOf(event).jitter,
  apart: true,
  delayMs: (context.apart ? spreadWait : firstWait)(context.intervalMs, answerOf(event).jitter),
  sinceReport: pollsSince(context)
})

const onLadder = (context: ConfigPullContext, jitter: number, problem: string): Partial<ConfigPullContext> => ({
  failures: Math.min(context.failures + 1, POLL_LADDER_MS.length),
  problem,
  jitter,
  apart: false,
  delayMs: spreadWait(rung(POLL_LADDER_MS, context.failures), jitter),
  sinceReport: pollsSince(context)
})

const unanswered = ({ context, event }: Args) => onLadder(context, answerOf(event).jitter, answerOf(event).message)

const throttled = ({ context, event }: Args): Partial<ConfigPullContext> => {
  const { jitter, message, retryAfterSeconds } = answerOf(event)
  const ladder = onLadder(context, jitter, message)
  if (!(retryAfterSeconds > 0)) return ladder
  return { ...ladder, held: true, delayMs: askedWait(retryAfterSeconds, jitter) }
}

/** However a poll ended, whoever waits for a fresh one hears of it. */
const settledAs = {
  type: "pollSettled" as const,
  params: ({ context }: { readonly context: ConfigPullContext }) => ({ stale: context.stale })
}

const settled = (extra: ReadonlyArray<"confirmPoll" | "pollThrottled" | "pollRefused">) =>
  [
    {
      type: "pollNoted" as const,
      params: ({ context, event }: Args) => ({ answer: answerOf(event), failures: context.failures })
    },
    ...extra,
    settledAs
  ] as const

export const ConfigPull = pullSetup.createMachine({
  id: "configPull",
  description: "When is central asked, and what does its answer mean?",
  context: {
    intervalMs: INTERVAL_MAX_MS,
    failures: 0,
    delayMs: INTERVAL_MAX_MS,
    jitter: 0,
    apart: false,
    retried: false,
    stale: false,
    held: false,
    // The first settled poll of a process is reported.
    sinceReport: REPORT_EVERY - 1,
    problem: null,
    reportAgain: false,
    reportProblem: null,
    ending: false
  },
  type: "parallel",
  states: {
    pull: {
      description: "One poll after another, as far apart as the table of answers says.",
      initial: "idle",
      on: { END: ".stopped", GAP: { actions: assign({ stale: true }) } },
      states: {
        idle: {
          description: "Boot evaluation is not over, or this machine has no central.",
          tags: "settled",
          on: {
            BEGIN: {
              guard: "joined",
              target: "waitingForIdentity",
              actions: assign(({ event }) => ({ intervalMs: clampInterval(event.intervalMs) }))
            }
          }
        },
        waitingForIdentity: {
          description: "The first poll comes at once after the identity; a failed try counts as a settled poll.",
          tags: "settled",
          on: {
            IDENTITY_READY: "polling",
            IDENTITY_FAILED: { actions: [settledAs, assign({ stale: false })] }
          }
        },
        polling: {
          description: "GET /v1/config; If-None-Match says what this process runs.",
          tags: "polling",
          entry: assign({ stale: false, held: false }),
          on: {
            END: { target: ".finishing", actions: assign({ ending: true }) }
          },
          initial: "asking",
          states: {
            asking: { description: "The answer decides." },
            finishing: {
              description: "Stopping: the poll in flight may end by itself for a second; its answer decides nothing.",
              after: { stopGrace: "#configPull.pull.stopped" }
            }
          },
          invoke: {
            src: "poll",
            onDone: [
              { guard: "ending", target: "stopped" },
              { guard: "unchanged", target: "waiting", actions: [assign(confirmed), ...settled(["confirmPoll"])] },
              {
                guard: "good",
                target: "waiting",
                actions: [
                  assign(confirmed),
                  ...settled(["confirmPoll"]),
                  {
                    type: "offerRevision",
                    params: ({ event }) => ({
                      etag: event.output.etag,
                      offer: event.output.offer,
                      wall: event.output.wall
                    })
                  }
                ]
              },
              {
                guard: "unauthorizedFirst",
                target: "refreshing",
                actions: [assign(({ event }) => ({ retried: true, jitter: event.output.jitter })), "pollRefused"]
              },
              { guard: "unauthorized", target: "waiting", actions: [assign(unanswered), ...settled(["pollRefused"])] },
              {
                guard: "notFound",
                target: "waiting",
                actions: [
                  assign(({ context, event }) => ({
                    problem: event.output.message,
                    jitter: event.output.jitter,
                    delayMs: spreadWait(Math.max(NOT_FOUND_MS, context.intervalMs), event.output.jitter),
                    sinceReport: pollsSince(context)
                  })),
                  ...settled([])
                ]
              },
              { guard: "throttled", target: "waiting", actions: [assign(throttled), ...settled(["pollThrottled"])] },
              { target: "waiting", actions: [assign(unanswered), ...settled([])] }
            ],
            onError: [
              { guard: "ending", target: "stopped" },
              {
                target: "waiting",
                actions: [
                  assign(({ context, event }) => onLadder(context, -context.jitter, failureOf(event).message)),
                  settledAs
                ]
              }
            ]
          }
        },
        refreshing: {
          description: "401: one refresh, one retry, then the ladder.",
          tags: "settled",
          entry: "refreshIdentity",
          on: {
            IDENTITY_READY: "polling",
            IDENTITY_FAILED: {
              target: "waiting",
              actions: [
                assign(({ context }) =>
                  onLadder(context, context.jitter, "central refused the identity and it could not be refreshed")
                ),
                settledAs
              ]
            }
          }
        },
        waiting: {
          description: "Until the next poll is due, or somebody asks for it and central did not name a time.",
          tags: "settled",
          entry: assign({ retried: false }),
          after: { pollDelay: "polling" },
          on: { POLL_NOW: { guard: "mayAsk", target: "polling" } }
        },
        stopped: {
          description: "Nothing is asked any more.",
          tags: "settled",
          entry: "pullStopped",
          on: { END: undefined }
        }
      }
    },
    reports: {
      description: "Status reports, one at a time.",
      initial: "idle",
      states: {
        idle: {
          description: "Until a verdict falls, or ten polls have settled.",
          tags: "settled",
          always: [
            {
              guard: "reportIsDue",
              target: "sending",
              actions: assign({ sinceReport: 0 })
            },
            { guard: "reportAgain", target: "sending" }
          ],
          on: { REPORT_DUE: "sending" }
        },
        sending: {
          description: "Tells central what runs and why: rolled back is not the same as never received.",
          entry: assign({ reportAgain: false }),
          on: { REPORT_DUE: { actions: assign({ reportAgain: true }) } },
          invoke: {
            src: "sendReport",
            onDone: [
              { guard: "reportUnsupported", target: "unsupported", actions: assign({ reportProblem: null }) },
              { target: "idle", actions: assign({ reportProblem: null }) }
            ],
            // Due again with the next settled poll: until then central takes what it heard last for the truth.
            onError: {
              target: "idle",
              actions: assign(({ event }) => ({
                sinceReport: REPORT_EVERY - 1,
                reportProblem: failureOf(event).message
              }))
            }
          }
        },
        unsupported: { description: "This central answers 404 or 405: not asked again until the next start." }
      }
    }
  }
})
