/**
 * What Ingest knows, hears and asks for; its bounds.
 *
 * Rows stay outside: in the memory and on the disk of the service, which knows what a batch is.
 */
import { setup } from "xstate"
import { rung } from "./ConfigFacts.ts"
import { action, outputOf, task } from "./Task.ts"
import type { IngestAnswerKind } from "./Vocabulary.ts"

/** So long rows are gathered before a batch is sent, in ms: the shortest time between two requests. */
export const GATHER_MS = 5_000
/** Waits of a disk that does not take rows. */
export const STORE_LADDER_MS = [5_000, 30_000, 60_000] as const
/** The last rows of a process have so long to reach the disk. */
export const SEAL_MS = 2_000

/** What became of the oldest batch. */
export interface SendAnswer {
  readonly kind: IngestAnswerKind
  /** There is another batch. */
  readonly more: boolean
  /** Seconds, of a 429 or 503; 0 when the server did not say. */
  readonly retryAfterSeconds: number
  /** For people: what went wrong. */
  readonly message: string
  /** -1..1, drawn afresh. */
  readonly jitter: number
}

export interface IngestContext {
  /** Rows wait in memory for the disk. */
  readonly waiting: boolean
  /** Rows are on the disk that central has not taken, as far as is known. */
  readonly unsent: boolean
  /** An identity was announced since the last request began. */
  readonly identity: boolean
  /** Writes in vain, one after another. */
  readonly storeFailures: number
  /** Why the last write was in vain. */
  readonly storeProblem: string | null
  /** Batches in vain, one after another, saturating at the ladder's end. */
  readonly failures: number
  readonly delayMs: number
  readonly jitter: number
  /** Why the last batch was not taken. */
  readonly problem: string | null
  readonly ending: boolean
}

/** What of its context may be shown; nothing in it is secret. */
export const INGEST_VISIBLE = [
  "waiting",
  "unsent",
  "storeFailures",
  "storeProblem",
  "failures",
  "delayMs",
  "problem"
] as const satisfies ReadonlyArray<keyof IngestContext>

export type IngestEvent =
  | { readonly type: "BEGIN"; readonly central: boolean }
  /** A row was put into memory. */
  | { readonly type: "RECORDED" }
  | { readonly type: "IDENTITY_READY" }
  | { readonly type: "END" }

const is =
  (kind: IngestAnswerKind) =>
  ({ event }: { readonly event: unknown }): boolean =>
    outputOf<SendAnswer>(event).kind === kind

export const ingestSetup = setup({
  types: {
    context: {} as IngestContext,
    events: {} as IngestEvent,
    tags: {} as "settled" | "ended"
  },
  actors: {
    /** Writes what is in memory to the disk; the first time it also looks at what an earlier process has left. */
    store: task<undefined, { readonly unsent: boolean }>(),
    /** Sends the oldest batch, and forgets it when central has it. */
    send: task<undefined, SendAnswer>(),
    /** Writes what is in memory, and makes a batch of what is open. */
    seal: task()
  },
  actions: {
    /** There is nobody to tell: rows are not kept. */
    forgetRows: action(),
    sendNoted: action<{ readonly answer: SendAnswer; readonly failures: number }>()
  },
  guards: {
    hasCentral: ({ event }) => event.type === "BEGIN" && event.central,
    isWaiting: ({ context }) => context.waiting,
    isEnding: ({ context }) => context.ending,
    isUnsent: ({ context }) => context.unsent,
    hasIdentity: ({ context }) => context.identity,
    taken: is("accepted"),
    nothing: is("nothing"),
    noIdentity: is("no_identity"),
    unsupported: is("unsupported"),
    throttled: is("throttled")
  },
  delays: {
    gather: GATHER_MS,
    backOff: ({ context }) => context.delayMs,
    storeLadder: ({ context }) => rung(STORE_LADDER_MS, context.storeFailures - 1),
    sealBound: SEAL_MS
  }
})
