/** The runs' part of the API, as the pages use it: shapes, and readers that let nothing else in. */
import type { Gap, RunRequest, RunView, TailOutcome } from "../domain/index.ts"
import { type Answer, ask, read, READ_MS, refusalOf } from "./Ask.ts"
import { type Fields, fieldsOf, listOf, numberOf, oneOf, present, textOf } from "./Fields.ts"

/** A line of output, or a part of one that is too long to be sent whole. */
export interface LogLine {
  readonly text: string
  readonly part: { readonly index: number; readonly last: boolean } | null
}

/** What the stream of a log says. Offsets are bytes; `to` is where the next stream goes on. */
export type LogEvent =
  | { readonly type: "lines"; readonly to: number; readonly lines: ReadonlyArray<LogLine> }
  | { readonly type: "gap"; readonly gap: Gap }
  | { readonly type: "end"; readonly end: LogEnd }

/** How the output ended. */
export interface LogEnd {
  readonly end: TailOutcome["end"]
  /** Of all but `complete`. */
  readonly message: string | null
}

const VERDICTS = ["succeeded", "failed", "timed_out", "cancelled", "lost", "unknown"] as const
const ENDS = ["complete", "incomplete", "corrupt", "missing"] as const
const REASONS = ["truncated", "replaced", "unreadable"] as const

const pathOf = (id: string, more = ""): string => `/runs/${encodeURIComponent(id)}${more}`

/** Where a program, or a person who wants all of it, gets the output. */
export const logPath = (id: string): string => pathOf(id, "/log")

/** `GET /runs`. */
export const fetchRuns = async (): Promise<Answer<ReadonlyArray<RunView>>> =>
  read(await ask("GET", "/runs", READ_MS), (value) => {
    const runs = fieldsOf(value)?.["runs"]
    return Array.isArray(runs) ? [runs.map(readRun).filter(present)] : null
  })

/** `GET /runs/<id>`. */
export const fetchRun = async (id: string): Promise<Answer<RunView>> => read(await ask("GET", pathOf(id), READ_MS), one)

/** `POST /runs`. */
export const startRun = async (request: RunRequest): Promise<Answer<RunView>> =>
  read(await ask("POST", "/runs", READ_MS, request), one)

/** `POST /runs/<id>/cancel`. */
export const cancelRun = async (id: string): Promise<Answer<RunView>> =>
  read(await ask("POST", pathOf(id, "/cancel"), READ_MS, {}), one)

/** How many bytes of output there are now; `failed` with the code `no_log` where there is no file of it. */
export const sizeOfLog = async (id: string, stop: AbortSignal): Promise<Answer<number>> => {
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(READ_MS)])
    const response = await fetch(logPath(id), { headers: { range: "bytes=0-0" }, signal })
    if (!response.ok) return refusalOf(response.status, await response.json())
    await response.arrayBuffer()
    const size = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]
    return size === undefined ? { type: "away", why: "odd" } : { type: "ok", value: Number(size) }
  } catch (error) {
    return { type: "away", why: error instanceof SyntaxError ? "odd" : "lost" }
  }
}

const one = (value: unknown): readonly [RunView] | null => {
  const run = readRun(value)
  return run === null ? null : [run]
}

/** A run, or null for what is none. */
export const readRun = (value: unknown): RunView | null => {
  const fields = fieldsOf(value)
  const id = textOf(fields?.["run_id"])
  if (fields === null || id === null) return null
  const verdict = textOf(fields["verdict"])
  return {
    company_id: textOf(fields["company_id"]) ?? "",
    agent_id: textOf(fields["agent_id"]) ?? "",
    run_id: id,
    backend: oneOf(["local", "kubernetes"] as const, fields["backend"]) ?? "local",
    state: textOf(fields["state"]) ?? "",
    // What this page has no word for is not taken for a success.
    verdict: verdict === null ? null : (oneOf(VERDICTS, verdict) ?? "unknown"),
    message: textOf(fields["message"]),
    exit_code: numberOf(fields["exit_code"]),
    signal: numberOf(fields["signal"]),
    created_at: textOf(fields["created_at"]) ?? "",
    started_at: textOf(fields["started_at"]),
    ended_at: textOf(fields["ended_at"]),
    output: readOutput(fieldsOf(fields["output"]) ?? {}),
    session: textOf(fields["session"]),
    summary: textOf(fields["summary"]),
    usage: readUsage(fieldsOf(fields["usage"])),
    stale: fields["stale"] === true
  }
}

const readOutput = ({ bytes, end, gaps, lines }: Fields): RunView["output"] => ({
  bytes: numberOf(bytes) ?? 0,
  lines: numberOf(lines) ?? 0,
  end: oneOf(ENDS, end),
  gaps: listOf(gaps).map(readGap).filter(present)
})

const readUsage = (fields: Fields | null): RunView["usage"] =>
  fields === null
    ? null
    : {
        input: numberOf(fields["input"]) ?? 0,
        output: numberOf(fields["output"]) ?? 0,
        cached: numberOf(fields["cached"]) ?? 0,
        cost_usd: numberOf(fields["cost_usd"]) ?? 0
      }

const readGap = (value: unknown): Gap | null => {
  const fields = fieldsOf(value)
  if (fields === null) return null
  const reason = oneOf(REASONS, fields["reason"]) ?? "unreadable"
  return { from: numberOf(fields["from"]) ?? 0, to: numberOf(fields["to"]), reason }
}

/** An event of a log's stream, or null for what is none. */
export const readLogEvent = (event: string, value: unknown): LogEvent | null => {
  const fields = fieldsOf(value)
  if (fields === null) return null
  if (event === "lines") {
    const to = numberOf(fields["to"])
    return to === null ? null : { type: "lines", to, lines: listOf(fields["lines"]).map(readLine).filter(present) }
  }
  if (event === "gap") {
    const gap = readGap(fields)
    return gap === null ? null : { type: "gap", gap }
  }
  if (event !== "end") return null
  const output = fieldsOf(fields["output"])
  return {
    type: "end",
    end: { end: oneOf(ENDS, output?.["end"]) ?? "incomplete", message: textOf(output?.["message"]) }
  }
}

const readLine = (value: unknown): LogLine | null => {
  const fields = fieldsOf(value)
  if (fields === null || typeof fields["text"] !== "string") return null
  const part = fieldsOf(fields["part"])
  return {
    text: fields["text"],
    part: part === null ? null : { index: numberOf(part["index"]) ?? 0, last: part["last"] === true }
  }
}
