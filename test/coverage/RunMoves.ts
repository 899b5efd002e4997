/** What happens to Run: every answer and failure of its tasks, people who cancel, boots that find a run at any point. */
import type { AnyStateMachine } from "xstate"
import type { EndFacts, RunFacts, TailFacts, TaskFailure, WorkEnd } from "../../machines/index.ts"
import { failure, movesOf, type Alone } from "./Alone.ts"
import type { Move, Moves } from "./Explore.ts"

const facts = (part: Partial<RunFacts>): RunFacts => ({
  limitMs: 600_000,
  graceMs: 10_000,
  begun: false,
  adopted: false,
  cancelled: false,
  verdict: null,
  message: null,
  ...part
})

/** How the machine finds a run when it starts. */
export const RUN_BEGINNINGS: Readonly<Record<string, RunFacts>> = {
  "is new": facts({}),
  "is new and may take for ever": facts({ limitMs: 0 }),
  "was to be started": facts({ begun: true }),
  "was to be started, and to be ended": facts({ begun: true, cancelled: true }),
  "was started": facts({ begun: true, adopted: true }),
  "was started, and may take for ever": facts({ begun: true, adopted: true, limitMs: 0 }),
  "was cancelled in its queue": facts({ cancelled: true }),
  "has its verdict": facts({ begun: true, adopted: true, verdict: "failed", message: "exit code 1" })
}

const end = (exitCode: number): EndFacts => ({ exitCode, signal: null })
const exited = (exitCode: number): WorkEnd => ({ kind: "exited", end: end(exitCode) })
const tail = (record: EndFacts | null): TailFacts =>
  record === null ? { end: "incomplete", record, message: "no record" } : { end: "complete", record, message: null }

/** A failure that no other try would mend. */
export const refusal: TaskFailure = { _tag: "Refused", message: "it was refused", retryable: false }
const broken = [failure("Unavailable"), refusal]

const { key, next } = movesOf(
  {
    events: [{ type: "CANCEL" }, { type: "ALIVE" }],
    results: {
      awaitTurn: [["its turn", undefined]],
      prepare: [["prepared", undefined]],
      start: [["started", undefined]],
      watch: [
        ["exit code 0", exited(0)],
        ["exit code 1", exited(1)],
        ["never ran", { kind: "failed", message: "no such image" }],
        ["deadline", { kind: "deadline" }],
        ["gone", { kind: "gone", message: "somebody deleted it" }]
      ],
      follow: [
        ["complete, exit code 0", tail(end(0))],
        ["complete, exit code 1", tail(end(1))],
        ["no record", tail(null)]
      ],
      stop: [["asked", undefined]],
      record: [["written", undefined]],
      clean: [["removed", undefined]]
    },
    failures: {
      awaitTurn: broken,
      prepare: broken,
      start: broken,
      watch: broken,
      follow: broken,
      stop: broken,
      record: broken,
      clean: broken
    }
  },
  5_000
)

const begin = (machine: AnyStateMachine): ReadonlyArray<Move<Alone>> =>
  Object.entries(RUN_BEGINNINGS).flatMap(([found, input]) =>
    movesOf({ input, events: [], results: {}, failures: {} }, 0)
      .begin(machine)
      .map((move) => ({ ...move, label: `a run that ${found}` }))
  )

export const RunMoves: Moves<Alone> = { begin, next, key, bound: 5_000 }
