/** Tailing as its consumers see it: what is asked for, what comes, and how it ends. */
import type { Effect } from "effect"
import type { EndRecord, Gap, TailCheckpoint, TailOutcome } from "../domain/index.ts"

/** One file to tail. */
export interface TailSpec {
  readonly runId: string
  /** Log and record are found by listing it. */
  readonly directory: string
  readonly logName: string
  readonly recordName: string
  /** On network volumes every poll opens the file anew and reads a byte of it, which reaches the server. */
  readonly reopen: boolean
  /** Where tailing goes on after a restart. */
  readonly from: TailCheckpoint | null
  /** The meter hears of it: of one tail of each file, however many read it. */
  readonly isMetered?: boolean
}

/** A line without its newline. A line over 1 MiB (its newline included) comes in parts. */
export interface TailLine {
  readonly text: string
  /** From 0; a last part may be empty. */
  readonly part?: { readonly index: number; readonly last: boolean }
}

/** Whole lines in order, at most 8 KiB together (newlines included) or one longer line alone; or bytes that are lost. */
export type TailBatch =
  | {
      readonly _tag: "Lines"
      readonly lines: ReadonlyArray<TailLine>
      /** Offset of the first byte. After a gap offsets begin at 0 again. */
      readonly from: number
      /** Exclusive. */
      readonly to: number
    }
  | ({ readonly _tag: "Gap" } & Gap)

/** The same, not decoded: whole lines of at most 64 KiB together, or up to 1 MiB of a longer one. */
export type TailBytes =
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array; readonly from: number; readonly to: number }
  | ({ readonly _tag: "Gap" } & Gap)

/** Takes what was read; what it has returned from is acknowledged. */
export type TailSink<Batch> = (batch: Batch) => Effect.Effect<void>

/** What is known of a run's end when its tailing is asked to stop. */
export interface TailKnown {
  /** The end-of-stream record, if it is known from elsewhere than the volume. */
  readonly record: EndRecord | null
  /** The backend says that the work has ended. */
  readonly ended: boolean
}

/** A file that is being tailed, until the scope that it was opened in closes. */
export interface Tail {
  /** Asks to stop; may be asked again with more knowledge. */
  readonly drain: (known: TailKnown) => Effect.Effect<void>
  /** How it ended; never before it was asked to stop, but when the file never appeared. */
  readonly settled: Effect.Effect<TailOutcome>
  /** Null while nothing of the file is known. */
  readonly checkpoint: Effect.Effect<TailCheckpoint | null>
}
