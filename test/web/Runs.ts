/** Runs for the tests of the pages. */
import type { RunView } from "../../src/domain/index.ts"

/** One that is live, of the agent `writer`. */
export const run = (more: Partial<RunView> = {}): RunView => ({
  company_id: "local",
  agent_id: "writer",
  run_id: "r1",
  backend: "local",
  state: "live",
  verdict: null,
  message: null,
  exit_code: null,
  signal: null,
  created_at: "2026-11-21T12:00:00.000Z",
  started_at: "2026-11-21T12:00:01.000Z",
  ended_at: null,
  output: { bytes: 0, lines: 0, end: null, gaps: [] },
  session: null,
  summary: null,
  usage: null,
  stale: false,
  ...more
})
