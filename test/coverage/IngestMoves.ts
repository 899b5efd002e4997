/** What happens to Ingest: rows come, the disk takes them or not, central answers in every way, the process ends. */
import { type IngestAnswerKind, INGEST_ANSWERS } from "../../machines/index.ts"
import { failure, movesOf } from "./Alone.ts"

const answered = (kind: IngestAnswerKind, retryAfterSeconds = 0) =>
  [kind, { kind, more: kind === "accepted", retryAfterSeconds, message: kind, jitter: 0 }] as const

export const IngestMoves = movesOf(
  {
    events: [
      { type: "BEGIN", central: true },
      { type: "BEGIN", central: false },
      { type: "RECORDED" },
      { type: "IDENTITY_READY" },
      { type: "END" }
    ],
    results: {
      store: [
        ["nothing is left", { unsent: false }],
        ["there is a batch", { unsent: true }]
      ],
      send: INGEST_ANSWERS.map((kind) => answered(kind)),
      seal: [["sealed", undefined]]
    },
    failures: { store: [failure("StorageError")], send: [failure("Defect")], seal: [failure("StorageError")] }
  },
  5_000
)
