/** What happens to ConfigPull: every row of the table of answers, identities, gaps, reports, the end. */
import { POLL_ANSWERS, type PollAnswer, type PollAnswerKind } from "../../machines/index.ts"
import { failure, movesOf } from "./Alone.ts"

const answer = (kind: PollAnswerKind, retryAfterSeconds = 0): PollAnswer => ({
  kind,
  etag: kind === "good" ? "G1" : "",
  offer: 0,
  retryAfterSeconds,
  message: kind,
  wall: 0,
  jitter: 0
})

export const ConfigPullMoves = movesOf(
  {
    events: [
      { type: "BEGIN", central: true, intervalMs: 30_000 },
      { type: "BEGIN", central: false, intervalMs: 0 },
      { type: "IDENTITY_READY" },
      { type: "IDENTITY_FAILED" },
      { type: "POLL_NOW" },
      { type: "GAP" },
      { type: "REPORT_DUE" },
      { type: "END" }
    ],
    results: {
      poll: [
        ...POLL_ANSWERS.map((kind) => [kind, answer(kind)] as const),
        ["throttled, Retry-After: 5", answer("throttled", 5)]
      ],
      sendReport: [
        ["accepted", { supported: true }],
        ["not supported", { supported: false }]
      ]
    },
    failures: { poll: [failure("Defect")], sendReport: [failure("NetworkError")] }
  },
  5_000
)
