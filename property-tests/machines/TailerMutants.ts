/** Wrong versions of Tailer, and the properties that tell them from it. */
import { assign } from "xstate"
import type { TailerContext } from "../../machines/index.ts"
import { mutantOf, withDelay, withGuards, withState } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

const tailer = mutantOf("tailer")

interface In {
  readonly context: TailerContext
}

const CADENCE: ReadonlyArray<Mutant> = [
  tailer("an idle file stays at 250 ms", ["tailerCadence"], (machine) =>
    withState(machine, "following.active", (state) => ({ ...state, on: {} }))
  ),
  tailer("growth does not wake an idle file", ["tailerCadence"], (machine) =>
    withState(machine, "following.idle", (state) => ({ ...state, on: {} }))
  ),
  tailer("growth does not wake a dormant file", ["tailerCadence"], (machine) =>
    withState(machine, "following.dormant", (state) => ({ ...state, on: {} }))
  ),
  tailer("the minute begins when a file falls idle", ["tailerCadence"], (machine) =>
    withDelay(machine, "untilDormant", () => 60_000)
  ),
  tailer("no file is dormant", ["tailerCadence"], (machine) =>
    withState(machine, "following.idle", (state) => ({ ...state, after: {} }))
  ),
  tailer("what drains keeps the cadence that it had", ["tailerCadence"], (machine) =>
    withState(machine, "draining", (state) => ({ ...state, entry: assign({ listensFor: "nothing" }) }))
  ),
  tailer("trouble is not backed off from", ["tailerCadence"], (machine) =>
    withState(machine, "following", (state) => ({ ...state, on: { ...state["on"], TROUBLE: {} } }))
  ),
  tailer("back-off has no end", ["tailerCadence"], (machine) =>
    withState(machine, "following", (state) => ({ ...state, on: { ...state["on"], SOUND: {} } }))
  ),
  tailer("what drains stays broken", ["tailerCadence"], (machine) =>
    withState(machine, "draining.reading", (state) => ({ ...state, on: { ...state["on"], SOUND: {} } }))
  )
]

const BOUNDS: ReadonlyArray<Mutant> = [
  tailer("a file is waited for without end", ["tailerBounds"], (machine) =>
    withState(machine, "waitingForFile", (state) => ({ ...state, after: {} }))
  ),
  tailer("every drain has 90 s", ["tailerBounds"], (machine) => withDelay(machine, "drain", () => 90_000)),
  tailer("every drain has 10 s", ["tailerBounds"], (machine) => withDelay(machine, "drain", () => 10_000)),
  tailer("a volume error changes nothing", ["tailerBounds"], (machine) =>
    withDelay(machine, "drain", ({ context: { ended, promise } }: In) => (promise === null && ended ? 10_000 : 90_000))
  ),
  tailer("what is learnt has the time that was left", ["tailerBounds"], (machine) =>
    withState(machine, "draining.reading", (state) => ({
      ...state,
      on: { ...state["on"], RECORD: { ...state["on"].RECORD, target: undefined, reenter: false } }
    }))
  ),
  tailer("each question for the end begins it anew", ["tailerBounds"], (machine) =>
    withGuards(machine, { learnsEnd: () => true })
  ),
  tailer("a drain has no bound", ["tailerSettles"], (machine) =>
    withState(machine, "draining.reading", (state) => ({ ...state, after: {} }))
  ),
  tailer("the rest is waited for without end", ["tailerSettles"], (machine) =>
    withState(machine, "draining.flushing", (state) => ({ ...state, after: {} }))
  ),
  tailer("a hash is waited for without end", ["tailerSettles"], (machine) =>
    withState(machine, "draining.verifying", (state) => ({ ...state, after: {} }))
  ),
  tailer("a file that is waited for hears of no end", ["tailerBounds"], (machine) =>
    withState(machine, "waitingForFile", (state) => ({ ...state, on: { FOUND: state["on"].FOUND } }))
  )
]

const ENDS: ReadonlyArray<Mutant> = [
  tailer("other bytes are complete", ["tailerEnds"], (machine) => withGuards(machine, { isWhole: () => true })),
  tailer("what the agent truncated is complete", ["tailerEnds"], (machine) =>
    withGuards(machine, { isWhole: ({ event }: any) => event.same })
  ),
  tailer("what the agent truncated is incomplete", ["tailerEnds"], (machine) =>
    withGuards(machine, { agentTruncated: () => false })
  ),
  tailer("a file that never appeared is incomplete", ["tailerEnds"], (machine) =>
    withGuards(machine, { neverFound: () => false })
  ),
  tailer("a file that appears at the end is missing", ["tailerEnds"], (machine) =>
    withState(machine, "draining.reading", (state) => ({ ...state, on: { ...state["on"], FOUND: {} } }))
  ),
  tailer("what nobody could verify is complete", ["tailerEnds"], (machine) =>
    withState(machine, "draining.verifying", (state) => ({ ...state, after: { verify: "#tailer.complete" } }))
  ),
  tailer("what was delivered in time is complete", ["tailerEnds"], (machine) =>
    withState(machine, "draining.flushing", (state) => ({ ...state, on: { FLUSHED: "#tailer.complete" } }))
  )
]

const GAPS: ReadonlyArray<Mutant> = [
  tailer("one look at a shorter file is enough", ["tailerGaps"], (machine) =>
    withGuards(machine, { doubted: () => true })
  ),
  tailer("a shorter file is doubted for ever", ["tailerGaps"], (machine) =>
    withGuards(machine, { doubted: () => false })
  ),
  tailer("a doubt outlives a sound look", ["tailerGaps"], (machine) =>
    withState(machine, "following", (state) => ({
      ...state,
      on: { ...state["on"], SOUND: { actions: assign({ failures: 0 }) } }
    }))
  ),
  tailer("another file is read on", ["tailerGaps"], (machine) =>
    withState(machine, "following", (state) => ({ ...state, on: { ...state["on"], REPLACED: ".active" } }))
  ),
  tailer("at the end nobody looks for another file", ["tailerGaps"], (machine) =>
    withState(machine, "draining.reading", (state) => ({ ...state, on: { ...state["on"], REPLACED: {} } }))
  )
]

export const TAILER_MUTANTS: ReadonlyArray<Mutant> = [...CADENCE, ...BOUNDS, ...ENDS, ...GAPS]
