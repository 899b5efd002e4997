/** Wrong versions of AgentHost, and the properties that tell them from it. */
import { assign } from "xstate"
import type { AgentHostContext } from "../../machines/index.ts"
import { mutantOf, withDelay, withGuards, withState, type Written } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

const host = mutantOf("agentHost")

interface In {
  readonly context: AgentHostContext
}

/** A state with one of its events answered otherwise. */
const hearing =
  (event: string, answer: (before: any) => unknown) =>
  (state: Written): Written => ({ ...state, on: { ...state["on"], [event]: answer(state["on"][event]) } })

const CALLS: ReadonlyArray<Mutant> = [
  host("the last to come is the first", ["hostOneAtATime"], (machine) =>
    withState(
      machine,
      "alive",
      hearing("CALL", ([changed]) => [
        changed,
        { actions: assign({ waiting: ({ context, event }: any) => [event.call, ...context.waiting] }) }
      ])
    )
  ),
  host("a call that comes during another is forgotten", ["hostSettles"], (machine) =>
    withState(
      machine,
      "alive.busy",
      hearing("CALL", () => ({ actions: [] }))
    )
  ),
  host("a call that is performed stays in the queue", ["hostAnswersOnce"], (machine) =>
    withState(machine, "alive.busy", (state) => ({
      ...state,
      entry: [assign({ current: ({ context }: In) => context.waiting[0] ?? null }), state["entry"][1]]
    }))
  ),
  host("an answer is not delivered", ["hostAnswersOnce"], (machine) =>
    withState(
      machine,
      "alive.busy",
      hearing("ANSWERED", (answer) => ({ ...answer, actions: [] }))
    )
  ),
  host("calls are given to a process that is loading", ["hostOneAtATime"], (machine) =>
    withState(machine, "alive", (state) => ({ ...state, initial: "ready" }))
  ),
  host("what waits is not given to a process that is ready", ["hostOneAtATime"], (machine) =>
    withState(machine, "alive.ready", (state) => ({ ...state, always: [state["always"][0]] }))
  )
]

const PROCESSES: ReadonlyArray<Mutant> = [
  host("a process is started with nobody to call it", ["hostOneProcess"], (machine) =>
    withGuards(machine, { hasWaiting: () => true })
  ),
  host("a process that has become idle is ended at once", ["hostBounds"], (machine) =>
    withDelay(machine, "idle", () => 0)
  ),
  host("an idle process is kept", ["hostBounds", "hostSettles"], (machine) =>
    withState(machine, "alive.ready", (state) => ({ ...state, after: {} }))
  ),
  host("what does not end when it is asked to is waited for", ["hostBounds", "hostSettles"], (machine) =>
    withState(machine, "alive.ending", (state) => ({ ...state, after: {} }))
  ),
  host("a load has no bound", ["hostBounds", "hostSettles"], (machine) =>
    withState(machine, "alive.starting", (state) => ({ ...state, after: {} }))
  ),
  host("a call has no bound", ["hostBounds", "hostSettles"], (machine) =>
    withState(machine, "alive.busy", (state) => ({ ...state, after: {} }))
  ),
  host("a call has the time of a load", ["hostCostsOne"], (machine) =>
    withDelay(machine, "callBound", ({ context }: In) => context.startMs)
  ),
  host("a load has the time of a call", ["hostBounds"], (machine) =>
    withDelay(machine, "startBound", ({ context }: In) => context.callMs)
  ),
  host("what was called while it ended waits for ever", ["hostCostsOne"], (machine) =>
    withState(machine, "absent", (state) => ({ ...state, always: [state["always"][0]] }))
  )
]

const TROUBLE: ReadonlyArray<Mutant> = [
  host("a process that exits takes all calls with it", ["hostCostsOne"], (machine) =>
    withGuards(machine, { isLoading: () => true })
  ),
  host("a file that exits while it is loaded is loaded again at once", ["hostBacksOff"], (machine) =>
    withGuards(machine, { isLoading: () => false })
  ),
  host("a call whose process exits is not told", ["hostCostsOne"], (machine) =>
    withState(machine, "alive", (state) => ({
      ...state,
      invoke: { ...state["invoke"], onDone: [state["invoke"].onDone[0], { target: "#agentHost.absent" }] }
    }))
  ),
  host("a bug of ours is told to nobody", ["hostCostsOne"], (machine) =>
    withState(machine, "alive", (state) => ({
      ...state,
      invoke: { ...state["invoke"], onError: [state["invoke"].onError[0], { target: "#agentHost.absent" }] }
    }))
  ),
  host("a process that breaks the rules lives on", ["hostTrusts"], (machine) =>
    withState(
      machine,
      "alive",
      hearing("FAULT", ([late, loading, other]) => [late, loading, { actions: other.actions }])
    )
  ),
  host("a stray answer is passed over", ["hostTrusts"], (machine) =>
    withState(
      machine,
      "alive",
      hearing("ANSWERED", () => ({ actions: [] }))
    )
  ),
  host("a stray answer is taken for the one that is awaited", ["hostTrusts"], (machine) =>
    withGuards(machine, {
      isCurrent: ({ context, event }: any) => event.type === "ANSWERED" || event.call === context.current
    })
  ),
  host("what the process before has said is held against the next", ["hostTrusts"], (machine) =>
    withGuards(machine, { isLate: () => false })
  ),
  host("the answer of the process before is taken for that of the next", ["hostTrusts"], (machine) =>
    withGuards(machine, { isCurrent: ({ context, event }: any) => event.call === context.current })
  ),
  host("who calls a file that could not be loaded hears nothing", ["hostBacksOff"], (machine) =>
    withState(
      machine,
      "broken",
      hearing("CALL", () => ({ actions: [] }))
    )
  ),
  host("who waited for a load in vain hears nothing", ["hostBacksOff"], (machine) =>
    withState(machine, "broken", (state) => ({ ...state, entry: state["entry"][1] }))
  ),
  host("each call loads a broken file again", ["hostBacksOff"], (machine) =>
    withState(
      machine,
      "broken",
      hearing("CALL", () => ({
        target: "alive",
        actions: assign({ waiting: ({ event }: any) => [event.call] })
      }))
    )
  ),
  host("a broken file is always tried again as soon", ["hostBacksOff"], (machine) =>
    withDelay(machine, "ladder", () => 2_000)
  ),
  host("a broken file is never tried again", ["hostRecovers"], (machine) =>
    withState(machine, "broken", (state) => ({ ...state, after: {} }))
  ),
  host("a file that could be loaded is still held to its failures", ["hostBacksOff"], (machine) =>
    withState(
      machine,
      "alive.starting",
      hearing("LOADED", ([late, answer]) => [late, { ...answer, actions: assign({ loaded: true }) }])
    )
  )
]

const LEAVING: ReadonlyArray<Mutant> = [
  host("a call goes on though nobody waits for it", ["hostCancels"], (machine) =>
    withState(
      machine,
      "alive.busy",
      hearing("CANCEL", () => ({ actions: [] }))
    )
  ),
  host("any caller who leaves ends what is performed", ["hostCancels"], (machine) =>
    withState(
      machine,
      "alive.busy",
      hearing("CANCEL", () => "#agentHost.absent")
    )
  ),
  host("what nobody waits for is performed all the same", ["hostOneAtATime"], (machine) =>
    withState(
      machine,
      "alive",
      hearing("CANCEL", () => ({ actions: [] }))
    )
  ),
  host("a host whose file has changed goes on with what waits", ["hostRetires"], (machine) =>
    withState(
      machine,
      "alive",
      hearing("RETIRE", () => ({ actions: assign({ retiring: true }) }))
    )
  ),
  host("a changed file ends the call that is performed", ["hostOneProcess", "hostCostsOne"], (machine) =>
    withState(
      machine,
      "alive.busy",
      hearing("RETIRE", () => ({
        target: "ending",
        actions: assign({ retiring: true, waiting: [] })
      }))
    )
  ),
  host("a changed file is kept as long as others", ["hostRetires"], (machine) =>
    withState(machine, "alive.ready", (state) => ({ ...state, always: [state["always"][1]] }))
  ),
  host("a file that has changed while it was loaded is loaded all the same", ["hostRetires"], (machine) =>
    withState(machine, "alive.starting", (state) => ({ ...state, always: [] }))
  ),
  host("who calls a host that is retiring waits for it", ["hostSettles"], (machine) =>
    withState(
      machine,
      "alive",
      hearing("CALL", ([, other]) => other)
    )
  ),
  host("who calls a retired host hears nothing", ["hostRetires"], (machine) =>
    withState(machine, "retired", (state) => ({ ...state, on: {} }))
  ),
  host("a file that is gone can be called again", ["hostRetires"], (machine) =>
    withState(
      machine,
      "absent",
      hearing("RETIRE", () => ({ actions: [] }))
    )
  )
]

export const AGENT_HOST_MUTANTS: ReadonlyArray<Mutant> = [...CALLS, ...PROCESSES, ...TROUBLE, ...LEAVING]
