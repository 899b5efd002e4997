/**
 * What a run begins with: its record, what its backend is given, and how long it may take.
 *
 * @ref LLP 0019#adoption [implements]
 */
import { Clock, Effect } from "effect"
import type { RunRequest } from "../domain/index.ts"
import type { Found, Work } from "./Backend.ts"
import type { BackendChoice } from "./Backends.ts"
import type { RunRecord } from "./RunStore.ts"

/** Between TERM and KILL when a request does not say. */
const GRACE_SECONDS = 10
/** Stands for a command line that nobody has written down. */
const NOT_KNOWN = ["(not known)"] as const

/** Of a request that was just made. */
export const newRecord = (
  request: RunRequest & { readonly runId: string },
  { kind, settings }: BackendChoice,
  now: string
): RunRecord => ({
  version: 1,
  request,
  begun: false,
  started: false,
  cancelled: false,
  ...(settings === undefined ? {} : { backend_settings: settings }),
  view: {
    company_id: request.companyId,
    agent_id: request.agentId,
    run_id: request.runId,
    backend: kind,
    state: "queued",
    verdict: null,
    message: null,
    exit_code: null,
    signal: null,
    created_at: now,
    started_at: null,
    ended_at: null,
    output: { bytes: 0, lines: 0, end: null, gaps: [] },
    session: null,
    summary: null,
    usage: null,
    stale: false
  },
  checkpoint: null,
  cleaned: false
})

/** Of work that has no record: that it was started is all that is known. */
export const foundRecord = (found: Found, choice: BackendChoice, now: string): RunRecord => {
  const { agentId, command, companyId, retain, runId } = found
  const known = command === "exec" ? { kind: command, argv: NOT_KNOWN } : { kind: command }
  const record = newRecord({ companyId, agentId, runId, prompt: "", command: known, retain }, choice, now)
  return { ...record, begun: true, started: true }
}

/** The backend that a run was given to. */
export const choiceOf = ({ backend_settings: settings, view: { backend: kind } }: RunRecord): BackendChoice =>
  settings === undefined ? { kind } : { kind, settings }

/** What a backend is given for a run. */
export const workOf = ({ request, view }: RunRecord): Work => workFor({ ...request, runId: view.run_id })

/** What a backend is given for a request. */
export const workFor = (request: RunRequest & { readonly runId: string }): Work => ({
  companyId: request.companyId,
  agentId: request.agentId,
  runId: request.runId,
  request,
  argv: argvOf(request),
  graceSeconds: request.limits?.grace_seconds ?? GRACE_SECONDS,
  limitSeconds: request.limits?.seconds ?? 0
})

/** OpenCode reads its prompt from standard input, so that it is in no list of processes. */
const argvOf = ({ command, model, session }: RunRequest): ReadonlyArray<string> =>
  command.kind === "exec"
    ? command.argv
    : [
        command.program ?? "opencode",
        "run",
        "--format",
        "json",
        ...(model === undefined ? [] : ["--model", model]),
        ...(session === undefined ? [] : ["--session", session]),
        ...(command.args ?? [])
      ]

/**
 * What a run may still take, elapsed ms; 0: for ever. Local work is of this boot, or gone; on a cluster the Job has a
 * deadline of its own, and this one only follows it.
 */
export const limitLeft = ({ started_elapsed_ms: since, view }: RunRecord, { limitSeconds }: Work) =>
  Effect.map(Clock.monotonicTimeNanos, (now) => {
    if (limitSeconds === 0) return 0
    const isHere = since !== undefined && view.backend === "local"
    const taken = isHere ? Math.max(0, Number(now / 1_000_000n) - since) : 0
    return Math.max(1, limitSeconds * 1_000 - taken)
  })
