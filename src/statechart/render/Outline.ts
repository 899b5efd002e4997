/** What a statechart consists of, as plain data in the order of its definition: what pictures and texts are made from. */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from "xstate"
import { transitionName } from "../Taken.ts"

/** Where a transition stands in the definition. */
export type TransitionKind = "on" | "always" | "after" | "done" | "error"

/** One transition; a picture draws it from `source` to `target`. */
export interface TransitionOutline {
  /** Its source, its event and its place among the transitions of that event: the name that coverage knows it by. */
  readonly id: string
  /** Dotted path; empty for the whole machine. */
  readonly source: string
  readonly kind: TransitionKind
  /** The event in words, such as `BEGIN`, `after retry`, `loadIdentity done`. */
  readonly event: string
  readonly guard: string | null
  readonly actions: ReadonlyArray<string>
  /** Dotted path; null when the state stays what it is. */
  readonly target: string | null
}

/** One state and what is in it. */
export interface StateOutline {
  /** Dotted path; empty for the whole machine. */
  readonly path: string
  readonly name: string
  readonly type: "atomic" | "compound" | "parallel" | "final" | "history"
  readonly description: string | null
  readonly tags: ReadonlyArray<string>
  readonly entry: ReadonlyArray<string>
  readonly exit: ReadonlyArray<string>
  /** The tasks that run while it is active. */
  readonly invokes: ReadonlyArray<string>
  /** Path of the state that it begins in. */
  readonly initial: string | null
  readonly transitions: ReadonlyArray<TransitionOutline>
  readonly states: ReadonlyArray<StateOutline>
}

/** The outline of a machine. */
export const outlineOf = (machine: AnyStateMachine): StateOutline => stateOf(machine.root)

/** Every state of an outline, outer ones first. */
export const statesOf = (state: StateOutline): ReadonlyArray<StateOutline> => [state, ...state.states.flatMap(statesOf)]

/** Every transition of an outline, in order. */
export const transitionsOf = (state: StateOutline): ReadonlyArray<TransitionOutline> =>
  statesOf(state).flatMap(({ transitions }) => transitions)

/** A state's name for people and for coverage: the whole machine is `(root)`. */
export const titleOf = (path: string): string => (path === "" ? "(root)" : path)

const listOf = <T>(value: T | ReadonlyArray<T> | undefined): ReadonlyArray<T> =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

const pathOf = (node: AnyStateNode): string => node.path.join(".")

const stateOf = (node: AnyStateNode): StateOutline => {
  const [initial] = node.type === "compound" ? (node.initial.target ?? []) : []
  return {
    path: pathOf(node),
    name: node.path.length === 0 ? node.machine.id : node.key,
    type: node.type,
    description: node.description ?? null,
    tags: [...node.tags],
    // As written: the state node itself also arms and cancels its timers on the way in and out.
    entry: namesOf(listOf(node.config.entry)),
    exit: namesOf(listOf(node.config.exit)),
    invokes: node.invoke.map(({ src }) => String(src)),
    initial: initial === undefined ? null : pathOf(initial),
    transitions: transitionsIn(node),
    states: Object.values(node.states).map(stateOf)
  }
}

const transitionsIn = (node: AnyStateNode): ReadonlyArray<TransitionOutline> => {
  const { after, always, invoke, on } = node.config
  const of = (kind: TransitionKind, event: string, written: unknown, type: string): ReadonlyArray<TransitionOutline> =>
    written === undefined && kind !== "on" ? [] : listed(node, kind, event, node.transitions.get(type) ?? [])
  const tasks = listOf(invoke)
  return [
    ...Object.entries(on ?? {}).flatMap(([event, written]) => of("on", event, written, event)),
    ...Object.entries(after ?? {}).flatMap(([delay, written]) =>
      of("after", `after ${delay}`, written, `xstate.after.${delay}.${node.id}`)
    ),
    ...(always === undefined ? [] : listed(node, "always", "always", node.always ?? [])),
    ...node.invoke.flatMap(({ id, src }, index) => [
      ...of("done", `${String(src)} done`, tasks[index]?.onDone, `xstate.done.actor.${id}`),
      ...of("error", `${String(src)} failed`, tasks[index]?.onError, `xstate.error.actor.${id}`)
    ])
  ]
}

const listed = (
  node: AnyStateNode,
  kind: TransitionKind,
  event: string,
  definitions: ReadonlyArray<AnyTransitionDefinition>
): ReadonlyArray<TransitionOutline> =>
  definitions.map((definition) => {
    const { actions, guard, target } = definition
    const [first] = target ?? []
    return {
      id: transitionName(definition),
      source: pathOf(node),
      kind,
      event,
      guard: guard === undefined ? null : nameOf(guard),
      actions: namesOf(actions),
      target: first === undefined ? null : pathOf(first)
    }
  })

/** Named actions; what only changes the context is `assign`. */
const namesOf = (actions: ReadonlyArray<unknown>): ReadonlyArray<string> => actions.map(nameOf)

const nameOf = (action: unknown): string => {
  if (typeof action === "string") return action
  const { type } = action as { readonly type?: string }
  return type === undefined || type === "" ? "inline" : type.replace(/^xstate\./, "")
}
