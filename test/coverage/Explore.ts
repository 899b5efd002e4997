/**
 * A bounded search over generated moves that takes every transition of a chart and hears every answer of its guards.
 *
 * Cheapest first, so that the path kept for a transition is one of few and likely moves; two situations with the same
 * key are one.
 */
import type { AnyStateMachine } from "xstate"
import { definitionOf, instrumented, type Definition } from "./Definition.ts"

/** One thing that can happen next. */
export interface Move<S> {
  readonly label: string
  readonly play: () => S
  /** How unlikely it is; the search prefers cheap paths. */
  readonly cost: number
}

/** What a machine is explored with: its beginnings, what can happen in a situation, and when two are the same. */
export interface Moves<S> {
  readonly begin: (machine: AnyStateMachine) => ReadonlyArray<Move<S>>
  readonly next: (situation: S) => ReadonlyArray<Move<S>>
  readonly key: (situation: S) => string
  /** Situations that are looked at, at most. */
  readonly bound: number
}

/** What the search found. A path is the labels of its moves. */
export interface Exploration {
  readonly definition: Definition
  readonly paths: ReadonlyMap<string, ReadonlyArray<string>>
  readonly outcomes: ReadonlyMap<string, { readonly true: boolean; readonly false: boolean }>
  /** Pairs of transitions that were taken one right after the other. */
  readonly pairs: ReadonlySet<string>
  readonly situations: number
}

interface Node<S> {
  readonly situation: S
  readonly label: string
  readonly parent: Node<S> | null
  readonly cost: number
  readonly last: string | null
}

const pathOf = (node: Node<unknown> | null): ReadonlyArray<string> => {
  const path: Array<string> = []
  for (let current = node; current !== null; current = current.parent) path.push(current.label)
  return path.reverse()
}

const cheapest = <S>(queue: Map<number, Array<Node<S>>>): Node<S> | undefined => {
  const cost = Math.min(...queue.keys())
  const equals = queue.get(cost)
  const node = equals?.shift()
  if (equals?.length === 0) queue.delete(cost)
  return node
}

/** A situation that came about by a transition never taken before is looked at that much sooner. */
const NEWS = 0

/** Explores a chart until everything is covered and no move is left within the bound. */
export const explore = <S>(machine: AnyStateMachine, moves: Moves<S>): Exploration => {
  const definition = definitionOf(machine)
  const paths = new Map<string, ReadonlyArray<string>>()
  const outcomes = new Map<string, { true: boolean; false: boolean }>()
  const pairs = new Set<string>()
  let taken: Array<string> = []
  const recorded = instrumented(machine, {
    taken: (id) => void taken.push(id),
    asked: (id, outcome) => {
      const known = outcomes.get(id) ?? { true: false, false: false }
      known[outcome ? "true" : "false"] = true
      outcomes.set(id, known)
    }
  })
  const guarded = definition.transitions.filter((transition) => transition.guard !== null)
  const isComplete = (): boolean =>
    paths.size === definition.transitions.length &&
    guarded.every(({ id }) => outcomes.get(id)?.true === true && outcomes.get(id)?.false === true)

  const seen = new Set<string>()
  const finished = (): Exploration => ({ definition, paths, outcomes, pairs, situations: seen.size })
  const queue = new Map<number, Array<Node<S>>>()
  const visit = (parent: Node<S> | null, move: Move<S>): void => {
    taken = []
    const situation = move.play()
    const last = taken.at(-1) ?? parent?.last ?? null
    const isNews = taken.some((id) => !paths.has(id))
    const cost = Math.max(0, (parent?.cost ?? 0) + (isNews ? -NEWS : move.cost))
    const node: Node<S> = { situation, label: move.label, parent, cost, last }
    let before = parent?.last ?? null
    for (const id of taken) {
      if (before !== null) pairs.add(`${before} → ${id}`)
      before = id
      if (!paths.has(id)) paths.set(id, pathOf(node))
    }
    const key = moves.key(situation)
    if (seen.has(key)) return
    seen.add(key)
    const equals = queue.get(cost)
    if (equals === undefined) queue.set(cost, [node])
    else equals.push(node)
  }
  for (const move of moves.begin(recorded)) visit(null, move)
  let looked = 0
  for (let node = cheapest(queue); node !== undefined && looked < moves.bound; node = cheapest(queue)) {
    looked++
    if (isComplete()) break
    for (const move of moves.next(node.situation)) visit(node, move)
  }
  return finished()
}

/** What is missing for full coverage, as sentences. */
export const missing = ({ definition, outcomes, paths }: Exploration): ReadonlyArray<string> =>
  definition.transitions.flatMap(({ guard, id }) => {
    const known = outcomes.get(id)
    return [
      ...(paths.has(id) ? [] : [`${id}: never taken`]),
      ...(guard === null || known?.true === true ? [] : [`${id}: ${guard} was never true`]),
      ...(guard === null || known?.false === true ? [] : [`${id}: ${guard} was never false`])
    ]
  })
