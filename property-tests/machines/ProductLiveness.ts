/** Liveness on the product graph: from every state to the next good revision, and no circle in which nobody waits. */
import { ARRIVED, cycleAtOnce, LOADS_OTHER, LOADS_SERVED, reversed, type Graph, type Moves } from "./Graph.ts"
import { ANSWERS, AT_ONCE, HONEST, PLUGIN_KILLS, PLUGIN_REBOOTS, PUBLISHES } from "./ProductOutcomes.ts"
import { applyContext, PARTS } from "./ProductState.ts"

/** What the plugins of every revision do but those of the next good one. */
const PLUGINS = { behave: 0, kill: PLUGIN_KILLS, reboot: PLUGIN_REBOOTS } as const
type PluginsDo = keyof typeof PLUGINS

/** A fair move: nothing goes wrong in it but what the plugins of old revisions do, and they do it before anything else. */
const isFair = (flags: number, bits: number, plugins: PluginsDo, spared: number): boolean => {
  const harm = PLUGINS[plugins]
  const isHarmed = harm !== 0 && (flags & (LOADS_OTHER | LOADS_SERVED) & ~spared) !== 0
  return isHarmed ? (bits & harm) !== 0 : (bits & HONEST) !== 0
}

/** Once the next good revision is served, that is what polls bring; before, no poll has been answered yet. */
const isServing = (bits: number): boolean => (bits & PUBLISHES) === 0 || (bits & AT_ONCE) !== 0
const isSilent = (bits: number): boolean => (bits & (PUBLISHES | ANSWERS)) === 0

/** The states from which admitted moves lead to a goal. */
const closure = (
  { flags, states }: Graph,
  { kinds, others, starts }: Moves,
  goals: (state: number) => boolean,
  admits: (flags: number, bits: number) => boolean
): Uint8Array => {
  const found = new Uint8Array(states)
  const queue: Array<number> = []
  for (let state = 0; state < states; state++) {
    if (!goals(state)) continue
    found[state] = 1
    queue.push(state)
  }
  for (let index = 0; index < queue.length; index++) {
    const state = queue[index] as number
    for (let edge = starts[state] as number; edge < (starts[state + 1] as number); edge++) {
      const source = others[edge] as number
      if (found[source] === 1 || !admits(flags[source] as number, kinds[edge] as number)) continue
      found[source] = 1
      queue.push(source)
    }
  }
  return found
}

/** What liveness came to for one behaviour of the plugins. */
interface Stuck {
  /** States that a poll has just brought the next good revision to, and that never get it promoted. */
  readonly received: ReadonlyArray<number>
  /** States in which no poll ever brings it. */
  readonly deaf: ReadonlyArray<number>
}

/** The states from which fair moves do not lead to the next good revision, promoted. */
const stuckWhen = (graph: Graph, back: Moves, plugins: PluginsDo): Stuck => {
  const { flags, states } = graph
  const { kinds, others, starts } = graph.moves
  const arriving = closure(
    graph,
    back,
    (state) => ((flags[state] as number) & ARRIVED) !== 0,
    (known, bits) => isFair(known, bits, plugins, LOADS_SERVED) && isServing(bits)
  )
  const isPublished = (known: number, bits: number): boolean =>
    (bits & PUBLISHES) !== 0 && isFair(known, bits, plugins, 0)
  const received = new Set<number>()
  const hears = new Uint8Array(states)
  for (let state = 0; state < states; state++) {
    for (let edge = starts[state] as number; edge < (starts[state + 1] as number); edge++) {
      if (!isPublished(flags[state] as number, kinds[edge] as number)) continue
      const target = others[edge] as number
      hears[state] = 1
      if (arriving[target] === 0) received.add(target)
    }
  }
  const heard = closure(
    graph,
    back,
    (state) => hears[state] === 1,
    (known, bits) => isFair(known, bits, plugins, 0) && isSilent(bits)
  )
  const deaf: Array<number> = []
  for (let state = 0; state < states; state++) if (heard[state] === 0) deaf.push(state)
  return { received: [...received], deaf }
}

/** A state in words. */
const wordsFor = (graph: Graph, state: number): string => {
  const columns = graph.columns(state)
  const engine = graph.room.parts.engine(columns[0])
  const { etag } = applyContext(engine).running
  const where = PARTS.map((_, part) => graph.room.parts.name(part, columns[part] as number))
  return `${where.join(" | ")} · runs ${etag ?? "no revision"}, served ${engine.served}`
}

/** How a state was first reached. */
const wayTo = (graph: Graph, state: number): ReadonlyArray<string> => {
  const way: Array<string> = []
  for (let at = state; at >= 0; at = graph.parent(at)) way.unshift(wordsFor(graph, at))
  return way
}

/** A state that never gets the next good revision promoted, in words; null: there is none. */
export const stuckIn = (graph: Graph): string | null => {
  const back = reversed(graph)
  for (const plugins of Object.keys(PLUGINS) as ReadonlyArray<PluginsDo>) {
    const { deaf, received } = stuckWhen(graph, back, plugins)
    const worst = received[0] ?? deaf[0]
    if (worst === undefined) continue
    const counted = `${received.length} states do not get promoted what they received, ${deaf.length} receive nothing`
    return [`where plugins ${plugins}, ${counted}:`, ...wayTo(graph, worst)].join("\n")
  }
  return null
}

/** A circle of moves that nobody waits in, in words; null: there is none. */
export const spinIn = (graph: Graph): string | null => {
  const circle = cycleAtOnce(graph)
  return circle === null ? null : circle.map((state) => wordsFor(graph, state)).join("\n")
}
