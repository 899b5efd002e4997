/** Where everything of a picture goes: the layout of a statechart by the layered algorithm of elkjs. */
import { Effect, Schema } from "effect"
import type { ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api.js"
import { statesOf, transitionsOf, type StateOutline, type TransitionOutline } from "./Outline.ts"
import { isDrawn, labelRoom, linesOf, PADDING, roomOf, sidesOf, wordsOf, type Line } from "./Text.ts"

export interface Point {
  readonly x: number
  readonly y: number
}

/** A rectangle, in user units from the picture's upper left corner. */
export interface Box extends Point {
  readonly width: number
  readonly height: number
}

export interface PlacedState extends Box {
  readonly state: StateOutline
  readonly lines: ReadonlyArray<Line>
}

/** A transition's arrow and words. Those that look the same and go the same way share an arrow, with their words in a stack. */
export interface PlacedTransition {
  readonly transition: TransitionOutline
  readonly points: ReadonlyArray<Point>
  readonly words: ReadonlyArray<string>
  readonly label: Box
}

/** The dot that points at the state in which another begins. */
export interface PlacedInitial {
  readonly of: string
  readonly dot: Point
  readonly points: ReadonlyArray<Point>
}

/** An arrow without words between two states: a line in a box inside the first says how the second is reached. */
export interface PlacedWay {
  readonly from: string
  readonly to: string
  readonly points: ReadonlyArray<Point>
}

/** A statechart with places for everything in it; outer states first. */
export interface Layout {
  readonly outline: StateOutline
  readonly width: number
  readonly height: number
  readonly states: ReadonlyArray<PlacedState>
  readonly transitions: ReadonlyArray<PlacedTransition>
  readonly initials: ReadonlyArray<PlacedInitial>
  readonly ways: ReadonlyArray<PlacedWay>
}

/** elkjs could not lay a statechart out. */
export class LayoutFailed extends Schema.TaggedError<LayoutFailed>()("LayoutFailed", { message: Schema.String }) {}

const DOT = 10
const ROOT = "(root)"

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.aspectRatio": "1.4",
  "elk.nodeSize.constraints": "MINIMUM_SIZE",
  "elk.layered.cycleBreaking.strategy": "MODEL_ORDER",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.layered.nodePlacement.strategy": "BRANDES_KOEPF",
  "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
  "elk.layered.spacing.nodeNodeBetweenLayers": "26",
  "elk.layered.spacing.edgeNodeBetweenLayers": "14",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "10",
  "elk.spacing.nodeNode": "26",
  "elk.spacing.edgeNode": "16",
  "elk.spacing.edgeEdge": "12",
  "elk.spacing.edgeLabel": "4",
  "elk.spacing.labelNode": "6",
  "elk.json.shapeCoords": "ROOT",
  "elk.json.edgeCoords": "ROOT"
}

const nodeOf = (state: StateOutline, edges: ReadonlyMap<string, ReadonlyArray<ElkExtendedEdge>>): ElkNode => {
  const { height, width } = roomOf(linesOf(state))
  if (state.states.length === 0) return { id: state.path, width, height }
  const side = PADDING + 6
  const dot: ReadonlyArray<ElkNode> = state.initial === null ? [] : [{ id: dotOf(state), width: DOT, height: DOT }]
  return {
    id: nameOf(state),
    layoutOptions: {
      ...OPTIONS,
      "elk.padding": `[top=${height},left=${side},bottom=${side},right=${side}]`,
      "elk.nodeSize.minimum": `(${width},${height})`
    },
    children: [...dot, ...state.states.map((inner) => nodeOf(inner, edges))],
    edges: [...(edges.get(state.path) ?? [])]
  }
}

const nameOf = ({ path }: StateOutline): string => (path === "" ? ROOT : path)
const dotOf = ({ path }: StateOutline): string => `initial of ${path}`

/** Transitions that share an arrow. */
type Bundle = readonly [TransitionOutline, ...Array<TransitionOutline>]

const lookOf = ({ kind }: TransitionOutline): string => (kind === "after" || kind === "error" ? kind : "plain")

const bundlesOf = (outline: StateOutline): ReadonlyArray<Bundle> => {
  const bundles = new Map<string, Bundle>()
  for (const transition of transitionsOf(outline).filter(isDrawn)) {
    const key = JSON.stringify([transition.source, transition.target, lookOf(transition)])
    const known = bundles.get(key)
    bundles.set(key, known === undefined ? [transition] : [...known, transition])
  }
  return [...bundles.values()]
}

const roomOfBundle = (bundle: Bundle): { readonly width: number; readonly height: number } => {
  const rooms = bundle.map((transition) => labelRoom(wordsOf(transition)))
  return {
    width: Math.max(...rooms.map(({ width }) => width)),
    height: rooms.reduce((sum, { height }) => sum + height, 0)
  }
}

/** Ways between states that no arrow of their own connects. */
const waysOf = (outline: StateOutline): ReadonlyArray<readonly [from: string, to: string]> => {
  const ways = new Map<string, readonly [string, string]>()
  for (const transition of transitionsOf(outline)) {
    const sides = isDrawn(transition) ? null : sidesOf(transition)
    if (sides !== null) ways.set(sides.join(" "), sides)
  }
  for (const { source, target } of transitionsOf(outline).filter(isDrawn)) ways.delete(`${source} ${target}`)
  return [...ways.values()]
}

const wayId = (from: string, to: string): string => `way from ${from} to ${to}`

/** The graph of a statechart as elkjs takes it. */
const graphOf = (outline: StateOutline): ElkNode => {
  const order = new Map(statesOf(outline).map(({ path }, index) => [path, index]))
  const isDown = (source: string, target: string): boolean => (order.get(source) ?? 0) < (order.get(target) ?? 0)
  const edges = new Map<string, Array<ElkExtendedEdge>>()
  const add = (
    source: string,
    target: string,
    priority: string,
    edge: Pick<ElkExtendedEdge, "id" | "labels">
  ): void => {
    const container = target.slice(0, Math.max(target.lastIndexOf("."), 0))
    const layoutOptions = { "elk.layered.priority.direction": priority }
    edges.set(container, [
      ...(edges.get(container) ?? []),
      { sources: [source], targets: [target], layoutOptions, ...edge }
    ])
  }
  for (const state of statesOf(outline)) {
    if (state.initial !== null) add(dotOf(state), state.initial, "100", { id: `${dotOf(state)} edge` })
  }
  for (const bundle of bundlesOf(outline)) {
    const [{ id, source, target }] = bundle
    const labels = [{ id: `${id} label`, text: id, ...roomOfBundle(bundle) }]
    add(source, target ?? "", isDown(source, target ?? "") ? "10" : "0", { id, labels })
  }
  for (const [from, to] of waysOf(outline)) add(from, to, isDown(from, to) ? "10" : "0", { id: wayId(from, to) })
  return nodeOf(outline, edges)
}

const flattened = (node: ElkNode): ReadonlyArray<ElkNode> => [node, ...(node.children ?? []).flatMap(flattened)]

const boxOf = ({ height, width, x, y }: Partial<Box>): Box => ({
  x: x ?? 0,
  y: y ?? 0,
  width: width ?? 0,
  height: height ?? 0
})

const placed = (outline: StateOutline, graph: ElkNode): Layout => {
  const nodes = new Map(flattened(graph).map((node) => [node.id, node]))
  const edges = new Map(flattened(graph).flatMap((node) => (node.edges ?? []).map((edge) => [edge.id, edge])))
  const pointsOf = (id: string): ReadonlyArray<Point> =>
    (edges.get(id)?.sections ?? []).flatMap(({ bendPoints, endPoint, startPoint }) => [
      startPoint,
      ...(bendPoints ?? []),
      endPoint
    ])
  return {
    outline,
    width: graph.width ?? 0,
    height: graph.height ?? 0,
    states: statesOf(outline).map((state) => {
      const node = nodes.get(nameOf(state)) ?? {}
      return { ...boxOf(node), state, lines: linesOf(state) }
    }),
    transitions: bundlesOf(outline).flatMap((bundle) => {
      const [{ id }] = bundle
      const points = pointsOf(id)
      const { width, x, y } = boxOf(edges.get(id)?.labels?.[0] ?? {})
      let top = y
      return bundle.map((transition) => {
        const words = wordsOf(transition)
        const { height } = labelRoom(words)
        const label = { x, y: top, width, height }
        top += height
        return { transition, points, words, label }
      })
    }),
    initials: statesOf(outline).flatMap((state) => {
      if (state.initial === null) return []
      const { x, y } = boxOf(nodes.get(dotOf(state)) ?? {})
      const dot = { x: x + DOT / 2, y: y + DOT / 2 }
      return [{ of: state.path, dot, points: pointsOf(`${dotOf(state)} edge`) }]
    }),
    ways: waysOf(outline).map(([from, to]) => ({ from, to, points: pointsOf(wayId(from, to)) }))
  }
}

/** Lays a statechart out. elkjs is loaded when it is first needed. */
export const layoutOf = Effect.fn("statechart.layout")((outline: StateOutline) =>
  Effect.tryPromise({
    try: () =>
      import("elkjs/lib/elk.bundled.js").then(({ default: elk }) => new elk.default().layout(graphOf(outline))),
    catch: (error) => new LayoutFailed({ message: `elkjs cannot lay out ${outline.name}: ${String(error)}` })
  }).pipe(Effect.map((graph) => placed(outline, graph)))
)
