/** What happens to Tailer: the file comes, grows, rests, shrinks, goes; the end is asked for with and without a record. */
import { movesOf } from "./Alone.ts"

const promise = (volumeError: boolean, truncated: boolean) => ({ bytes: 100, volumeError, truncated })

export const TailerMoves = movesOf(
  {
    events: [
      { type: "FOUND" },
      { type: "GREW" },
      { type: "QUIET", quietMs: 1_250 },
      { type: "SHRUNK" },
      { type: "REPLACED" },
      { type: "TROUBLE" },
      { type: "SOUND" },
      { type: "DRAIN", ended: false },
      { type: "DRAIN", ended: true },
      { type: "RECORD", promise: promise(false, false) },
      { type: "RECORD", promise: promise(true, false) },
      { type: "RECORD", promise: promise(false, true) },
      { type: "REACHED" },
      { type: "VERIFIED", same: true },
      { type: "VERIFIED", same: false },
      { type: "FLUSHED" }
    ],
    results: {},
    failures: {}
  },
  5_000
)
