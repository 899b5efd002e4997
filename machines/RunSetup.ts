/**
 * What Run knows and is told: its facts, events, tasks, guards and delays.
 *
 * @ref LLP 0018#facts [implements]: what counts as proof of how a run ended
 */
import { setup } from "xstate"
import { rung } from "./ConfigFacts.ts"
import { TAIL_DRAIN_MS, TAIL_DRAIN_SHORT_MS, TAIL_FLUSH_MS, TAIL_VERIFY_MS } from "./TailerSetup.ts"
import { action, failureOf, task } from "./Task.ts"
import type { RunVerdict, TailEnd } from "./Vocabulary.ts"

/** Waits between tries of what may succeed later, in ms; the last one repeats until the bound. */
export const RUN_LADDER_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const
/** So many tries in vain of a start, or of a removal, one after another, and it is given up. */
export const START_TRIES = 5
/** So many looks in vain at the work, one after another, and nobody knows how it ended: about a quarter of an hour. */
export const WATCH_TRIES = 32
/** A backend that has been watched for so long is there: looks in vain are counted anew. */
export const STEADY_MS = 60_000
/** What a preparation may take. */
export const PREPARE_BOUND_MS = 120_000
/** What a start may take with all its tries: a backend may be away for ten minutes. */
export const START_BOUND_MS = 900_000
/** A start whose end is wanted is waited for so long: a request that was cut off may be carried out later. */
export const START_CANCEL_BOUND_MS = 60_000
/** Nothing was heard of a run for so long: it is stale, which alone is a warning. */
export const STALE_MS = 300_000
/** The end is known by its record, and the backend has not said so: this long it may still tidy up. */
export const WIND_UP_MS = 30_000
/** The work has ended, and the tailer has not: longer than all of its own bounds together. */
export const TAIL_BOUND_MS = TAIL_DRAIN_SHORT_MS + TAIL_DRAIN_MS + TAIL_VERIFY_MS + TAIL_FLUSH_MS + 29_000
/** A run that its backend cannot end in so long beyond its grace, however often it is asked, is given up as `unknown`. */
export const STOP_BOUND_MS = 900_000
/** What one removal may take; the next boot tries again. */
export const CLEAN_BOUND_MS = 60_000

/** What a run's own end-of-stream record says that the machine must know. */
export interface EndFacts {
  readonly exitCode: number
  readonly signal: number | null
}

/** How the backend says that the work ended. */
export type WorkEnd =
  /** The exit status is known: of the record that the work left, else of its container. */
  | { readonly kind: "exited"; readonly end: EndFacts }
  /** The work never ran, or was ended from outside: the reason is in words. */
  | { readonly kind: "failed"; readonly message: string }
  /** Its own deadline was over. */
  | { readonly kind: "deadline" }
  /** The backend says that the work is not there any more, and nobody knows how it ended. */
  | { readonly kind: "gone"; readonly message: string }

/** How the tailing ended; the record is there if the tailer has read it. */
export interface TailFacts {
  readonly end: TailEnd
  readonly record: EndFacts | null
  readonly message: string | null
}

export interface RunFacts {
  /** Elapsed ms that are left to the run; 0: it may take for ever. */
  readonly limitMs: number
  /** Between TERM and KILL. */
  readonly graceMs: number
  /** A start has been asked for. Whether it came to be, only the backend can say. */
  readonly begun: boolean
  /** The backend has said that it started the work. */
  readonly adopted: boolean
  /** A person had asked for its end before the process was started again. */
  readonly cancelled: boolean
  /** What is on the disk: once it is there it stays. */
  readonly verdict: RunVerdict | null
  /** Always there unless the exit code 0 is known. */
  readonly message: string | null
}

export interface RunContext extends RunFacts {
  readonly tries: number
  /** Looks in vain at the work, one after another. */
  readonly misses: number
  readonly work: WorkEnd | null
  readonly tail: TailFacts | null
  /** Nothing more is to be heard of the work, or of its output. */
  readonly workOver: boolean
  readonly tailOver: boolean
  readonly timedOut: boolean
  /** Why it never came to run, as far as the start was told. */
  readonly notStarted: string | null
  /** Why the last try of something did not succeed. */
  readonly problem: string | null
}

/** What of its context may be shown; nothing in it is secret. */
export const RUN_VISIBLE = [
  "tries",
  "misses",
  "cancelled",
  "timedOut",
  "notStarted",
  "work",
  "tail",
  "problem",
  "verdict",
  "message"
] as const satisfies ReadonlyArray<keyof RunContext>

export type RunEvent =
  | { readonly type: "CANCEL" }
  /** Output, a change of status, or a sign of life. */
  | { readonly type: "ALIVE" }

/** 24 days: as long as a timer can wait. */
const FOR_EVER_MS = 2_000_000_000

interface Args {
  readonly context: RunContext
  readonly event: unknown
}

const mayTryAgain = ({ context, event }: Args): boolean => failureOf(event).retryable && context.tries + 1 < START_TRIES
const ladder = (count: number): number => rung(RUN_LADDER_MS, Math.max(0, count - 1))

/** The exit status, by the best proof there is. */
export const exitOf = ({ tail, work }: Pick<RunContext, "tail" | "work">): EndFacts | null =>
  tail?.record ?? (work?.kind === "exited" ? work.end : null)

export const runSetup = setup({
  types: {
    context: {} as RunContext,
    events: {} as RunEvent,
    input: {} as RunFacts,
    tags: {} as "open" | "stopping" | "degraded" | "stale" | "closed"
  },
  actors: {
    /** Ends when the agent has no other run before this one. */
    awaitTurn: task(),
    /** Directory and files of the output. */
    prepare: task(),
    /** Finds what was started already under the same name. One that fails may have started it all the same. */
    start: task(),
    /** Ends with the work. One that fails says nothing of it. */
    watch: task<undefined, WorkEnd>(),
    /** Ends with the output. */
    follow: task<undefined, TailFacts>(),
    /** Asks the backend to end the work: TERM, and KILL after the grace. */
    stop: task(),
    record: task<{ readonly verdict: RunVerdict; readonly message: string | null }>(),
    clean: task()
  },
  actions: {
    /** The tailer is told that the work has ended, so that it does not wait for what never comes. */
    drainTail: action()
  },
  guards: {
    hasVerdict: ({ context }) => context.verdict !== null,
    isUnderWay: ({ context }) => context.adopted || (context.begun && context.cancelled),
    begun: ({ context }) => context.begun,
    cancelled: ({ context }) => context.cancelled,
    mustStop: ({ context }) => context.cancelled || context.notStarted !== null,
    mayStartAgain: (args) => !args.context.cancelled && mayTryAgain(args),
    mayTryAgain,
    mayLookAgain: ({ context, event }: Args) => failureOf(event).retryable && context.misses + 1 < WATCH_TRIES,
    isLimited: ({ context }) => context.limitMs > 0,
    endIsProven: ({ context }) => context.tail?.record != null,
    workIsOver: ({ context }) => context.workOver,
    isOver: ({ context }) => context.workOver && context.tailOver
  },
  delays: {
    ladder: ({ context }) => ladder(context.tries),
    lookLadder: ({ context }) => ladder(context.misses),
    limit: ({ context }) => (context.limitMs > 0 ? context.limitMs : FOR_EVER_MS),
    prepareBound: PREPARE_BOUND_MS,
    startBound: START_BOUND_MS,
    startCancelBound: START_CANCEL_BOUND_MS,
    steady: STEADY_MS,
    stale: STALE_MS,
    windUp: WIND_UP_MS,
    tailBound: TAIL_BOUND_MS,
    stopBound: ({ context }) => context.graceMs + STOP_BOUND_MS,
    cleanBound: CLEAN_BOUND_MS
  }
})

const exitWords = ({ exitCode, signal }: EndFacts): string =>
  signal === null ? `exit code ${exitCode}` : `exit code ${exitCode} (signal ${signal}, or an exit that looks like one)`

/** What is to be said of output that was not delivered whole. */
const outputWords = ({ tail }: RunContext): string | null => {
  if (tail === null) return "the output was not read to its end"
  return tail.end === "complete" ? null : (tail.message ?? `the output is ${tail.end}`)
}

/** How the run ended, and why: from proof alone. What may still run has not been cancelled, and has not failed. */
export const judged = ({ context }: { readonly context: RunContext }): Pick<RunContext, "verdict" | "message"> => {
  const { begun, cancelled, notStarted, problem, timedOut, work } = context
  const end = exitOf(context)
  if (end !== null && end.exitCode === 0) return { verdict: "succeeded", message: outputWords(context) }
  if (begun && end === null && work === null) {
    const wanted = cancelled || timedOut || notStarted !== null
    const known = wanted ? "the run was to be ended, and may still run" : "nobody knows how the run ended"
    const reason = [notStarted, problem].find((words) => words !== null) ?? outputWords(context)
    return { verdict: "unknown", message: reason === null ? known : `${known}: ${reason}` }
  }
  if (timedOut || work?.kind === "deadline") {
    return { verdict: "timed_out", message: "the run took longer than it may, and was ended" }
  }
  if (cancelled) return { verdict: "cancelled", message: "the run was cancelled" }
  if (notStarted !== null) return { verdict: "failed", message: `the run could not be started: ${notStarted}` }
  if (end !== null) return { verdict: "failed", message: `the agent ended with ${exitWords(end)}` }
  if (work?.kind === "failed") return { verdict: "failed", message: `the work failed: ${work.message}` }
  return {
    verdict: "lost",
    message: `the work is gone: ${work?.kind === "gone" ? work.message : "nobody saw its end"}`
  }
}
