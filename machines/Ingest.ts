/**
 * What a gateway tells central: when rows reach the disk, when a batch is sent, and what its answer means.
 *
 * At least once: a batch leaves the disk when central has said that it has it, and is told as a gap when it never will.
 *
 * @ref LLP 0029#the-chart [implements]: states, ladder and bounds
 */
import { assign } from "xstate"
import { askedWait, spreadWait, POLL_LADDER_MS } from "./ConfigPull.ts"
import { rung } from "./ConfigFacts.ts"
import { type IngestContext, ingestSetup, type SendAnswer, STORE_LADDER_MS } from "./IngestSetup.ts"
import { failureOf, outputOf } from "./Task.ts"

interface Args {
  readonly context: IngestContext
  readonly event: unknown
}

const answerOf = (event: unknown): SendAnswer => outputOf<SendAnswer>(event)

const onLadder = (context: IngestContext, jitter: number, problem: string): Partial<IngestContext> => ({
  failures: Math.min(context.failures + 1, POLL_LADDER_MS.length),
  delayMs: spreadWait(rung(POLL_LADDER_MS, context.failures), jitter),
  jitter,
  problem
})

const untaken = ({ context, event }: Args) => onLadder(context, answerOf(event).jitter, answerOf(event).message)

const throttled = ({ context, event }: Args): Partial<IngestContext> => {
  const { jitter, message, retryAfterSeconds } = answerOf(event)
  const ladder = onLadder(context, jitter, message)
  return retryAfterSeconds > 0 ? { ...ladder, delayMs: askedWait(retryAfterSeconds, jitter) } : ladder
}

const noted = {
  type: "sendNoted" as const,
  params: ({ context, event }: Args) => ({ answer: answerOf(event), failures: context.failures })
}

export const Ingest = ingestSetup.createMachine({
  id: "ingest",
  description: "When does central hear what happened here?",
  context: {
    waiting: false,
    unsent: false,
    identity: false,
    storeFailures: 0,
    storeProblem: null,
    failures: 0,
    delayMs: 0,
    jitter: 0,
    problem: null,
    ending: false
  },
  type: "parallel",
  on: {
    RECORDED: { actions: assign({ waiting: true }) },
    IDENTITY_READY: { actions: assign({ identity: true }) }
  },
  states: {
    spool: {
      description: "Rows reach the disk, one write at a time.",
      initial: "idle",
      states: {
        idle: {
          description: "Nobody knows yet whether there is a central: rows stay in memory.",
          tags: "settled",
          always: { guard: "isEnding", target: "sealed" },
          on: { BEGIN: [{ guard: "hasCentral", target: "storing" }, { target: "off" }] }
        },
        off: {
          description: "This machine has no central: nothing is kept.",
          tags: ["settled", "ended"],
          entry: ["forgetRows", assign({ waiting: false })],
          on: { RECORDED: { actions: "forgetRows" } }
        },
        storing: {
          description: "What is in memory is written; what comes meanwhile is written next.",
          entry: assign({ waiting: false }),
          on: { END: "sealing" },
          invoke: {
            src: "store",
            onDone: {
              target: "resting",
              actions: assign(({ context, event }) => ({
                unsent: context.unsent || event.output.unsent,
                storeFailures: 0,
                storeProblem: null
              }))
            },
            onError: {
              target: "blocked",
              actions: assign(({ context, event }) => ({
                waiting: true,
                storeFailures: Math.min(context.storeFailures + 1, STORE_LADDER_MS.length),
                storeProblem: failureOf(event).message
              }))
            }
          }
        },
        resting: {
          description: "Every row is on the disk.",
          tags: "settled",
          always: [
            { guard: "isEnding", target: "sealing" },
            { guard: "isWaiting", target: "storing" }
          ]
        },
        blocked: {
          description: "The disk takes nothing: rows wait in memory, the oldest are counted and forgotten.",
          tags: "settled",
          always: { guard: "isEnding", target: "sealing" },
          after: { storeLadder: "storing" }
        },
        sealing: {
          description: "The process ends: the last rows reach the disk, for the next one to send.",
          invoke: { src: "seal", onDone: "sealed", onError: "sealed" },
          after: { sealBound: "sealed" }
        },
        sealed: { description: "Nothing is written any more.", tags: ["settled", "ended"] }
      }
    },
    uplink: {
      description: "One batch after another, as far apart as the table of answers says.",
      initial: "idle",
      on: { END: { target: ".stopped", actions: assign({ ending: true }) } },
      states: {
        idle: {
          description: "Central has everything.",
          tags: "settled",
          always: { guard: "isUnsent", target: "gathering" }
        },
        gathering: {
          description: "What happens next goes with it.",
          tags: "settled",
          after: { gather: "sending" }
        },
        sending: {
          description: "POST /v1/ingest: one batch in flight.",
          entry: assign({ unsent: false, identity: false }),
          invoke: {
            src: "send",
            onDone: [
              {
                guard: "taken",
                target: "idle",
                actions: [
                  noted,
                  assign(({ context, event }) => ({
                    unsent: context.unsent || event.output.more,
                    failures: 0,
                    problem: null
                  }))
                ]
              },
              { guard: "nothing", target: "idle" },
              { guard: "noIdentity", target: "paused" },
              { guard: "unsupported", target: "unsupported", actions: [noted, assign({ problem: null })] },
              { guard: "throttled", target: "backingOff", actions: [noted, assign(throttled)] },
              { target: "backingOff", actions: [noted, assign(untaken)] }
            ],
            onError: {
              target: "backingOff",
              actions: assign(({ context, event }) => onLadder(context, -context.jitter, failureOf(event).message))
            }
          }
        },
        paused: {
          description: "There is no identity to send with.",
          tags: "settled",
          always: { guard: "hasIdentity", target: "gathering" }
        },
        backingOff: {
          description: "Central did not take it: 30, 60, 120, 300 s, or as long as it said.",
          tags: "settled",
          after: { backOff: "sending" }
        },
        unsupported: {
          description: "This central answers 404 or 405: not asked again until the next start.",
          tags: "settled"
        },
        stopped: { description: "Nothing is sent any more.", tags: "settled", on: { END: undefined } }
      }
    }
  }
})
