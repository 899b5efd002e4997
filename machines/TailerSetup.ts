/**
 * What Tailer knows, hears and asks for; its cadence and its bounds.
 *
 * It is told of edges only: a poll that finds what the poll before found is no event.
 */
import { setup } from "xstate"
import { rung } from "./ConfigFacts.ts"
import { action } from "./Task.ts"
import type { GapReason } from "./Vocabulary.ts"

/** Between two polls of a file that is waited for, grows, or is read to its end. */
export const TAIL_ACTIVE_MS = 250
/** Between two polls of a file that has not grown for a moment. */
export const TAIL_IDLE_MS = 1_000
/** Between two polls of a file that has not grown for a minute. */
export const TAIL_DORMANT_MS = 5_000
/** Polls without growth after which a file is idle. */
export const TAIL_QUIET_POLLS = 5
/** Without growth for so long, a file is dormant. */
export const TAIL_DORMANT_AFTER_MS = 60_000
/** How long a file may take to appear. */
export const TAIL_APPEAR_MS = 30_000
/** Asked to stop: how long the bytes that the record promises may take, if the volume took all of them. */
export const TAIL_DRAIN_MS = 90_000
/** The same, if the volume did not take or confirm them, or if the work has ended and left no record. */
export const TAIL_DRAIN_SHORT_MS = 10_000
/** How long the consumer may take for what is left at the end. */
export const TAIL_FLUSH_MS = 1_000
/** How long reading the file once more for its hash may take. */
export const TAIL_VERIFY_MS = 90_000
/** Between two polls of a file that cannot be read. */
export const TAIL_TROUBLE_LADDER_MS = [250, 500, 1_000, 2_000, 5_000] as const

/** What the machine needs of an end-of-stream record. */
export interface TailPromise {
  readonly bytes: number
  /** The volume did not take everything, or did not confirm it. */
  readonly volumeError: boolean
  /** The agent truncated its own output. */
  readonly truncated: boolean
}

export interface TailerContext {
  /** The file has been seen. */
  readonly found: boolean
  /** Between two polls, in milliseconds, while nothing is wrong. */
  readonly cadenceMs: number
  /** The edge that this state waits to be told of. */
  readonly listensFor: "growth" | "quiet" | "nothing"
  /** How long the file had not grown when it fell idle. */
  readonly quietMs: number
  /** The last poll found it shorter than it had been. */
  readonly doubted: boolean
  /** Polls in a row that could not read it. */
  readonly failures: number
  readonly promise: TailPromise | null
  /** The backend says that the work has ended. */
  readonly ended: boolean
}

export type TailerEvent =
  | { readonly type: "FOUND" }
  /** Told in `idle` and `dormant` alone. */
  | { readonly type: "GREW" }
  /** Told in `active` alone, after `TAIL_QUIET_POLLS`; how long ago the last growth was. */
  | { readonly type: "QUIET"; readonly quietMs: number }
  /** Shorter than what was read of it. */
  | { readonly type: "SHRUNK" }
  /** Another file under its name. */
  | { readonly type: "REPLACED" }
  /** Not there any more, or not to be read. */
  | { readonly type: "TROUBLE" }
  /** The first poll without doubt or trouble after one with it. */
  | { readonly type: "SOUND" }
  /** Asked to stop. */
  | { readonly type: "DRAIN"; readonly ended: boolean }
  /** What the end-of-stream record promises, from wherever it is known. */
  | { readonly type: "RECORD"; readonly promise: TailPromise }
  /** The consumer has acknowledged every byte of the promise. */
  | { readonly type: "REACHED" }
  /** Whether what was delivered has the length and the hash of the record. */
  | { readonly type: "VERIFIED"; readonly same: boolean }
  /** What had no newline at the end has been delivered. */
  | { readonly type: "FLUSHED" }

/** How long to wait until the next poll, in milliseconds. A doubt is settled soon, a failure later each time. */
export const tailPollDelay = ({ cadenceMs, doubted, failures }: TailerContext): number => {
  if (failures > 0) return Math.max(cadenceMs, rung(TAIL_TROUBLE_LADDER_MS, failures - 1))
  return doubted ? TAIL_ACTIVE_MS : cadenceMs
}

const drainMs = ({ ended, promise }: TailerContext): number => {
  if (promise !== null) return promise.volumeError ? TAIL_DRAIN_SHORT_MS : TAIL_DRAIN_MS
  return ended ? TAIL_DRAIN_SHORT_MS : TAIL_DRAIN_MS
}

export const tailerSetup = setup({
  types: {
    context: {} as TailerContext,
    events: {} as TailerEvent,
    tags: {} as "settled"
  },
  actions: {
    /** A gap is told to the consumer, and the file is read from its beginning. */
    restart: action<{ readonly reason: GapReason }>()
  },
  guards: {
    doubted: ({ context }) => context.doubted,
    learnsEnd: ({ context, event }) =>
      event.type === "DRAIN" && event.ended && !context.ended && context.promise === null,
    learnsPromise: ({ context }) => context.promise === null,
    isWhole: ({ context, event }) =>
      event.type === "VERIFIED" && event.same && context.promise !== null && !context.promise.truncated,
    agentTruncated: ({ context }) => context.promise?.truncated === true,
    neverFound: ({ context }) => !context.found
  },
  delays: {
    appear: TAIL_APPEAR_MS,
    untilDormant: ({ context }) => Math.max(0, TAIL_DORMANT_AFTER_MS - context.quietMs),
    drain: ({ context }) => drainMs(context),
    flush: TAIL_FLUSH_MS,
    verify: TAIL_VERIFY_MS
  }
})
