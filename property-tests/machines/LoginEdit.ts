/** How wrong versions of DeviceLogin are made: an answer, an input, a task or the start of a flow changed. */
import { assign, type AnyStateMachine } from "xstate"
import type { DeviceLoginContext, HeldToken, LoginFlow, SavedLogin } from "../../machines/index.ts"
import { invokes, mutantOf, withState, type Written } from "./Edit.ts"

export const login = mutantOf("deviceLogin")

export interface In {
  readonly context: DeviceLoginContext
}
export interface WithAnswer extends In {
  readonly event: { readonly output: { readonly token: HeldToken; readonly name: string | null } }
}
type Change = (args: any) => Partial<DeviceLoginContext>

export const begun = (id: string, flow: LoginFlow | null): Partial<DeviceLoginContext> => ({
  flow: {
    id,
    phase: "requesting",
    intervalMs: flow?.intervalMs ?? 5_000,
    lifeMs: flow?.lifeMs ?? 900_000,
    code: null,
    message: null
  },
  candidate: null,
  session: false
})

export const answersOf = (state: Written, on: "onDone" | "onError"): ReadonlyArray<Written> =>
  [state["invoke"][on]].flat()

/** Rewrites one answer of a state's task, by its guard (`""`: the last one, which has none). */
export const onAnswer = (machine: AnyStateMachine, path: string, guard: string, change: (answer: Written) => Written) =>
  withState(machine, path, (state) => {
    if (!answersOf(state, "onDone").some((answer) => (answer["guard"] ?? "") === guard)) {
      throw new Error(`a mutant changes an answer of ${path} that is not there: ${guard}`)
    }
    return invokes(state, {
      onDone: answersOf(state, "onDone").map((answer) => ((answer["guard"] ?? "") === guard ? change(answer) : answer))
    })
  })

/** The facts that an answer leads to, changed once more. */
export const and =
  (change: Change) =>
  (answer: Written): Written => ({ ...answer, actions: [answer["actions"]].flat().concat(assign(change)) })

/** A transition that assigns this and nothing else. */
export const instead =
  (change: Change) =>
  (answer: Written): Written => ({ ...answer, actions: assign(change) })

export const to =
  (target: string) =>
  (answer: Written): Written => ({ ...answer, target })

/** A task whose input says something else. */
export const withInput = (machine: AnyStateMachine, path: string, input: (args: In) => unknown) =>
  withState(machine, path, (state) => invokes(state, { input }))

/** A task that is left out: its state is passed at once. */
export const skipped = (machine: AnyStateMachine, path: string, target: string, actions: ReadonlyArray<unknown> = []) =>
  withState(machine, path, () => ({ always: { target, actions } }))

/** The root's start, with facts of another kind. */
export const begins = (machine: AnyStateMachine, change: Change) =>
  withState(machine, "", (root) => ({
    ...root,
    on: { ...root["on"], START: { ...root["on"].START, actions: [root["on"].START.actions, assign(change)].flat() } }
  }))

/** A start that is taken where it comes, so that what is under way goes on. */
export const begunInPlace = {
  guard: "mayBegin",
  actions: assign(({ context, event }: any) => begun(event.id, context.flow))
}

export const savedOf = ({ account, candidate, flow, session }: DeviceLoginContext): SavedLogin => ({
  flow,
  account,
  candidate,
  session
})
