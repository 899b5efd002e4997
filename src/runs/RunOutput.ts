/** What the daemon itself makes of a run's output: how much there is, and what OpenCode said in it. */
import { Effect, FileSystem, Ref, Stream } from "effect"
import type { Gap, TailCheckpoint } from "../domain/index.ts"
import { OPEN_CODE_NOTHING, type OpenCodeResult, readOpenCodeErrors, readOpenCodeLine } from "./OpenCode.ts"
import type { TailBatch } from "./Tail.ts"

/** What has been taken in so far. */
export interface Collected {
  readonly bytes: number
  readonly lines: number
  readonly gaps: ReadonlyArray<Gap>
  readonly openCode: OpenCodeResult
}

const NOTHING: Collected = { bytes: 0, lines: 0, gaps: [], openCode: OPEN_CODE_NOTHING }

/** Larger than any event that is worth reading: the parts of a longer line are counted only. */
export interface RunOutput {
  readonly take: (batch: TailBatch) => Effect.Effect<void>
  /** What another process had taken in: it is read again, so that nothing of it is missing. */
  readonly restore: (file: string, checkpoint: TailCheckpoint) => Effect.Effect<void>
  /** What the work wrote to standard error. */
  readonly takeErrors: (text: string) => Effect.Effect<void>
  readonly collected: Effect.Effect<Collected>
}

export const makeRunOutput = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const state = yield* Ref.make(NOTHING)

  const take = (batch: TailBatch) =>
    Ref.update(state, (before): Collected => {
      if (batch._tag === "Gap") {
        const { from, reason, to } = batch
        return { ...before, gaps: [...before.gaps, { from, to, reason }] }
      }
      const whole = batch.lines.filter(({ part }) => part === undefined)
      const ended = batch.lines.filter(({ part }) => part === undefined || part.last)
      return {
        ...before,
        bytes: before.bytes + (batch.to - batch.from),
        lines: before.lines + ended.length,
        openCode: whole.reduce((result, { text }) => readOpenCodeLine(result, text), before.openCode)
      }
    })

  const restore = Effect.fnUntraced(function* (file: string, { gaps, line, offset }: TailCheckpoint) {
    yield* Ref.update(state, (before) => ({ ...before, bytes: offset, lines: line, gaps }))
    yield* fs.stream(file, { bytesToRead: offset }).pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((text) =>
        Ref.update(state, (before) => ({ ...before, openCode: readOpenCodeLine(before.openCode, text) }))
      ),
      Effect.catch((error) => Effect.logWarning(error.message))
    )
  })

  const output: RunOutput = {
    take,
    restore,
    takeErrors: (text) =>
      Ref.update(state, (before) => ({ ...before, openCode: readOpenCodeErrors(before.openCode, text) })),
    collected: Ref.get(state)
  }
  return output
})
