/** Looks at everything that happens to a run, and holds the sentences of its design against it. */
import {
  PREPARE_BOUND_MS,
  RUN_LADDER_MS,
  START_BOUND_MS,
  START_TRIES,
  type RunContext,
  type RunVerdict,
  type TailFacts,
  type WorkEnd
} from "../../machines/index.ts"
import { type Cause, failed, type RunFile, type RunRoom, type RunTask, type Watcher } from "./RunRoom.ts"

/** What holds whatever happens; each of them by name. */
export const RUN_INVARIANTS = {
  runProof: "a run has succeeded exactly when exit code 0 is known, and has a message in every other case",
  runOutput: "a success whose output was not delivered whole says so",
  runGuesses: "without proof of its end a run is unknown, or lost when the backend says that the work is gone",
  runBestProof: "the record counts before the container's state, and that before the backend's word",
  runReasons: "cancelled, timed out, never started and failed are told apart by what came first",
  runEnforced: "nothing that still runs is reported as cancelled, timed out, failed or lost",
  runCleansLast: "nothing of a run is removed before its verdict is on the disk",
  runDurable: "a verdict that is on the disk stays as it is",
  runStartsOnce: "one start is under way at most, none once its end is wanted or known, and one work is ever made",
  runStops: "the backend is asked to end the work when somebody wants it, one request at a time, again on the ladder"
} as const
export type RunInvariant = keyof typeof RUN_INVARIANTS

export interface Violation {
  readonly invariant: RunInvariant
  readonly detail: string
}

type Reason = "person" | "limit" | "start"

/** What this process was told, by the answers alone. */
interface Told {
  record: number | null
  container: number | null
  word: WorkEnd["kind"] | null
  tail: TailFacts["end"] | null
  /** Why its end is wanted: what came first. */
  wanted: Reason | null
  begun: boolean
  beganAt: number
  startFailures: number
  liveSince: number
  stops: number
  stopFailures: number
  stopFailedAt: number
}

const told = ({ begun, cancelled, started }: RunFile, now: number): Told => ({
  record: null,
  container: null,
  word: null,
  tail: null,
  wanted: cancelled ? "person" : null,
  begun: begun || started,
  beganAt: now,
  startFailures: 0,
  liveSince: now,
  stops: 0,
  stopFailures: 0,
  stopFailedAt: 0
})

export class RunWatch implements Watcher {
  readonly violations: Array<Violation> = []
  /** Verdicts that were to be recorded. */
  readonly verdicts: Array<RunVerdict> = []
  private told: Told | null = null

  private found(invariant: RunInvariant, detail: string): void {
    this.violations.push({ invariant, detail })
  }

  private knownOf({ file, now }: RunRoom): Told {
    return (this.told ??= told(file, now))
  }

  died(): void {
    this.told = null
  }

  wrote({ file }: RunRoom, before: RunFile): void {
    if (before.verdict === null) return
    if (file.verdict !== before.verdict || file.message !== before.message) {
      this.found("runDurable", `${before.verdict} became ${file.verdict}`)
    }
  }

  asked(room: RunRoom, task: RunTask, cause: Cause): void {
    const known = this.knownOf(room)
    const { src } = task
    const beside = room.tasks.filter((other) => other !== task && other.src === src).length
    if (src === "start") {
      if (beside > 0) this.found("runStartsOnce", "a second start beside the first")
      if (room.file.verdict !== null) this.found("runStartsOnce", "a start after the verdict")
      if (known.wanted !== null) this.found("runStartsOnce", `a start, and its end is wanted: ${known.wanted}`)
      if (room.work.made > 1) this.found("runStartsOnce", `${room.work.made} works`)
      known.begun = true
    }
    if (src === "stop") {
      if (beside > 0) this.found("runStops", "a second request beside the first")
      if (known.wanted === null) this.found("runStops", "nobody wants its end")
      if (known.stops > known.stopFailures) this.found("runStops", "asked again, and the request before has not failed")
      const wait = RUN_LADDER_MS[Math.min(known.stopFailures, RUN_LADDER_MS.length) - 1] ?? 0
      if (known.stopFailures > 0 && cause !== "CANCEL" && room.now !== known.stopFailedAt + wait) {
        this.found("runStops", `asked again ${room.now - known.stopFailedAt} ms after it failed, not ${wait}`)
      }
      known.stops++
    }
    if (src === "clean" && room.file.verdict === null) this.found("runCleansLast", "there is no verdict on the disk")
    if (src === "record") this.judges(room, task)
  }

  moved(room: RunRoom, before: RunContext, from: string, cause: Cause): void {
    const known = this.knownOf(room)
    const { now, state } = room
    if (state.startsWith("live") && !from.startsWith("live")) known.liveSince = now
    if (room.work.made > 1) this.found("runStartsOnce", `${room.work.made} works`)
    if (cause === "CANCEL" && !before.workOver && before.verdict === null) known.wanted ??= "person"
    if (cause === "time" && from.startsWith("live") && !before.workOver && room.limitMs > 0) {
      if (now - known.liveSince === room.limitMs) known.wanted ??= "limit"
    }
    if (state.startsWith("starting") && !from.startsWith("starting")) known.beganAt = now
    if (state === "preparing" && from !== state) known.beganAt = now
    if (cause === "time" && from.startsWith("starting") && now - known.beganAt === START_BOUND_MS) {
      known.wanted ??= "start"
    }
    if (cause === "time" && from === "preparing" && now - known.beganAt === PREPARE_BOUND_MS) known.wanted ??= "start"
    if (typeof cause === "object") this.answered(known, now, cause.src, cause.answer)
  }

  private answered(known: Told, now: number, src: string, answer: unknown): void {
    if (failed(answer)) {
      if (src === "start" && answer.retryable && ++known.startFailures < START_TRIES) return
      if (src === "start" || src === "prepare" || src === "awaitTurn") known.wanted ??= "start"
      if (src === "follow") known.tail = "incomplete"
      if (src === "stop") {
        known.stopFailures++
        known.stopFailedAt = now
      }
      return
    }
    if (src === "watch") {
      const word = answer as WorkEnd
      known.word = word.kind
      if (word.kind === "exited") known.container = word.end.exitCode
    }
    if (src === "follow") {
      const { end, record } = answer as TailFacts
      known.tail = end
      known.record = record?.exitCode ?? null
    }
  }

  /** The verdict that is to be recorded, against what was told and against the truth. */
  private judges(room: RunRoom, { input }: RunTask): void {
    const { message, verdict } = input as { readonly verdict: RunVerdict; readonly message: string | null }
    const known = this.knownOf(room)
    this.verdicts.push(verdict)
    const { container, record, tail } = known
    const end = record ?? container
    const expected = expectedOf(known)
    const detail = `${verdict} instead of ${expected}, by ${JSON.stringify(known)}`
    if (verdict !== expected) {
      const isContested = record !== null && expectedOf({ ...known, record: null }) !== expected
      if (isContested) this.found("runBestProof", detail)
      if (verdict === "succeeded" || expected === "succeeded") this.found("runProof", detail)
      if (expected === "unknown" || expected === "lost") this.found("runGuesses", detail)
      else if (expected !== "succeeded") this.found("runReasons", detail)
    }
    if (end !== 0 && (message ?? "") === "") this.found("runProof", `${verdict} without a message`)
    if (verdict === "succeeded" && tail !== "complete" && message === null) {
      this.found("runOutput", `a success without a word, and the output is ${tail ?? "not read"}`)
    }
    if (room.work.state === "running" && verdict !== "unknown") {
      this.found("runEnforced", `${verdict}, and the work runs`)
    }
    if (expected === "unknown" && known.wanted !== null && known.stops === 0) {
      this.found("runStops", `given up, and its backend was never asked to end it: ${known.wanted}`)
    }
  }
}

const expectedOf = ({ begun, container, record, wanted, word }: Told): RunVerdict => {
  const end = record ?? container
  if (end === 0) return "succeeded"
  if (begun && end === null && word === null) return "unknown"
  if (wanted === "limit" || word === "deadline") return "timed_out"
  if (wanted === "person") return "cancelled"
  if (wanted === "start" || end !== null || word === "failed") return "failed"
  return word === "gone" ? "lost" : "unknown"
}
