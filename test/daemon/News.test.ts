import { describe, expect, it } from "vitest"
import { newsOf, runRow } from "../../src/daemon/News.ts"
import type { MachineEntry, RunView } from "../../src/domain/index.ts"

const entry = (machine: string, from: string, to: string, visible: Record<string, unknown> = {}) =>
  ({
    kind: "transition",
    entry: { machine, instance: null, at: 0, uptime: 0, event: "X", cause: "test", from, to, changed: true, visible }
  }) as const satisfies { readonly kind: "transition"; readonly entry: MachineEntry }

const rows = (happening: Parameters<typeof newsOf>[0]) => newsOf(happening).map(({ row }) => row)

const view = (more: Partial<RunView>): RunView => ({
  company_id: "c",
  agent_id: "a",
  run_id: "r",
  backend: "local",
  state: "cleaning",
  verdict: "failed",
  message: null,
  exit_code: 1,
  signal: null,
  created_at: "2026-11-22T10:00:00.000Z",
  started_at: "2026-11-22T10:00:01.000Z",
  ended_at: "2026-11-22T10:00:02.000Z",
  output: { bytes: 3, lines: 1, end: "complete", gaps: [] },
  session: null,
  summary: null,
  usage: null,
  stale: false,
  ...more
})

describe("what is told", () => {
  it("is the same for runs and logins that differ in secrets alone", () => {
    const secrets = ["hunter2", "correct horse"]
    const told = secrets.map((secret) =>
      JSON.stringify([
        runRow(view({ message: secret, summary: secret, session: secret })),
        rows(
          entry("deviceLogin", "settling", "account.ready", {
            flow: { id: secret, phase: "ok", code: secret, message: secret }
          })
        ),
        rows(entry("join", "refreshing", "credentialDead", { problem: secret })),
        rows({ kind: "sent", machine: "configPull", event: { type: "REPORT_DUE", ...failed(secret) } })
      ])
    )
    expect(told[0]).toBe(told[1])
    expect(told[0]).toContain("config_failed")
    expect(told[0]).toContain("login_ok")
  })

  it("of a revision is that it was applied, promoted, refused, or rolled back and why", () => {
    const etag = '"abc"'
    expect(rows({ kind: "noted", event: "config.applied", etag })).toEqual([{ type: "config_applied", etag }])
    expect(rows({ kind: "noted", event: "config.probation_cleared", etag })).toEqual([
      { type: "config_promoted", etag }
    ])
    expect(rows({ kind: "noted", event: "config.rollback", etag, detail: "crash_loop" })).toEqual([
      { type: "config_rolled_back", etag, reason: "crash_loop" }
    ])
    const event = { type: "REPORT_DUE", etag, verdict: "config_invalid", detail: "" }
    expect(rows({ kind: "sent", machine: "configPull", event })).toEqual([
      { type: "config_refused", etag, reason: "config_invalid" }
    ])
    const again = { type: "REPORT_DUE", etag, verdict: "skipped_bad_etag", detail: "" }
    expect(rows({ kind: "sent", machine: "configPull", event: again })).toEqual([])
  })

  it("of a process is how it began and why it ends, and that a safe start is over", () => {
    const event = { type: "BOOT_EVALUATED", start: "unexplained", safeStart: true }
    expect(rows({ kind: "sent", machine: "daemon", event })).toEqual([
      { type: "daemon_started", reason: "unexplained" },
      { type: "safe_start_entered" }
    ])
    const ending = { restart: "operator", stopping: false, leaving: false }
    expect(rows(entry("daemon", "running.safe", "stopping.recording", ending))).toEqual([
      { type: "safe_start_left", reason: "operator" },
      { type: "daemon_stopping", reason: "operator" }
    ])
    expect(rows(entry("daemon", "stopping.recording", "stopping.endingPull", ending))).toEqual([])
  })

  it("of a run that has no verdict is nothing", () => {
    expect(runRow(view({ verdict: null }))).toBeUndefined()
  })
})

const failed = (detail: string) => ({ etag: '"abc"', verdict: "plugin_install_failed", detail })
