/**
 * What a chart consists of, enumerated from its definition, and a copy of the chart that tells which of it was used.
 */
import { createMachine, type AnyStateMachine } from "xstate"

/** Where a transition comes from in the definition. */
export type TransitionKind = "on" | "always" | "after" | "done" | "error"

/** One transition of a chart: `id` is its source, its event and its place among the transitions of that event. */
export interface TransitionRecord {
  readonly id: string
  readonly source: string
  readonly kind: TransitionKind
  readonly event: string
  readonly guard: string | null
  readonly target: string | null
}

/** Everything in a chart that can be covered. */
export interface Definition {
  readonly states: ReadonlyArray<string>
  readonly transitions: ReadonlyArray<TransitionRecord>
}

/** Learns which transitions were taken, and what each guard answered when it was asked. */
export interface Recorder {
  readonly taken: (id: string) => void
  readonly asked: (id: string, outcome: boolean) => void
}

type Guard = (args: unknown, params: unknown) => boolean
type Config = Readonly<Record<string, unknown>>

const asRecord = (value: unknown): Config => (typeof value === "object" && value !== null ? (value as Config) : {})

const asList = (value: unknown): ReadonlyArray<unknown> =>
  value === undefined ? [undefined] : Array.isArray(value) ? value : [value]

/** The configuration that a machine was made from, and its implementations, as plain data. */
export const partsOf = (machine: AnyStateMachine): { readonly config: Config; readonly guards: Config } => ({
  config: asRecord(machine.config),
  guards: asRecord(machine.implementations.guards)
})

/** A machine of the same implementations over another configuration. */
export const rebuilt = (machine: AnyStateMachine, config: Config): AnyStateMachine =>
  createMachine(config as never, machine.implementations as never) as AnyStateMachine

const guardName = (transition: Config, id: string): string | null => {
  const guard = transition["guard"]
  if (guard === undefined) return null
  if (typeof guard === "string") return guard
  throw new Error(`${id}: a guard is a name, so that pictures, coverage and people can tell it`)
}

const recordOf = (
  source: string,
  kind: TransitionKind,
  event: string,
  index: number,
  count: number,
  written: unknown
): TransitionRecord => {
  const transition = typeof written === "string" ? { target: written } : asRecord(written)
  const id = `${source} · ${event}${count > 1 ? ` #${index + 1}` : ""}`
  const target = transition["target"]
  return {
    id,
    source,
    kind,
    event,
    guard: guardName(transition, id),
    target: target === undefined ? null : String(target)
  }
}

interface Visit {
  readonly record: TransitionRecord
  readonly written: unknown
}

const invokesOf = (state: Config): ReadonlyArray<Config> =>
  state["invoke"] === undefined ? [] : asList(state["invoke"]).map(asRecord)

const copy = (state: Config, path: string, rewrite: (visit: Visit) => unknown): Config => {
  const source = path === "" ? "(root)" : path
  const rewriteAll = (kind: TransitionKind, event: string, written: unknown): ReadonlyArray<unknown> => {
    const list = asList(written)
    return list.map((one, index) =>
      rewrite({ record: recordOf(source, kind, event, index, list.length, one), written: one })
    )
  }
  const each = (kind: TransitionKind, written: unknown): Config =>
    Object.fromEntries(
      Object.entries(asRecord(written)).map(([event, one]) => [
        event,
        rewriteAll(kind, kind === "after" ? `after ${event}` : event, one)
      ])
    )
  const next: Record<string, unknown> = { ...state }
  if (state["on"] !== undefined) next["on"] = each("on", state["on"])
  if (state["after"] !== undefined) next["after"] = each("after", state["after"])
  if (state["always"] !== undefined) next["always"] = rewriteAll("always", "always", state["always"])
  if (state["invoke"] !== undefined) {
    next["invoke"] = invokesOf(state).map((invoke) => ({
      ...invoke,
      ...(invoke["onDone"] === undefined
        ? {}
        : { onDone: rewriteAll("done", `${String(invoke["src"])} done`, invoke["onDone"]) }),
      ...(invoke["onError"] === undefined
        ? {}
        : { onError: rewriteAll("error", `${String(invoke["src"])} failed`, invoke["onError"]) })
    }))
  }
  if (state["states"] !== undefined) {
    next["states"] = Object.fromEntries(
      Object.entries(asRecord(state["states"])).map(([key, inner]) => [
        key,
        copy(asRecord(inner), path === "" ? key : `${path}.${key}`, rewrite)
      ])
    )
  }
  return next
}

const stateNames = (state: Config, path: string): ReadonlyArray<string> =>
  Object.entries(asRecord(state["states"])).flatMap(([key, inner]) => {
    const name = path === "" ? key : `${path}.${key}`
    return [name, ...stateNames(asRecord(inner), name)]
  })

/** Enumerates the states and transitions of a chart from its definition. */
export const definitionOf = (machine: AnyStateMachine): Definition => {
  const transitions: Array<TransitionRecord> = []
  const { config } = partsOf(machine)
  copy(config, "", ({ record, written }) => {
    transitions.push(record)
    return written
  })
  return { states: stateNames(config, ""), transitions }
}

/** The type of the action that an instrumented chart has on every transition. */
const TAKEN = "coverage.taken"

/**
 * The same chart, with one more action on every transition and every guard wrapped: it decides exactly as the
 * original does, and tells the recorder which transitions it takes, in order, and what its guards answer.
 */
export const instrumented = (machine: AnyStateMachine, recorder: Recorder): AnyStateMachine => {
  const { config, guards } = partsOf(machine)
  return rebuilt(
    machine,
    copy(config, "", ({ record, written }) => {
      const transition = typeof written === "string" ? { target: written } : asRecord(written)
      const actions = transition["actions"] === undefined ? [] : asList(transition["actions"])
      const guard = record.guard === null ? undefined : (guards[record.guard] as Guard)
      const taken = { type: TAKEN, params: () => recorder.taken(record.id) }
      return {
        ...transition,
        actions: [taken, ...actions],
        ...(guard === undefined
          ? {}
          : {
              guard: (args: unknown, params: unknown): boolean => {
                const outcome = guard(args, params)
                recorder.asked(record.id, outcome)
                return outcome
              }
            })
      }
    })
  )
}
