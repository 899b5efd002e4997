/**
 * What the host is told of a run. It reads no exit code and no message as success: so there is always a message unless
 * exit code 0 is known.
 *
 * @ref LLP 0021#result [implements]
 */
import type { AdapterExecutionResult } from "@paperclipai/adapter-utils"
import type { RunVerdict } from "../../machines/index.ts"
import type { RunView } from "../domain/index.ts"
import type { Session } from "./SessionCodec.ts"

/** Gaps that are named one by one. */
const GAPS = 20
/** Words of a summary; the host stores it with the run. */
const SUMMARY = 65_536

const SIGNALS: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM"
}

const CODES: Readonly<Record<RunVerdict, string | null>> = {
  succeeded: null,
  failed: "opencode_k8s_failed",
  timed_out: "timeout",
  cancelled: "cancelled",
  lost: "opencode_k8s_lost",
  unknown: "opencode_k8s_unknown"
}

export interface ResultParts {
  readonly view: RunView
  readonly model: string | undefined
  /** What came in with the execution. */
  readonly before: Session | null
  /** What belongs to a session beside its id. */
  readonly place: Omit<Session, "sessionId">
  /** The session that came in was not known any more, and this run began a new one. */
  readonly isFresh: boolean
  /** The host wanted its end, and says when that was known, ISO. */
  readonly stopped: string | null
  /** Bytes that the host did not take. */
  readonly refused: number
}

/** The provider of `provider/model`. */
export const providerOf = (model: string | undefined): string | null => {
  const at = model?.indexOf("/") ?? -1
  return model === undefined || at <= 0 ? null : model.slice(0, at)
}

const sessionAfter = ({ before, isFresh, place, view }: ResultParts): Session | null => {
  if (view.session !== null) return { sessionId: view.session, ...place }
  // A run that never came to name one leaves the one before as it was.
  return isFresh || view.session_end !== undefined ? null : before
}

/** Only what is proven to have ended was stopped. */
const cancellationOf = ({ stopped, view }: ResultParts) =>
  stopped === null || view.verdict === "unknown"
    ? {}
    : { executionCancellation: { state: "acknowledged", acknowledgedAt: stopped, forced: view.signal === 9 } }

export const resultOf = (parts: ResultParts): AdapterExecutionResult => {
  const { isFresh, model, refused, view } = parts
  const verdict = view.verdict ?? "unknown"
  const succeeded = verdict === "succeeded"
  const session = sessionAfter(parts)
  const provider = providerOf(model)
  return {
    exitCode: succeeded ? 0 : view.exit_code,
    signal: view.signal === null ? null : (SIGNALS[view.signal] ?? `SIG${view.signal}`),
    timedOut: verdict === "timed_out",
    errorMessage: succeeded ? null : (view.message ?? `the run is ${verdict}, and nothing else is known`),
    errorCode: CODES[verdict],
    ...(view.usage === null
      ? {}
      : {
          usage: {
            inputTokens: view.usage.input,
            outputTokens: view.usage.output,
            cachedInputTokens: view.usage.cached
          }
        }),
    usageBasis: "per_run",
    sessionId: session?.sessionId ?? null,
    sessionParams: session === null ? null : { ...session },
    sessionDisplayId: session?.sessionId ?? null,
    provider,
    biller: provider,
    model: model ?? null,
    billingType: "unknown",
    costUsd: view.usage?.cost_usd ?? null,
    summary: view.summary === null ? null : view.summary.slice(0, SUMMARY),
    clearSession: session === null && (isFresh || view.session_end !== undefined),
    resultJson: {
      verdict,
      message: view.message,
      runId: view.run_id,
      output: {
        ...view.output,
        gaps: view.output.gaps.slice(0, GAPS),
        gapCount: view.output.gaps.length,
        refusedByHost: refused
      },
      startedAt: view.started_at,
      endedAt: view.ended_at,
      ...cancellationOf(parts)
    }
  }
}

/** This execution has started nothing, and nobody knows of an earlier one: why. */
export const refusedResult = (message: string): AdapterExecutionResult => ({
  exitCode: null,
  signal: null,
  timedOut: false,
  errorMessage: message,
  errorCode: "opencode_k8s_refused"
})

/** No execution of this run has ever started anything. */
export const notStarted = (message: string): AdapterExecutionResult => ({
  ...refusedResult(message),
  errorCode: "opencode_k8s_not_started",
  executionRecovery: { kind: "bootstrap", providerWorkStarted: false }
})

/** The host wanted its end before there was anything to end. */
export const cancelledBefore = (now: string): AdapterExecutionResult => ({
  ...notStarted("the run was cancelled before it was started"),
  errorCode: "cancelled",
  resultJson: {
    verdict: "cancelled",
    executionCancellation: { state: "acknowledged", acknowledgedAt: now, forced: false }
  }
})
