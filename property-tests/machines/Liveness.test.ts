import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { options, runs } from "../Options.ts"
import { CHECKS } from "./Checks.ts"
import { enumerated } from "./Graph.ts"
import { spinIn, stuckIn } from "./ProductLiveness.ts"
import { fateOf, PRODUCT_MUTANTS } from "./ProductMutants.ts"
import { Room } from "./ProductRoom.ts"
import { lived, shadowOf } from "./ProductShadow.ts"
import { PARTS, WINDOWS } from "./ProductState.ts"
import { begin, CHARTS, stateIn } from "./World.ts"

const PATIENCE = 1_200_000
const EVERYTHING = { gaps: true, operators: true, joins: true } as const
const room = new Room(CHARTS, EVERYTHING)

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

  it(
    "a machine room with real times, names and counts never leaves that graph",
    () => {
      const graph = enumerated(room, { mishaps: 0, states: Infinity })
      const known = new Set<string>()
      for (let state = 0; state < graph.states; state++) known.add(graph.row(state).slice(0, 4).join())
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
      const calm = new Room(CHARTS, { gaps: true, operators: false, joins: false })
      enumerated(calm, { mishaps: 0, states: Infinity })
      const fates = PRODUCT_MUTANTS.map((mutant) => ({ ...mutant, fate: fateOf(mutant, calm) }))
      for (const { breaks, fate, machine, name } of fates) {
        console.log(`${fate === null ? "ALIVE " : "killed"} ${machine} ${breaks}: ${name}`)
      }
      expect(fates.filter(({ fate }) => fate === null).map(({ name }) => name)).toEqual([])
    },
    PATIENCE
  )
})
