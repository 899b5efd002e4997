import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { catalogue } from "../../../machines/index.ts"
import { type Box, type Layout, layoutOf, type Point } from "../../../src/statechart/render/Layout.ts"
import { outlineOf, statesOf, titleOf, transitionsOf } from "../../../src/statechart/render/Outline.ts"
import { isDrawn, roomOf } from "../../../src/statechart/render/Text.ts"

/** A piece of text, and whose it is. */
interface Words extends Box {
  readonly of: string
}

const inner = ({ height, width, x, y }: Box, by = 1): Box => ({
  x: x + by,
  y: y + by,
  width: width - 2 * by,
  height: height - 2 * by
})

const meet = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height

const contains = (outer: Box, { height, width, x, y }: Box): boolean =>
  x >= outer.x && y >= outer.y && x + width <= outer.x + outer.width && y + height <= outer.y + outer.height

/** The text of states stands at the top of their boxes, that of transitions at their arrows. */
const wordsIn = ({ states, transitions }: Layout): ReadonlyArray<Words> => [
  ...states.map(({ lines, state, x, y }) => ({ x, y, ...roomOf(lines), of: titleOf(state.path) })),
  ...transitions.map(({ label, transition }) => ({ ...label, of: transition.id }))
]

const segmentsOf = (points: ReadonlyArray<Point>): ReadonlyArray<Box> =>
  points.slice(1).flatMap((to, index) => {
    const from = points[index]
    if (from === undefined) return []
    const [x, y] = [Math.min(from.x, to.x), Math.min(from.y, to.y)]
    return [{ x, y, width: Math.abs(from.x - to.x), height: Math.abs(from.y - to.y) }]
  })

const arrowsIn = ({ initials, transitions, ways }: Layout) => [
  ...transitions.map(({ points, transition }) => ({ of: transition.id, points })),
  ...initials.map(({ of, points }) => ({ of: `initial of ${of}`, points })),
  ...ways.map(({ from, points, to }) => ({ of: `${from} to ${to}`, points }))
]

describe.each(catalogue.map(({ id, machine }) => [id, outlineOf(machine)] as const))(
  "the picture of %s",
  (_, outline) => {
    const layout = Effect.runPromise(layoutOf(outline))

    it("has a place for every state and every arrow", async () => {
      const { initials, states, transitions } = await layout
      expect(states.map(({ state }) => state.path)).toEqual(statesOf(outline).map(({ path }) => path))
      expect(transitions.map(({ transition }) => transition.id).sort()).toEqual(
        transitionsOf(outline)
          .filter(isDrawn)
          .map(({ id }) => id)
          .sort()
      )
      for (const { points } of [...transitions, ...initials]) expect(points.length).toBeGreaterThan(1)
    })

    it("cuts no text off", async () => {
      const { height, states, transitions, width } = await layout
      const frame = { x: 0, y: 0, width, height }
      const cut = [
        ...states.filter((state) => !contains(inner(state, -0.01), { ...state, ...roomOf(state.lines) })),
        ...transitions.filter(({ label }) => !contains(frame, label))
      ]
      expect(cut).toEqual([])
    })

    it("keeps texts apart, and arrows off them", async () => {
      const words = wordsIn(await layout)
      const overlaps = words.flatMap((one, index) =>
        words
          .slice(index + 1)
          .filter((other) => meet(inner(one), inner(other)))
          .map((other) => `${one.of} / ${other.of}`)
      )
      const crossings = arrowsIn(await layout).flatMap(({ of, points }) =>
        segmentsOf(points).flatMap((segment) =>
          words.filter((text) => meet(segment, inner(text))).map((text) => `${of} through ${text.of}`)
        )
      )
      expect({ overlaps, crossings }).toEqual({ overlaps: [], crossings: [] })
    })
  }
)
