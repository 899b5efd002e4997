/** Wrong versions of Run: verdicts without proof, ends that are not enforced, states that hold a run open. */
import { assign, type AnyStateMachine } from "xstate"
import { exitOf, judged, RUN_LADDER_MS, type RunContext } from "../../machines/index.ts"
import { failureOf } from "../../machines/Task.ts"
import { invokes, mutantOf, withDelay, withGuards, withState, type Written } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

const run = mutantOf("run")

interface In {
  readonly context: RunContext
  readonly event: unknown
}
type Judged = ReturnType<typeof judged>

/** Another judge, who may ask the right one. */
const judges = (machine: AnyStateMachine, judge: (context: RunContext, right: Judged) => Judged): AnyStateMachine =>
  withState(machine, "judging", (state) => ({
    ...state,
    always: {
      ...state["always"],
      actions: [assign(({ context }: In) => judge(context, judged({ context }))), assign({ tries: 0 })]
    }
  }))

/** The answers to a failure of a state's task, as they should not be. */
const onFailure = (machine: AnyStateMachine, path: string, onError: unknown): AnyStateMachine =>
  withState(machine, path, (state) => invokes(state, { onError }))

const without =
  (path: string, part: "after" | "on") =>
  (machine: AnyStateMachine): AnyStateMachine =>
    withState(machine, path, (state) => ({ ...state, [part]: {} }))

const hears = (machine: AnyStateMachine, path: string, on: Written): AnyStateMachine =>
  withState(machine, path, (state) => ({ ...state, on: { ...state["on"], ...on } }))

const decides = (machine: AnyStateMachine, guard: string, target: string, actions: unknown = []): AnyStateMachine =>
  withState(machine, "deciding", (state) => ({
    ...state,
    always: state["always"].map((one: Written) => (one["guard"] === guard ? { guard, target, actions } : one))
  }))

const never = (name: string) => (machine: AnyStateMachine) => withGuards(machine, { [name]: () => false })
const retryable = ({ event }: In): boolean => failureOf(event).retryable
const hanging = (delay: string) => (machine: AnyStateMachine) => withDelay(machine, delay, () => 1e12)

const VERDICTS: ReadonlyArray<Mutant> = [
  run("the end of the output counts as success", ["runProof", "runGuesses"], (machine) =>
    judges(machine, (context, right) =>
      exitOf(context) === null && context.tailOver ? { verdict: "succeeded", message: null } : right
    )
  ),
  run("whoever was cancelled did not succeed", ["runProof"], (machine) =>
    judges(machine, ({ cancelled }, right) =>
      cancelled && right.verdict === "succeeded" ? { verdict: "cancelled", message: "cancelled" } : right
    )
  ),
  run("an exit code says enough", ["runProof"], (machine) =>
    judges(machine, (context, { message, verdict }) => ({
      verdict,
      message: exitOf(context) === null ? message : null
    }))
  ),
  run("a success says nothing of its output", ["runOutput"], (machine) =>
    judges(machine, (_, { message, verdict }) => ({ verdict, message: verdict === "succeeded" ? null : message }))
  ),
  run("a backend that fails to tell has told of a failure", ["runGuesses", "runEnforced"], (machine) =>
    judges(machine, ({ problem }, right) =>
      right.verdict === "unknown" && problem !== null ? { verdict: "failed", message: problem } : right
    )
  ),
  run("what is gone has failed", ["runGuesses"], (machine) =>
    judges(machine, (_, right) => (right.verdict === "lost" ? { ...right, verdict: "failed" } : right))
  ),
  run("the container's state counts before the record", ["runBestProof"], (machine) =>
    judges(machine, (context, right) =>
      context.work?.kind === "exited" ? judged({ context: { ...context, tail: null } }) : right
    )
  ),
  run("the backend's word counts before the record", ["runBestProof"], (machine) =>
    judges(machine, (context, right) =>
      context.work?.kind === "gone" || context.work?.kind === "deadline"
        ? judged({ context: { ...context, tail: null } })
        : right
    )
  ),
  run("the limit of a cancelled run makes it timed out", ["runReasons"], (machine) =>
    withState(machine, "live.end", (state) => ({
      ...state,
      after: { limit: { guard: "isLimited", actions: assign({ timedOut: true }) } }
    }))
  ),
  run("a limit counts as a failure", ["runReasons"], (machine) =>
    judges(machine, (context) => judged({ context: { ...context, timedOut: false } }))
  ),
  run("a cancel counts as a failure", ["runReasons"], (machine) =>
    judges(machine, (context) => judged({ context: { ...context, cancelled: false } }))
  ),
  run("a start that failed is forgotten once it is stopped", ["runReasons"], (machine) =>
    judges(machine, (context) =>
      judged({ context: { ...context, notStarted: context.begun ? null : context.notStarted } })
    )
  )
]

const ENDS: ReadonlyArray<Mutant> = [
  run("what was asked to end has ended", ["runEnforced"], (machine) =>
    judges(machine, (context, right) =>
      right.verdict === "unknown" && context.cancelled ? { ...right, verdict: "cancelled" } : right
    )
  ),
  run("a start that failed has started nothing", ["runEnforced"], (machine) =>
    onFailure(machine, "starting.asking", {
      target: "#run.judging",
      actions: assign(({ event }: In) => ({ begun: false, notStarted: failureOf(event).message }))
    })
  ),
  run("what was to be started is cancelled at the next boot as if it was not", ["runEnforced"], (machine) =>
    decides(machine, "isUnderWay", "judging", assign({ begun: false }))
  ),
  run("the backend is not asked to end what is cancelled", ["runStops", "runBounds"], (machine) =>
    hears(machine, "live.end.awaited", {
      CANCEL: { target: "over", actions: assign({ cancelled: true, workOver: true }) }
    })
  ),
  run("every cancel asks the backend", ["runStops"], (machine) =>
    hears(machine, "live.end.asked", { CANCEL: ".stopping" })
  ),
  run("a stop that failed is asked for again at once", ["runStops", "runStopsOnLadder"], (machine) =>
    withDelay(machine, "ladder", () => 1)
  ),
  run("a stop that failed is asked for once more", ["runStopsOnLadder"], (machine) =>
    withState(machine, "live.end.asked.stoppingAgain", (state) => ({
      ...state,
      after: { ladder: "stopped" }
    }))
  ),
  run("the ladder of a stop begins where the start's ended", ["runStopsOnLadder"], (machine) =>
    withState(machine, "live.end.asked", (state) => ({ ...state, entry: [] }))
  ),
  run("a stale run is ended", ["runStops", "runStale"], (machine) =>
    withState(machine, "live.end.awaited", (state) => ({ ...state, after: { ...state["after"], stale: "asked" } }))
  )
]

const BOOTS: ReadonlyArray<Mutant> = [
  run("a verdict on the disk is judged again", ["runDurable", "runStartsOnce"], never("hasVerdict")),
  run("a run that was cancelled in its queue is started at the next boot", ["runStartsOnce"], never("cancelled")),
  run("a start that is to be cancelled is tried again", ["runStartsOnce"], (machine) =>
    hears(machine, "starting.waiting", { CANCEL: { target: "asking", actions: assign({ cancelled: true }) } })
  ),
  run("a cancel does not end the tries of a start", ["runStartsOnce"], (machine) =>
    withGuards(machine, { mayStartAgain: (args: In) => retryable(args) && args.context.tries < 4 })
  ),
  run("a boot ends what it finds", ["runAdopts", "runStops"], (machine) =>
    withGuards(machine, { mustStop: ({ context }: In) => context.adopted || context.cancelled })
  ),
  run("what was started is not looked for", ["runAdopts"], (machine) => decides(machine, "isUnderWay", "judging")),
  run("what was to be started is taken for started", ["runAdopts"], (machine) => decides(machine, "begun", "live")),
  run("the verdict is not written", ["runCleansLast", "runAdopts"], (machine) =>
    withState(machine, "judging", (state) => ({ ...state, always: { ...state["always"], target: "cleaning" } }))
  ),
  run("a disk that refuses the verdict is passed over", ["runCleansLast"], (machine) =>
    onFailure(machine, "recording", "cleaning")
  )
]

const BOUNDS: ReadonlyArray<Mutant> = [
  run("the bound of a stop begins anew with each try", ["runEnds", "runStopsOnLadder"], (machine) =>
    withState(without("live.end.asked", "after")(machine), "live.end.asked.stoppingAgain", (state) => ({
      ...state,
      after: { ...state["after"], stopBound: { target: "#run.live.end.over", actions: assign({ workOver: true }) } }
    }))
  ),
  run("a stop that hangs has no bound", ["runEnds", "runBounds"], hanging("stopBound")),
  run("a start that hangs has no bound", ["runEnds", "runBounds"], hanging("startBound")),
  run("a start that hangs has no bound once it is cancelled", ["runEnds", "runBounds"], hanging("startCancelBound")),
  run("a start is tried for ever", ["runEnds"], (machine) =>
    hanging("startBound")(withGuards(machine, { mayStartAgain: retryable }))
  ),
  run("a tailer that hangs has no bound", ["runEnds", "runBounds"], hanging("tailBound")),
  run("the bound of the tailer is shorter than its own", ["runBounds"], (machine) =>
    withDelay(machine, "tailBound", () => 120_000)
  ),
  run("a removal that hangs has no bound", ["runEnds", "runBounds"], hanging("cleanBound")),
  run("a removal is tried for ever", ["runEnds"], (machine) => withGuards(machine, { mayTryAgain: retryable })),
  run("a backend out of sight is looked for for ever", ["runEnds"], (machine) =>
    withGuards(machine, { mayLookAgain: retryable })
  ),
  run("a limit is not kept", ["runEnds", "runBounds"], never("isLimited")),
  run("a cancel is not heard in the queue", ["runEnds", "runBounds"], without("queued", "on")),
  run("a cancel is not heard while it is prepared", ["runEnds"], (machine) =>
    hanging("prepareBound")(without("preparing", "on")(machine))
  ),
  run("a cancel is not heard while it runs", ["runEnds", "runBounds"], without("live.end.awaited", "on")),
  run("a record does not count while the backend is silent", ["runBounds", "runOutOfSight"], hanging("windUp")),
  run("one look in vain is the end", ["runOutOfSight"], never("mayLookAgain")),
  run("looks in vain are never forgotten", ["runOutOfSight"], without("live.work.observed.watched", "after")),
  run("looks in vain are not spaced", ["runOutOfSight"], (machine) =>
    withDelay(machine, "lookLadder", () => RUN_LADDER_MS[0])
  )
]

const SIGNS: ReadonlyArray<Mutant> = [
  run("a sign of life gives a stop more time", ["runAlive"], (machine) =>
    hears(machine, "live.end.asked", { ALIVE: { target: "asked", reenter: true } })
  ),
  run("a sign of life undoes a cancel", ["runAlive"], (machine) =>
    hears(machine, "live.end.asked", { ALIVE: "awaited" })
  ),
  run("a sign of life keeps the output open", ["runAlive"], (machine) =>
    hears(machine, "live.work.ended", { ALIVE: { target: "ended", reenter: true } })
  ),
  run("five minutes are counted from the start", ["runStale"], without("live.pulse.fresh", "on")),
  run("once stale, always stale", ["runStale"], without("live.pulse.stale", "on"))
]

export const RUN_MUTANTS: ReadonlyArray<Mutant> = [...VERDICTS, ...ENDS, ...BOOTS, ...BOUNDS, ...SIGNS]
