/** Small wrong changes to charts: a copy of the machine with one state, or one guard, or one wire replaced. */
import type { AnyStateMachine } from "xstate"
import { partsOf, rebuilt } from "../../test/coverage/Definition.ts"
import type { Mutant } from "./Mutant.ts"
import type { Charts, MachineId } from "./World.ts"

/** A state of a chart, as it is written. */
export type Written = Readonly<Record<string, any>>

const at = (state: Written, path: ReadonlyArray<string>, change: (state: Written) => Written): Written => {
  const [head, ...rest] = path
  if (head === undefined) return change(state)
  const inner = (state["states"] as Written | undefined)?.[head] as Written | undefined
  if (inner === undefined) throw new Error(`a mutant changes ${path.join(".")}, and there is no such state`)
  return { ...state, states: { ...state["states"], [head]: at(inner, rest, change) } }
}

/** Rewrites one state; `path` is dotted, empty for the root. */
export const withState = (
  machine: AnyStateMachine,
  path: string,
  change: (state: Written) => Written
): AnyStateMachine => rebuilt(machine, at(partsOf(machine).config, path === "" ? [] : path.split("."), change))

/** Replaces guards by name. */
export const withGuards = (
  machine: AnyStateMachine,
  guards: Readonly<Record<string, (args: any) => boolean>>
): AnyStateMachine => {
  for (const name of Object.keys(guards)) {
    if (!(name in partsOf(machine).guards)) throw new Error(`a mutant replaces the guard ${name}, and there is none`)
  }
  return machine.provide({ guards } as never) as AnyStateMachine
}

/** Replaces a delay by name. */
export const withDelay = (machine: AnyStateMachine, name: string, delay: (args: any) => number): AnyStateMachine =>
  machine.provide({ delays: { [name]: delay } } as never) as AnyStateMachine

/** The room's machines with one of them changed. */
export const changed = (
  charts: Charts,
  id: MachineId,
  change: (machine: AnyStateMachine) => AnyStateMachine
): Charts => {
  const chart = charts[id]
  if (chart === undefined) throw new Error(`there is no machine ${id} to change`)
  return { ...charts, [id]: { ...chart, machine: change(chart.machine) } }
}

/** A state that invokes its task otherwise. */
export const invokes = (state: Written, change: Written): Written => ({
  ...state,
  invoke: { ...state["invoke"], ...change }
})

/** A mutant of one machine, made from a change to it. */
export const mutantOf =
  (machine: MachineId) =>
  (name: string, killedBy: Mutant["killedBy"], change: (machine: AnyStateMachine) => AnyStateMachine): Mutant => ({
    name,
    machine,
    killedBy,
    apply: (charts) => changed(charts, machine, change)
  })
