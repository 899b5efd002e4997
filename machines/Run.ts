/**
 * One agent job, from its turn to a verdict that is on the disk: what is started, watched, stopped and forgotten.
 *
 * A verdict comes of proof: the record that the work left, else its exit status, else what the backend says. Once a start
 * has been asked for, only `live` leads to one, for the work may be there whatever the answer was.
 *
 * @ref LLP 0018#the-chart [implements]: states, bounds, and what ends what
 */
import { assign } from "xstate"
import { judged, PREPARE_BOUND_MS, type RunContext, runSetup, START_BOUND_MS } from "./RunSetup.ts"
import { failureOf } from "./Task.ts"

interface Args {
  readonly context: RunContext
  readonly event: unknown
}

const inVain = ({ context, event }: Args): Partial<RunContext> => ({
  tries: context.tries + 1,
  problem: failureOf(event).message
})

/** It never came to run, as far as is known. */
const refused = (args: Args): Partial<RunContext> => ({ ...inVain(args), notStarted: failureOf(args.event).message })

const slower = (what: string, ms: number) => (): Partial<RunContext> => {
  const message = `${what} took longer than ${ms / 1_000} s`
  return { problem: message, notStarted: message }
}

const missed = ({ context, event }: Args): Partial<RunContext> => ({
  misses: context.misses + 1,
  problem: failureOf(event).message
})

/** The output is not read any more: what came of it so far is not all, as far as anybody knows. */
const notFollowed = ({ event }: Args): Partial<RunContext> => ({
  tail: { end: "incomplete", record: null, message: failureOf(event).message },
  tailOver: true
})

const ASKED = { cancelled: true }

export const Run = runSetup.createMachine({
  id: "run",
  description: "How does one agent job do, and how did it end?",
  context: ({ input }) => ({
    ...input,
    tries: 0,
    misses: 0,
    work: null,
    tail: null,
    workOver: false,
    tailOver: false,
    timedOut: false,
    notStarted: null,
    problem: null
  }),
  initial: "deciding",
  states: {
    deciding: {
      always: [
        { guard: "hasVerdict", target: "cleaning" },
        { guard: "isUnderWay", target: "live" },
        { guard: "begun", target: "starting" },
        { guard: "cancelled", target: "judging" },
        { target: "queued" }
      ]
    },
    queued: {
      description: "Until the agent has no other run before this one.",
      tags: "open",
      on: { CANCEL: { target: "judging", actions: assign(ASKED) } },
      invoke: {
        src: "awaitTurn",
        onDone: "preparing",
        onError: { target: "judging", actions: assign(refused) }
      }
    },
    preparing: {
      description: "Directory and files of the output are there before the work is.",
      tags: "open",
      on: { CANCEL: { target: "judging", actions: assign(ASKED) } },
      after: { prepareBound: { target: "judging", actions: assign(slower("its preparation", PREPARE_BOUND_MS)) } },
      invoke: {
        src: "prepare",
        onDone: "starting",
        onError: { target: "judging", actions: assign(refused) }
      }
    },
    starting: {
      description: "The backend starts the work, or finds that it has.",
      tags: "open",
      initial: "asking",
      entry: assign({ begun: true, tries: 0 }),
      after: { startBound: { target: "live", actions: assign(slower("its start", START_BOUND_MS)) } },
      states: {
        asking: {
          description: "One request.",
          initial: "wanted",
          invoke: {
            src: "start",
            onDone: { target: "#run.live", actions: assign({ problem: null }) },
            onError: [
              { guard: "mayStartAgain", target: "waiting", actions: assign(inVain) },
              { target: "#run.live", actions: assign(refused) }
            ]
          },
          states: {
            wanted: {
              description: "Whether it has been started is not known until the answer is there.",
              on: { CANCEL: { target: "unwanted", actions: assign(ASKED) } }
            },
            unwanted: {
              description: "Its end is asked for after the answer.",
              after: { startCancelBound: "#run.live" }
            }
          }
        },
        waiting: {
          description: "The backend could not be asked; the same start is tried again.",
          on: { CANCEL: { target: "#run.live", actions: assign(ASKED) } },
          after: { ladder: "asking" }
        }
      }
    },
    live: {
      description: "The work is under way, its output is followed.",
      tags: "open",
      type: "parallel",
      always: { guard: "isOver", target: "judging" },
      states: {
        work: {
          description: "What the backend runs.",
          initial: "observed",
          states: {
            observed: {
              description: "Its end is not known yet.",
              initial: "watched",
              always: { guard: "workIsOver", target: "ended" },
              states: {
                watched: {
                  description: "The backend says when the work ends.",
                  after: { steady: { actions: assign({ misses: 0 }) } },
                  invoke: {
                    src: "watch",
                    onDone: {
                      target: "#run.live.work.ended",
                      actions: assign(({ event }) => ({ work: event.output, workOver: true }))
                    },
                    onError: [
                      { guard: "mayLookAgain", target: "unwatched", actions: assign(missed) },
                      { target: "#run.live.work.ended", actions: [assign(missed), assign({ workOver: true })] }
                    ]
                  }
                },
                unwatched: {
                  description: "The backend could not be asked. The work goes on, and its record may say how it ended.",
                  tags: "degraded",
                  after: { lookLadder: "watched" }
                }
              }
            },
            ended: {
              description: "Whatever can be known of its end is known; its output may still come.",
              entry: "drainTail",
              after: { tailBound: { target: "#run.judging" } }
            }
          }
        },
        end: {
          description: "Whether somebody wants its end.",
          initial: "awaited",
          states: {
            awaited: {
              description: "Nobody has asked for it.",
              always: [
                { guard: "workIsOver", target: "over" },
                { guard: "mustStop", target: "asked" }
              ],
              on: { CANCEL: { target: "asked", actions: assign(ASKED) } },
              after: { limit: { guard: "isLimited", target: "asked", actions: assign({ timedOut: true }) } }
            },
            asked: {
              description: "Its backend has so long to end it, however often it must be asked.",
              tags: "stopping",
              initial: "stopping",
              entry: assign({ tries: 0 }),
              always: { guard: "workIsOver", target: "over" },
              after: { stopBound: { target: "over", actions: assign({ workOver: true }) } },
              states: {
                stopping: {
                  description: "TERM, and KILL after the grace.",
                  invoke: {
                    src: "stop",
                    onDone: "stopped",
                    onError: { target: "stoppingAgain", actions: assign(inVain) }
                  }
                },
                stoppingAgain: {
                  description: "The backend could not be asked to end the work.",
                  on: { CANCEL: "stopping" },
                  after: { ladder: "stopping" }
                },
                stopped: { description: "The backend has been asked; the end of the work is awaited." }
              }
            },
            over: { description: "It has ended, or cannot be ended." }
          }
        },
        output: {
          description: "What the work writes.",
          initial: "followed",
          states: {
            followed: {
              description: "The tailer delivers what is written.",
              invoke: {
                src: "follow",
                onDone: { target: "settled", actions: assign(({ event }) => ({ tail: event.output, tailOver: true })) },
                onError: { target: "settled", actions: assign(notFollowed) }
              }
            },
            settled: {
              description:
                "Nothing more is delivered. With its record the end is known, whatever the backend still does.",
              after: { windUp: { guard: "endIsProven", target: "#run.judging" } }
            }
          }
        },
        pulse: {
          description: "Was anything heard of it lately?",
          initial: "fresh",
          states: {
            fresh: {
              description: "Something was.",
              after: { stale: "stale" },
              on: { ALIVE: { target: "fresh", reenter: true } }
            },
            stale: {
              description: "Nothing for five minutes, which alone is a warning.",
              tags: ["degraded", "stale"],
              on: { ALIVE: "fresh" }
            }
          }
        }
      }
    },
    judging: { always: { target: "recording", actions: [assign(judged), assign({ tries: 0 })] } },
    recording: {
      description: "The verdict is on the disk before anything of the run is removed.",
      tags: "open",
      invoke: {
        src: "record",
        input: ({ context }) => ({ verdict: context.verdict ?? "unknown", message: context.message }),
        onDone: { target: "cleaning", actions: assign({ tries: 0 }) },
        onError: { target: "recordingAgain", actions: assign(inVain) }
      }
    },
    recordingAgain: {
      description: "The disk took no verdict: until it does, everything of the run stays.",
      tags: ["open", "degraded"],
      after: { ladder: "recording" }
    },
    cleaning: {
      description: "Job, files and output go, unless they are to be kept. What is gone already is fine.",
      tags: "closed",
      // A removal that hangs would keep the agent's turn from its next run.
      after: { cleanBound: "closed" },
      invoke: {
        src: "clean",
        onDone: "closed",
        onError: [
          { guard: "mayTryAgain", target: "cleaningAgain", actions: assign(inVain) },
          { target: "closed", actions: assign(inVain) }
        ]
      }
    },
    cleaningAgain: {
      description: "Something could not be removed.",
      tags: "closed",
      after: { ladder: "cleaning" }
    },
    closed: { description: "Nothing is left to do; the next boot removes what could not be.", tags: "closed" }
  }
})
