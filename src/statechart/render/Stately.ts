/** A statechart as the JSON that `createMachine` takes, and so Stately's tools: code is there by its names alone. */
import type { AnyStateMachine } from "xstate"

/** The configuration of a machine without its code: inline actions are `assign`, inputs and contexts are left out. */
export const statelyOf = (machine: AnyStateMachine): unknown => plain(machine.config, "")

/** What says something only to code. */
const LEFT_OUT = new Set(["context", "input", "types", "output"])

const plain = (value: unknown, key: string): unknown => {
  if (typeof value === "function") return { type: nameOf(value) }
  if (Array.isArray(value)) return value.map((each) => plain(each, key))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      // A state may be called as one of these.
      .filter(
        ([name, each]) => key === "states" || !(LEFT_OUT.has(name) || (name === "params" && typeof each === "function"))
      )
      // What a state must not do is written as `undefined`, which JSON has no word for: it goes nowhere instead.
      .map(([name, each]) => [name, each === undefined && key === "on" ? [] : plain(each, name)])
  )
}

const nameOf = (code: object): string => {
  const { type } = code as { readonly type?: unknown }
  return typeof type === "string" && type !== "" ? type.replace(/^xstate\./, "") : "inline"
}
