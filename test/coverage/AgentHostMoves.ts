/** What happens to AgentHost: callers come and go, its process loads, answers, breaks the rules, ends; its file changes. */
import { failure, movesOf } from "./Alone.ts"

export const AgentHostMoves = movesOf(
  {
    input: { startMs: 30_000, callMs: 60_000, idleMs: 50_000 },
    events: [
      { type: "CALL", call: 1 },
      { type: "CALL", call: 2 },
      { type: "CANCEL", call: 1 },
      { type: "LOADED", process: 1 },
      { type: "LOADED", process: 0 },
      { type: "ANSWERED", process: 1, call: 1 },
      { type: "ANSWERED", process: 1, call: 3 },
      { type: "ANSWERED", process: 0, call: 1 },
      { type: "FAULT", process: 0, failure: "memory", message: "too much" },
      { type: "FAULT", process: 1, failure: "memory", message: "too much" },
      { type: "RETIRE" }
    ],
    results: { host: [["exit code 1", { failure: "exited", message: "exit code 1" }]] },
    failures: { host: [failure("Defect")] }
  },
  5_000
)
