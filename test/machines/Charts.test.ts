import type { AnyStateMachine } from "xstate"
import { describe, expect, it } from "vitest"
import { catalogue } from "../../machines/index.ts"
import { definitionOf } from "../coverage/Definition.ts"

type Written = Readonly<Record<string, any>>

/** Every state of a chart as it is written, by its dotted path. */
const statesOf = (state: Written, path = ""): ReadonlyArray<readonly [path: string, state: Written]> =>
  Object.entries((state["states"] ?? {}) as Written).flatMap(([key, inner]) => {
    const name = path === "" ? key : `${path}.${key}`
    return [[name, inner as Written] as const, ...statesOf(inner as Written, name)]
  })

const invokesOf = (state: Written): ReadonlyArray<Written> =>
  state["invoke"] === undefined ? [] : [state["invoke"]].flat()

/** A state that is left as soon as it is entered decides; its guards say what. */
const isPassing = (state: Written): boolean => {
  const last = [state["always"] ?? []].flat().at(-1)
  return state["states"] === undefined && last !== undefined && (typeof last === "string" || last.guard === undefined)
}

describe.each(catalogue.map(({ id, machine }) => [id, machine as AnyStateMachine] as const))("%s", (id, machine) => {
  const states = statesOf(machine.config as Written)

  it("is named as the catalogue names it", () => {
    expect(machine.id).toBe(id)
  })

  it("goes on after each end and each failure of its tasks", () => {
    const open = states.flatMap(([path, state]) =>
      invokesOf(state).flatMap((invoke) =>
        invoke["onDone"] === undefined || invoke["onError"] === undefined ? [`${path}: ${invoke["src"]}`] : []
      )
    )
    expect(open).toEqual([])
  })

  it("ends its answers to every result with one that has no guard", () => {
    const open = states.flatMap(([path, state]) =>
      invokesOf(state).flatMap((invoke) =>
        [invoke["onDone"], invoke["onError"]]
          .map((answers) => [answers].flat().at(-1))
          .filter((last) => typeof last !== "string" && last.guard !== undefined)
          .map(() => path)
      )
    )
    expect(open).toEqual([])
  })

  it("never reaches a final state", () => {
    expect(states.filter(([, state]) => state["type"] === "final").map(([path]) => path)).toEqual([])
  })

  it("says of every state in which it rests or works what that is", () => {
    const silent = states.filter(([, state]) => state["description"] === undefined && !isPassing(state))
    expect(silent.map(([path]) => path)).toEqual([])
  })

  it("says what it is for", () => {
    expect(machine.config.description).toMatch(/\w/)
  })

  it("uses names alone for guards, actions, tasks and delays, and declares all of them", () => {
    const { actions, actors, delays, guards } = machine.implementations
    const declared = (group: unknown): ReadonlySet<string> => new Set(Object.keys(group as object))
    const used = definitionOf(machine).transitions.flatMap(({ guard }) => (guard === null ? [] : [guard]))
    expect(used.filter((name) => !declared(guards).has(name))).toEqual([])
    const sources = states.flatMap(([, state]) => invokesOf(state).map((invoke) => String(invoke["src"])))
    expect(sources.filter((name) => !declared(actors).has(name))).toEqual([])
    const waits = states.flatMap(([, state]) => Object.keys((state["after"] ?? {}) as Written))
    expect(waits.filter((name) => !declared(delays).has(name))).toEqual([])
    const done = states.flatMap(([, state]) => actionNames(state))
    expect(done.filter((name) => !declared(actions).has(name))).toEqual([])
  })

  it("declares no guard, action, task or delay that it does not use", () => {
    const { actions, actors, delays, guards } = machine.implementations
    const all: ReadonlyArray<readonly [path: string, state: Written]> = [["", machine.config as Written], ...states]
    const written = JSON.stringify(
      all.map(([, { states: _inner, ...state }]) => [state, actionNames(state)]),
      (_, value: unknown) => (typeof value === "function" ? undefined : value)
    )
    const unused = [actions, actors, delays, guards]
      .flatMap((group) => Object.keys(group as object))
      .filter((name) => !written.includes(`"${name}"`))
    expect(unused).toEqual([])
  })
})

/** The names of the actions that a state and its transitions perform; assignments have none. */
const actionNames = (state: Written): ReadonlyArray<string> => {
  const transitions = [
    ...Object.values((state["on"] ?? {}) as Written),
    ...Object.values((state["after"] ?? {}) as Written),
    state["always"],
    ...invokesOf(state).flatMap((invoke) => [invoke["onDone"], invoke["onError"]])
  ].flat()
  return [state["entry"], state["exit"], ...transitions.map((transition) => transition?.actions)]
    .flat()
    .flatMap((action) => {
      const name: unknown = typeof action === "string" ? action : action?.type
      return typeof name === "string" && !name.startsWith("xstate.") ? [name] : []
    })
}
