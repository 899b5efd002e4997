/** What happens to Daemon: boots of every kind, restarts and stops at every moment, steps that fail or hang. */
import type { BootOutcome, Running } from "../../machines/index.ts"
import { failure, movesOf } from "./Alone.ts"

const running: Running = { source: "slot", slot: "a", etag: "G1", digest: "d", central: true, intervalMs: 30_000 }
const booted = (part: Partial<BootOutcome>) => ({
  type: "BOOT_EVALUATED",
  running,
  start: "explained",
  probation: false,
  bundledOnly: false,
  safeStart: false,
  unexplained: 0,
  ranMs: 0,
  safeHoldMs: 0,
  impaired: null,
  ...part
})

const broken = [failure("StorageError")]

export const DaemonMoves = movesOf(
  {
    input: { jitter: 0 },
    events: [
      booted({}),
      booted({ start: "unexplained", unexplained: 1 }),
      booted({ start: "unexplained", impaired: "the disk cannot be written" }),
      booted({ start: "indeterminate", unexplained: 3, safeStart: true, bundledOnly: true, safeHoldMs: 3_600_000 }),
      { type: "RESTART_REQUESTED", reason: "config_applied" },
      { type: "STOP_REQUESTED", leave: false },
      { type: "STOP_REQUESTED", leave: true },
      { type: "INTERRUPTED_AGAIN" },
      { type: "CONFIG_CLOSED" },
      { type: "PULL_STOPPED" }
    ],
    results: {
      openApi: [["listening", undefined]],
      loadPlugins: [
        ["all started", { problems: [] }],
        ["one failed", { problems: [{ plugin: "p", message: "it does not start" }] }]
      ],
      closePlugins: [["closed", undefined]],
      closeApi: [["closed", undefined]],
      flush: [["flushed", undefined]]
    },
    failures: { openApi: broken, loadPlugins: broken, closePlugins: broken, closeApi: broken, flush: broken }
  },
  5_000
)
