import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { options, runs } from "../Options.ts"
import { CHECKS } from "./Checks.ts"
import { enumerated } from "./Graph.ts"
import { spinIn, stuckIn } from "./ProductLiveness.ts"
import { fateOf, PRODUCT_MUTANTS } from "./ProductMutants.ts"
import { Room, type Columns, type Found } from "./ProductRoom.ts"
import { lived, shadowOf } from "./ProductShadow.ts"
import { PARTS, WINDOWS } from "./ProductState.ts"
import { begin, CHARTS, stateIn } from "./World.ts"

const PATIENCE = 1_200_000
const EVERYTHING = { gaps: true, operators: true, joins: true } as const
const room = new Room(CHARTS, EVERYTHING)

const textOf = (columns: Columns, order: number): string => `${columns.join()} ${order}`

/** The moves from a state, asked of the room itself: by what they lead to, what kind of move it is. */
const asked = (columns: Columns, order: number): ReadonlyMap<string, number> => {
  const moves = new Map<string, number>()
  const found: Found = (to, armed, bits) => {
    for (const next of room.orders.next(order, to, armed)) {
      const target = textOf(to, next)
      moves.set(target, (moves.get(target) ?? 0) | bits)
    }
  }
  room.happens(columns, found)
  const first = room.orders.first(order)
  if (first !== undefined) room.fires(columns, first, found)
  return moves
}

describe("from every state the next good revision is received and promoted", () => {
  it("after arbitrary histories", () => {
    expect(CHECKS.recovers.find(CHARTS, options())).toBeNull()
  })

  it(
    "on the whole product of the machines, and in no circle of it nobody waits",
    () => {
      // A mishap: a failed task, a bad revision, a gap, an operator's command, a new join. Kills are counted nowhere.
      const mishaps = runs > 200 ? 2 : 1
      const graph = enumerated(room, { mishaps, states: Infinity })
      const { edges, levels, states } = graph
      console.log(
        `liveness: ${states} states and ${edges} moves of Join × ConfigPull × ConfigApply × Daemon, whole for ways with ` +
          `any number of kills and at most ${mishaps} mishaps (by mishaps: ${levels.join(" + ")})`
      )
      expect(stuckIn(graph)).toBeNull()
      expect(spinIn(graph)).toBeNull()
      expect(states).toBeGreaterThan(1_000_000)
    },
    PATIENCE
  )

  it("in a graph that has each state once, and each move that the machines make from it", () => {
    // Far enough that many states are first found by a mishap, from several sides.
    const graph = enumerated(room, { mishaps: 1, states: 100_000 })
    const { kinds, others, starts } = graph.moves
    const states = Array.from({ length: graph.states }, (_, state) => textOf(graph.columns(state), graph.order(state)))
    expect(new Set(states).size).toBe(graph.states)
    let moves = 0
    for (let state = 0; state < graph.states; state++) {
      const made = asked(graph.columns(state), graph.order(state))
      moves += made.size
      for (let edge = starts[state] as number; edge < (starts[state + 1] as number); edge++) {
        const isMade = made.get(states[others[edge] as number] as string) === kinds[edge]
        if (!isMade)
          throw new Error(`${states[state]} has a move to ${states[others[edge] as number]} that is not made`)
      }
    }
    expect(moves).toBe(graph.edges)
  })

  it(
    "a machine room with real times, names and counts never leaves that graph",
    () => {
      const graph = enumerated(room, { mishaps: 0, states: Infinity })
      const known = new Set<string>()
      for (let state = 0; state < graph.states; state++) known.add(graph.columns(state).join())
      const met = new Set<string>()
      fc.assert(
        fc.property(fc.array(fc.nat(), { minLength: 150, maxLength: 250, size: "max" }), (choices) => {
          let world = begin(CHARTS, { windows: WINDOWS })
          for (const choice of choices) {
            const columns = room.met(shadowOf(world)).join()
            met.add(columns)
            if (!known.has(columns)) throw new Error(PARTS.map((machine) => stateIn(world, machine)).join(" | "))
            world = lived(world, choice)
          }
        }),
        options()
      )
      console.log(`liveness: ${met.size} of these states met by ${runs} walks`)
      expect(met.size).toBeGreaterThan(1_000)
    },
    PATIENCE
  )

  it(
    "not of machines that forget to, or that do not wait",
    () => {
      const calm = new Room(CHARTS, { gaps: true, operators: false, joins: false }, room)
      const fates = PRODUCT_MUTANTS.map((mutant) => ({ ...mutant, fate: fateOf(mutant, calm) }))
      for (const { breaks, fate, machine, name } of fates) {
        console.log(`${fate === null ? "ALIVE " : "killed"} ${machine} ${breaks}: ${name}`)
      }
      expect(fates.filter(({ fate }) => fate === null).map(({ name }) => name)).toEqual([])
    },
    PATIENCE
  )
})
