/**
 * What a backend does: it starts, observes, ends and forgets work. It decides nothing about a run.
 *
 * @ref LLP 0019#backends [implements]: one machine, one pod command, one tailer, one verdict for all of them
 */
import { type Effect, Schema } from "effect"
import type { WorkEnd } from "../../machines/index.ts"
import type { RunCommand, RunRequest } from "../domain/index.ts"

/** Which run: its name everywhere. */
export interface RunIds {
  readonly companyId: string
  readonly agentId: string
  readonly runId: string
}

/** Everything a backend must know of one run. */
export interface Work extends RunIds {
  readonly request: RunRequest
  /** The agent's command line. */
  readonly argv: ReadonlyArray<string>
  readonly graceSeconds: number
  /** 0: for ever. */
  readonly limitSeconds: number
}

/** Work that is there, with what must be known of its run if no record says it. */
export interface Found extends RunIds {
  readonly command: RunCommand["kind"]
  readonly retain: boolean
}

/** Where the output of a run lies, as this machine sees it. */
export interface OutputPlace {
  readonly directory: string
  readonly logName: string
  readonly stderrName: string
  readonly recordName: string
  /** The volume may show old sizes and names: polls read before they believe. */
  readonly reopen: boolean
}

/** A backend could not do what it was asked; `retryable`: later it may. */
export class BackendFailed extends Schema.TaggedError<BackendFailed>()("BackendFailed", {
  message: Schema.String,
  retryable: Schema.Boolean
}) {}

type Asked<A> = Effect.Effect<A, BackendFailed>

export interface Backend {
  readonly kind: "local" | "kubernetes"
  readonly place: (run: RunIds) => Effect.Effect<OutputPlace>
  /** Directory and files of the output, before the work starts. */
  readonly prepare: (work: Work) => Asked<void>
  /** Starts the work, or finds that it was started. */
  readonly start: (work: Work) => Asked<void>
  /** Waits for the end of the work; `alive` is told of every change and sign of life. */
  readonly watch: (work: Work, alive: Effect.Effect<void>) => Asked<WorkEnd>
  /** TERM, and KILL after the grace; what is gone already is fine. */
  readonly stop: (work: Work) => Asked<void>
  /** Removes what the backend holds of the run, and its output unless it is to be kept. */
  readonly clean: (work: RunIds, options: { readonly retain: boolean }) => Asked<void>
  /** The work that is there, ended or not, and that nobody keeps on purpose. */
  readonly list: Asked<ReadonlyArray<Found>>
}
